package command

import (
	"context"
	"fmt"
	"maps"

	"github.com/bothylabs/bothy/service/client"
	"github.com/bothylabs/bothy/service/lab"
)

// classShow is `bothy class show`.
type classShow struct {
	env    *Env
	remote remoteFlags
	output output
}

func (*classShow) doc() doc {
	return doc{
		args:     []string{"<class>"},
		synopsis: "Show a class and its parameters",
		text: `
Shows a class: the template of its course, and each parameter with whether the
class or its course sets it. How its workspaces are is ` + "`bothy class status`" + `.
`,
		examples: []example{{"Show a class", "bothy class show fall-26/py101"}},
	}
}

func (c *classShow) flags(f *flags) {
	c.remote.flags(f)
	c.output.flags(f)
}

func (c *classShow) run(ctx context.Context, args []string) error {
	s, err := c.remote.connect(c.env)
	if err != nil {
		return err
	}
	class, err := s.Class(ctx, args[0])
	if err != nil {
		return err
	}
	course, err := s.Course(ctx, class.CourseID)
	switch lab.CodeOf(err) {
	case "", lab.CodeForbidden, lab.CodeNotFound: // not everybody who sees a class sees its course
	default:
		return err
	}
	return c.output.show(c.env, class, func() {
		t := newTable("Class", class.Key)
		t.add("Cohort", class.Cohort)
		t.add("Course", class.Course)
		if course.Template != "" {
			t.add("Template", fmt.Sprintf("%s, version %d", course.Template, course.TemplateVersion))
		}
		parameterTable(t, "Its own", class.Parameters)
		inherited := maps.Clone(course.Parameters)
		maps.DeleteFunc(inherited, func(name string, _ any) bool { _, own := class.Parameters[name]; return own })
		parameterTable(t, "The course's", inherited)
		t.add("Created", date(class.CreatedAt))
		if class.Deleting {
			t.add("State", "being deleted")
		}
		c.env.UI.Output(t.String())
	})
}

// classUpdate is `bothy class update`.
type classUpdate struct {
	env     *Env
	remote  remoteFlags
	output  output
	changes parameterChanges
	write   dryRunFlag
}

func (*classUpdate) doc() doc {
	return doc{
		args:     []string{"<class>"},
		synopsis: "Set parameters for one class, in the place of its course's",
		text: `
Sets what the flags name for this class alone, and leaves the rest. Workspaces
that run keep running as they are and are outdated until their next start.
`,
		examples: []example{
			{"More memory for one class", "bothy class update -var memory=4096 fall-26/py101"},
			{"What the course says again", "bothy class update -unset memory fall-26/py101"},
		},
	}
}

func (c *classUpdate) flags(f *flags) {
	c.changes.flags(f, "`Name` of a parameter to leave to the course again; may be given several times.")
	c.write.flags(f)
	c.remote.flags(f)
	c.output.flags(f)
}

func (c *classUpdate) run(ctx context.Context, args []string) error {
	if c.changes.empty() {
		return usagef("nothing to change: give -var, -var-file or -unset")
	}
	s, err := c.remote.connect(c.env)
	if err != nil {
		return err
	}
	class, tag, err := s.ClassTagged(ctx, args[0])
	if err != nil {
		return err
	}
	course, err := s.Course(ctx, class.CourseID)
	if err != nil {
		return err
	}
	said, err := c.changes.readFor(ctx, c.env, s, course.Template, course.TemplateVersion)
	if err != nil {
		return err
	}
	parameters, err := c.changes.over(class.Parameters, said)
	if err != nil {
		return err
	}
	changed, err := c.write.matching(s, tag).UpdateClass(ctx, class.Key, client.ClassPatch{Parameters: (*client.Overrides)(&parameters)})
	if err != nil {
		return placed(err, said)
	}
	if c.write.dryRun {
		return c.write.tried(c.env, &c.output, changed, fmt.Sprintf("Class %s would be changed: it would set %s of its own.",
			changed.Key, count(len(changed.Parameters), "parameter")))
	}
	return c.output.show(c.env, changed, func() {
		c.env.UI.Output(fmt.Sprintf("Class %s changed: it sets %s of its own.", changed.Key, count(len(changed.Parameters), "parameter")))
	})
}
