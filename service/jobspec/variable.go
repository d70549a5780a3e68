package jobspec

import (
	"encoding/json"
	"fmt"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/ext/typeexpr"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/zclconf/go-cty/cty"
	"github.com/zclconf/go-cty/cty/convert"
	ctyjson "github.com/zclconf/go-cty/cty/json"
)

// Variable describes one variable block of a template.
type Variable struct {
	Name string
	// Type as HCL writes it: "string", "list(string)"; "any" when the block names none.
	Type        string
	Description string
	// Required: it has no default.
	Required bool
	// Reserved: Bothy sets it, a course may not.
	Reserved bool
	// Default as JSON decodes it, nil without one.
	Default any
}

type variable struct {
	name        string
	typ         cty.Type
	description string
	fallback    cty.Value // the default; cty.NilVal without one
	rules       []rule
	at          hcl.Range
}

type rule struct {
	condition hcl.Expression
	message   string
}

func (v *variable) public() Variable {
	out := Variable{
		Name:        v.name,
		Type:        typeexpr.TypeString(v.typ),
		Description: v.description,
		Required:    v.fallback == cty.NilVal,
		Reserved:    isReserved(v.name),
	}
	if !out.Required {
		out.Default = plain(v.fallback)
	}
	return out
}

// plain gives a value as JSON decodes it. A default was converted to a concrete
// type when it was read, so it always has a JSON form.
func plain(v cty.Value) any {
	raw, err := ctyjson.Marshal(v, v.Type())
	if err != nil {
		return nil
	}
	var out any
	if err := json.Unmarshal(raw, &out); err != nil {
		return nil
	}
	return out
}

func readVariables(body *hclsyntax.Body) ([]*variable, hcl.Diagnostics) {
	var (
		out   []*variable
		diags hcl.Diagnostics
		seen  = make(map[string]hcl.Range)
	)
	for _, block := range body.Blocks {
		switch block.Type {
		case "variable":
		case "variables":
			diags = append(diags, problem(block.DefRange(), `A "variables" block is not supported`, "Write one variable block for each, with its type."))
			continue
		default:
			continue
		}
		v, more := readVariable(block)
		diags = append(diags, more...)
		if v == nil {
			continue
		}
		if first, ok := seen[v.name]; ok {
			diags = append(diags, problem(v.at, fmt.Sprintf("Variable %q is there twice", v.name), fmt.Sprintf("The first is in line %d.", first.Start.Line)))
			continue
		}
		seen[v.name] = v.at
		out = append(out, v)
	}
	return out, diags
}

func readVariable(block *hclsyntax.Block) (*variable, hcl.Diagnostics) {
	if len(block.Labels) != 1 || !hclsyntax.ValidIdentifier(block.Labels[0]) {
		return nil, hcl.Diagnostics{problem(block.DefRange(), "A variable block has one label, its name", `As in: variable "memory" { … }`)}
	}
	v := &variable{name: block.Labels[0], typ: cty.DynamicPseudoType, fallback: cty.NilVal, at: block.DefRange()}
	var diags hcl.Diagnostics
	for _, attr := range attributes(block.Body) {
		switch attr.Name {
		case "type":
			typ, more := typeexpr.TypeConstraint(attr.Expr)
			diags = append(diags, more...)
			v.typ = typ
		case "description":
			diags = append(diags, literal(attr, &v.description)...)
		case "default": // read below, once the type is known
		case "sensitive":
			diags = append(diags, problem(attr.NameRange, `Nomad's job files have no "sensitive"`, "A secret belongs in Vault, not in a variable."))
		default:
			diags = append(diags, problem(attr.NameRange, fmt.Sprintf("A variable block has no %q", attr.Name), "It has type, description, default and validation."))
		}
	}
	for _, inner := range block.Body.Blocks {
		if inner.Type != "validation" {
			diags = append(diags, problem(inner.DefRange(), fmt.Sprintf("A variable block has no %q block", inner.Type), "It has validation blocks."))
			continue
		}
		r, more := readRule(inner)
		diags = append(diags, more...)
		v.rules = append(v.rules, r)
	}
	if attr, ok := block.Body.Attributes["default"]; ok && !diags.HasErrors() {
		diags = append(diags, v.readDefault(attr)...)
	}
	return v, diags
}

func (v *variable) readDefault(attr *hclsyntax.Attribute) hcl.Diagnostics {
	value, diags := attr.Expr.Value(nil)
	if diags.HasErrors() {
		return diags
	}
	converted, err := convert.Convert(value, v.typ)
	if err != nil {
		return hcl.Diagnostics{problem(attr.Expr.Range(), fmt.Sprintf("The default of %q is not of its type", v.name), "It must be "+article(v.typ)+": "+err.Error()+".")}
	}
	v.fallback = converted
	return nil
}

func readRule(block *hclsyntax.Block) (rule, hcl.Diagnostics) {
	var (
		r     rule
		diags hcl.Diagnostics
	)
	for _, attr := range attributes(block.Body) {
		switch attr.Name {
		case "condition":
			r.condition = attr.Expr
		case "error_message":
			diags = append(diags, literal(attr, &r.message)...)
		default:
			diags = append(diags, problem(attr.NameRange, fmt.Sprintf("A validation block has no %q", attr.Name), "It has condition and error_message."))
		}
	}
	if r.condition == nil || r.message == "" {
		diags = append(diags, problem(block.DefRange(), "A validation block needs a condition and an error_message", "Add what is missing."))
	}
	return r, diags
}

// attributes gives a body's arguments in the order of the file.
func attributes(body *hclsyntax.Body) []*hclsyntax.Attribute {
	out := make([]*hclsyntax.Attribute, 0, len(body.Attributes))
	for _, a := range body.Attributes {
		out = append(out, a)
	}
	sortByPosition(out)
	return out
}

func literal(attr *hclsyntax.Attribute, into *string) hcl.Diagnostics {
	value, diags := attr.Expr.Value(nil)
	if diags.HasErrors() {
		return diags
	}
	if value.IsNull() || value.Type() != cty.String {
		return hcl.Diagnostics{problem(attr.Expr.Range(), fmt.Sprintf("%q is a text", attr.Name), "Write it in quotes.")}
	}
	*into = value.AsString()
	return nil
}

func problem(at hcl.Range, summary, detail string) *hcl.Diagnostic {
	return &hcl.Diagnostic{Severity: hcl.DiagError, Summary: summary, Detail: detail, Subject: &at}
}
