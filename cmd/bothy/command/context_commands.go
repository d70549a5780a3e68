package command

import (
	"context"
)

// contextView is a context as people and programs see it: without its token.
type contextView struct {
	Name          string `json:"name"`
	Current       bool   `json:"current"`
	Address       string `json:"address"`
	SignedIn      bool   `json:"signed_in"`
	CACert        string `json:"ca_cert"`
	TLSServerName string `json:"tls_server_name"`
}

func (c *contexts) view(name string) contextView {
	one := c.Contexts[name]
	return contextView{
		Name: name, Current: name == c.Current, Address: one.Address, SignedIn: one.Token != "",
		CACert: one.CACert, TLSServerName: one.TLSServerName,
	}
}

func yesNo(yes bool) string {
	if yes {
		return "yes"
	}
	return "no"
}

// contextList is `bothy context list`.
type contextList struct {
	env    *Env
	output output
}

func (*contextList) doc() doc {
	return doc{
		synopsis: "List the contexts",
		text:     "Lists the servers that \"bothy login\" has remembered. The current one has a star.",
		examples: []example{{"List the contexts", "bothy context list"}},
	}
}

func (c *contextList) flags(f *flags) { c.output.flags(f) }

func (c *contextList) run(context.Context, []string) error {
	all, err := c.env.contexts()
	if err != nil {
		return err
	}
	views := []contextView{}
	for _, name := range all.names() {
		views = append(views, all.view(name))
	}
	return c.output.show(c.env, views, func() {
		if len(views) == 0 {
			c.env.UI.Output("No contexts. Make one with: bothy login")
			return
		}
		t := newTable("", "CONTEXT", "ADDRESS", "SIGNED IN")
		for _, v := range views {
			mark := ""
			if v.Current {
				mark = "*"
			}
			t.add(mark, v.Name, v.Address, yesNo(v.SignedIn))
		}
		c.env.show(t)
	})
}

// contextUse is `bothy context use`.
type contextUse struct {
	env    *Env
	output output
}

func (*contextUse) doc() doc {
	return doc{
		args:     []string{"<context>"},
		synopsis: "Make a context the current one",
		text:     "Makes a context the one that all commands use.",
		examples: []example{{"Go over to another server", "bothy context use staging"}},
	}
}

func (c *contextUse) flags(f *flags) { c.output.flags(f) }

func (c *contextUse) run(_ context.Context, args []string) error {
	all, err := c.env.contexts()
	if err != nil {
		return err
	}
	if _, err := all.named(args[0]); err != nil {
		return err
	}
	all.Current = args[0]
	if err := all.write(); err != nil {
		return err
	}
	v := all.view(args[0])
	return c.output.show(c.env, v, func() {
		c.env.UI.Output("The current context is " + v.Name + ", at " + v.Address + ".")
	})
}

// contextShow is `bothy context show`.
type contextShow struct {
	env    *Env
	output output
}

func (*contextShow) doc() doc {
	return doc{
		args:     []string{"[context]"},
		synopsis: "Show a context",
		text:     "Shows the current context, or the one named. Its token is not shown.",
		examples: []example{{"Where commands go", "bothy context show"}},
	}
}

func (c *contextShow) flags(f *flags) { c.output.flags(f) }

func (c *contextShow) run(_ context.Context, args []string) error {
	all, err := c.env.contexts()
	if err != nil {
		return err
	}
	name := firstOf(append(args, c.env.getenv("BOTHY_CONTEXT"), all.Current)...)
	if _, err := all.named(name); err != nil {
		return err
	}
	v := all.view(name)
	return c.output.show(c.env, v, func() {
		t := newTable("Context", v.Name)
		t.add("Current", yesNo(v.Current))
		t.add("Address", v.Address)
		t.add("Signed in", yesNo(v.SignedIn))
		if v.CACert != "" {
			t.add("CA certificate", v.CACert)
		}
		if v.TLSServerName != "" {
			t.add("TLS server name", v.TLSServerName)
		}
		t.add("File", all.path)
		c.env.show(t)
	})
}

// contextDelete is `bothy context delete`.
type contextDelete struct {
	env    *Env
	output output
}

func (*contextDelete) doc() doc {
	return doc{
		args:     []string{"<context>"},
		synopsis: "Forget a context and its token",
		text:     "Forgets a context. The server knows nothing of it; its token stays valid there.",
		examples: []example{{"Forget a server", "bothy context delete staging"}},
	}
}

func (c *contextDelete) flags(f *flags) { c.output.flags(f) }

func (c *contextDelete) run(_ context.Context, args []string) error {
	all, err := c.env.contexts()
	if err != nil {
		return err
	}
	if _, err := all.named(args[0]); err != nil {
		return err
	}
	gone := all.view(args[0])
	delete(all.Contexts, args[0])
	if all.Current == args[0] {
		all.Current = ""
	}
	if err := all.write(); err != nil {
		return err
	}
	return c.output.show(c.env, gone, func() { c.env.UI.Output("Context " + gone.Name + " is forgotten.") })
}
