package jobspec

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/zclconf/go-cty/cty"
	"github.com/zclconf/go-cty/cty/convert"
	"github.com/zclconf/go-cty/cty/function"
	ctyjson "github.com/zclconf/go-cty/cty/json"

	"github.com/bothylabs/bothy/service/lab"
)

// Params are a course's values for a template's variables, as JSON decodes
// them (numbers also as Go integers or json.Number).
type Params = map[string]any

// maxParam is the largest parameter, in bytes of JSON.
const maxParam = 64 << 10

// CheckParams tells what is wrong with a course's parameters: names that the
// template does not declare, reserved names, ill-typed values, text that would
// be interpreted, values that the template's validation refuses, and variables
// that are left without a value. All of it is CodeInvalid, with a field
// "parameters.<name>" for each.
func (t *Template) CheckParams(params Params) error {
	_, err := t.values(params)
	return err
}

// values gives the value of each parameter in its variable's type. Those that
// say no more than the template's own default are left out.
func (t *Template) values(params Params) (map[string]cty.Value, error) {
	values, fields := t.convert(params)
	for _, v := range t.variables {
		value, given := values[v.name]
		_, tried := params[v.name]
		switch {
		case given:
			if f := v.refuses(value, t.functions); f != nil {
				f.Name = parameterField(v.name)
				fields = append(fields, *f)
			}
		case !tried && v.fallback == cty.NilVal && !v.reserved:
			fields = append(fields, lab.Field{
				Name:    parameterField(v.name),
				Problem: "is missing, and the template has no default for it",
				Remedy:  "give a value; it is " + article(v.typ),
			})
		}
	}
	if len(fields) > 0 {
		return nil, lab.Invalid(fmt.Sprintf("the parameters do not fit the template %q", t.Name), fields...)
	}
	maps.DeleteFunc(values, func(name string, value cty.Value) bool { return t.variable(name).isDefault(value) })
	return values, nil
}

// convert gives each parameter in its variable's type, and says what is wrong with the others.
func (t *Template) convert(params Params) (map[string]cty.Value, []lab.Field) {
	var fields []lab.Field
	values := make(map[string]cty.Value, len(params))
	for _, name := range slices.Sorted(maps.Keys(params)) {
		value, f := t.value(name, params[name])
		if f != nil {
			f.Name = parameterField(name)
			fields = append(fields, *f)
			continue
		}
		values[name] = value
	}
	return values, fields
}

func parameterField(name string) string { return "parameters." + name }

// isDefault tells whether a value is the variable's default.
func (v *variable) isDefault(value cty.Value) bool {
	return v.fallback != cty.NilVal && v.fallback.RawEquals(value)
}

// value converts one parameter.
func (t *Template) value(name string, given any) (cty.Value, *lab.Field) {
	if isReserved(name) {
		return cty.NilVal, &lab.Field{Problem: "is set by Bothy and cannot be a parameter", Remedy: "remove it"}
	}
	v := t.variable(name)
	if v == nil {
		return cty.NilVal, &lab.Field{
			Problem: fmt.Sprintf("the template %q has no such parameter", t.Name),
			Remedy:  "it has " + strings.Join(t.parameterNames(), ", "),
		}
	}
	value, err := v.convert(given)
	if err != nil {
		return cty.NilVal, &lab.Field{Problem: err.Error(), Remedy: "it is " + article(v.typ)}
	}
	if f := valueProblem(value); f != nil {
		return cty.NilVal, f
	}
	return value, nil
}

func (t *Template) parameterNames() []string {
	var names []string
	for _, v := range t.variables {
		if !v.reserved {
			names = append(names, v.name)
		}
	}
	if len(names) == 0 {
		return []string{"none that a course may set"}
	}
	return names
}

