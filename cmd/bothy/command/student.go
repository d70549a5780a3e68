package command

import (
	"context"
	"flag"
	"fmt"
	"net/http"
	"strings"

	"github.com/bothylabs/bothy/service/client"
	"github.com/bothylabs/bothy/service/lab"
)

// studentEnroll is `bothy student enroll`.
type studentEnroll struct {
	env    *Env
	remote remoteFlags
	output output
	write  writeFlags

	name, email string
}

func (*studentEnroll) doc() doc {
	return doc{
		args:     []string{"<class or cohort>"},
		synopsis: "Enroll one student in a cohort",
		text: `
Enrolls a student in a cohort, or in that of a class. Their workspaces are made
when the classes of the cohort are launched next. Somebody who was withdrawn
comes back as a new student. Many at once are ` + "`bothy roster import`" + `.
`,
		examples: []example{{"A late arrival", "bothy student enroll -name \"Ana Pérez\" -email ana@example.edu fall-26"}},
	}
}

func (c *studentEnroll) flags(f *flags) {
	f.group("Options", func(set *flag.FlagSet) {
		set.StringVar(&c.name, "name", "", "`Name` of the student. Needed.")
		set.StringVar(&c.email, "email", "", "E-mail `address` of the student, which no other student of the cohort has. Needed.")
	})
	c.write.flags(f)
	c.remote.flags(f)
	c.output.flags(f)
}

func (c *studentEnroll) run(ctx context.Context, args []string) error {
	switch {
	case c.name == "":
		return usagef("-name is missing")
	case c.email == "":
		return usagef("-email is missing")
	}
	s, err := c.remote.connect(c.env)
	if err != nil {
		return err
	}
	cohort, err := cohortOf(ctx, s, args[0])
	if err != nil {
		return err
	}
	student, err := c.write.on(s).EnrollStudent(ctx, cohort, client.StudentInput{Name: c.name, Email: c.email})
	if err != nil {
		return err
	}
	if c.write.dryRun {
		return c.write.tried(c.env, &c.output, student, fmt.Sprintf("%s would be enrolled in %s.", person(student), cohort))
	}
	return c.output.show(c.env, student, func() {
		c.env.UI.Output(fmt.Sprintf("%s is enrolled in %s.", person(student), cohort))
		c.env.UI.Output("A workspace comes with: bothy class launch <class>")
	})
}

// studentShow is `bothy student show`.
type studentShow struct {
	env    *Env
	remote remoteFlags
	output output
}

func (*studentShow) doc() doc {
	return doc{
		args:     []string{"<student>"},
		synopsis: "Show a student and their workspaces",
		text: `
Shows a student, named by cohort and e-mail address or by id, and their
workspaces in all classes. Of several with one address it is the one who is
enrolled, else the one who was withdrawn last. With -json it is the student
alone.
`,
		examples: []example{
			{"Show a student", "bothy student show fall-26/ana@example.edu"},
			{"The id, for a script", "bothy student show -t '{{ .id }}' fall-26/ana@example.edu"},
		},
	}
}

func (c *studentShow) flags(f *flags) {
	c.remote.flags(f)
	c.output.flags(f)
}

func (c *studentShow) run(ctx context.Context, args []string) error {
	s, err := c.remote.connect(c.env)
	if err != nil {
		return err
	}
	student, err := studentOf(ctx, s, args[0])
	if err != nil {
		return err
	}
	if c.output.chosen() {
		return c.output.show(c.env, student, nil)
	}
	cohort, err := s.Cohort(ctx, student.CohortID)
	if err != nil {
		return err
	}
	workspaces, err := s.Workspaces(ctx, client.WorkspaceFilter{Student: student.ID})
	if err != nil {
		return err
	}
	t := newTable("Student", student.Name)
	t.add("E-mail", student.Email)
	t.add("Cohort", cohort.Key)
	t.add("Enrolled", date(student.CreatedAt))
	if student.WithdrawnAt != nil {
		t.add("Withdrawn", date(*student.WithdrawnAt))
	}
	t.add("Id", student.ID)
	c.env.show(t)
	c.env.UI.Output("")
	if len(workspaces) == 0 {
		c.env.UI.Output("No workspaces.")
		return nil
	}
	c.env.show(workspaceTable(c.env.style(), c.env.Now(), workspaces))
	return nil
}

