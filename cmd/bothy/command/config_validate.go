package command

import (
	"context"
	"flag"

	"github.com/bothylabs/bothy/service/config"
)

// configValidate is `bothy config validate`.
type configValidate struct {
	env      *Env
	file     string
	settings config.Flags
}

func (*configValidate) doc() doc {
	return doc{
		synopsis: "Check a server's configuration without starting it",
		text: `
Reads the configuration as "bothy server" would (file, environment, flags) and
reports everything that is wrong with it, each with its place. Nothing is
started and no other server is asked.
`,
		examples: []example{{"Check a file before a restart", "bothy config validate -config /etc/bothy.d/bothy.hcl"}},
	}
}

func (c *configValidate) flags(f *flags) { serverFlags(f, &c.file, &c.settings) }

func (c *configValidate) run(_ context.Context, _ []string) error {
	if _, err := config.Load(config.Sources{File: c.file, LookupEnv: c.env.LookupEnv, Flags: c.settings}); err != nil {
		return err
	}
	c.env.UI.Output("The configuration is valid.")
	return nil
}

// serverFlags declares what `bothy server` and `bothy config validate` share.
func serverFlags(f *flags, file *string, settings *config.Flags) {
	*settings = config.Flags{}
	f.group("Options", func(set *flag.FlagSet) {
		set.StringVar(file, "config", "", "Configuration `file` in HCL.")
	})
	f.group("Settings (each wins over the environment and the file)", settings.Register)
}
