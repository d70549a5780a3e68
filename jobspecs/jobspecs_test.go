package jobspecs_test

import (
	"io/fs"
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/bothylabs/bothy/jobspecs"
	"github.com/bothylabs/bothy/service/jobspec"
)

func read(t *testing.T, name string) string {
	t.Helper()
	source, err := jobspecs.FS.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return string(source)
}

func templates(t *testing.T) map[string]*jobspec.Template {
	t.Helper()
	files, err := fs.Glob(jobspecs.FS, "*"+jobspec.Suffix)
	if err != nil {
		t.Fatal(err)
	}
	out := make(map[string]*jobspec.Template)
	for _, file := range files {
		template, err := jobspec.Parse(file, []byte(read(t, file)))
		if err != nil {
			t.Fatal(err)
		}
		out[template.Name] = template
	}
	return out
}

func TestTheTemplatesThatComeWithBothy(t *testing.T) {
	got := map[string]string{}
	for name, template := range templates(t) {
		got[name] = template.Description
	}
	want := map[string]string{
		"code-server":      "VS Code in the browser (code-server), in Docker.",
		"code-server-exec": "VS Code in the browser (code-server), for hosts without Docker.",
		"shell":            "A terminal in the browser (Shell In A Box), for hosts without Docker.",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestEveryVariableIsTypedDescribedAndJudged(t *testing.T) {
	for name, template := range templates(t) {
		for _, v := range template.Variables() {
			if v.Type == "any" || v.Description == "" || !strings.HasSuffix(v.Description, ".") {
				t.Errorf("%s: variable %+v lacks a type or a description", name, v)
			}
			if len(v.Rules) == 0 && v.Type != "bool" {
				t.Errorf("%s: variable %q has no validation", name, v.Name)
			}
			if v.Required != (v.Name == "slug") {
				t.Errorf("%s: variable %q is required: %v; by hand, only the slug is", name, v.Name, v.Required)
			}
		}
	}
}

// What the templates share is the same text in each: they are plain files, and
// Nomad has no way to share it.
func TestTheTemplatesShareTheirText(t *testing.T) {
	shared := map[string]*regexp.Regexp{
		"Bothy's variables": regexp.MustCompile(`(?s)\nvariable "slug".*# ---- Set by the course`),
		"job block":         regexp.MustCompile(`(?s)  id          = "bothy-.*?  update \{`),
		"group block":       regexp.MustCompile(`(?s)    restart \{\n.*?    service \{`),
		"service's tags":    regexp.MustCompile(`(?s)      tags = \[.*?\n      \]`),
		"secrets":           regexp.MustCompile(`(?s)      # The token itself stays out.*?"\$\{NOMAD_SECRETS_DIR\}/workspace.env"`),
		"NGINX's http":      regexp.MustCompile(`(?s)          daemon off;.*?default_server`),
		"NGINX's servers":   regexp.MustCompile(`(?s)default_type text/plain.*?\n        EOT`),
	}
	base := read(t, "code-server.nomad.hcl")
	for _, file := range []string{"code-server-exec.nomad.hcl", "shell.nomad.hcl"} {
		other := read(t, file)
		for what, pattern := range shared {
			want, got := pattern.FindString(base), pattern.FindString(other)
			want, got = neutral(want), neutral(got)
			if want == "" {
				t.Fatalf("code-server has no %s", what)
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("%s: its %s differ:\n%s", file, what, diff)
			}
		}
	}
}

// Whoever sets a task's environment keeps it on disk, Nomad's client and Docker
// both: a shell makes environment of secrets, out of a file in memory.
func TestSecretsBecomeEnvironmentInMemoryAlone(t *testing.T) {
	pattern := regexp.MustCompile(`(?s)      # A changed secret counts.*?      resources \{`)
	want := pattern.FindString(read(t, "code-server-exec.nomad.hcl"))
	if want == "" {
		t.Fatal("code-server-exec has no secrets")
	}
	if diff := cmp.Diff(want, pattern.FindString(read(t, "shell.nomad.hcl"))); diff != "" {
		t.Error(diff)
	}
	for _, file := range []string{"code-server.nomad.hcl", "code-server-exec.nomad.hcl", "shell.nomad.hcl"} {
		if regexp.MustCompile(`(?m)^\s+env\s+= true`).MatchString(read(t, file)) {
			t.Errorf("%s gives secrets to Nomad as environment, which is kept on disk", file)
		}
	}
}

// neutral takes out the word for what runs in the workspace.
func neutral(s string) string {
	return strings.NewReplacer("editors", "it", "editor", "it", "shells", "it", "shell", "it").Replace(s)
}

func TestOnlyTheSlugStandsForAStudent(t *testing.T) {
	for name, template := range templates(t) {
		for _, v := range template.Variables() {
			for _, word := range []string{"student", "email", "user_name", "display"} {
				if strings.Contains(v.Name, word) {
					t.Errorf("%s: variable %q", name, v.Name)
				}
			}
		}
	}
}

func TestTheVocabularyIsDocumented(t *testing.T) {
	page, err := os.ReadFile("../docs/templates.md")
	if err != nil {
		t.Fatal(err)
	}
	documented := map[string]string{}
	for _, row := range regexp.MustCompile("(?m)^\\| `([a-z_]+)` \\| ([a-z()]+) \\|").FindAllStringSubmatch(string(page), -1) {
		documented[row[1]] = row[2]
	}
	for name, template := range templates(t) {
		for _, v := range template.Variables() {
			if documented[v.Name] != v.Type {
				t.Errorf("%s: docs/templates.md has %q for the type of %q, want %q", name, documented[v.Name], v.Name, v.Type)
			}
		}
	}
	// Reserved words are documented whether or not a template uses them.
	template, err := jobspec.Parse("x.nomad.hcl", []byte(`variable "p" { type = string }`))
	if err != nil {
		t.Fatal(err)
	}
	for name := range documented {
		err := template.CheckParams(jobspec.Params{"p": "x", name: "x"})
		reserved := err != nil && strings.Contains(err.Error(), "is set by Bothy")
		inVocabulary := strings.Contains(section(string(page), "## What Bothy sets"), "| `"+name+"` |")
		if reserved != inVocabulary {
			t.Errorf("%q is reserved: %v; listed under what Bothy sets: %v", name, reserved, inVocabulary)
		}
	}
}

func section(page, heading string) string {
	_, after, _ := strings.Cut(page, heading+"\n")
	text, _, _ := strings.Cut(after, "\n## ")
	return text
}

func TestTheDocumentedTemplateKeepsTheContract(t *testing.T) {
	page, err := os.ReadFile("../docs/templates.md")
	if err != nil {
		t.Fatal(err)
	}
	_, after, _ := strings.Cut(string(page), "```hcl\n")
	source, _, _ := strings.Cut(after, "```")
	template, err := jobspec.Parse("hello.nomad.hcl", []byte(source))
	if err != nil {
		t.Fatal(err)
	}
	if err := template.Check(); err != nil {
		t.Error(err)
	}
	if template.Description != "A page that says hello." {
		t.Errorf("description %q", template.Description)
	}
}
