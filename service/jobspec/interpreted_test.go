package jobspec_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/zclconf/go-cty/cty"
	"github.com/zclconf/go-cty/cty/function"
	"github.com/zclconf/go-cty/cty/function/stdlib"
	"golang.org/x/text/unicode/norm"

	"github.com/bothylabs/bothy/service/jobspec"
)

// Four programs read a rendered job, one after the other: HCL, Nomad ("${…}"),
// consul-template ("{{…}}" in template blocks) and NGINX (its configuration).
// These tests stand where Nomad stands after it has parsed the file, and look
// at what the later ones will get.

// evaluated gives every text of a job after HCL, by its place in the job.
func evaluated(t testing.TB, job []byte) map[string]string {
	t.Helper()
	file, diags := hclsyntax.ParseConfig(job, "job.nomad.hcl", hcl.InitialPos)
	if diags.HasErrors() {
		t.Fatalf("the rendered job is not HCL: %v\n%s", diags, job)
	}
	ctx := &hcl.EvalContext{
		Variables: map[string]cty.Value{
			"var": cty.ObjectVal(defaultsOf(t, job)),
			// What Nomad does not know while parsing, it leaves for the time of running.
			"NOMAD_TASK_DIR":    cty.StringVal("${NOMAD_TASK_DIR}"),
			"NOMAD_SECRETS_DIR": cty.StringVal("${NOMAD_SECRETS_DIR}"),
		},
		Functions: map[string]function.Function{"merge": stdlib.MergeFunc, "regex_replace": stdlib.RegexReplaceFunc},
	}
	body := file.Body.(*hclsyntax.Body)
	locals := map[string]cty.Value{}
	for _, block := range body.Blocks {
		if block.Type == "locals" {
			for name, attr := range block.Body.Attributes {
				value, diags := attr.Expr.Value(ctx)
				if diags.HasErrors() {
					t.Fatal(diags)
				}
				locals[name] = value
			}
		}
	}
	ctx.Variables["local"] = cty.ObjectVal(locals)
	out := map[string]string{}
	var walk func(path string, body *hclsyntax.Body)
	walk = func(path string, body *hclsyntax.Body) {
		for name, attr := range body.Attributes {
			value, diags := attr.Expr.Value(ctx)
			if diags.HasErrors() || value.IsNull() {
				continue // a dynamic block's own variable
			}
			_ = cty.Walk(value, func(at cty.Path, v cty.Value) (bool, error) {
				if v.Type() == cty.String && !v.IsNull() {
					out[fmt.Sprintf("%s/%s%#v", path, name, at)] = v.AsString()
				}
				return true, nil
			})
		}
		for i, block := range body.Blocks {
			walk(fmt.Sprintf("%s/%d-%s", path, i, block.Type), block.Body)
		}
	}
	for _, block := range body.Blocks {
		if block.Type == "job" {
			walk("job", block.Body)
		}
	}
	return out
}

// uninterpreted holds a job with typed text against one with harmless text: the
// typed text stands where the harmless stood, as it was typed, and no text has
// more for Nomad or consul-template to read.
func uninterpreted(t testing.TB, before map[string]string, typed []byte, from, to string) {
	t.Helper()
	after := evaluated(t, typed)
	if len(before) != len(after) {
		t.Fatalf("%q gives the job %d texts instead of %d", to, len(after), len(before))
	}
	typedPlaces := 0
	for place, text := range before {
		got, want := after[place], strings.ReplaceAll(text, from, to)
		if got != want {
			t.Errorf("%s: %q became %q, want %q", place, text, got, want)
		}
		for _, opening := range []string{"${", "%{", "{{"} {
			if strings.Count(got, opening) != strings.Count(text, opening) {
				t.Errorf("%s: %q has more %q to interpret than %q", place, got, opening, text)
			}
		}
		if text != want {
			typedPlaces++
		}
	}
	if typedPlaces == 0 && from != to {
		t.Error("the text is nowhere in the job")
	}
}

// harmlessText stands in every text of the harmless job that a person types.
const harmlessText = "harmlesstext"

// typedEverywhere gives the same text to all of a template's free texts.
func typedEverywhere(text string) jobspec.Params {
	return jobspec.Params{"environment": map[string]any{"TYPED": text, "ALSO": "<" + text + ">"}}
}

