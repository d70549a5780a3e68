package jobspec_test

import (
	"crypto/sha256"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/bothylabs/bothy/service/jobspec"
)

func TestParseReadsVariables(t *testing.T) {
	template := mustParse(t, `# A lab for tests.
# It does nothing.
#
# More words.

variable "slug" { type = string }

variable "memory" {
  description = "Memory in MB."
  type        = number
  default     = 512

  validation {
    condition     = var.memory >= 64
    error_message = "At least 64."
  }
  validation {
    condition     = floor(var.memory) == var.memory
    error_message = "A whole number."
  }
}
variable "names" { type = list(string) }
variable "pair" { type = tuple([string, number]) }
variable "shape" {
  type    = object({ sides = number, name = string })
  default = { name = "square", sides = 4 }
}
variable "untyped" { default = true }
variable "bare" {}
variable "nothing" {
  type    = string
  default = null
}
`)
	if template.Name != "lab" || template.Description != "A lab for tests. It does nothing." {
		t.Errorf("name %q, description %q", template.Name, template.Description)
	}
	want := []jobspec.Variable{
		{Name: "slug", Type: "string", Required: true, Reserved: true},
		{Name: "memory", Type: "number", Description: "Memory in MB.", Default: 512.0, Rules: []string{"At least 64.", "A whole number."}},
		{Name: "names", Type: "list(string)", Required: true},
		{Name: "pair", Type: "tuple([string,number])", Required: true},
		{Name: "shape", Type: "object({name=string,sides=number})", Default: map[string]any{"name": "square", "sides": 4.0}},
		{Name: "untyped", Type: "bool", Default: true},
		{Name: "bare", Type: "any", Required: true},
		{Name: "nothing", Type: "string"},
	}
	if diff := cmp.Diff(want, template.Variables()); diff != "" {
		t.Error(diff)
	}
}

