package jobspec_test

import (
	"errors"
	"io/fs"
	"strings"
	"testing"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/zclconf/go-cty/cty"

	"github.com/bothylabs/bothy/jobspecs"
	"github.com/bothylabs/bothy/service/jobspec"
	"github.com/bothylabs/bothy/service/lab"
)

// deployment is a usable deployment.
func deployment() jobspec.Settings {
	return jobspec.Settings{
		InstallationID: "0199-installation",
		Namespace:      "bothy",
		NodePool:       "default",
		Datacenters:    []string{"dc1"},
		HomeType:       jobspec.HomeHost,
		HomeUID:        1000,
		HomeGID:        1000,
		LabsURL:        "http://labs.localhost:9999",
		ConsoleURL:     "http://bothy.localhost:8080",
		VaultRole:      "bothy-workspace",
		VaultMount:     "bothy",
	}
}

// ada is a student of a class.
func ada() jobspec.Subject {
	return jobspec.Subject{Slug: "fall-26-py101-ada", WorkspaceID: "0199-workspace", CohortKey: "fall-26", CourseKey: "py101"}
}

// contractJob is a job that keeps the contract, for templates that are about something else.
const contractJob = `
job "lab" {
  id        = "bothy-${var.slug}"
  namespace = var.namespace
  meta {
    bothy_installation_id = var.installation_id
    bothy_workspace_id    = var.workspace_id
  }
  group "workspace" {
    network {
      mode = "bridge"
      port "http" { to = 8080 }
    }
    volume "home" {
      type   = var.home_type
      source = var.home_volume
    }
    service {
      name = var.slug
      port = "http"
      tags = ["bothy"]
      check {
        type     = "http"
        path     = "/"
        interval = "3s"
        timeout  = "2s"
      }
    }
    task "lab" {
      driver = "exec"
      config { command = "/bin/sleep" }
      volume_mount {
        volume      = "home"
        destination = "/home/coder"
      }
    }
  }
}
`

// contractVariables are the reserved variables that contractJob uses.
const contractVariables = `
variable "slug" { type = string }
variable "namespace" { type = string }
variable "installation_id" { type = string }
variable "workspace_id" { type = string }
variable "home_type" { type = string }
variable "home_volume" { type = string }
`

// withVariables is a whole template that declares more variables.
func withVariables(variables string) string {
	return contractVariables + variables + contractJob
}

func mustParse(t testing.TB, source string) *jobspec.Template {
	t.Helper()
	template, err := jobspec.Parse("lab.nomad.hcl", []byte(source))
	if err != nil {
		t.Fatal(err)
	}
	return template
}

// builtIn gives the templates that come with Bothy, by name.
func builtIn(t testing.TB) map[string]*jobspec.Template {
	t.Helper()
	files, err := fs.Glob(jobspecs.FS, "*"+jobspec.Suffix)
	if err != nil || len(files) == 0 {
		t.Fatalf("built-in templates: %v, %v", files, err)
	}
	templates := make(map[string]*jobspec.Template)
	for _, file := range files {
		source, err := jobspecs.FS.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		template, err := jobspec.Parse(file, source)
		if err != nil {
			t.Fatal(err)
		}
		templates[template.Name] = template
	}
	return templates
}

// fieldsOf gives the fields of a refusal, one a line, and fails on any other error.
func fieldsOf(t testing.TB, err error) string {
	t.Helper()
	var refusal *lab.Error
	if !errors.As(err, &refusal) || refusal.Code != lab.CodeInvalid || len(refusal.Fields) == 0 {
		t.Fatalf("error %v: want a refusal with fields", err)
	}
	lines := make([]string, 0, len(refusal.Fields))
	for _, f := range refusal.Fields {
		if f.Name == "" || f.Problem == "" || f.Remedy == "" {
			t.Errorf("field %+v: want a name, a problem and a remedy", f)
		}
		lines = append(lines, f.String())
	}
	return strings.Join(lines, "\n")
}

// defaultsOf reads the defaults in a job file, as Nomad will.
func defaultsOf(t testing.TB, job []byte) map[string]cty.Value {
	t.Helper()
	file, diags := hclsyntax.ParseConfig(job, "job.nomad.hcl", hcl.InitialPos)
	if diags.HasErrors() {
		t.Fatalf("the rendered job is not HCL: %v\n%s", diags, job)
	}
	out := make(map[string]cty.Value)
	for _, block := range file.Body.(*hclsyntax.Body).Blocks {
		if block.Type != "variable" {
			continue
		}
		def, ok := block.Body.Attributes["default"]
		if !ok {
			continue
		}
		value, diags := def.Expr.Value(nil)
		if diags.HasErrors() {
			t.Fatalf("the default of %q: %v\n%s", block.Labels[0], diags, job)
		}
		out[block.Labels[0]] = value
	}
	return out
}