func TestTypedTextIsNeverInterpreted(t *testing.T) {
	hostile := []string{
		// HCL
		`"`, `\`, `\"`, `" }`, "\"\n}\nvariable \"x\" {}", `${1+1}`, `$${x}`, `%{ for x in [1] }x%{ endfor }`, `<<EOF`, "\\n", "\\u0024{x}", "#", "//", "/*",
		// Nomad
		`${NOMAD_SECRETS_DIR}`, `${attr.unique.hostname}`, `${env["VAULT_TOKEN"]}`, `${meta.x}`, "$", "{", "{NOMAD_TASK_DIR}",
		// consul-template
		`{{ env "VAULT_TOKEN" }}`, `{{ with secret "bothy/data/x" }}`, `{{- plugin "sh" "-c" "id" -}}`, "{", "}}",
		// NGINX, and shells
		"; return 200;", "$host", "} server { listen 9; }", "$(id)", "`id`", "'; id; '", "a\nlisten 9;", "\r\n", "\x00", "\u2028",
	}
	for name, template := range builtIn(t) {
		t.Run(name, func(t *testing.T) {
			harmless, err := jobspec.Render(template, deployment(), ada(), typedEverywhere(harmlessText))
			if err != nil {
				t.Fatal(err)
			}
			before := evaluated(t, harmless.Job)
			for _, text := range hostile {
				typed, err := jobspec.Render(template, deployment(), ada(), typedEverywhere(text))
				if err != nil {
					fieldsOf(t, err)
					continue
				}
				uninterpreted(t, before, typed.Job, harmlessText, text)
			}
		})
	}
}

func FuzzTypedText(f *testing.F) {
	for _, seed := range []string{"Ada", "${x}", "{{ x }}", "%{ x }", "$", "{", "a\"b", "\\", "\n", "é", "e\u0301", "\u202e", "\xff", "for", "$${x}", "%%{x}"} {
		f.Add("NAME", seed)
		f.Add(seed, "text")
	}
	template := mustParse(f, strings.Replace(
		withVariables("variable \"typed\" { type = map(string) }\nvariable \"list\" { type = list(string) }\n"),
		"driver = \"exec\"", "driver = \"exec\"\n      env = var.typed", 1))
	render := func(name, text string) (*jobspec.Rendered, error) {
		return jobspec.Render(template, deployment(), ada(), jobspec.Params{"typed": map[string]any{name: text}, "list": []any{text, name}})
	}
	f.Fuzz(func(t *testing.T, name, text string) {
		rendered, err := render(name, text)
		if err != nil {
			fieldsOf(t, err) // refused, with a reason
			return
		}
		defaults := defaultsOf(t, rendered.Job)
		typed := defaults["typed"].AsValueMap()
		if got, ok := typed[norm.NFC.String(name)]; len(typed) != 1 || !ok || got.AsString() != norm.NFC.String(text) {
			t.Errorf("%q = %q became %#v", name, text, defaults["typed"])
		}
		if list := defaults["list"].AsValueSlice(); list[0].AsString() != norm.NFC.String(text) || list[1].AsString() != norm.NFC.String(name) {
			t.Errorf("%q, %q became %#v", text, name, defaults["list"])
		}
		harmless, err := render(name, harmlessText)
		if err != nil {
			t.Fatal(err)
		}
		uninterpreted(t, evaluated(t, harmless.Job), rendered.Job, harmlessText, norm.NFC.String(text))
	})
}

func FuzzParse(f *testing.F) {
	f.Add(withVariables("variable \"p\" {\n  type = number\n  default = 1\n  validation {\n    condition = var.p > 0\n    error_message = \"More.\"\n  }\n}\n"))
	f.Add("variable \"slug\" { type = string }\nlocals { a = local.a }\njob \"x\" {}")
	f.Add("variable \"p\" {\n  default = <<EOF\nx\nEOF\n}\n")
	f.Add("job \"x\" {\n  id = \"bothy-${var.slug}\"\n  group \"a\" {\n    network { port \"http\" {} }\n  }\n}\n")
	f.Fuzz(func(t *testing.T, source string) {
		template, err := jobspec.Parse("lab.nomad.hcl", []byte(source))
		if err != nil {
			fieldsOf(t, err)
			return
		}
		if err := template.Check(); err != nil {
			fieldsOf(t, err)
		}
		jobspec.Fingerprint(template, deployment(), nil)
		rendered, err := jobspec.Render(template, deployment(), ada(), nil)
		if err != nil {
			fieldsOf(t, err)
			return
		}
		again, err := jobspec.Parse("lab.nomad.hcl", rendered.Job)
		if err != nil {
			t.Fatalf("the rendering of a template is none: %v\n%s", err, rendered.Job)
		}
		for i, v := range again.Variables() {
			if before := template.Variables()[i]; v.Name != before.Name || v.Type != before.Type || v.Reserved && v.Required {
				t.Errorf("variable %+v became %+v", before, v)
			}
		}
	})
}
