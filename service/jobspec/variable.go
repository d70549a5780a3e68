package jobspec

import (
	"encoding/json"
	"fmt"
	"slices"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/ext/typeexpr"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/zclconf/go-cty/cty"
	"github.com/zclconf/go-cty/cty/convert"
)

// Variable describes one variable block of a template.
type Variable struct {
	Name string
	// Type as HCL writes it: "string", "list(string)"; "any" when neither a type nor a default tells it.
	Type        string
	Description string
	// Required: it has no default.
	Required bool
	// Reserved: Bothy sets it, a course may not.
	Reserved bool
	// Default as JSON decodes it, nil without one.
	Default any
	// Rules are the messages of its validation blocks.
	Rules []string
}

type variable struct {
	name        string
	typ         cty.Type
	description string
	fallback    cty.Value // the default; cty.NilVal without one
	rules       []rule
	at          hcl.Range
	// reserved: Bothy sets it.
	reserved bool
	slot     slot
}

func (v *variable) public() Variable {
	out := Variable{
		Name:        v.name,
		Type:        "any",
		Description: v.description,
		Required:    v.fallback == cty.NilVal,
		Reserved:    v.reserved,
	}
	if v.typ != cty.DynamicPseudoType {
		out.Type = typeexpr.TypeString(v.typ)
	}
	if !out.Required {
		out.Default = plain(v.fallback)
	}
	for _, r := range v.rules {
		out.Rules = append(out.Rules, r.message)
	}
	return out
}

// plain gives a known value as JSON decodes it.
func plain(v cty.Value) any {
	var out any
	if err := json.Unmarshal(asJSON(v), &out); err != nil {
		return nil
	}
	return out
}

// readVariables reads a file's variable blocks, in the order of the file.
func readVariables(source []byte, body *hclsyntax.Body) ([]*variable, hcl.Diagnostics) {
	var (
		out   []*variable
		diags hcl.Diagnostics
	)
	for _, block := range body.Blocks {
		if block.Type != "variable" {
			continue
		}
		v, more := readVariable(block)
		diags = append(diags, more...)
		if v == nil {
			continue
		}
		if i := slices.IndexFunc(out, func(other *variable) bool { return other.name == v.name }); i >= 0 {
			diags = append(diags, problem(v.at, fmt.Sprintf("the variable %q is there twice", v.name),
				fmt.Sprintf("the first is in line %d; remove one", out[i].at.Start.Line)))
			continue
		}
		v.slot = findSlot(source, block)
		out = append(out, v)
	}
	return out, diags
}

func readVariable(block *hclsyntax.Block) (*variable, hcl.Diagnostics) {
	if len(block.Labels) != 1 || !hclsyntax.ValidIdentifier(block.Labels[0]) {
		return nil, hcl.Diagnostics{problem(block.DefRange(), "a variable block has one label, the variable's name, made of letters, digits, hyphens and underscores", `write: variable "memory" { … }`)}
	}
	v := &variable{name: block.Labels[0], typ: cty.DynamicPseudoType, fallback: cty.NilVal, at: block.DefRange()}
	var diags hcl.Diagnostics
	for _, attr := range attributes(block.Body) {
		diags = append(diags, v.readArgument(attr)...)
	}
	for _, inner := range block.Body.Blocks {
		if inner.Type != "validation" {
			diags = append(diags, problem(inner.DefRange(), fmt.Sprintf("a variable has no %q block", inner.Type), "it may have validation blocks"))
			continue
		}
		r, more := readRule(v.name, inner)
		diags = append(diags, more...)
		v.rules = append(v.rules, r)
	}
	if attr, ok := block.Body.Attributes["default"]; ok && !diags.HasErrors() {
		diags = append(diags, v.readDefault(attr)...)
	}
	want, reserved := reservedTypes()[v.name]
	v.reserved = reserved
	if reserved && !diags.HasErrors() && !v.typ.Equals(want) {
		diags = append(diags, problem(v.at, fmt.Sprintf("the variable %q is set by Bothy and is %s here", v.name, article(v.typ)),
			fmt.Sprintf("declare it with type = %s, or give the course's parameter another name", typeexpr.TypeString(want))))
	}
	return v, diags
}

// readArgument reads all of a variable's arguments but the default, which needs the type.
func (v *variable) readArgument(attr *hclsyntax.Attribute) hcl.Diagnostics {
	switch attr.Name {
	case "type":
		typ, diags := typeexpr.Type(attr.Expr)
		v.typ = typ
		return diags
	case "description":
		return literal(attr, &v.description)
	case "default":
		return nil
	case "sensitive", "ephemeral":
		return hcl.Diagnostics{problem(attr.NameRange, fmt.Sprintf("Nomad's job files have no %q", attr.Name), "a secret belongs in Vault, not in a variable")}
	}
	return hcl.Diagnostics{problem(attr.NameRange, fmt.Sprintf("a variable of Nomad's has no %q", attr.Name), "it has type, description, default and validation blocks")}
}

// readDefault reads a default. As in Nomad, it also gives the type where none is declared.
func (v *variable) readDefault(attr *hclsyntax.Attribute) hcl.Diagnostics {
	value, diags := attr.Expr.Value(nil)
	if diags.HasErrors() {
		return diags
	}
	converted, err := convert.Convert(value, v.typ)
	if err != nil {
		return hcl.Diagnostics{problem(attr.Expr.Range(), fmt.Sprintf("the default of %q is not %s: %s", v.name, article(v.typ), err), "write a value of the declared type")}
	}
	v.fallback = converted
	v.typ = converted.Type()
	return nil
}

// attributes gives a body's arguments in the order of the file.
func attributes(body *hclsyntax.Body) []*hclsyntax.Attribute {
	out := make([]*hclsyntax.Attribute, 0, len(body.Attributes))
	for _, a := range body.Attributes {
		out = append(out, a)
	}
	slices.SortFunc(out, func(a, b *hclsyntax.Attribute) int { return a.SrcRange.Start.Byte - b.SrcRange.Start.Byte })
	return out
}

// literal reads an argument that is a text without anything to evaluate.
func literal(attr *hclsyntax.Attribute, into *string) hcl.Diagnostics {
	value, diags := attr.Expr.Value(nil)
	if diags.HasErrors() {
		return diags
	}
	if value.IsNull() || value.Type() != cty.String {
		return hcl.Diagnostics{problem(attr.Expr.Range(), fmt.Sprintf("%s is a text", attr.Name), "write it in quotes")}
	}
	*into = value.AsString()
	return nil
}

// problem is a diagnostic in the form of a lab.Field: what is wrong, and the remedy.
func problem(at hcl.Range, what, remedy string) *hcl.Diagnostic {
	return &hcl.Diagnostic{Severity: hcl.DiagError, Summary: what, Detail: remedy, Subject: &at}
}

// article names a type in a sentence.
func article(t cty.Type) string {
	switch t {
	case cty.DynamicPseudoType:
		return "without a type"
	case cty.String:
		return "a text"
	case cty.Number:
		return "a number"
	case cty.Bool:
		return "true or false"
	}
	return "of the type " + typeexpr.TypeString(t)
}
