package command

import (
	"context"
	"flag"
	"fmt"

	"github.com/bothylabs/bothy/service/client"
)

// classCreate is `bothy class create`.
type classCreate struct {
	env    *Env
	remote remoteFlags
	output output
	params params
	write  writeFlags

	cohort, course, template, roster string
}

func (*classCreate) doc() doc {
	return doc{
		synopsis: "Create a class: a cohort that takes a course",
		text: `
Creates a class in one step, with what it needs: a cohort that does not exist
yet, a course that does not exist yet (from -template and its parameters), and
the students of a roster. Either all of it is created, or nothing.

The roster is a CSV file whose first line names its columns; "name" and "email"
are needed. Students are matched by e-mail, so that importing twice is safe.
`,
		examples: []example{
			{"A class of a new cohort in a new course", "bothy class create -cohort \"Fall 26\" -course py101 \\\n    -template code-server-exec -var memory=2048 -roster students.csv"},
			{"The same course for another cohort", "bothy class create -cohort \"Spring 27\" -course py101 -roster spring.csv"},
		},
	}
}

func (c *classCreate) flags(f *flags) {
	f.group("Options", func(set *flag.FlagSet) {
		set.StringVar(&c.cohort, "cohort", "", "`Name` or key of the cohort; a new name makes a new cohort. Needed.")
		set.StringVar(&c.course, "course", "", "`Name` or key of the course; a new name makes a new course. Needed.")
		set.StringVar(&c.template, "template", "", "`Name` of the template of a new course.")
		set.StringVar(&c.roster, "roster", "", "CSV `file` of the students to enroll; \"-\" reads standard input.")
	})
	c.params.flags(f)
	c.write.flags(f)
	c.remote.flags(f)
	c.output.flags(f)
}

func (c *classCreate) run(ctx context.Context, _ []string) error {
	switch {
	case c.cohort == "":
		return usagef("-cohort is missing")
	case c.course == "":
		return usagef("-course is missing")
	case c.template == "" && !c.params.empty():
		return usagef("parameters belong to a new course: name its -template too")
	}
	input := client.ClassInput{Cohort: c.cohort, Course: c.course}
	if c.roster != "" {
		rows, err := c.env.readRoster(c.roster)
		if err != nil {
			return err
		}
		students := make([]client.StudentInput, len(rows))
		for i, row := range rows {
			students[i] = client.StudentInput{Name: row.Name, Email: row.Email}
		}
		input.Students = &students
	}
	s, err := c.remote.connect(c.env)
	if err != nil {
		return err
	}
	if c.template != "" {
		input.Template = &c.template
	}
	parameters, err := c.params.readFor(ctx, c.env, s, c.template, 0)
	if err != nil {
		return err
	}
	if len(parameters) > 0 {
		plain := client.Parameters(values(parameters))
		input.Parameters = &plain
	}
	class, err := c.write.on(s).CreateClass(ctx, input)
	if err != nil {
		return placed(err, parameters)
	}
	if c.write.dryRun {
		return c.write.tried(c.env, &c.output, class, fmt.Sprintf("Class %s would be created%s.", class.Key, enrolled(input.Students)))
	}
	return c.output.show(c.env, class, func() {
		c.env.UI.Output(fmt.Sprintf("Class %s created%s.", class.Key, enrolled(input.Students)))
		c.env.UI.Output("Launch it with: bothy class launch " + class.Key)
	})
}

func enrolled(students *[]client.StudentInput) string {
	if students == nil {
		return ""
	}
	return fmt.Sprintf(", with %s on its roster", count(len(*students), "student"))
}
