package command

import (
	"context"
	"flag"
	"fmt"
	"strings"

	udiff "github.com/aymanbagabas/go-udiff"

	"github.com/bothylabs/bothy/service/app"
	"github.com/bothylabs/bothy/service/config"
	"github.com/bothylabs/bothy/service/lab"
)

// setupServer is `bothy setup vault`, `… nomad` and `… consul`.
type setupServer struct {
	env      *Env
	server   string // "vault", "nomad" or "consul"
	file     string
	settings config.Flags
	confirm  confirmFlags
	dryRun   bool
	options  app.SetupOptions
}

func (c *setupServer) doc() doc {
	name := capital(c.server)
	what := map[string]string{
		"vault":  "the secrets engine, the auth methods of people, of Nomad's workloads and of\nBothy itself with their roles and tuning, and the policies",
		"nomad":  "the namespace of workspaces, and Bothy's policy",
		"consul": "the policies of Bothy and of workspaces",
	}[c.server]
	return doc{
		synopsis: "Make " + name + " as Bothy needs it",
		text: fmt.Sprintf(`
Compares %s with what Bothy needs:
%s.
Shows what differs, and applies it after a question. A second time it finds
nothing. The operator's token comes from %s;
Bothy itself never has it.

With -dry-run nothing is changed, and the exit code is 1 where something
differs, as with "nomad job plan".
`, name, what, operatorToken(c.server)),
		examples: []example{
			{"See what is to be done", "bothy setup " + c.server + " -dry-run -config /etc/bothy.d/bothy.hcl"},
			{"Do it", "bothy setup " + c.server + " -config /etc/bothy.d/bothy.hcl"},
		},
	}
}

func (c *setupServer) flags(f *flags) {
	f.group("Options", func(set *flag.FlagSet) {
		set.BoolVar(&c.dryRun, "dry-run", false, "Only show what differs.")
		if c.server == "vault" {
			set.StringVar(&c.options.JWKSURL, "jwks-url", "", "`URL` where Vault finds the keys of Nomad's identities; that of nomad.address without it.")
			set.StringVar(&c.options.ServerNamespace, "server-namespace", "default", "Nomad `namespace` of Bothy's own job.")
			set.StringVar(&c.options.ServerJob, "server-job", "", "`Id` of Bothy's own Nomad job, where it logs in with its identity.")
		}
	})
	c.confirm.flags(f)
	serverFlags(f, &c.file, &c.settings)
}

func (c *setupServer) run(ctx context.Context, _ []string) error {
	cfg, err := config.LoadServers(config.Sources{File: c.file, LookupEnv: c.env.LookupEnv, Flags: c.settings})
	if err != nil {
		return err
	}
	c.asOperator(&cfg)
	differences, err := app.Setup(ctx, c.server, cfg, c.options)
	if err != nil {
		return err
	}
	name := capital(c.server)
	if len(differences) == 0 {
		c.env.UI.Output(name + " is as Bothy needs it.")
		return nil
	}
	for _, d := range differences {
		if err := c.show(d); err != nil {
			return err
		}
	}
	if c.dryRun {
		c.env.UI.Output(count(len(differences), "difference") + "; nothing was changed.")
		return reported{exitLocal}
	}
	if err := c.confirm.ask(c.env, "apply", "This changes "+name+" at "+c.address(cfg)+" as shown.", c.server); err != nil {
		return err
	}
	for _, d := range differences {
		if err := d.Apply(ctx); err != nil {
			return fmt.Errorf("%s: %w", d.Subject, err)
		}
		c.env.UI.Output(d.Subject + ": done")
	}
	return nil
}

// operatorToken is the environment variable of the server's own programs.
func operatorToken(server string) string {
	return map[string]string{"vault": "VAULT_TOKEN", "nomad": "NOMAD_TOKEN", "consul": "CONSUL_HTTP_TOKEN"}[server]
}

// asOperator takes the operator's token, which is in the environment alone.
func (c *setupServer) asOperator(cfg *config.Config) {
	token := map[string]*config.Credential{"vault": &cfg.Vault.Token, "nomad": &cfg.Nomad.Token, "consul": &cfg.Consul.Token}[c.server]
	variable := operatorToken(c.server)
	text, _ := c.env.LookupEnv(variable)
	*token = config.Credential{Value: config.NewSecret(text)}
}

func (c *setupServer) address(cfg config.Config) string {
	return map[string]string{"vault": cfg.Vault.Address, "nomad": cfg.Nomad.Address, "consul": cfg.Consul.Address}[c.server]
}

// show prints one difference.
func (c *setupServer) show(d lab.Difference) error {
	end := func(text string) string {
		if text == "" {
			return ""
		}
		return strings.TrimSuffix(text, "\n") + "\n"
	}
	before, after := end(d.Before), end(d.After)
	diff, err := udiff.ToUnified("is", "should be", before, udiff.Lines(before, after), udiff.DefaultContextLines)
	if err != nil {
		return fmt.Errorf("compare %s: %w", d.Subject, err)
	}
	s := c.env.style()
	c.env.UI.Output(s.bold(d.Subject))
	for line := range strings.Lines(diff) {
		line = strings.TrimSuffix(line, "\n")
		switch {
		case strings.HasPrefix(line, "---"), strings.HasPrefix(line, "+++"), strings.HasPrefix(line, "@@"):
		case strings.HasPrefix(line, "+"):
			c.env.UI.Output("  " + s.green(line))
		case strings.HasPrefix(line, "-"):
			c.env.UI.Output("  " + s.red(line))
		default:
			c.env.UI.Output("  " + line)
		}
	}
	return nil
}
