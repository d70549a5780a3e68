package jobspec

import (
	"bytes"
	"fmt"

	"github.com/zclconf/go-cty/cty"
)

// Trial gives a variables file with a value for each variable that has no
// default: with it, Nomad's parser reads the template as it stands, and what it
// says has the template's own lines. There is none when a value cannot be made
// up, because a parameter has a validation.
func (t *Template) Trial() (variables []byte, ok bool) {
	words := vocabulary(example())
	var out bytes.Buffer
	for _, v := range t.variables {
		if v.fallback != cty.NilVal {
			continue
		}
		value := words[v.name]
		if !v.reserved {
			value = emptyOf(v.typ)
		}
		if v.refuses(value, t.functions) != nil {
			return nil, false
		}
		fmt.Fprintf(&out, "%s = %s\n", v.name, literalOf(value))
	}
	return out.Bytes(), true
}

// emptyOf gives the value of a type that says least.
func emptyOf(t cty.Type) cty.Value {
	switch {
	case t == cty.Number:
		return cty.Zero
	case t == cty.Bool:
		return cty.False
	case t.IsListType(), t.IsSetType():
		return cty.EmptyTupleVal
	case t.IsMapType():
		return cty.EmptyObjectVal
	case t.IsTupleType():
		var values []cty.Value
		for _, element := range t.TupleElementTypes() {
			values = append(values, emptyOf(element))
		}
		return cty.TupleVal(values)
	case t.IsObjectType():
		values := make(map[string]cty.Value, len(t.AttributeTypes()))
		for name, attribute := range t.AttributeTypes() {
			values[name] = emptyOf(attribute)
		}
		return cty.ObjectVal(values)
	}
	return cty.StringVal("")
}
