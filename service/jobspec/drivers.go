package jobspec

import (
	"slices"

	"github.com/hashicorp/hcl/v2/hclsyntax"
)

// Drivers are the task drivers that the template names, in alphabetical order.
// One that a variable decides is not among them.
func (t *Template) Drivers() []string {
	var found []string
	var walk func(body *hclsyntax.Body)
	walk = func(body *hclsyntax.Body) {
		for _, block := range body.Blocks {
			if driver, ok := block.Body.Attributes["driver"]; ok && block.Type == "task" {
				if value, diags := driver.Expr.Value(nil); !diags.HasErrors() {
					found = append(found, value.AsString())
				}
			}
			walk(block.Body)
		}
	}
	walk(t.body)
	slices.Sort(found)
	return slices.Compact(found)
}
