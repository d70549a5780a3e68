package jobspec_test

import (
	"encoding/json"
	"math"
	"strings"
	"testing"

	"github.com/zclconf/go-cty/cty"

	"github.com/bothylabs/bothy/service/jobspec"
)

// oneVariable is a template with one parameter "p" of a type.
func oneVariable(typ string) string {
	return withVariables("variable \"p\" {\n  type = " + typ + "\n}\n")
}

func TestParametersBecomeTheirVariablesType(t *testing.T) {
	object := "object({ name = string, port = number })"
	for name, tc := range map[string]struct {
		typ   string
		given any
		want  cty.Value
	}{
		"text":                  {"string", "a b", cty.StringVal("a b")},
		"empty text":            {"string", "", cty.StringVal("")},
		"text from a number":    {"string", 5, cty.StringVal("5")},
		"text from a boolean":   {"string", true, cty.StringVal("true")},
		"number":                {"number", 512, cty.NumberIntVal(512)},
		"number from JSON":      {"number", 512.0, cty.NumberIntVal(512)},
		"number as written":     {"number", json.Number("0.25"), cty.NumberFloatVal(0.25)},
		"number from text":      {"number", "512", cty.NumberIntVal(512)},
		"negative number":       {"number", -1, cty.NumberIntVal(-1)},
		"zero":                  {"number", 0, cty.Zero},
		"largest number":        {"number", int64(1)<<53 - 1, cty.NumberIntVal(1<<53 - 1)},
		"boolean":               {"bool", false, cty.False},
		"boolean from text":     {"bool", "true", cty.True},
		"list":                  {"list(string)", []any{"a", "b"}, cty.TupleVal([]cty.Value{cty.StringVal("a"), cty.StringVal("b")})},
		"list of Go strings":    {"list(string)", []string{"a"}, cty.TupleVal([]cty.Value{cty.StringVal("a")})},
		"list, mixed":           {"list(string)", []any{"a", 1}, cty.TupleVal([]cty.Value{cty.StringVal("a"), cty.StringVal("1")})},
		"empty list":            {"list(string)", []any{}, cty.EmptyTupleVal},
		"set":                   {"set(number)", []any{2, 1, 2}, cty.TupleVal([]cty.Value{cty.NumberIntVal(1), cty.NumberIntVal(2)})},
		"map":                   {"map(string)", map[string]any{"b": "2", "a": "1"}, cty.ObjectVal(map[string]cty.Value{"a": cty.StringVal("1"), "b": cty.StringVal("2")})},
		"map with keywords":     {"map(string)", map[string]any{"for": "a", "null": "b", "true": "c", "if": "d"}, cty.ObjectVal(map[string]cty.Value{"for": cty.StringVal("a"), "null": cty.StringVal("b"), "true": cty.StringVal("c"), "if": cty.StringVal("d")})},
		"map with other names":  {"map(string)", map[string]any{"a b": "1", `q"`: "2", "1": "3", "é-ü": "4"}, cty.ObjectVal(map[string]cty.Value{"a b": cty.StringVal("1"), `q"`: cty.StringVal("2"), "1": cty.StringVal("3"), "é-ü": cty.StringVal("4")})},
		"empty map":             {"map(string)", map[string]any{}, cty.EmptyObjectVal},
		"object":                {object, map[string]any{"name": "n", "port": 80}, cty.ObjectVal(map[string]cty.Value{"name": cty.StringVal("n"), "port": cty.NumberIntVal(80)})},
		"tuple":                 {"tuple([string, bool])", []any{"a", true}, cty.TupleVal([]cty.Value{cty.StringVal("a"), cty.True})},
		"list of objects":       {"list(" + object + ")", []any{map[string]any{"name": "n", "port": 80}}, cty.TupleVal([]cty.Value{cty.ObjectVal(map[string]cty.Value{"name": cty.StringVal("n"), "port": cty.NumberIntVal(80)})})},
		"quotes and backslash":  {"string", `a "b" \c`, cty.StringVal(`a "b" \c`)},
		"dollars and percents":  {"string", "$5 50% $$ %%x", cty.StringVal("$5 50% $$ %%x")},
		"comment signs":         {"string", "# // /* */", cty.StringVal("# // /* */")},
		"a heredoc's beginning": {"string", "<<EOF", cty.StringVal("<<EOF")},
		"beyond ASCII":          {"string", "Zoë 李 🎉", cty.StringVal("Zoë 李 🎉")},
		"decomposed":            {"string", "Zoe\u0308", cty.StringVal("Zoë")}, // HCL's texts are in NFC
	} {
		t.Run(name, func(t *testing.T) {
			template := mustParse(t, oneVariable(tc.typ))
			params := jobspec.Params{"p": tc.given}
			if err := template.CheckParams(params); err != nil {
				t.Fatal(err)
			}
			rendered, err := jobspec.Render(template, deployment(), ada(), params)
			if err != nil {
				t.Fatal(err)
			}
			if got := defaultsOf(t, rendered.Job)["p"]; !got.RawEquals(tc.want) {
				t.Errorf("the job has %#v, want %#v\n%s", got, tc.want, rendered.Job)
			}
		})
	}
}

