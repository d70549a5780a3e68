package jobspec

import (
	"fmt"
	"slices"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/ext/tryfunc"
	"github.com/hashicorp/hcl/v2/ext/typeexpr"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/zclconf/go-cty/cty"
	"github.com/zclconf/go-cty/cty/function"
	"github.com/zclconf/go-cty/cty/function/stdlib"
)

// functions are those of Nomad's job files that are evaluated here as well:
// what a validation may use. Names and meaning are Nomad's.
func functions() map[string]function.Function {
	return map[string]function.Function{
		"abs":             stdlib.AbsoluteFunc,
		"can":             tryfunc.CanFunc,
		"ceil":            stdlib.CeilFunc,
		"chomp":           stdlib.ChompFunc,
		"chunklist":       stdlib.ChunklistFunc,
		"coalesce":        stdlib.CoalesceFunc,
		"coalescelist":    stdlib.CoalesceListFunc,
		"compact":         stdlib.CompactFunc,
		"concat":          stdlib.ConcatFunc,
		"contains":        stdlib.ContainsFunc,
		"convert":         typeexpr.ConvertFunc,
		"csvdecode":       stdlib.CSVDecodeFunc,
		"distinct":        stdlib.DistinctFunc,
		"element":         stdlib.ElementFunc,
		"flatten":         stdlib.FlattenFunc,
		"floor":           stdlib.FloorFunc,
		"format":          stdlib.FormatFunc,
		"formatdate":      stdlib.FormatDateFunc,
		"formatlist":      stdlib.FormatListFunc,
		"indent":          stdlib.IndentFunc,
		"index":           stdlib.IndexFunc,
		"join":            stdlib.JoinFunc,
		"jsondecode":      stdlib.JSONDecodeFunc,
		"jsonencode":      stdlib.JSONEncodeFunc,
		"keys":            stdlib.KeysFunc,
		"length":          stdlib.LengthFunc,
		"log":             stdlib.LogFunc,
		"lookup":          stdlib.LookupFunc,
		"lower":           stdlib.LowerFunc,
		"max":             stdlib.MaxFunc,
		"merge":           stdlib.MergeFunc,
		"min":             stdlib.MinFunc,
		"parseint":        stdlib.ParseIntFunc,
		"pow":             stdlib.PowFunc,
		"range":           stdlib.RangeFunc,
		"regex_replace":   stdlib.RegexReplaceFunc,
		"replace":         stdlib.ReplaceFunc,
		"reverse":         stdlib.ReverseFunc,
		"setintersection": stdlib.SetIntersectionFunc,
		"setproduct":      stdlib.SetProductFunc,
		"setunion":        stdlib.SetUnionFunc,
		"signum":          stdlib.SignumFunc,
		"slice":           stdlib.SliceFunc,
		"sort":            stdlib.SortFunc,
		"split":           stdlib.SplitFunc,
		"strlen":          stdlib.StrlenFunc,
		"strrev":          stdlib.ReverseFunc,
		"substr":          stdlib.SubstrFunc,
		"timeadd":         stdlib.TimeAddFunc,
		"title":           stdlib.TitleFunc,
		"trim":            stdlib.TrimFunc,
		"trimprefix":      stdlib.TrimPrefixFunc,
		"trimspace":       stdlib.TrimSpaceFunc,
		"trimsuffix":      stdlib.TrimSuffixFunc,
		"try":             tryfunc.TryFunc,
		"upper":           stdlib.UpperFunc,
		"values":          stdlib.ValuesFunc,
		"zipmap":          stdlib.ZipmapFunc,
	}
}

// nomadsAlone are functions that Nomad has and Bothy does not evaluate: they are
// random, or need a library for the sake of a validation that nobody writes. A
// job may use them; a validation, which Bothy must decide without Nomad, may not.
func nomadsAlone() []string {
	return []string{
		"base64decode", "base64encode", "bcrypt", "cidrhost", "cidrnetmask", "cidrsubnet", "cidrsubnets",
		"md5", "rsadecrypt", "sha1", "sha256", "sha512", "urlencode", "uuidv4", "uuidv5", "yamldecode", "yamlencode",
	}
}

// nomadsDisk are functions that read files of the machine that parses the job.
// Nomad refuses them in what comes through its API, and so does Bothy.
func nomadsDisk() []string {
	return []string{"abspath", "basename", "dirname", "file", "filebase64", "fileexists", "fileset", "pathexpand"}
}

// unreadable stands in for a function that is not evaluated here: its result is
// a value about which nothing is known.
func unreadable() function.Function {
	return function.New(&function.Spec{
		VarParam: &function.Parameter{
			Name: "arguments", Type: cty.DynamicPseudoType,
			AllowNull: true, AllowUnknown: true, AllowDynamicType: true, AllowMarked: true,
		},
		Type: function.StaticReturnType(cty.DynamicPseudoType),
		Impl: func([]cty.Value, cty.Type) (cty.Value, error) { return cty.DynamicVal, nil },
	})
}

// checkFunctions tells which calls in an expression Bothy cannot make.
func checkFunctions(expr hclsyntax.Expression) hcl.Diagnostics {
	known := functions()
	return hclsyntax.VisitAll(expr, func(node hclsyntax.Node) hcl.Diagnostics {
		call, ok := node.(*hclsyntax.FunctionCallExpr)
		if !ok {
			return nil
		}
		_, evaluated := known[call.Name]
		switch {
		case evaluated:
			return nil
		case slices.Contains(nomadsAlone(), call.Name):
			return hcl.Diagnostics{problem(call.NameRange, fmt.Sprintf("a validation cannot use %s: Nomad has this function, Bothy does not evaluate it", call.Name),
				"write the condition with other functions, or leave the validation out")}
		case slices.Contains(nomadsDisk(), call.Name):
			return hcl.Diagnostics{problem(call.NameRange, fmt.Sprintf("%s reads the disk of whoever parses the file, which Nomad's API refuses", call.Name),
				"write the text into the template")}
		}
		return hcl.Diagnostics{problem(call.NameRange, fmt.Sprintf("Nomad has no function %q", call.Name), remedyForFunction(call.Name))}
	})
}

// remedyForFunction knows the functions that people bring along from Terraform.
func remedyForFunction(name string) string {
	switch name {
	case "regex", "regexall":
		return `use regex_replace: regex_replace(var.x, "^[a-z]+$", "") == ""`
	case "alltrue", "anytrue":
		return "count what is wrong: length([for x in var.list : x if …]) == 0"
	}
	return "see the HCL2 functions in Nomad's documentation"
}
