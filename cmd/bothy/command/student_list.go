package command

import (
	"context"
	"flag"

	"github.com/bothylabs/bothy/service/client"
)

// studentList is `bothy student list`.
type studentList struct {
	env    *Env
	list   listFlags
	remote remoteFlags
	output output

	withdrawn choice
}

func (*studentList) doc() doc {
	return doc{
		args:     []string{"<cohort>"},
		synopsis: "List the students of a cohort",
		text: `
Lists the students of a cohort, those who are withdrawn among them, in the order
of their enrolment where no other is asked for.
`,
		examples: []example{
			{"Who is enrolled", "bothy student list -withdrawn=false -sort name fall-26"},
			{"Their addresses alone, for a script", "bothy student list -t '{{ range . }}{{ .email }}{{ \"\\n\" }}{{ end }}' fall-26"},
		},
	}
}

func (c *studentList) flags(f *flags) {
	c.list.flags(f, "created_at", "name", "email", "updated_at")
	f.group("Options", func(set *flag.FlagSet) {
		set.Var(&c.withdrawn, "withdrawn", "Show only the students who are withdrawn, or with -withdrawn=false only those who are not.")
	})
	c.remote.flags(f)
	c.output.flags(f)
}

func (c *studentList) run(ctx context.Context, args []string) error {
	options, err := c.list.options()
	if err != nil {
		return err
	}
	s, err := c.remote.connect(c.env)
	if err != nil {
		return err
	}
	students, err := client.Collect(s.AllStudents(ctx, args[0], client.StudentFilter{ListOptions: options, Withdrawn: c.withdrawn.wanted}))
	if err != nil {
		return err
	}
	return c.output.show(c.env, students, func() {
		if len(students) == 0 {
			if c.list.search != "" || c.withdrawn.wanted != nil {
				c.env.UI.Output("No such students.")
				return
			}
			c.env.UI.Output("No students. Enroll some with: bothy roster import")
			return
		}
		t := newTable("STUDENT", "EMAIL", "ENROLLED", "WITHDRAWN").optional(2)
		for _, student := range students {
			withdrawn := "-"
			if student.WithdrawnAt != nil {
				withdrawn = date(*student.WithdrawnAt)
			}
			t.add(student.Name, student.Email, date(student.CreatedAt), withdrawn)
		}
		c.env.show(t)
	})
}