func TestIllTypedParametersAreRefused(t *testing.T) {
	object := "object({ name = string, port = number })"
	for name, tc := range map[string]struct {
		typ   string
		given any
		want  string
	}{
		"no number":                 {"number", "many", `parameters.p: "many" does not fit: a number is required (it is a number)`},
		"number with a unit":        {"number", "512MB", "a number is required"},
		"number from a boolean":     {"number", true, "number required"},
		"boolean from a number":     {"bool", 1, "bool required"},
		"boolean from other text":   {"bool", "yes", "a bool is required"},
		"text from a list":          {"string", []any{"a"}, "string required"},
		"list from a text":          {"list(string)", "a", "list of string required"},
		"list, bad element":         {"list(number)", []any{1, "x"}, "a number is required"},
		"map from a list":           {"map(string)", []any{"a"}, "map of string required"},
		"object, missing":           {object, map[string]any{"name": "n"}, `attribute "port" is required`},
		"object, surplus":           {object, map[string]any{"name": "n", "port": 1, "colour": "red"}, `has an attribute "colour", which its type does not have`},
		"object in list, surplus":   {"list(" + object + ")", []any{map[string]any{"name": "n", "port": 1, "x": 1}}, `has an attribute "x"`},
		"object in map, surplus":    {"map(" + object + ")", map[string]any{"k": map[string]any{"name": "n", "port": 1, "x": 1}}, `has an attribute "x"`},
		"object in tuple, surplus":  {"tuple([" + object + "])", []any{map[string]any{"name": "n", "port": 1, "x": 1}}, `has an attribute "x"`},
		"object in object, surplus": {"object({ in = " + object + " })", map[string]any{"in": map[string]any{"name": "n", "port": 1, "x": 1}}, `has an attribute "x"`},
		"tuple too long":            {"tuple([string])", []any{"a", "b"}, "does not fit"},
		"null":                      {"string", nil, "is null; leave it out for the default"},
		"null in a list":            {"list(string)", []any{"a", nil}, "holds a null"},
		"null in a map":             {"map(string)", map[string]any{"a": nil}, "holds a null"},
		"not a number":              {"number", math.NaN(), "is not a JSON value"},
		"infinite":                  {"number", math.Inf(1), "is not a JSON value"},
		"a channel":                 {"string", make(chan int), "is not a JSON value"},
		"no JSON number":            {"number", json.Number("0x10"), "is not a JSON value"},
		"too large":                 {"number", json.Number("1e999999999"), "too large or too small"},
		"too small":                 {"number", json.Number("1e-99"), "too large or too small"},
		"large":                     {"number", json.Number("1e99"), "too large or too small"},
		"beyond 2^53":               {"number", json.Number("9007199254740993"), "too large or too small"},
		"a flood":                   {"list(string)", make([]int, 40_000), "is larger than 64 KB"},
		"text in a list":            {"list(string)", []any{"a", "${b}"}, `contains "${"`},
		"text in a set":             {"set(string)", []any{"{{ b }}"}, `contains "{{"`},
		"text in a map":             {"map(string)", map[string]any{"a": "b\n"}, "U+000A"},
		"name in a map":             {"map(string)", map[string]any{"a${b}": "c"}, `contains "${"`},
		"text in an object":         {object, map[string]any{"name": "%{ if true }", "port": 1}, `contains "%{"`},
		"text deep inside":          {"map(list(string))", map[string]any{"a": []any{"\u202e"}}, "U+202E"},
		"text as a number's":        {"string", json.Number("1"), ""},
	} {
		t.Run(name, func(t *testing.T) {
			template := mustParse(t, oneVariable(tc.typ))
			err := template.CheckParams(jobspec.Params{"p": tc.given})
			if tc.want == "" {
				if err != nil {
					t.Fatal(err)
				}
				return
			}
			if got := fieldsOf(t, err); !strings.HasPrefix(got, "parameters.p: ") || !strings.Contains(got, tc.want) {
				t.Errorf("refused with %q, want %q", got, tc.want)
			}
			if rendered, err := jobspec.Render(template, deployment(), ada(), jobspec.Params{"p": tc.given}); err == nil {
				t.Errorf("rendered all the same:\n%s", rendered.Job)
			}
		})
	}
}