func TestParseRefusesWithPlaceAndReason(t *testing.T) {
	for name, tc := range map[string]struct{ source, want string }{
		"no HCL":                 {"variable \"a\" {\n  type = \n}", "lab.nomad.hcl:2:10: Invalid expression"},
		"unclosed block":         {"job \"x\" {", "lab.nomad.hcl:1:9: Unclosed configuration block"},
		"unknown block":          {"\nprovider \"aws\" {}", `lab.nomad.hcl:2:1: a job file has no "provider" block`},
		"variables block":        {"variables {\n a = 1\n}", `lab.nomad.hcl:1:1: a "variables" block has no types`},
		"argument at the top":    {"a = 1", `lab.nomad.hcl:1:1: a job file has no "a" outside its blocks`},
		"sensitive":              {"variable \"a\" {\n  type = string\n  sensitive = true\n}", `lab.nomad.hcl:3:3: Nomad's job files have no "sensitive" (a secret belongs in Vault`},
		"nullable":               {"variable \"a\" {\n  nullable = false\n}", `lab.nomad.hcl:2:3: a variable of Nomad's has no "nullable"`},
		"unknown argument":       {"variable \"a\" {\n  typ = string\n}", `lab.nomad.hcl:2:3: a variable of Nomad's has no "typ"`},
		"unknown inner block":    {"variable \"a\" {\n  check {}\n}", `lab.nomad.hcl:2:3: a variable has no "check" block`},
		"no label":               {"variable {}", "lab.nomad.hcl:1:1: a variable block has one label"},
		"two labels":             {`variable "a" "b" {}`, "lab.nomad.hcl:1:1: a variable block has one label"},
		"label no identifier":    {`variable "a b" {}`, "lab.nomad.hcl:1:1: a variable block has one label"},
		"twice":                  {"variable \"a\" {}\nvariable \"a\" {}", `lab.nomad.hcl:2:1: the variable "a" is there twice (the first is in line 1`},
		"unknown type":           {"variable \"a\" {\n  type = text\n}", "lab.nomad.hcl:2:10: Invalid type specification"},
		"type in quotes":         {"variable \"a\" {\n  type = \"string\"\n}", "lab.nomad.hcl:2:10: Invalid type specification"},
		"type any":               {"variable \"a\" {\n  type = any\n}", "lab.nomad.hcl:2:10: Invalid type specification"},
		"default of other type":  {"variable \"a\" {\n  type    = number\n  default = \"many\"\n}", `lab.nomad.hcl:3:13: the default of "a" is not a number: a number is required`},
		"default with function":  {"variable \"a\" {\n  default = upper(\"a\")\n}", "lab.nomad.hcl:2:13: Function calls not allowed"},
		"default with variable":  {"variable \"a\" {\n  default = var.b\n}", "lab.nomad.hcl:2:13: Variables not allowed"},
		"description no text":    {"variable \"a\" {\n  description = 1\n}", "lab.nomad.hcl:2:17: description is a text"},
		"reserved, other type":   {"variable \"datacenters\" {\n  type = string\n}", `lab.nomad.hcl:1:1: the variable "datacenters" is set by Bothy and is a text here (declare it with type = list(string)`},
		"reserved without type":  {"variable \"slug\" {}", `lab.nomad.hcl:1:1: the variable "slug" is set by Bothy and is without a type here (declare it with type = string`},
		"rule without condition": {rule(`error_message = "No."`), "lab.nomad.hcl:3:3: the validation has no condition"},
		"rule without message":   {rule(`condition = var.a > 1`), "lab.nomad.hcl:3:3: the validation has no error_message"},
		"rule, other argument":   {rule(`condition = var.a > 1`, `error_message = "No."`, `when = 1`), `lab.nomad.hcl:6:5: a validation has no "when"`},
		"rule, inner block":      {rule(`condition = var.a > 1`, `error_message = "No."`, `x {}`), `lab.nomad.hcl:6:5: a validation has no "x" block`},
		"message no sentence":    {rule(`condition = var.a > 1`, `error_message = "no"`), "lab.nomad.hcl:5:21: an error_message is a sentence"},
		"message empty":          {rule(`condition = var.a > 1`, `error_message = ""`), "lab.nomad.hcl:5:21: an error_message is a sentence"},
		"rule on another":        {rule(`condition = var.b > 1`, `error_message = "No."`), `lab.nomad.hcl:4:17: a condition of the variable "a" may only use var.a`},
		"rule on all variables":  {rule(`condition = length(var) > 1`, `error_message = "No."`), `lab.nomad.hcl:4:24: a condition of the variable "a" may only use var.a`},
		"rule on a local":        {rule(`condition = var.a > local.b`, `error_message = "No."`), `lab.nomad.hcl:4:25: a condition of the variable "a" may only use var.a`},
		"rule on nothing":        {rule(`condition = true`, `error_message = "No."`), "lab.nomad.hcl:4:17: the condition does not look at var.a"},
		"function of Terraform":  {rule(`condition = can(regex("a", var.a))`, `error_message = "No."`), `lab.nomad.hcl:4:21: Nomad has no function "regex" (use regex_replace`},
		"function of nobody":     {rule(`condition = prime(var.a)`, `error_message = "No."`), `lab.nomad.hcl:4:17: Nomad has no function "prime"`},
		"function Nomad alone":   {rule(`condition = sha256(var.a) != ""`, `error_message = "No."`), "lab.nomad.hcl:4:17: a validation cannot use sha256: Nomad has this function, Bothy does not evaluate it"},
		"function on the disk":   {rule(`condition = file(var.a) != ""`, `error_message = "No."`), "lab.nomad.hcl:4:17: file reads the disk of whoever parses the file"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := jobspec.Parse("lab.nomad.hcl", []byte(tc.source))
			if got := fieldsOf(t, err); !strings.Contains(got, tc.want) {
				t.Errorf("refused with\n%s\nwant\n%s", got, tc.want)
			}
		})
	}
}

// rule is a template whose variable has one validation; its first line is line 4.
func rule(lines ...string) string {
	return "variable \"a\" {\n  type = number\n  validation {\n    " + strings.Join(lines, "\n    ") + "\n  }\n}\n"
}

func TestParseNamesAllProblemsAtOnce(t *testing.T) {
	_, err := jobspec.Parse("lab.nomad.hcl", []byte("variables {}\nvariable \"a\" {\n  sensitive = true\n  nullable = true\n}\noutput \"x\" {}\n"))
	if got := strings.Count(fieldsOf(t, err), "\n") + 1; got != 4 {
		t.Errorf("%d problems, want 4: %v", got, err)
	}
}

func TestParseRefusesAHugeFile(t *testing.T) {
	_, err := jobspec.Parse("lab.nomad.hcl", make([]byte, jobspec.MaxSource+1))
	if got := fieldsOf(t, err); !strings.Contains(got, "is larger than 256 KiB") {
		t.Error(got)
	}
}

func TestDigestIsTheSHA256OfTheSource(t *testing.T) {
	source := `variable "a" {}`
	if got, want := mustParse(t, source).Digest(), fmt.Sprintf("%x", sha256.Sum256([]byte(source))); got != want {
		t.Errorf("digest %q, want %q", got, want)
	}
}

func TestATemplateKeepsItsOwnBytes(t *testing.T) {
	source := []byte(`variable "a" {}`)
	template, err := jobspec.Parse("lab.nomad.hcl", source)
	if err != nil {
		t.Fatal(err)
	}
	source[0] = 'X'
	if got := template.Source(); got != `variable "a" {}` {
		t.Errorf("the source became %q", got)
	}
}
