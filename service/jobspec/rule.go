package jobspec

import (
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/zclconf/go-cty/cty"
	"github.com/zclconf/go-cty/cty/convert"
	"github.com/zclconf/go-cty/cty/function"

	"github.com/bothylabs/bothy/service/lab"
)

// rule is one validation block.
type rule struct {
	condition hclsyntax.Expression
	message   string
}

// readRule reads a validation block of the variable name. It refuses what Nomad
// refuses, so that a template that Bothy takes is one that Nomad takes.
func readRule(name string, block *hclsyntax.Block) (rule, hcl.Diagnostics) {
	var (
		r     rule
		diags hcl.Diagnostics
	)
	for _, attr := range attributes(block.Body) {
		switch attr.Name {
		case "condition":
			r.condition = attr.Expr
			diags = append(diags, checkReferences(name, attr.Expr)...)
			diags = append(diags, checkFunctions(attr.Expr)...)
		case "error_message":
			more := literal(attr, &r.message)
			diags = append(diags, more...)
			if !more.HasErrors() && !isSentence(r.message) {
				diags = append(diags, problem(attr.Expr.Range(), "an error_message is a sentence: it begins with a capital letter and ends with a full stop", "write one that says what is right"))
			}
		default:
			diags = append(diags, problem(attr.NameRange, fmt.Sprintf("a validation has no %q", attr.Name), "it has condition and error_message"))
		}
	}
	for _, inner := range block.Body.Blocks {
		diags = append(diags, problem(inner.DefRange(), fmt.Sprintf("a validation has no %q block", inner.Type), "it has condition and error_message"))
	}
	for _, needed := range []string{"condition", "error_message"} {
		if _, ok := block.Body.Attributes[needed]; !ok {
			diags = append(diags, problem(block.DefRange(), fmt.Sprintf("the validation has no %s", needed), "add it"))
		}
	}
	return r, diags
}

// checkReferences holds a condition to its own variable, as Nomad does.
func checkReferences(name string, condition hclsyntax.Expression) hcl.Diagnostics {
	var diags hcl.Diagnostics
	own := 0
	for _, traversal := range condition.Variables() {
		if len(traversal) > 1 && traversal.RootName() == "var" {
			if step, ok := traversal[1].(hcl.TraverseAttr); ok && step.Name == name {
				own++
				continue
			}
		}
		diags = append(diags, problem(traversal.SourceRange(), fmt.Sprintf("a condition of the variable %q may only use var.%s", name, name), "write a condition about this variable alone"))
	}
	if own == 0 && len(diags) == 0 {
		diags = append(diags, problem(condition.Range(), fmt.Sprintf("the condition does not look at var.%s", name), "write a condition about this variable"))
	}
	return diags
}

// isSentence is Nomad's test of an error_message.
func isSentence(s string) bool {
	first, _ := utf8.DecodeRuneInString(s)
	return s != "" && (!unicode.IsLetter(first) || unicode.IsUpper(first)) && strings.ContainsAny(s[len(s)-1:], ".?!")
}

// check tells what the rule has against a value, nil for nothing.
func (r rule) check(name string, value cty.Value, known map[string]function.Function) *lab.Field {
	result, diags := r.condition.Value(&hcl.EvalContext{
		Variables: map[string]cty.Value{"var": cty.ObjectVal(map[string]cty.Value{name: value})},
		Functions: known,
	})
	at := r.condition.Range().Start.Line
	if diags.HasErrors() {
		return &lab.Field{
			Problem: fmt.Sprintf("cannot be judged by the template's validation in line %d: %s", at, diags[0].Detail),
			Remedy:  r.message,
		}
	}
	result, err := convert.Convert(result, cty.Bool)
	if err != nil || result.IsNull() || !result.IsKnown() {
		return &lab.Field{
			Problem: fmt.Sprintf("cannot be judged by the template's validation in line %d: its condition is neither true nor false", at),
			Remedy:  "correct the template",
		}
	}
	if result.True() {
		return nil
	}
	return &lab.Field{Problem: "the template refuses " + short(value), Remedy: r.message}
}

// short gives a value as text for a sentence.
func short(v cty.Value) string {
	raw := asJSON(v)
	const most = 60
	if len(raw) > most {
		return strings.ToValidUTF8(string(raw[:most]), "") + "…"
	}
	return string(raw)
}