func TestParameterNames(t *testing.T) {
	template := mustParse(t, withVariables("variable \"memory\" {\n  type = number\n  default = 1\n}\nvariable \"region\" {\n  type = string\n}\n"))
	for name, tc := range map[string]struct {
		params jobspec.Params
		want   string
	}{
		"unknown":              {jobspec.Params{"region": "a", "memori": 1}, `parameters.memori: the template "lab" has no such parameter (it has memory, region)`},
		"reserved":             {jobspec.Params{"region": "a", "slug": "x"}, "parameters.slug: is set by Bothy and cannot be a parameter (remove it)"},
		"reserved, undeclared": {jobspec.Params{"region": "a", "door_url": "x"}, "parameters.door_url: is set by Bothy"},
		"missing":              {jobspec.Params{"memory": 2}, "parameters.region: is missing, and the template has no default for it (give a value; it is a text)"},
		"none at all":          {nil, "parameters.region: is missing"},
	} {
		t.Run(name, func(t *testing.T) {
			if got := fieldsOf(t, template.CheckParams(tc.params)); !strings.Contains(got, tc.want) {
				t.Errorf("refused with %q, want %q", got, tc.want)
			}
		})
	}
	if err := template.CheckParams(jobspec.Params{"region": "north"}); err != nil {
		t.Error(err)
	}
}

func TestATemplateWithoutParametersSaysSo(t *testing.T) {
	got := fieldsOf(t, mustParse(t, withVariables("")).CheckParams(jobspec.Params{"x": 1}))
	if !strings.Contains(got, "it has none that a course may set") {
		t.Error(got)
	}
}

func TestRulesJudgeValues(t *testing.T) {
	for name, tc := range map[string]struct {
		typ, condition string
		good, bad      any
	}{
		"at least":         {"number", "var.p >= 64", 64, 63},
		"whole":            {"number", "floor(var.p) == var.p", 1, 1.5},
		"one of":           {"string", `contains(["a", "b"], var.p)`, "b", "c"},
		"pattern":          {"string", `regex_replace(var.p, "^[a-z]+$", "") == ""`, "abc", "ab1"},
		"length":           {"string", "strlen(var.p) <= 3", "äöü", "äöüß"},
		"each of":          {"list(string)", `length([for x in var.p : x if x != upper(x)]) == 0`, []any{"A"}, []any{"A", "b"}},
		"can":              {"string", "can(parseint(var.p, 10))", "12", "x"},
		"reads text back":  {"string", `reverse(var.p) == strrev(var.p) && reverse(var.p) == "cba"`, "abc", "abd"},
		"an error is a no": {"string", `parseint(var.p, 10) > 1`, "2", "x"},
		"null is a no":     {"string", `var.p == "a" ? true : null`, "a", "b"},
		"no truth":         {"string", `var.p == "a" ? "true" : "perhaps"`, "a", "b"},
	} {
		t.Run(name, func(t *testing.T) {
			template := mustParse(t, withVariables("variable \"p\" {\n  type = "+tc.typ+"\n  validation {\n    condition = "+tc.condition+"\n    error_message = \"It must be right.\"\n  }\n}\n"))
			if err := template.CheckParams(jobspec.Params{"p": tc.good}); err != nil {
				t.Errorf("%v: %v", tc.good, err)
			}
			got := fieldsOf(t, template.CheckParams(jobspec.Params{"p": tc.bad}))
			if !strings.HasPrefix(got, "parameters.p: ") {
				t.Errorf("%v: refused with %q", tc.bad, got)
			}
		})
	}
}

func TestARefusalSaysTheRule(t *testing.T) {
	template := mustParse(t, withVariables("variable \"memory\" {\n  type = number\n  validation {\n    condition = var.memory >= 64\n    error_message = \"At least 64 MB.\"\n  }\n}\n"))
	got := fieldsOf(t, template.CheckParams(jobspec.Params{"memory": 1}))
	if want := "parameters.memory: the template refuses 1 (At least 64 MB.)"; got != want {
		t.Errorf("refused with %q, want %q", got, want)
	}
}

func TestAllProblemsAreNamedAtOnce(t *testing.T) {
	template := mustParse(t, withVariables("variable \"a\" {\n  type = number\n}\nvariable \"b\" {\n  type = number\n}\n"))
	got := fieldsOf(t, template.CheckParams(jobspec.Params{"a": "x", "c": 1, "slug": "y"}))
	for _, want := range []string{"parameters.a: ", "parameters.b: ", "parameters.c: ", "parameters.slug: "} {
		if !strings.Contains(got, want) {
			t.Errorf("no %q in\n%s", want, got)
		}
	}
}
