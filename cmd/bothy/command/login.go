package command

import (
	"context"
	"path/filepath"
	"strings"

	"github.com/bothylabs/bothy/service/config"
	"github.com/bothylabs/bothy/service/lab"
)

// usualContext is the context of those who have one server.
const usualContext = "default"

// login is `bothy login`.
type login struct {
	env    *Env
	remote remoteFlags
	output output
}

// signedInView is a context with the version of its server.
type signedInView struct {
	contextView
	ServerVersion string `json:"server_version"`
}

func (*login) doc() doc {
	return doc{
		synopsis: "Sign in to a Bothy server and remember it",
		text: `
Asks for a token, checks it with the server, and keeps address and token as a
context, which becomes the current one. The file is for its owner alone:
$XDG_CONFIG_HOME/bothy/contexts.json, or ~/.config/bothy/contexts.json. A
context's token is sent to that context's address and nowhere else.

Flags go before the environment (BOTHY_ADDR, BOTHY_TOKEN, ...), and that goes
before the current context; a context named by -context goes before the
environment.
`,
		examples: []example{
			{"Sign in", "bothy login -address https://bothy.example.edu"},
			{"A second server", "bothy login -context staging -address https://staging.example.edu -ca-cert ca.pem"},
			{"In a script", "bothy login -address https://bothy.example.edu -token-file - < token"},
		},
	}
}

func (c *login) flags(f *flags) {
	c.remote.flags(f)
	c.output.flags(f)
}

func (c *login) run(ctx context.Context, _ []string) error {
	all, err := c.env.contexts()
	if err != nil {
		return err
	}
	name := firstOf(c.remote.context, c.env.getenv("BOTHY_CONTEXT"), all.Current, usualContext)
	if err := checkContextName(name); err != nil {
		return err
	}
	kept, err := c.asked(all.Contexts[name])
	if err != nil {
		return err
	}
	token, err := c.token(kept.Address)
	if err != nil {
		return err
	}
	t := target{address: value{text: kept.Address}, caCert: value{text: kept.CACert}, tlsServerName: value{text: kept.TLSServerName}}
	s, err := t.client(token)
	if err != nil {
		return err
	}
	status, err := s.Status(ctx)
	if err != nil && lab.CodeOf(err) != lab.CodeForbidden { // a student's token is good too
		return err
	}
	kept.Token = token.Reveal()
	all.Contexts[name], all.Current = kept, name
	if err := all.write(); err != nil {
		return err
	}
	return c.output.show(c.env, signedInView{all.view(name), status.Version}, func() {
		c.env.UI.Output(strings.TrimSpace("Signed in to Bothy "+status.Version) + " at " + kept.Address + "; the current context is " + name + ".")
	})
}

// asked is the context as flags, environment and what it was before make it.
func (c *login) asked(before serverContext) (serverContext, error) {
	kept := serverContext{
		Address:       firstOf(c.remote.address, c.env.getenv("BOTHY_ADDR"), before.Address, defaultAddress),
		CACert:        firstOf(c.remote.caCert, c.env.getenv("BOTHY_CACERT"), before.CACert),
		TLSServerName: firstOf(c.remote.tlsServerName, c.env.getenv("BOTHY_TLS_SERVER_NAME"), before.TLSServerName),
	}
	if kept.CACert == "" {
		return kept, nil
	}
	path, err := filepath.Abs(kept.CACert) // the next command may run elsewhere
	if err != nil {
		return kept, unreadable(kept.CACert, err)
	}
	kept.CACert = path
	return kept, nil
}

// token reads the token from where -token-file says, or asks the person, without showing it.
func (c *login) token(address string) (config.Secret, error) {
	if c.remote.tokenFile != "" {
		return target{token: value{c.remote.tokenFile, fromFlag}}.secret(c.env)
	}
	if !c.env.InTerminal {
		return config.Secret{}, lab.Errorf(lab.CodeInvalid, "there is no terminal to ask for the token at").WithHint("give -token-file, or -token-file - for standard input")
	}
	text, err := c.env.UI.AskSecret("Token for " + address + ":")
	if err != nil {
		return config.Secret{}, lab.Wrap(lab.CodeInvalid, err, "no token was given")
	}
	return config.NewSecret(text), nil
}

// logout is `bothy logout`.
type logout struct {
	env    *Env
	output output
}

func (*logout) doc() doc {
	return doc{
		args:     []string{"[context]"},
		synopsis: "Forget the token of a context",
		text: `
Forgets the token of the current context, or of the one named; its address
stays. The token itself stays valid at the server.
`,
		examples: []example{{"Sign out", "bothy logout"}},
	}
}

func (c *logout) flags(f *flags) { c.output.flags(f) }

func (c *logout) run(_ context.Context, args []string) error {
	all, err := c.env.contexts()
	if err != nil {
		return err
	}
	name := firstOf(append(args, all.Current)...)
	if name == "" {
		return c.output.show(c.env, nil, func() { c.env.UI.Output("Nobody is signed in.") })
	}
	kept, err := all.named(name)
	if err != nil {
		return err
	}
	kept.Token = ""
	all.Contexts[name] = kept
	if err := all.write(); err != nil {
		return err
	}
	return c.output.show(c.env, all.view(name), func() { c.env.UI.Output("The token for " + kept.Address + " is forgotten.") })
}
