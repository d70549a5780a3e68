package command

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/bothylabs/bothy/service/app"
	"github.com/bothylabs/bothy/service/client"
	"github.com/bothylabs/bothy/service/jobspec"
	"github.com/bothylabs/bothy/service/lab"
)

// templateSource says where templates are looked up: in this binary, or at a server.
type templateSource struct {
	remote  remoteFlags
	server  bool
	version string
}

func (s *templateSource) flags(f *flags) {
	f.group("Options", func(set *flag.FlagSet) {
		set.BoolVar(&s.server, "server", false, "Ask the Bothy server, which has an operator's templates as well; without it, this works offline.")
	})
	s.remote.flags(f)
}

// versionFlag adds the choice of a version, which only a server has.
func (s *templateSource) versionFlag(f *flags) {
	f.group("Options", func(set *flag.FlagSet) {
		set.StringVar(&s.version, "version", "", "`Number` of the version, or newest; asks the server.")
	})
}

// templateOf gives a template in the API's form, from either place.
func (s *templateSource) templateOf(ctx context.Context, e *Env, ref string) (shown any, source string, variables []client.Variable, err error) {
	if s.server || s.version != "" {
		version := int64(0)
		if s.version != "" {
			if version, err = versionNumber(s.version); err != nil {
				return nil, "", nil, err
			}
		}
		c, err := s.remote.connect(e)
		if err != nil {
			return nil, "", nil, err
		}
		t, err := c.Template(ctx, ref, version)
		return t, t.Source, t.Variables, err
	}
	t, err := e.templateByRef(ref)
	if err != nil {
		return nil, "", nil, err
	}
	one := localTemplate{templateSummary: summaryOf(t), Source: t.Source(), Variables: variablesOf(t)}
	return one, one.Source, one.Variables, nil
}

// templateSummary is a template that no server has registered.
type templateSummary struct {
	Name        string `json:"name"`
	Description string `json:"description"`
	Digest      string `json:"digest"`
}

// localTemplate is one with all that it says, in the names of the API.
type localTemplate struct {
	templateSummary
	Source    string            `json:"source"`
	Variables []client.Variable `json:"variables"`
}

func summaryOf(t *jobspec.Template) templateSummary {
	return templateSummary{Name: t.Name, Description: t.Description, Digest: t.Digest()}
}

func variablesOf(t *jobspec.Template) []client.Variable {
	out := []client.Variable{}
	for _, v := range t.Variables() {
		one := client.Variable{Name: v.Name, Type: v.Type, Description: v.Description, Required: v.Required, Reserved: v.Reserved}
		if !v.Required {
			one.Default = v.Default
		}
		out = append(out, one)
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
server has registered, each with its newest version. A template is a Nomad job
file; one of your own is used by its path.
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
	options, err := c.list.options()
	if err != nil {
		return err
	}
	if c.source.server {
		return c.registered(ctx, options)
	}
	catalog, err := app.Templates("")
	if err != nil {
		return err
	}
	templates := []templateSummary{}
	for _, one := range catalog.Templates() {
		templates = append(templates, summaryOf(one.Template))
	}
	if templates, err = chosen(templates, options); err != nil {
		return err
	}
	t := newTable("TEMPLATE", "DESCRIPTION")
	for _, one := range templates {
		t.add(one.Name, one.Description)
	}
	return c.output.show(c.env, templates, func() { c.env.show(t) })
}

// chosen lists what is built in as a server lists what it has.
func chosen(all []templateSummary, options client.ListOptions) ([]templateSummary, error) {
	switch options.Sort {
	case "", "name":
	case "-name":
		slices.Reverse(all)
	default:
		return nil, lab.Invalid("the list can't be sorted so", lab.Field{
			Name: "sort", Problem: fmt.Sprintf("%q is nothing that templates are sorted by", options.Sort), Remedy: "use name, or -name for the other way round",
		})
	}
	all = slices.DeleteFunc(all, func(t templateSummary) bool {
		return !strings.Contains(strings.ToLower(t.Name+"\n"+t.Description), strings.ToLower(options.Search))
	})
	if options.Limit > 0 && len(all) > options.Limit {
		all = all[:options.Limit]
	}
	return all, nil
}

// registered lists what the server has.
func (c *templateList) registered(ctx context.Context, options client.ListOptions) error {
	s, err := c.source.remote.connect(c.env)
	if err != nil {
		return err
	}
	templates, err := client.Collect(s.AllTemplates(ctx, options))
	if err != nil {
		return err
	}
	t := newTable("TEMPLATE", "NEWEST", "ORIGIN", "CREATED", "DESCRIPTION")
	for _, one := range templates {
		t.add(one.Name, strconv.FormatInt(one.Version, 10), string(one.Origin.Kind), date(one.CreatedAt), one.Description)
	}
	return c.output.show(c.env, templates, func() { c.env.show(t) })
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
		text: `
Prints a template's job file, byte for byte: a start for one of your own. With
-server or -version it is one that the server has registered; -json then says
also where it comes from.
`,
		examples: []example{
			{"Begin a template of your own", "bothy template show code-server-exec > mine.nomad.hcl"},
			{"What a course was made from", "bothy template show -version 1 code-server"},
		},
	}
}

func (c *templateShow) flags(f *flags) {
	c.source.versionFlag(f)
	c.source.flags(f)
	c.output.flags(f)
}

func (c *templateShow) run(ctx context.Context, args []string) error {
	template, source, _, err := c.source.templateOf(ctx, c.env, args[0])
	if err != nil {
		return err
	}
	return c.output.show(c.env, template, func() { fmt.Fprint(c.env.Stdout, source) })
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
	c.source.versionFlag(f)
	c.source.flags(f)
	c.output.flags(f)
}

func (c *templateVars) run(ctx context.Context, args []string) error {
	_, _, variables, err := c.source.templateOf(ctx, c.env, args[0])
	if err != nil {
		return err
	}
	shown := []client.Variable{}
	for _, v := range variables {
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