// studentWithdraw is `bothy student withdraw`.
type studentWithdraw struct {
	env     *Env
	remote  remoteFlags
	output  output
	confirm confirmFlags
	write   dryRunFlag
}

func (*studentWithdraw) doc() doc {
	return doc{
		args:     []string{"<student>"},
		synopsis: "Take a student off the roster",
		text: `
Ends a student's membership in their cohort. Their workspaces are deleted, their
homes are kept. The student is named by cohort and e-mail address, or by id.
`,
		examples: []example{
			{"Withdraw a student", "bothy student withdraw fall-26/ana@example.edu"},
			{"In a script", "bothy student withdraw -yes fall-26/ana@example.edu"},
		},
	}
}

func (c *studentWithdraw) flags(f *flags) {
	c.write.flags(f)
	c.confirm.flags(f)
	c.remote.flags(f)
	c.output.flags(f)
}

func (c *studentWithdraw) run(ctx context.Context, args []string) error {
	s, err := c.remote.connect(c.env)
	if err != nil {
		return err
	}
	named, err := studentOf(ctx, s, args[0])
	if err != nil {
		return err
	}
	student, tag, err := s.StudentTagged(ctx, named.ID)
	if err != nil {
		return err
	}
	if student.WithdrawnAt != nil {
		c.write.warn(c.env)
		return c.output.show(c.env, student, func() {
			c.env.UI.Output(fmt.Sprintf("%s was withdrawn already, on %s.", person(student), date(*student.WithdrawnAt)))
		})
	}
	workspaces, err := s.Workspaces(ctx, client.WorkspaceFilter{Student: student.ID})
	if err != nil {
		return err
	}
	if !c.write.dryRun {
		what := fmt.Sprintf("This withdraws %s. %s", person(student), alongWith(workspaces))
		if err := c.confirm.ask(c.env, "withdraw", what, student.Email); err != nil {
			return err
		}
	}
	gone, err := c.write.matching(s, tag).WithdrawStudent(ctx, student.ID)
	if err != nil {
		return err
	}
	if c.write.dryRun {
		return c.write.tried(c.env, &c.output, gone, fmt.Sprintf("%s would be withdrawn. %s", person(gone), alongWith(workspaces)))
	}
	return c.output.show(c.env, gone, func() {
		c.env.UI.Output(fmt.Sprintf("%s is withdrawn. %s", person(gone), alongWith(workspaces)))
	})
}

// alongWith says what becomes of the workspaces of a student who is withdrawn.
func alongWith(workspaces []client.Workspace) string {
	if len(workspaces) == 0 {
		return "They have no workspaces."
	}
	return fmt.Sprintf("Their workspaces (%d) are deleted, their homes are kept.", len(workspaces))
}

func person(student client.Student) string {
	return printable(fmt.Sprintf("%s <%s>", student.Name, student.Email))
}

// studentOf gives the student that a person names: by an id, or by a cohort and an
// e-mail address with a slash between them. Of several with one address it is the
// one who is enrolled, else the one who was withdrawn last.
func studentOf(ctx context.Context, s *client.Client, ref string) (client.Student, error) {
	cohort, email, byEmail := strings.Cut(ref, "/")
	if !byEmail {
		return s.Student(ctx, ref)
	}
	var found client.Student
	filter := client.StudentFilter{ListOptions: client.ListOptions{Search: email}}
	for student, err := range s.AllStudents(ctx, cohort, filter) {
		switch {
		case err != nil:
			return client.Student{}, err
		case !strings.EqualFold(student.Email, email):
		case student.WithdrawnAt == nil:
			return student, nil
		case found.ID == "" || found.WithdrawnAt.Before(*student.WithdrawnAt):
			found = student
		}
	}
	if found.ID == "" { // said as the server says it of an id
		return found, &client.Problem{
			Status: http.StatusNotFound, Code: string(lab.CodeNotFound), Detail: lab.NotFound("student", ref).Message,
			Hint: fmt.Sprintf("`bothy student list %s` shows the students of the cohort", cohort),
		}
	}
	return found, nil
}
