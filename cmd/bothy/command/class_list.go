package command

import (
	"context"
	"flag"

	"github.com/bothylabs/bothy/service/client"
)

// classList is `bothy class list`.
type classList struct {
	env    *Env
	list   listFlags
	remote remoteFlags
	output output

	cohort, course string
	deleting       choice
}

func (*classList) doc() doc {
	return doc{
		synopsis: "List the classes",
		text:     "Lists the classes, by cohort and course where no other order is asked for.",
		examples: []example{
			{"List the classes", "bothy class list"},
			{"Those of a cohort, the newest first", "bothy class list -cohort fall-26 -sort -created_at"},
			{"Their keys alone, for a script", "bothy class list -t '{{ range . }}{{ .key }}{{ \"\\n\" }}{{ end }}'"},
		},
	}
}

func (c *classList) flags(f *flags) {
	c.list.flags(f, "key", "course", "created_at", "updated_at")
	f.group("Options", func(set *flag.FlagSet) {
		set.StringVar(&c.cohort, "cohort", "", "Show only the classes of this cohort, by its `key` or id.")
		set.StringVar(&c.course, "course", "", "Show only the classes that take this course, by its `key` or id.")
		set.Var(&c.deleting, "deleting", "Show only the classes that are being deleted, or with -deleting=false only the others.")
	})
	c.remote.flags(f)
	c.output.flags(f)
}

func (c *classList) run(ctx context.Context, _ []string) error {
	options, err := c.list.options()
	if err != nil {
		return err
	}
	s, err := c.remote.connect(c.env)
	if err != nil {
		return err
	}
	filter := client.ClassFilter{ListOptions: options, Cohort: c.cohort, Course: c.course, Deleting: c.deleting.wanted}
	classes, err := client.Collect(s.AllClasses(ctx, filter))
	if err != nil {
		return err
	}
	return c.output.show(c.env, classes, func() {
		if len(classes) == 0 {
			if c.list.search != "" || c.cohort != "" || c.course != "" || c.deleting.wanted != nil {
				c.env.UI.Output("No such classes.")
				return
			}
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
