package command

import (
	"context"
	"time"
)

// cohortList is `bothy cohort list`.
type cohortList struct {
	env    *Env
	remote remoteFlags
	output output
}

func (*cohortList) doc() doc {
	return doc{
		synopsis: "List the cohorts",
		text:     "Lists all cohorts, by key.",
		examples: []example{{"List the cohorts", "bothy cohort list"}},
	}
}

func (c *cohortList) flags(f *flags) {
	c.remote.flags(f)
	c.output.flags(f)
}

func (c *cohortList) run(ctx context.Context, _ []string) error {
	s, err := c.remote.connect(c.env)
	if err != nil {
		return err
	}
	cohorts, err := s.Cohorts(ctx)
	if err != nil {
		return err
	}
	return c.output.show(c.env, cohorts, func() {
		if len(cohorts) == 0 {
			c.env.UI.Output("No cohorts. Make one with: bothy class create")
			return
		}
		t := newTable("COHORT", "NAME", "CREATED").optional(2)
		for _, cohort := range cohorts {
			t.add(cohort.Key, cohort.Name, date(cohort.CreatedAt))
		}
		c.env.show(t)
	})
}

func date(at time.Time) string { return at.Local().Format("2006-01-02 15:04") }
