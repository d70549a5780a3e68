package command

import (
	"context"
	"flag"
	"fmt"
	"strings"

	"github.com/bothylabs/bothy/service/client"
	"github.com/bothylabs/bothy/service/roster"
)

// rosterImport is `bothy roster import`.
type rosterImport struct {
	env    *Env
	remote remoteFlags
	output output
	write  writeFlags

	cohort string
}

func (*rosterImport) doc() doc {
	return doc{
		args:     []string{"<file>"},
		synopsis: "Enroll the students of a CSV file in a cohort",
		text: `
Enrolls everybody on a roster, all or nothing. The file's first line names its
columns; "name" and "email" are needed. Students are matched by e-mail: a new
one is enrolled, a changed name is taken over, and nobody is withdrawn. They get
workspaces when their classes are launched next. "-" reads standard input.
`,
		examples: []example{{"Enroll late arrivals", "bothy roster import -cohort fall-26 late.csv"}},
	}
}

func (c *rosterImport) flags(f *flags) {
	f.group("Options", func(set *flag.FlagSet) {
		set.StringVar(&c.cohort, "cohort", "", "`Key` or id of the cohort. Needed.")
	})
	c.write.flags(f)
	c.remote.flags(f)
	c.output.flags(f)
}

func (c *rosterImport) run(ctx context.Context, args []string) error {
	if c.cohort == "" {
		return usagef("-cohort is missing")
	}
	// Read here as well, because only here is the file's name known to its errors.
	content, err := c.env.readInput(args[0])
	if err != nil {
		return err
	}
	if _, err := roster.Parse(strings.NewReader(content), args[0]); err != nil {
		return err
	}
	s, err := c.remote.connect(c.env)
	if err != nil {
		return err
	}
	report, err := c.write.on(s).ImportRoster(ctx, c.cohort, strings.NewReader(content))
	if err != nil {
		return err
	}
	if c.write.dryRun {
		return c.write.tried(c.env, &c.output, report, "It would be: "+c.people(report))
	}
	return c.output.show(c.env, report, func() { c.env.UI.Output(c.people(report)) })
}

func (c *rosterImport) people(report client.RosterReport) string {
	return fmt.Sprintf("%d enrolled, %d changed, %d unchanged in %s.", len(report.New), len(report.Changed), len(report.Unchanged), c.cohort)
}
