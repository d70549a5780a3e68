package command

import (
	"context"
	"fmt"

	"github.com/bothylabs/bothy/service/app"
	"github.com/bothylabs/bothy/service/config"
)

// serverCommand is `bothy server`.
type serverCommand struct {
	env      *Env
	file     string
	settings config.Flags
}

func (*serverCommand) doc() doc {
	return doc{
		synopsis: "Run the Bothy server",
		text: `
Runs the server: the API, and the reconciler that keeps Nomad as the database
says. Settings come from flags, the environment (BOTHY_..., and NOMAD_ADDR,
CONSUL_HTTP_ADDR, VAULT_ADDR and the like), the file and the defaults, in this
order. Secrets come from files or the environment and have no flags.

It starts while Nomad, Consul or Vault do not answer, says so in its log, at
/readyz and in "bothy status", and goes on trying. It logs to standard error.
An interrupt ends it once requests under way have ended; workspaces go on.
`,
		examples: []example{
			{"Run with a configuration file", "bothy server -config /etc/bothy.d/bothy.hcl"},
			{"See more of what it does", "bothy server -config /etc/bothy.d/bothy.hcl -log-level debug"},
		},
	}
}

func (c *serverCommand) flags(f *flags) { serverFlags(f, &c.file, &c.settings) }

func (c *serverCommand) run(ctx context.Context, _ []string) error {
	settings, err := config.Load(config.Sources{File: c.file, LookupEnv: c.env.LookupEnv, Flags: c.settings})
	if err != nil {
		return err
	}
	logger := app.NewLogger(c.env.Stderr, settings.Log)
	server, err := app.New(ctx, settings, app.Deps{Logger: logger, Version: c.env.Version})
	if err != nil {
		return fmt.Errorf("start the server: %w", err)
	}
	return server.Run(ctx)
}
