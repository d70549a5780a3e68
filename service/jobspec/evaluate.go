package jobspec

import (
	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/zclconf/go-cty/cty"

	"github.com/bothylabs/bothy/service/lab"
)

// example is a deployment and a subject whose values stand out, so that a
// template can be read as it will be rendered.
func example() (Settings, Subject) {
	settings := Settings{
		InstallationID: "example-installation",
		Namespace:      "example-namespace",
		NodePool:       "example-pool",
		Datacenters:    []string{"example-dc"},
		HomeType:       HomeHost,
		LabsURL:        "https://labs.example.org",
		ConsoleURL:     "https://bothy.example.org",
		VaultRole:      "example-role",
		VaultMount:     "example-mount",
	}
	subject := Subject{
		Slug:        lab.Slug("example-course-student"),
		CohortKey:   "example",
		CourseKey:   "course",
		WorkspaceID: "example-workspace",
	}
	return settings, subject
}

// exampleContext is what the template's expressions are evaluated in: Bothy's
// variables with the example's values, the others with their defaults. What
// cannot be known without a server or a course is unknown.
func (t *Template) exampleContext() *hcl.EvalContext {
	words := vocabulary(example())
	variables := make(map[string]cty.Value, len(t.variables))
	for _, v := range t.variables {
		switch {
		case v.reserved:
			variables[v.name] = words[v.name]
		case v.fallback != cty.NilVal:
			variables[v.name] = v.fallback
		default:
			variables[v.name] = cty.UnknownVal(v.typ)
		}
	}
	ctx := &hcl.EvalContext{Variables: map[string]cty.Value{"var": cty.ObjectVal(variables)}, Functions: functions()}
	for _, names := range [][]string{nomadsAlone(), nomadsDisk()} {
		for _, name := range names {
			ctx.Functions[name] = unreadable()
		}
	}
	ctx.Variables["local"] = exampleLocals(localExpressions(t.body), ctx)
	return ctx
}

// exampleLocals evaluates the locals; they may use each other in any order.
func exampleLocals(expressions map[string]hclsyntax.Expression, ctx *hcl.EvalContext) cty.Value {
	locals := make(map[string]cty.Value, len(expressions))
	for name := range expressions {
		locals[name] = cty.DynamicVal
	}
	for range expressions { // the longest chain has as many links
		ctx.Variables["local"] = cty.ObjectVal(locals)
		for name, expr := range expressions {
			if value, diags := expr.Value(ctx); !diags.HasErrors() {
				locals[name] = value
			}
		}
	}
	return cty.ObjectVal(locals)
}

func localExpressions(body *hclsyntax.Body) map[string]hclsyntax.Expression {
	out := make(map[string]hclsyntax.Expression)
	for _, block := range body.Blocks {
		if block.Type != "locals" {
			continue
		}
		for name, attr := range block.Body.Attributes {
			out[name] = attr.Expr
		}
	}
	return out
}

// reading is what an argument says, as far as it can be read.
type reading struct {
	// given: the argument is there.
	given bool
	// known: it was evaluated; else it depends on what only Nomad knows.
	known bool
	value cty.Value
}

func (c *contract) read(body *hclsyntax.Body, name string) reading {
	attr, ok := body.Attributes[name]
	if !ok {
		return reading{}
	}
	value, diags := attr.Expr.Value(c.ctx)
	if diags.HasErrors() || !value.IsWhollyKnown() || value.IsNull() {
		return reading{given: true}
	}
	return reading{given: true, known: true, value: value}
}

// differs tells that the argument is there, can be read, and says something else than want.
func (r reading) differs(want cty.Value) bool {
	return r.given && r.known && !r.says(want)
}

// says tells that the argument can be read and says want.
func (r reading) says(want cty.Value) bool {
	return r.known && r.value.Type().Equals(want.Type()) && r.value.RawEquals(want)
}

// isNot tells that the argument is missing or differs.
func (r reading) isNot(want cty.Value) bool {
	return !r.given || r.differs(want)
}
