package command

import (
	"context"
	"flag"
)

// sessionList is `bothy session list`.
type sessionList struct {
	env    *Env
	remote remoteFlags
	output output
	user   string
}

func (*sessionList) doc() doc {
	return doc{
		synopsis: "List where somebody is signed in",
		text: `
Lists where you are signed in with a browser, the newest first. With the
operator's token, where everybody is.
`,
		examples: []example{{"List your sessions", "bothy session list"}, {"Those of a student", "bothy session list -user ada@example.edu"}},
	}
}

func (c *sessionList) flags(f *flags) {
	userFlag(f, &c.user)
	c.remote.flags(f)
	c.output.flags(f)
}

func (c *sessionList) run(ctx context.Context, _ []string) error {
	s, err := c.remote.connect(c.env)
	if err != nil {
		return err
	}
	sessions, err := s.Sessions(ctx, c.user)
	if err != nil {
		return err
	}
	return c.output.show(c.env, sessions, func() {
		if len(sessions) == 0 {
			c.env.UI.Output("Nobody is signed in.")
			return
		}
		t := newTable("ID", "FROM", "SIGNED IN", "LAST USED", "BROWSER").optional(4)
		for _, one := range sessions {
			t.add(one.ID, one.Remote, date(one.CreatedAt), date(one.SeenAt), one.Agent)
		}
		c.env.show(t)
	})
}

// sessionEnd is `bothy session end`.
type sessionEnd struct {
	env    *Env
	remote remoteFlags
	all    bool
	tokens bool
	user   string
}

func (*sessionEnd) doc() doc {
	return doc{
		args:     []string{"[id]"},
		synopsis: "Sign out in a browser, or everywhere",
		text: `
Ends one session, named by its id, or with -all every one. API tokens stay:
bothy token revoke ends one, and -tokens all of them as well.
`,
		examples: []example{
			{"Sign out somewhere", "bothy session end 0198c1d2-7a50-7c6e-9d0f-0b8a1c2d3e72"},
			{"Sign a student out everywhere", "bothy session end -all -user ada@example.edu"},
			{"Take all that somebody has who has lost it", "bothy session end -all -tokens -user ada@example.edu"},
		},
	}
}

func (c *sessionEnd) flags(f *flags) {
	f.group("Options", func(set *flag.FlagSet) {
		set.BoolVar(&c.all, "all", false, "End all sessions.")
		set.BoolVar(&c.tokens, "tokens", false, "Revoke all API tokens as well, with -all.")
		set.StringVar(&c.user, "user", "", "`Login` of the user whose, with -all and where you are an admin.")
	})
	c.remote.flags(f)
}

func (c *sessionEnd) run(ctx context.Context, args []string) error {
	if c.all == (len(args) == 1) {
		return usagef("name one session, or give -all")
	}
	if c.tokens && !c.all {
		return usagef("-tokens goes with -all")
	}
	s, err := c.remote.connect(c.env)
	if err != nil {
		return err
	}
	if c.all {
		if err := s.EndSessions(ctx, c.user, c.tokens); err != nil {
			return err
		}
		if c.tokens {
			c.env.UI.Output("All sessions have ended, and all API tokens are revoked.")
		} else {
			c.env.UI.Output("All sessions have ended.")
		}
		return nil
	}
	if err := s.EndSession(ctx, args[0]); err != nil {
		return err
	}
	c.env.UI.Output("The session has ended.")
	return nil
}
