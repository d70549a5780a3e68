package jobspec

import (
	"fmt"
	"slices"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/zclconf/go-cty/cty"
)

// typedText looks for a course's free text in what a template block writes. No
// quoting protects an NGINX configuration or a shell script from a text that
// breaks out of its place, so such a variable must have a validation that says
// what the text may be.
func (c *contract) typedText(job *hclsyntax.Body) {
	groups := nested(job, "group")
	tasks := append(nested(job, "task"), deeper(groups, "task")...)
	locals := localExpressions(c.template.body)
	for _, body := range deeper(tasks, "template") {
		data, ok := body.Attributes["data"]
		if !ok {
			continue
		}
		for _, name := range variablesOf(data.Expr, locals) {
			v := c.template.variable(name)
			if v == nil || v.reserved || len(v.rules) > 0 || !holdsText(v.typ) {
				continue
			}
			c.breach(data.SrcRange, fmt.Sprintf("var.%s is written into a file, and anything can be typed into it", name),
				fmt.Sprintf("give the variable %q a validation that says what it may hold, or pass it through env", name))
		}
	}
}

// variablesOf names the variables that an expression uses, directly or through locals.
func variablesOf(expr hclsyntax.Expression, locals map[string]hclsyntax.Expression) []string {
	var names, seen []string
	var visit func(hclsyntax.Expression)
	visit = func(e hclsyntax.Expression) {
		for _, traversal := range e.Variables() {
			if len(traversal) < 2 {
				continue
			}
			step, ok := traversal[1].(hcl.TraverseAttr)
			if !ok {
				continue
			}
			switch traversal.RootName() {
			case "var":
				names = append(names, step.Name)
			case "local":
				if next, ok := locals[step.Name]; ok && !slices.Contains(seen, step.Name) {
					seen = append(seen, step.Name)
					visit(next)
				}
			}
		}
	}
	visit(expr)
	slices.Sort(names)
	return slices.Compact(names)
}

// holdsText tells whether a value of the type can hold text.
func holdsText(t cty.Type) bool {
	switch {
	case t == cty.String, t == cty.DynamicPseudoType, t.IsMapType():
		return true // a map's names are text as well
	case t.IsListType(), t.IsSetType():
		return holdsText(t.ElementType())
	case t.IsTupleType():
		return slices.ContainsFunc(t.TupleElementTypes(), holdsText)
	case t.IsObjectType():
		for _, attribute := range t.AttributeTypes() {
			if holdsText(attribute) {
				return true
			}
		}
	}
	return false
}
