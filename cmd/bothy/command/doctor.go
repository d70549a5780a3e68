package command

import (
	"context"

	"github.com/bothylabs/bothy/service/app"
	"github.com/bothylabs/bothy/service/config"
	"github.com/bothylabs/bothy/service/doctor"
)

// doctorCommand is `bothy doctor`.
type doctorCommand struct {
	env      *Env
	file     string
	settings config.Flags
	output   output
}

func (*doctorCommand) doc() doc {
	return doc{
		synopsis: "Look for what is wrong with a server's surroundings",
		text: `
Reads the configuration as "bothy server" would, on the machine where that runs,
and looks at everything that the server depends on: the database, Nomad, Consul
and Vault with their tokens and rights, the namespace, nodes, drivers and
plugins, the router, and the clocks. Its first line names the configuration: the
file is that of -config or of BOTHY_CONFIG, as .dev/env sets it, and without one
only this shell's environment says where the servers are. For each thing that is
wrong it says what to do. Nothing is changed, and the server may run or not.
docs/doctor.md explains every finding.

The exit code is 0 when nothing is wrong, 1 when there are warnings, and 2 when
something fails.
`,
		examples: []example{
			{"Look at everything", "bothy doctor -config /etc/bothy.d/bothy.hcl"},
			{"For a program", "bothy doctor -config /etc/bothy.d/bothy.hcl -json"},
			{"The development stack, once .dev/env is sourced", "bothy doctor"},
		},
	}
}

func (c *doctorCommand) flags(f *flags) {
	serverFlags(f, &c.file, &c.settings)
	c.output.flags(f)
}

func (c *doctorCommand) run(ctx context.Context, _ []string) error {
	sources := config.Sources{File: c.file, LookupEnv: c.env.LookupEnv, Flags: c.settings}
	settings, invalid := config.Load(sources)
	report := app.Doctor(ctx, settings, invalid)
	if err := ctx.Err(); err != nil {
		return err
	}
	if err := c.output.show(c.env, report, func() {
		c.env.UI.Output(lookedAt(sources.Path()) + "\n")
		c.table(report)
	}); err != nil {
		return err
	}
	switch report.State {
	case doctor.Fail:
		return reported{exitRemote}
	case doctor.Warn:
		return reported{exitLocal}
	default:
		return nil
	}
}

// lookedAt says whose configuration is looked at: with a shell's alone, its tokens are
// taken for the server's.
func lookedAt(file string, named bool) string {
	switch {
	case file == "":
		return "Configuration: no file, flags and this shell's environment alone. That of a server: bothy doctor -config <file>"
	case named:
		return "Configuration: " + printable(file) + ", named by " + config.FileVariable + "; settings of this shell's environment go before it"
	default:
		return "Configuration: " + printable(file) + "; settings of this shell's environment go before it"
	}
}

// table shows all findings, and then what to do.
func (c *doctorCommand) table(report doctor.Report) {
	s := c.env.style()
	paints := map[doctor.State]func(string) string{doctor.OK: s.green, doctor.Skip: s.faint, doctor.Warn: s.yellow, doctor.Fail: s.red}
	t := newTable("CHECK", "STATE", "FOUND")
	for _, f := range report.Findings {
		t.add(f.ID, string(f.State), f.Detail)
		t.paint(1, paints[f.State])
	}
	c.env.UI.Output(t.String())
	counts := map[doctor.State]int{}
	for _, f := range report.Findings {
		counts[f.State]++
		if f.Remedy == "" {
			continue
		}
		c.env.UI.Output("")
		c.env.UI.Output(paints[f.State](f.ID) + ": " + f.What + ". " + sentence(f.Detail))
		c.env.UI.Output("  " + s.bold("What to do:") + " " + f.Remedy)
	}
	c.env.UI.Output("")
	if report.State == doctor.OK {
		c.env.UI.Output(count(counts[doctor.OK], "check") + " passed; nothing is wrong.")
		return
	}
	c.env.UI.Output(count(counts[doctor.Fail], "failure") + ", " + count(counts[doctor.Warn], "warning") + ".")
}
