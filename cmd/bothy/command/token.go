package command

import (
	"context"
	"flag"
	"fmt"

	"github.com/bothylabs/bothy/service/client"
)

// tokenCreate is `bothy token create`.
type tokenCreate struct {
	env    *Env
	remote remoteFlags
	output output

	scope, user string
	days        int
}

func (*tokenCreate) doc() doc {
	return doc{
		args:     []string{"<name>"},
		synopsis: "Make an API token",
		text: `
Makes a token with which a program acts in your name, and prints it: it is not
shown again. What it may do is its scope: read looks at things, operate also
starts, stops and restarts, write does all that you may do, opening workspaces
among it.

A token that is made with a token goes no further and lives no longer than that.
`,
		examples: []example{
			{"A token that looks, for 90 days", "bothy token create gradebook"},
			{"One for a script that starts classes", "bothy token create -scope operate -days 30 monday-script"},
		},
	}
}

func (c *tokenCreate) flags(f *flags) {
	f.group("Options", func(set *flag.FlagSet) {
		set.StringVar(&c.scope, "scope", "read", "What it is good for, its `scope`: read, operate or write.")
		set.IntVar(&c.days, "days", 90, "How many `days` it lives, 1 to 365.")
		set.StringVar(&c.user, "user", "", "`Login` of the user that it is for, where you are an admin.")
	})
	c.remote.flags(f)
	c.output.flags(f)
}

func (c *tokenCreate) run(ctx context.Context, args []string) error {
	s, err := c.remote.connect(c.env)
	if err != nil {
		return err
	}
	scope := client.TokenScope(c.scope)
	in := client.TokenInput{Name: args[0], Scope: &scope, Days: &c.days}
	if c.user != "" {
		in.User = &c.user
	}
	made, err := s.CreateToken(ctx, in)
	if err != nil {
		return err
	}
	return c.output.show(c.env, made, func() {
		c.env.UI.Warn(fmt.Sprintf("This is the token %q of %s, good until %s. It is not shown again.", made.Name, made.Login, date(made.ExpiresAt)))
		c.env.UI.Output(made.Token)
	})
}

// tokenList is `bothy token list`.
type tokenList struct {
	env    *Env
	remote remoteFlags
	output output
	user   string
}

func (*tokenList) doc() doc {
	return doc{
		synopsis: "List API tokens",
		text: `
Lists your API tokens that are not revoked, the newest first, without the tokens
themselves. With the operator's token, everybody's.
`,
		examples: []example{{"List your tokens", "bothy token list"}},
	}
}

func (c *tokenList) flags(f *flags) {
	userFlag(f, &c.user)
	c.remote.flags(f)
	c.output.flags(f)
}

func userFlag(f *flags, user *string) {
	f.group("Options", func(set *flag.FlagSet) {
		set.StringVar(user, "user", "", "`Login` of the user whose they are, where you are an admin.")
	})
}

func (c *tokenList) run(ctx context.Context, _ []string) error {
	s, err := c.remote.connect(c.env)
	if err != nil {
		return err
	}
	tokens, err := s.Tokens(ctx, c.user)
	if err != nil {
		return err
	}
	return c.output.show(c.env, tokens, func() {
		if len(tokens) == 0 {
			c.env.UI.Output("No tokens. Make one with: bothy token create")
			return
		}
		t := newTable("ID", "NAME", "USER", "SCOPE", "EXPIRES", "LAST USED").optional(2, 5)
		for _, token := range tokens {
			used := "never"
			if token.UsedAt != nil {
				used = date(*token.UsedAt)
			}
			expires := date(token.ExpiresAt)
			if !token.ExpiresAt.After(c.env.Now()) {
				expires = "expired"
			}
			t.add(token.ID, token.Name, token.Login, string(token.Scope), expires, used)
		}
		c.env.show(t)
	})
}

// tokenRevoke is `bothy token revoke`.
type tokenRevoke struct {
	env    *Env
	remote remoteFlags
}

func (*tokenRevoke) doc() doc {
	return doc{
		args:     []string{"<id>"},
		synopsis: "Revoke an API token",
		text: "Ends an API token at once, and the tokens that were made with it. It is\n" +
			"named by its id, which `bothy token list` shows.",
		examples: []example{{"Revoke a token", "bothy token revoke 0198c1d2-7a50-7c6e-9d0f-0b8a1c2d3e71"}},
	}
}

func (c *tokenRevoke) flags(f *flags) { c.remote.flags(f) }

func (c *tokenRevoke) run(ctx context.Context, args []string) error {
	s, err := c.remote.connect(c.env)
	if err != nil {
		return err
	}
	if err := s.RevokeToken(ctx, args[0]); err != nil {
		return err
	}
	c.env.UI.Output("The token is revoked.")
	return nil
}
