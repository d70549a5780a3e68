//go:build e2e

package jobspecs_test

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/bothylabs/bothy/service/jobspec"
)

// These tests ask a real Nomad's parser. NOMAD_ADDR names it, and NOMAD_TOKEN
// is a token that may parse jobs.

// parsedJob is the part of Nomad's job that the tests look at.
type parsedJob struct {
	ID, Namespace, NodePool string
	Meta                    map[string]string
	TaskGroups              []struct {
		Tasks []struct {
			Name      string
			Env       map[string]string
			Templates []struct{ EmbeddedTmpl, DestPath string }
			Vault     *struct{ Env, DisableFile bool }
		}
		Services []struct {
			Name string
			Tags []string
		}
	}
}

// parse asks Nomad for a job; the text is what it says when it refuses.
func parse(t *testing.T, source string) (parsedJob, string) {
	t.Helper()
	address := os.Getenv("NOMAD_ADDR")
	if address == "" {
		t.Fatal("NOMAD_ADDR does not name a Nomad")
	}
	body, err := json.Marshal(map[string]any{"JobHCL": source, "Canonicalize": true})
	if err != nil {
		t.Fatal(err)
	}
	request, err := http.NewRequestWithContext(t.Context(), http.MethodPost, address+"/v1/jobs/parse", bytes.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	request.Header.Set("X-Nomad-Token", os.Getenv("NOMAD_TOKEN"))
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	var job parsedJob
	if response.StatusCode != http.StatusOK {
		if response.StatusCode == http.StatusForbidden {
			t.Fatalf("Nomad refuses the token: %s", text)
		}
		return job, string(text)
	}
	if err := json.Unmarshal(text, &job); err != nil {
		t.Fatal(err)
	}
	return job, ""
}

func deployment() jobspec.Settings {
	return jobspec.Settings{
		InstallationID: "0199-installation", Namespace: "bothy", NodePool: "default", Datacenters: []string{"dc1"},
		HomeType: jobspec.HomeHost, HomeUID: 1000, HomeGID: 1000,
		LabsURL: "http://labs.localhost:9999", ConsoleURL: "http://bothy.localhost:8080",
		VaultRole: "bothy-workspace", VaultMount: "bothy",
	}
}

func render(t *testing.T, template *jobspec.Template, params jobspec.Params) string {
	t.Helper()
	return renderFor(t, deployment(), template, params)
}

func renderFor(t *testing.T, settings jobspec.Settings, template *jobspec.Template, params jobspec.Params) string {
	t.Helper()
	subject := jobspec.Subject{Slug: slug, WorkspaceID: "0199-workspace", CohortKey: "fall-26", CourseKey: "py101"}
	rendered, err := jobspec.Render(template, settings, subject, params)
	if err != nil {
		t.Fatal(err)
	}
	return string(rendered.Job)
}

func TestNomadReadsWhatBothyRendered(t *testing.T) {
	for name, template := range templates(t) {
		t.Run(name, func(t *testing.T) {
			job, refusal := parse(t, render(t, template, nil))
			if refusal != "" {
				t.Fatal(refusal)
			}
			if job.ID != "bothy-"+slug || job.Namespace != "bothy" || job.NodePool != "default" {
				t.Errorf("job %q in namespace %q, node pool %q", job.ID, job.Namespace, job.NodePool)
			}
			wantMeta := map[string]string{jobspec.MetaInstallation: "0199-installation", jobspec.MetaWorkspace: "0199-workspace"}
			if diff := cmp.Diff(wantMeta, job.Meta); diff != "" {
				t.Error(diff)
			}
			service := job.TaskGroups[0].Services[0]
			wantTags := []string{
				"bothy",
				"urlprefix-/" + slug + "/",
				"urlprefix-" + slug + ".labs.localhost:9999/",
				"traefik.enable=true",
				"traefik.http.routers." + slug + ".rule=(Host(`labs.localhost`) && (Path(`/" + slug + "`) || PathPrefix(`/" + slug + "/`))) || Host(`" + slug + ".labs.localhost`)",
			}
			if diff := cmp.Diff(wantTags, service.Tags); service.Name != slug || diff != "" {
				t.Errorf("service %q: %s", service.Name, diff)
			}
			secrets := 0
			for _, task := range job.TaskGroups[0].Tasks {
				if task.Vault == nil {
					continue
				}
				if secrets++; task.Vault.Env || !task.Vault.DisableFile {
					t.Errorf("task %s: Vault block %+v shows the token", task.Name, *task.Vault)
				}
			}
			if secrets != 1 {
				t.Errorf("%d tasks have secrets, want the workspace's alone", secrets)
			}
		})
	}
}

func TestNomadReadsTypedTextAsItWasTyped(t *testing.T) {
	typed := []string{
		`"`, `\`, `\"`, `" }`, `\n`, `\u0024{x}`, "#", "//", "/* */", "<<EOF", "$HOME", "$$", "$5", "50%", "%%", "}}", "a { b", "; return 200;",
		"$(id)", "`id`", "'; id; '", "Zoë 李 🎉", "a\u200cb", "<script>", "null", "true", "1e3", " ",
	}
	for name, template := range templates(t) {
		t.Run(name, func(t *testing.T) {
			plain, refusal := parse(t, render(t, template, nil))
			if refusal != "" {
				t.Fatal(refusal)
			}
			for _, text := range typed {
				if jobspec.ValidateText("text", text) != nil {
					continue
				}
				job, refusal := parse(t, render(t, template, jobspec.Params{"environment": map[string]any{"TYPED": text, "for": text}}))
				if refusal != "" {
					t.Fatalf("%q: %s", text, refusal)
				}
				for i, task := range job.TaskGroups[0].Tasks {
					if task.Name != "nginx" && (task.Env["TYPED"] != text || task.Env["for"] != text) {
						t.Errorf("%q became %q", text, task.Env["TYPED"])
					}
					if diff := cmp.Diff(plain.TaskGroups[0].Tasks[i].Templates, task.Templates); diff != "" {
						t.Errorf("%q changes a file: %s", text, diff)
					}
				}
			}
		})
	}
}

// What Bothy refuses, Nomad refuses; what Bothy takes, Nomad takes.
func TestNomadJudgesAsBothyDoes(t *testing.T) {
	const job = "\njob \"x\" {\n  group \"g\" {\n    task \"t\" {\n      driver = \"exec\"\n      config { command = \"/bin/true\" }\n    }\n  }\n}\n"
	for name, tc := range map[string]struct{ typ, condition, good, bad string }{
		"at least":          {"number", "var.p >= 64", "64", "63"},
		"whole":             {"number", "floor(var.p) == var.p", "1", "1.5"},
		"one of":            {"string", `contains(["a", "b"], var.p)`, `"b"`, `"c"`},
		"pattern":           {"string", `regex_replace(var.p, "^[a-z]+$", "") == ""`, `"abc"`, `"ab1"`},
		"length":            {"string", "strlen(var.p) <= 3", `"äöü"`, `"äöüß"`},
		"each of a list":    {"list(string)", `length([for x in var.p : x if x != upper(x)]) == 0`, `["A"]`, `["A", "b"]`},
		"names of a map":    {"map(string)", `!contains(keys(var.p), "x")`, `{ y = "1" }`, `{ x = "1" }`},
		"can":               {"string", "can(parseint(var.p, 10))", `"12"`, `"x"`},
		"try":               {"string", "try(parseint(var.p, 10), 0) > 1", `"12"`, `"x"`},
		"reverse":           {"string", `reverse(var.p) == "cba" && strrev(var.p) == "cba"`, `"abc"`, `"abd"`},
		"an error":          {"string", "parseint(var.p, 10) > 1", `"2"`, `"x"`},
		"an object":         {"object({ a = number })", "var.p.a > 1", `{ a = 2 }`, `{ a = 1 }`},
		"a type, converted": {"number", "var.p > 1", `"2"`, `"x"`},
		"a type, refused":   {"bool", "var.p", "true", "1"},
		"a list, refused":   {"list(number)", "length(var.p) > 0", "[1]", `["x"]`},
	} {
		t.Run(name, func(t *testing.T) {
			source := func(value string) string {
				return "variable \"p\" {\n  type = " + tc.typ + "\n  default = " + value + "\n  validation {\n    condition = " + tc.condition + "\n    error_message = \"It must be right.\"\n  }\n}" + job
			}
			judge := func(value string) (nomad, bothy bool) {
				_, refusal := parse(t, source(value))
				template, err := jobspec.Parse("x.nomad.hcl", []byte(source(value)))
				if err != nil {
					return refusal == "", false
				}
				return refusal == "", template.CheckParams(jobspec.Params{"p": template.Variables()[0].Default}) == nil
			}
			if nomad, bothy := judge(tc.good); !nomad || !bothy {
				t.Errorf("%s: Nomad takes it: %v, Bothy: %v", tc.good, nomad, bothy)
			}
			if nomad, bothy := judge(tc.bad); nomad || bothy {
				t.Errorf("%s: Nomad takes it: %v, Bothy: %v", tc.bad, nomad, bothy)
			}
		})
	}
	for name, block := range map[string]string{
		"sensitive":             "variable \"p\" {\n  type = string\n  sensitive = true\n  default = \"\"\n}",
		"nullable":              "variable \"p\" {\n  type = string\n  nullable = true\n  default = \"\"\n}",
		"type any":              "variable \"p\" {\n  type = any\n  default = \"\"\n}",
		"a foreign block":       "provider \"x\" {}",
		"twice":                 "variable \"p\" { default = 1 }\nvariable \"p\" { default = 1 }",
		"another's condition":   "variable \"p\" {\n  default = 1\n  validation {\n    condition = var.q > 1\n    error_message = \"No.\"\n  }\n}\nvariable \"q\" { default = 2 }",
		"a condition on itself": "variable \"p\" {\n  default = 1\n  validation {\n    condition = true\n    error_message = \"No.\"\n  }\n}",
		"a message, no one":     "variable \"p\" {\n  default = 1\n  validation {\n    condition = var.p > 0\n    error_message = \"no\"\n  }\n}",
		"Terraform's regex":     "variable \"p\" {\n  default = \"a\"\n  validation {\n    condition = regex(\"a\", var.p) == \"a\"\n    error_message = \"No.\"\n  }\n}",
		"a file":                "variable \"p\" {\n  default = \"a\"\n  validation {\n    condition = file(var.p) == \"a\"\n    error_message = \"No.\"\n  }\n}",
	} {
		t.Run(name, func(t *testing.T) {
			if _, refusal := parse(t, block+job); refusal == "" {
				t.Error("Nomad takes it")
			}
			if _, err := jobspec.Parse("x.nomad.hcl", []byte(block+job)); err == nil {
				t.Error("Bothy takes it")
			}
		})
	}
}

func TestNomadReadsTheDocumentedTemplate(t *testing.T) {
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
	if _, refusal := parse(t, render(t, template, nil)); refusal != "" {
		t.Error(refusal)
	}
}
