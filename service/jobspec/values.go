package jobspec

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/ext/typeexpr"
	"github.com/zclconf/go-cty/cty"
	"github.com/zclconf/go-cty/cty/convert"
	ctyjson "github.com/zclconf/go-cty/cty/json"

	"github.com/bothylabs/bothy/service/lab"
)

// Params are a course's values for a template's variables, as JSON decodes
// them (numbers also as Go integers or json.Number).
type Params map[string]any

// CheckParams tells what is wrong with a course's parameters: names the
// template does not declare, reserved names, ill-typed values, text that would
// be interpreted, values that the template's validation refuses, and variables
// without a value. All of it is CodeInvalid, in fields "parameters.<name>".
func (t *Template) CheckParams(params Params) error {
	_, err := t.values(params)
	return err
}

// values gives the converted value of each parameter.
func (t *Template) values(params Params) (map[string]cty.Value, error) {
	var fields []lab.Field
	out := make(map[string]cty.Value, len(params))
	for _, name := range slices.Sorted(maps.Keys(params)) {
		value, field := t.value(name, params[name])
		if field != nil {
			field.Name = "parameters." + name
			fields = append(fields, *field)
			continue
		}
		out[name] = value
	}
	for _, v := range t.variables {
		if _, given := params[v.name]; !given && v.fallback == cty.NilVal && !isReserved(v.name) {
			fields = append(fields, lab.Field{
				Name:    "parameters." + v.name,
				Problem: "is missing, and the template has no default for it",
				Remedy:  "give " + article(v.typ),
			})
		}
	}
	if len(fields) == 0 {
		fields = t.checkRules(out, "parameters.")
	}
	if len(fields) > 0 {
		return nil, lab.Invalid(fmt.Sprintf("the parameters do not fit the template %q", t.Name), fields...)
	}
	return out, nil
}

func (t *Template) value(name string, given any) (cty.Value, *lab.Field) {
	v := t.variable(name)
	switch {
	case v == nil:
		return cty.NilVal, &lab.Field{
			Problem: fmt.Sprintf("the template %q has no such variable", t.Name),
			Remedy:  "it has " + strings.Join(t.parameterNames(), ", "),
		}
	case isReserved(name):
		return cty.NilVal, &lab.Field{Problem: "is set by Bothy and cannot be a parameter", Remedy: "remove it"}
	}
	value, err := v.convert(given)
	if err != nil {
		return cty.NilVal, &lab.Field{
			Problem: fmt.Sprintf("is not %s: %s", article(v.typ), err),
			Remedy:  "write it as the template declares it",
		}
	}
	if f := valueTextProblem(value); f != nil {
		return cty.NilVal, f
	}
	return value, nil
}

func (t *Template) parameterNames() []string {
	var names []string
	for _, v := range t.variables {
		if !isReserved(v.name) {
			names = append(names, v.name)
		}
	}
	if len(names) == 0 {
		return []string{"none that a course may set"}
	}
	return names
}

// convert makes a JSON-like value into one of the variable's type.
func (v *variable) convert(given any) (cty.Value, error) {
	if given == nil {
		return cty.NilVal, errors.New("it is null")
	}
	raw, err := json.Marshal(given)
	if err != nil {
		return cty.NilVal, errors.New("it is not a JSON value")
	}
	implied, err := ctyjson.ImpliedType(raw)
	if err != nil {
		return cty.NilVal, errors.New("it is not a JSON value")
	}
	loose, err := ctyjson.Unmarshal(raw, implied)
	if err != nil {
		return cty.NilVal, errors.New("it is not a JSON value")
	}
	value, err := convert.Convert(loose, v.typ)
	if err != nil {
		return cty.NilVal, err //nolint:wrapcheck // cty's sentence is what the reader needs
	}
	if !value.IsWhollyKnown() || value.IsNull() {
		return cty.NilVal, errors.New("it is null")
	}
	return value, nil
}

// valueTextProblem looks into every text of a value, keys included.
func valueTextProblem(value cty.Value) *lab.Field {
	var found *lab.Field
	check := func(s string) {
		if found == nil {
			found = textProblem("", s)
		}
	}
	// Walk only fails when the function does, and this one does not.
	_ = cty.Walk(value, func(path cty.Path, v cty.Value) (bool, error) {
		for _, step := range path {
			switch s := step.(type) {
			case cty.IndexStep:
				if s.Key.Type() == cty.String {
					check(s.Key.AsString())
				}
			case cty.GetAttrStep:
				check(s.Name)
			}
		}
		if v.Type() == cty.String && !v.IsNull() {
			check(v.AsString())
		}
		return true, nil
	})
	return found
}

// checkRules runs the validation blocks of the given values' variables.
func (t *Template) checkRules(values map[string]cty.Value, prefix string) []lab.Field {
	var fields []lab.Field
	for _, v := range t.variables {
		value, given := values[v.name]
		if !given {
			continue
		}
		for _, r := range v.rules {
			if f := r.check(v.name, value); f != nil {
				f.Name = prefix + v.name
				fields = append(fields, *f)
			}
		}
	}
	return fields
}

func (r rule) check(name string, value cty.Value) *lab.Field {
	result, diags := r.condition.Value(&hcl.EvalContext{
		Variables: map[string]cty.Value{"var": cty.ObjectVal(map[string]cty.Value{name: value})},
		Functions: functions(),
	})
	if diags.HasErrors() {
		at := r.condition.Range()
		return &lab.Field{
			Problem: fmt.Sprintf("the template's validation in line %d cannot be evaluated: %s", at.Start.Line, diags[0].Detail),
			Remedy:  "it may use its own variable and Nomad's pure functions",
		}
	}
	result, err := convert.Convert(result, cty.Bool)
	if err != nil || result.IsNull() || !result.IsKnown() {
		return &lab.Field{
			Problem: fmt.Sprintf("the template's validation in line %d is neither true nor false", r.condition.Range().Start.Line),
			Remedy:  "correct its condition",
		}
	}
	if result.True() {
		return nil
	}
	return &lab.Field{Problem: "is refused by the template", Remedy: r.message}
}

// article names a type in a sentence.
func article(t cty.Type) string {
	switch {
	case t == cty.DynamicPseudoType:
		return "a value"
	case t == cty.String:
		return "a text"
	case t == cty.Number:
		return "a number"
	case t == cty.Bool:
		return "true or false"
	}
	return "of the type " + typeexpr.TypeString(t)
}
