package command

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"

	"github.com/bothylabs/bothy/service/client"
	"github.com/bothylabs/bothy/service/jobspec"
	"github.com/bothylabs/bothy/service/lab"
	"github.com/bothylabs/bothy/service/registrar"
)

// templateSource says where templates are looked up: in this binary, or at a server.
type templateSource struct {
	remote remoteFlags
	server bool
}

func (s *templateSource) flags(f *flags) {
	f.group("Options", func(set *flag.FlagSet) {
		set.BoolVar(&s.server, "server", false, "Ask the Bothy server, which may offer an operator's templates as well; without it, this works offline.")
	})
	s.remote.flags(f)
}

// templateOf gives a template in the API's form, from either place.
func (s *templateSource) templateOf(ctx context.Context, e *Env, ref string) (client.Template, error) {
	if s.server {
		c, err := s.remote.connect(e)
		if err != nil {
			return client.Template{}, err
		}
		return c.Template(ctx, ref)
	}
	t, err := e.templateByRef(ref)
	if err != nil {
		return client.Template{}, err
	}
	return apiTemplate(t), nil
}

func apiTemplate(t *jobspec.Template) client.Template {
	out := client.Template{Name: t.Name, Description: t.Description, Digest: t.Digest(), Source: t.Source(), Variables: []client.Variable{}}
	for _, v := range t.Variables() {
		one := client.Variable{Name: v.Name, Type: v.Type, Description: v.Description, Required: v.Required, Reserved: v.Reserved}
		if !v.Required {
			one.Default = v.Default
		}
		out.Variables = append(out.Variables, one)
	}
	return out
}

// templateList is `bothy template list`.
type templateList struct {
	env    *Env
	list   listFlags
	source templateSource
	output output
}

func (*templateList) doc() doc {
	return doc{
		synopsis: "List the templates",
		text: `
Lists the templates that this binary holds, or with -server those that the
server offers. A template is a Nomad job file; one of your own is used by its
path.
`,
		examples: []example{{"List what is built in", "bothy template list"}, {"List what the server offers", "bothy template list -server"}},
	}
}

func (c *templateList) flags(f *flags) {
	c.list.flags(f, "name")
	c.source.flags(f)
	c.output.flags(f)
}

func (c *templateList) run(ctx context.Context, _ []string) error {
	templates, err := c.templates(ctx)
	if err != nil {
		return err
	}
	return c.output.show(c.env, templates, func() {
		t := newTable("TEMPLATE", "DESCRIPTION")
		for _, one := range templates {
			t.add(one.Name, one.Description)
		}
		c.env.show(t)
	})
}

func (c *templateList) templates(ctx context.Context) ([]client.TemplateSummary, error) {
	options, err := c.list.options()
	if err != nil {
		return nil, err
	}
	if c.source.server {
		s, err := c.source.remote.connect(c.env)
		if err != nil {
			return nil, err
		}
		return client.Collect(s.AllTemplates(ctx, options))
	}
	catalog, err := builtIn("")
	if err != nil {
		return nil, err
	}
	// The catalog is listed as a server's registrar lists it.
	offline := registrar.New(registrar.Config{Catalog: catalog})
	all := []client.TemplateSummary{}
	for page := (lab.Page{Sort: options.Sort}); ; {
		found, err := offline.Templates(ctx, registrar.TemplateFilter{Search: options.Search}, page)
		if err != nil {
			return nil, err
		}
		for _, t := range found.Items {
			if options.Limit > 0 && len(all) == options.Limit {
				return all, nil
			}
			all = append(all, client.TemplateSummary{Name: t.Name, Description: t.Description, Digest: t.Digest})
		}
		if page.Cursor = found.Next; page.Cursor == "" {
			return all, nil
		}
	}
}

// templateShow is `bothy template show`.
type templateShow struct {
	env    *Env
	source templateSource
	output output
}

func (*templateShow) doc() doc {
	return doc{
		args:     []string{"<template>"},
		synopsis: "Print a template",
		text:     "Prints a template's job file, byte for byte: a start for one of your own.",
		examples: []example{{"Begin a template of your own", "bothy template show code-server-exec > mine.nomad.hcl"}},
	}
}

func (c *templateShow) flags(f *flags) {
	c.source.flags(f)
	c.output.flags(f)
}

func (c *templateShow) run(ctx context.Context, args []string) error {
	template, err := c.source.templateOf(ctx, c.env, args[0])
	if err != nil {
		return err
	}
	return c.output.show(c.env, template, func() { fmt.Fprint(c.env.Stdout, template.Source) })
}

// templateVars is `bothy template vars`.
type templateVars struct {
	env    *Env
	source templateSource
	output output
	all    bool
}

func (*templateVars) doc() doc {
	return doc{
		args:     []string{"<template>"},
		synopsis: "List the variables of a template",
		text: `
Lists what a course may set of a template: each variable's name, type, default
and description. Those that Bothy fills in itself are left out without -all.
`,
		examples: []example{{"What can be set", "bothy template vars code-server-exec"}},
	}
}

func (c *templateVars) flags(f *flags) {
	f.group("Options", func(set *flag.FlagSet) {
		set.BoolVar(&c.all, "all", false, "List those too that Bothy fills in itself.")
	})
	c.source.flags(f)
	c.output.flags(f)
}

func (c *templateVars) run(ctx context.Context, args []string) error {
	template, err := c.source.templateOf(ctx, c.env, args[0])
	if err != nil {
		return err
	}
	shown := []client.Variable{}
	for _, v := range template.Variables {
		if c.all || !v.Reserved {
			shown = append(shown, v)
		}
	}
	return c.output.show(c.env, shown, func() {
		t := newTable("VARIABLE", "TYPE", "DEFAULT", "DESCRIPTION").optional(1)
		for _, v := range shown {
			t.add(v.Name, v.Type, defaultOf(v), v.Description)
		}
		c.env.show(t)
	})
}

func defaultOf(v client.Variable) string {
	switch {
	case v.Reserved:
		return "(set by Bothy)"
	case v.Required:
		return "(needed)"
	}
	encoded, err := json.Marshal(v.Default)
	if err != nil {
		return "?"
	}
	return string(encoded)
}
