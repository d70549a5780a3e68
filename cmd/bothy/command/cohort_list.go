package command

import (
	"context"
	"time"

	"github.com/bothylabs/bothy/service/client"
)

// cohortList is `bothy cohort list`.
type cohortList struct {
	env    *Env
	list   listFlags
	remote remoteFlags
	output output
}

func (*cohortList) doc() doc {
	return doc{
		synopsis: "List the cohorts",
		text:     "Lists the cohorts, by key where no other order is asked for.",
		examples: []example{
			{"List the cohorts", "bothy cohort list"},
			{"Those of a year", "bothy cohort list -search 26"},
		},
	}
}

func (c *cohortList) flags(f *flags) {
	c.list.flags(f, "key", "name", "created_at", "updated_at")
	c.remote.flags(f)
	c.output.flags(f)
}

func (c *cohortList) run(ctx context.Context, _ []string) error {
	options, err := c.list.options()
	if err != nil {
		return err
	}
	s, err := c.remote.connect(c.env)
	if err != nil {
		return err
	}
	cohorts, err := client.Collect(s.AllCohorts(ctx, options))
	if err != nil {
		return err
	}
	return c.output.show(c.env, cohorts, func() {
		if len(cohorts) == 0 {
			if c.list.search != "" {
				c.env.UI.Output("No such cohorts.")
				return
			}
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
