package command

import (
	"context"
	"flag"
	"fmt"
	"strings"

	"github.com/bothylabs/bothy/service/client"
)

// cohortCreate is `bothy cohort create`.
type cohortCreate struct {
	env    *Env
	remote remoteFlags
	output output
	write  writeFlags

	key string
}

func (*cohortCreate) doc() doc {
	return doc{
		args:     []string{"<name>"},
		synopsis: "Create an empty cohort",
		text: `
Creates a cohort without students. Its key, a part of its workspaces' names, is
made from the name and never changes. ` + "`bothy class create`" + ` makes a cohort that
does not exist yet by itself.
`,
		examples: []example{
			{"A cohort of this term", "bothy cohort create \"Fall 26\""},
			{"With a key of your own", "bothy cohort create -key f26 \"Fall 26, evening\""},
		},
	}
}

func (c *cohortCreate) flags(f *flags) {
	f.group("Options", func(set *flag.FlagSet) {
		set.StringVar(&c.key, "key", "", "`Key` of the cohort, a part of its workspaces' names; made from the name without it.")
	})
	c.write.flags(f)
	c.remote.flags(f)
	c.output.flags(f)
}

func (c *cohortCreate) run(ctx context.Context, args []string) error {
	s, err := c.remote.connect(c.env)
	if err != nil {
		return err
	}
	input := client.CohortInput{Name: args[0]}
	if c.key != "" {
		input.Key = &c.key
	}
	cohort, err := c.write.on(s).CreateCohort(ctx, input)
	if err != nil {
		return err
	}
	if c.write.dryRun {
		return c.write.tried(c.env, &c.output, cohort, fmt.Sprintf("Cohort %s would be created.", cohort.Key))
	}
	return c.output.show(c.env, cohort, func() {
		c.env.UI.Output(fmt.Sprintf("Cohort %s created.", cohort.Key))
		c.env.UI.Output(fmt.Sprintf("Enroll students with: bothy roster import %s <file>", cohort.Key))
	})
}

// cohortShow is `bothy cohort show`.
type cohortShow struct {
	env    *Env
	remote remoteFlags
	output output
}

func (*cohortShow) doc() doc {
	return doc{
		args:     []string{"<cohort>"},
		synopsis: "Show a cohort",
		text: `
Shows a cohort: how many students it has, and its classes. With -json it is the
cohort alone; its students are ` + "`bothy student list`" + `.
`,
		examples: []example{{"Show a cohort", "bothy cohort show fall-26"}},
	}
}

func (c *cohortShow) flags(f *flags) {
	c.remote.flags(f)
	c.output.flags(f)
}

func (c *cohortShow) run(ctx context.Context, args []string) error {
	s, err := c.remote.connect(c.env)
	if err != nil {
		return err
	}
	cohort, err := s.Cohort(ctx, args[0])
	if err != nil {
		return err
	}
	if c.output.chosen() {
		return c.output.show(c.env, cohort, nil)
	}
	classes, err := client.Collect(s.AllClasses(ctx, client.ClassFilter{Cohort: cohort.Key}))
	if err != nil {
		return err
	}
	t := newTable("Cohort", cohort.Key)
	t.add("Name", cohort.Name)
	t.add("Students", roll(cohort))
	t.add("Classes", firstOf(classKeys(classes), "-"))
	t.add("Created", date(cohort.CreatedAt))
	c.env.show(t)
	return nil
}

// roll says how many students a cohort has: "12, and 2 withdrawn".
func roll(cohort client.Cohort) string {
	text := fmt.Sprint(cohort.Students)
	if cohort.Withdrawn > 0 {
		text += fmt.Sprintf(", and %d withdrawn", cohort.Withdrawn)
	}
	return text
}

func classKeys(classes []client.Class) string {
	keys := make([]string, len(classes))
	for i, class := range classes {
		keys[i] = class.Key
	}
	return strings.Join(keys, ", ")
}

// cohortDelete is `bothy cohort delete`.
type cohortDelete struct{ deletion }

func (*cohortDelete) doc() doc {
	return doc{
		args:     []string{"<cohort>"},
		synopsis: "Delete a cohort that takes no class",
		text:     "Deletes a cohort with its students. Its classes must be deleted before. Homes\nthat were kept stay where they are.",
		examples: []example{{"Delete a cohort", "bothy cohort delete fall-26"}, {"In a script", "bothy cohort delete -yes fall-26"}},
	}
}

func (c *cohortDelete) run(ctx context.Context, args []string) error {
	s, err := c.remote.connect(c.env)
	if err != nil {
		return err
	}
	cohort, tag, err := s.CohortTagged(ctx, args[0])
	if err != nil {
		return err
	}
	it := doomed{kind: "cohort", key: cohort.Key, name: cohort.Name, tag: tag}
	if students := cohort.Students + cohort.Withdrawn; students > 0 {
		it.along = " with its " + count(students, "student")
	}
	return c.of(s, it, func(s *client.Client) error { return s.DeleteCohort(ctx, cohort.Key) })
}
