package command

import (
	"context"
)

// classList is `bothy class list`.
type classList struct {
	env    *Env
	remote remoteFlags
	output output
}

func (*classList) doc() doc {
	return doc{
		synopsis: "List the classes",
		text:     "Lists all classes, by cohort and course.",
		examples: []example{
			{"List the classes", "bothy class list"},
			{"Their keys alone, for a script", "bothy class list -t '{{ range . }}{{ .key }}{{ \"\\n\" }}{{ end }}'"},
		},
	}
}

func (c *classList) flags(f *flags) {
	c.remote.flags(f)
	c.output.flags(f)
}

func (c *classList) run(ctx context.Context, _ []string) error {
	s, err := c.remote.connect(c.env)
	if err != nil {
		return err
	}
	classes, err := s.Classes(ctx)
	if err != nil {
		return err
	}
	return c.output.show(c.env, classes, func() {
		if len(classes) == 0 {
			c.env.UI.Output("No classes. Make one with: bothy class create")
			return
		}
		t := newTable("CLASS", "COHORT", "COURSE", "CREATED", "STATE").optional(2, 1, 3)
		for _, class := range classes {
			state := "open"
			if class.Deleting {
				state = "being deleted"
			}
			t.add(class.Key, class.Cohort, class.Course, date(class.CreatedAt), state)
		}
		c.env.show(t)
	})
}