// convert makes a JSON-like value into one of the variable's type. Its errors
// are sentences about the value.
func (v *variable) convert(given any) (cty.Value, error) {
	if given == nil {
		return cty.NilVal, errors.New("is null; leave it out for the default")
	}
	raw, err := json.Marshal(given)
	if err != nil {
		return cty.NilVal, errors.New("is not a JSON value")
	}
	if len(raw) > maxParam {
		return cty.NilVal, fmt.Errorf("is larger than %d KB", maxParam>>10)
	}
	implied, err := ctyjson.ImpliedType(raw)
	if err != nil {
		return cty.NilVal, errors.New("is not a JSON value")
	}
	loose, err := ctyjson.Unmarshal(raw, implied)
	if err != nil {
		return cty.NilVal, errors.New("is not a JSON value")
	}
	if name := surplus(implied, v.typ); name != "" {
		return cty.NilVal, fmt.Errorf("has an attribute %q, which its type does not have", name)
	}
	value, err := convert.Convert(loose, v.typ)
	if err != nil {
		return cty.NilVal, fmt.Errorf("%s does not fit: %w", short(loose), err)
	}
	return value, nil
}

// surplus names an attribute that is given and would be dropped by the conversion, "" for none.
func surplus(given, want cty.Type) string {
	switch {
	case given.IsObjectType() && want.IsObjectType():
		for _, name := range slices.Sorted(maps.Keys(given.AttributeTypes())) {
			if !want.HasAttribute(name) {
				return name
			}
			if inner := surplus(given.AttributeType(name), want.AttributeType(name)); inner != "" {
				return inner
			}
		}
	case given.IsObjectType() && want.IsMapType():
		for _, name := range slices.Sorted(maps.Keys(given.AttributeTypes())) {
			if inner := surplus(given.AttributeType(name), want.ElementType()); inner != "" {
				return inner
			}
		}
	case given.IsTupleType() && (want.IsListType() || want.IsSetType()):
		for _, element := range given.TupleElementTypes() {
			if inner := surplus(element, want.ElementType()); inner != "" {
				return inner
			}
		}
	case given.IsTupleType() && want.IsTupleType() && given.Length() == want.Length():
		for i, element := range given.TupleElementTypes() {
			if inner := surplus(element, want.TupleElementType(i)); inner != "" {
				return inner
			}
		}
	}
	return ""
}

// valueProblem looks into every part of a value, names in maps included.
func valueProblem(value cty.Value) *lab.Field {
	var found *lab.Field
	note := func(f *lab.Field) {
		if found == nil {
			found = f
		}
	}
	// Walk fails only when the function does, and this one does not.
	_ = cty.Walk(value, func(path cty.Path, v cty.Value) (bool, error) {
		if len(path) > 0 {
			switch step := path[len(path)-1].(type) {
			case cty.IndexStep:
				if step.Key.Type() == cty.String {
					note(textProblem(step.Key.AsString()))
				}
			case cty.GetAttrStep:
				note(textProblem(step.Name))
			}
		}
		switch {
		case v.IsNull():
			note(&lab.Field{Problem: "holds a null", Remedy: "leave it out"})
			return false, nil
		case v.Type() == cty.String:
			note(textProblem(v.AsString()))
		case v.Type() == cty.Number:
			note(numberProblem(v))
		}
		return true, nil
	})
	return found
}

// numberProblem holds numbers to what JSON's readers and Nomad agree about;
// it also keeps a short exponent from becoming a million digits in the file.
func numberProblem(v cty.Value) *lab.Field {
	const bits = 53
	number := v.AsBigFloat()
	if exponent := number.MantExp(nil); number.IsInf() || number.Sign() != 0 && (exponent > bits || exponent < -bits) {
		return &lab.Field{Problem: "is a number that is too large or too small", Remedy: "it lies between -2^53 and 2^53"}
	}
	return nil
}

// refuses gives the first of the variable's rules that has something against the value.
func (v *variable) refuses(value cty.Value, known map[string]function.Function) *lab.Field {
	for _, r := range v.rules {
		if f := r.check(v.name, value, known); f != nil {
			return f
		}
	}
	return nil
}
