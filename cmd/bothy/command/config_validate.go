package command

import (
	"context"
	"errors"
	"flag"

	"github.com/bothylabs/bothy/service/config"
	"github.com/bothylabs/bothy/service/lab"
)

// configValidate is `bothy config validate`.
type configValidate struct {
	env      *Env
	file     string
	settings config.Flags
	output   output
}

// validated is what is wrong with a configuration, for programs.
type validated struct {
	Valid    bool             `json:"valid"`
	Problems []settingProblem `json:"problems"`
}

type settingProblem struct {
	// Name is the place and the setting: "bothy.hcl:3:13: listen".
	Name    string `json:"name"`
	Problem string `json:"problem"`
	Remedy  string `json:"remedy"`
}

func (*configValidate) doc() doc {
	return doc{
		synopsis: "Check a server's configuration without starting it",
		text: `
Reads the configuration as "bothy server" would (file, environment, flags) and
reports everything that is wrong with it, each with its place. Nothing is
started and no other server is asked. The exit code is 1 when something is
wrong, with -json as well.
`,
		examples: []example{
			{"Check a file before a restart", "bothy config validate -config /etc/bothy.d/bothy.hcl"},
			{"What is wrong, for a program", "bothy config validate -json -config /etc/bothy.d/bothy.hcl"},
		},
	}
}

func (c *configValidate) flags(f *flags) {
	serverFlags(f, &c.file, &c.settings)
	c.output.flags(f)
}

func (c *configValidate) run(_ context.Context, _ []string) error {
	_, err := config.Load(config.Sources{File: c.file, LookupEnv: c.env.LookupEnv, Flags: c.settings})
	var invalid *lab.Error
	if err != nil && (!c.output.chosen() || !errors.As(err, &invalid)) {
		return err
	}
	found := validated{Valid: err == nil, Problems: []settingProblem{}}
	if invalid != nil {
		for _, field := range invalid.Fields {
			found.Problems = append(found.Problems, settingProblem(field))
		}
	}
	if err := c.output.show(c.env, found, func() { c.env.UI.Output("The configuration is valid.") }); err != nil {
		return err
	}
	if !found.Valid {
		return reported{exitLocal}
	}
	return nil
}

// serverFlags declares what `bothy server` and `bothy config validate` share.
func serverFlags(f *flags, file *string, settings *config.Flags) {
	*settings = config.Flags{}
	f.group("Options", func(set *flag.FlagSet) {
		set.StringVar(file, "config", "", "Configuration `file` in HCL. BOTHY_CONFIG is a substitute.")
	})
	f.group("Settings (each wins over the environment and the file)", settings.Register)
}
