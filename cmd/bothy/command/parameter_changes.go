package command

import (
	"context"
	"encoding/json"
	"flag"
	"maps"
	"slices"

	"github.com/bothylabs/bothy/service/client"
	"github.com/bothylabs/bothy/service/jobspec"
	"github.com/bothylabs/bothy/service/lab"
)

// parameterTable adds parameters to a table of what something is, a line each.
func parameterTable(t *table, title string, parameters map[string]any) {
	for _, name := range slices.Sorted(maps.Keys(parameters)) {
		encoded, err := json.Marshal(parameters[name])
		if err != nil {
			encoded = []byte("?")
		}
		t.add(title, name+" = "+string(encoded))
		title = ""
	}
}

// readFor reads -var and -var-file by the types of a version of the server's template.
func (p *params) readFor(ctx context.Context, e *Env, s *client.Client, name string, version int64) (map[string]given, error) {
	if p.empty() {
		return nil, nil
	}
	template, err := s.Template(ctx, name, version)
	if err != nil {
		return nil, err
	}
	variables := make([]jobspec.Variable, len(template.Variables))
	for i, v := range template.Variables {
		variables[i] = jobspec.Variable{Name: v.Name, Type: v.Type}
	}
	return p.read(e, variables)
}

// parameterChanges are -var and -var-file over parameters that there are, and -unset.
type parameterChanges struct {
	params
	unset repeated
}

func (c *parameterChanges) flags(f *flags, unset string) {
	c.params.flags(f)
	f.group("Parameters", func(set *flag.FlagSet) { set.Var(&c.unset, "unset", unset) })
}

func (c *parameterChanges) empty() bool { return c.params.empty() && len(c.unset) == 0 }

// over gives the parameters that there will be.
func (c *parameterChanges) over(before map[string]any, said map[string]given) (map[string]any, error) {
	after := maps.Clone(before)
	if after == nil {
		after = map[string]any{}
	}
	for _, name := range c.unset {
		if _, set := before[name]; !set {
			return nil, lab.Invalid("a parameter cannot be unset", lab.Field{Name: "-unset " + name, Problem: "is not set", Remedy: "leave it out"})
		}
		if _, both := said[name]; both {
			return nil, usagef("%s is both set and unset", name)
		}
		delete(after, name)
	}
	maps.Copy(after, values(said))
	return after, nil
}
