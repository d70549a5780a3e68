package command

import (
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"path/filepath"
	"slices"
	"strings"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	hcljson "github.com/hashicorp/hcl/v2/json"
	"github.com/zclconf/go-cty/cty"
	ctyjson "github.com/zclconf/go-cty/cty/json"

	"github.com/bothylabs/bothy/service/jobspec"
	"github.com/bothylabs/bothy/service/lab"
)

// params are a course's parameters from the command line: files first, single
// values over them.
type params struct {
	vars  repeated
	files repeated
}

func (p *params) flags(f *flags) {
	f.group("Parameters", func(set *flag.FlagSet) {
		set.Var(&p.vars, "var", "Value for one of the template's variables, as `name=value`; may be given several times. Text needs no quotes of its own, everything else is written as in HCL: -var memory=2048, -var 'extensions=[\"a\",\"b\"]'.")
		set.Var(&p.files, "var-file", "`File` of values in HCL, or in JSON where its name ends in .json; may be given several times, the later wins.")
	})
}

func (p *params) empty() bool { return len(p.vars) == 0 && len(p.files) == 0 }

// given is one value and where it was said.
type given struct {
	value any
	place string // "params.hcl:3:1" or "-var memory"
}

// read gives the values for a template's variables, and where each was said.
func (p *params) read(e *Env, variables []jobspec.Variable) (map[string]given, error) {
	all := map[string]given{}
	for _, path := range p.files {
		if err := e.readParamsFile(path, all); err != nil {
			return nil, err
		}
	}
	for _, text := range p.vars {
		name, value, ok := strings.Cut(text, "=")
		if !ok || name == "" {
			return nil, usagef("-var %s: write name=value", text)
		}
		name = strings.TrimSpace(name)
		parsed, err := parseVar(value, typeOf(variables, name))
		if err != nil {
			return nil, lab.Invalid("a parameter cannot be read", lab.Field{Name: "-var " + name, Problem: err.Error(), Remedy: "write text without quotes, and everything else as in HCL"})
		}
		all[name] = given{value: parsed, place: "-var " + name}
	}
	return all, nil
}

func typeOf(variables []jobspec.Variable, name string) string {
	i := slices.IndexFunc(variables, func(v jobspec.Variable) bool { return v.Name == name })
	if i < 0 {
		return "string" // no such variable: the template's check says so
	}
	return variables[i].Type
}

// parseVar reads a value as Nomad's -var does: a text as it stands, everything else as an HCL expression.
func parseVar(text, kind string) (any, error) {
	if kind == "string" {
		return text, nil
	}
	value, err := parseExpression(text)
	if err != nil && kind == "any" {
		// Where any type will do, what is no HCL is text.
		return text, nil
	}
	return value, err
}

func parseExpression(text string) (any, error) {
	expression, diags := hclsyntax.ParseExpression([]byte(text), "value", hcl.InitialPos)
	if diags.HasErrors() {
		return nil, fmt.Errorf("%q is not HCL: %s", text, diags[0].Detail)
	}
	value, diags := expression.Value(nil)
	if diags.HasErrors() {
		return nil, fmt.Errorf("%q is not a value: %s", text, diags[0].Detail)
	}
	return plainValue(value)
}

// plainValue gives a value as JSON decodes it.
func plainValue(value cty.Value) (any, error) {
	if !value.IsWhollyKnown() {
		return nil, errors.New("is not known before the job runs")
	}
	encoded, err := ctyjson.Marshal(value, value.Type())
	if err != nil {
		return nil, fmt.Errorf("has no form in JSON: %w", err)
	}
	var plain any
	decoder := json.NewDecoder(strings.NewReader(string(encoded)))
	decoder.UseNumber()
	if err := decoder.Decode(&plain); err != nil {
		return nil, fmt.Errorf("has no form in JSON: %w", err)
	}
	return plain, nil
}

// readParamsFile adds a file's values to all.
func (e *Env) readParamsFile(path string, all map[string]given) error {
	source, err := e.readInput(path)
	if err != nil {
		return err
	}
	var file *hcl.File
	var diags hcl.Diagnostics
	if filepath.Ext(path) == ".json" {
		file, diags = hcljson.Parse([]byte(source), path)
	} else {
		file, diags = hclsyntax.ParseConfig([]byte(source), path, hcl.InitialPos)
	}
	if diags.HasErrors() {
		return invalidFile(diags)
	}
	attributes, diags := file.Body.JustAttributes()
	for name, attribute := range attributes {
		value, more := attribute.Expr.Value(nil)
		diags = append(diags, more...)
		if more.HasErrors() {
			continue
		}
		plain, err := plainValue(value)
		if err != nil {
			at := attribute.Expr.Range()
			diags = append(diags, &hcl.Diagnostic{Severity: hcl.DiagError, Summary: name + " " + err.Error(), Subject: &at})
			continue
		}
		all[name] = given{value: plain, place: placeOf(attribute.Range)}
	}
	if diags.HasErrors() {
		return invalidFile(diags)
	}
	return nil
}

func invalidFile(diags hcl.Diagnostics) error {
	slices.SortFunc(diags, func(a, b *hcl.Diagnostic) int {
		if a.Subject == nil || b.Subject == nil {
			return 0
		}
		return a.Subject.Start.Byte - b.Subject.Start.Byte
	})
	var fields []lab.Field
	for _, d := range diags {
		field := lab.Field{Problem: strings.ToLower(d.Summary[:1]) + d.Summary[1:], Remedy: strings.TrimSuffix(d.Detail, ".")}
		if d.Subject != nil {
			field.Name = placeOf(*d.Subject)
		}
		fields = append(fields, field)
	}
	return lab.Invalid("the parameters cannot be read", fields...)
}

func placeOf(r hcl.Range) string {
	return fmt.Sprintf("%s:%d:%d", r.Filename, r.Start.Line, r.Start.Column)
}

// values drops the places.
func values(all map[string]given) jobspec.Params {
	plain := make(jobspec.Params, len(all))
	for name, g := range all {
		plain[name] = g.value
	}
	return plain
}

// placed renames the fields of an error about parameters to where each was said.
func placed(err error, all map[string]given) error {
	var coded *lab.Error
	if !errors.As(err, &coded) {
		return err
	}
	moved := *coded
	moved.Fields = slices.Clone(coded.Fields)
	for i, field := range moved.Fields {
		name, ok := strings.CutPrefix(field.Name, "parameters.")
		if !ok {
			continue
		}
		switch g, said := all[name]; {
		case !said:
			moved.Fields[i].Name = name
		case strings.HasPrefix(g.place, "-var"):
			moved.Fields[i].Name = g.place
		default:
			moved.Fields[i].Name = g.place + ": " + name
		}
	}
	// The one that it was stays in the chain: whose answer it is decides the exit code.
	return errors.Join(&moved, err)
}
