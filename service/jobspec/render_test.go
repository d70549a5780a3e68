package jobspec_test

import (
	"bytes"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/bothylabs/bothy/service/jobspec"
)

var update = flag.Bool("update", false, "write the golden files anew")

// golden compares with testdata/<name>, or writes it with -update.
func golden(t *testing.T, name string, got []byte) {
	t.Helper()
	path := filepath.Join("testdata", name)
	if *update {
		if err := os.WriteFile(path, got, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), string(got)); diff != "" {
		t.Errorf("%s (go test -update writes it anew):\n%s", path, diff)
	}
}

func TestBuiltInTemplatesRender(t *testing.T) {
	for name, template := range builtIn(t) {
		t.Run(name, func(t *testing.T) {
			params := jobspec.Params{"memory": 2048, "environment": map[string]any{"COURSE": `Python "101" for $5; 50%`, "LANG": "de_DE.UTF-8"}}
			rendered, err := jobspec.Render(template, deployment(), ada(), params)
			if err != nil {
				t.Fatal(err)
			}
			if rendered.JobID != "bothy-fall-26-py101-ada" || rendered.VolumeName != "home-fall-26-py101-ada" {
				t.Errorf("job %q, volume %q", rendered.JobID, rendered.VolumeName)
			}
			golden(t, name+".nomad.hcl", rendered.Job)
		})
	}
}

func TestHomesRender(t *testing.T) {
	csi := deployment()
	csi.HomeType, csi.CSIPlugin, csi.CSIFileSystem, csi.HomeUID = jobspec.HomeCSI, "aws-efs0", "fs-0123456789abcdef0", 1001
	for name, settings := range map[string]jobspec.Settings{"home-host.volume.hcl": deployment(), "home-csi.volume.hcl": csi} {
		t.Run(name, func(t *testing.T) {
			rendered, err := jobspec.Render(mustParse(t, withVariables("")), settings, ada(), nil)
			if err != nil {
				t.Fatal(err)
			}
			golden(t, name, rendered.Volume)
		})
	}
}

func TestRenderingChangesNothingButDefaults(t *testing.T) {
	for name, tc := range map[string]struct{ before, after string }{
		"replaces a default": {
			"variable \"p\" {\n  type    = string\n  default = \"old\" # the default\n}\n",
			"variable \"p\" {\n  type    = string\n  default = \"new\" # the default\n}\n",
		},
		"adds one in line with the others": {
			"variable \"p\" {\n  description = \"A text.\" // what it is\n  type        = string\n\n  validation {\n    condition     = var.p != \"\"\n    error_message = \"Not empty.\"\n  }\n}\n",
			"variable \"p\" {\n  description = \"A text.\" // what it is\n  type        = string\n  default     = \"new\"\n\n  validation {\n    condition     = var.p != \"\"\n    error_message = \"Not empty.\"\n  }\n}\n",
		},
		"adds one after a comment": {
			"variable \"p\" {\n  type = string # here\n  # and here\n}\n",
			"variable \"p\" {\n  type = string # here\n  default = \"new\"\n  # and here\n}\n",
		},
		"opens a line": {
			"variable \"p\" { type = string }\n",
			"variable \"p\" {\n  type = string\n  default = \"new\"\n}\n",
		},
		"opens an empty block": {
			"variable \"p\" {}\n",
			"variable \"p\" {\n  default = \"new\"\n}\n",
		},
		"fills a block without arguments": {
			"variable \"p\" {\n}\n",
			"variable \"p\" {\n  default = \"new\"\n}\n",
		},
		"fills a block with a comment": {
			"variable \"p\" { # nothing\n}\n",
			"variable \"p\" { # nothing\n  default = \"new\"\n}\n",
		},
		"fills a block with a rule alone": {
			"variable \"p\" {\n  validation {\n    condition     = var.p != \"\"\n    error_message = \"Not empty.\"\n  }\n}\n",
			"variable \"p\" {\n  default = \"new\"\n  validation {\n    condition     = var.p != \"\"\n    error_message = \"Not empty.\"\n  }\n}\n",
		},
		"replaces on one line": {
			"variable \"p\" { default = \"old\" }\n",
			"variable \"p\" { default = \"new\" }\n",
		},
		"replaces a heredoc": {
			"variable \"p\" {\n  default = <<-EOT\n    old ${\"text\"}\n  EOT\n  type = string\n}\n",
			"variable \"p\" {\n  default = \"new\"\n  type = string\n}\n",
		},
		"replaces what is in parentheses": {
			"variable \"p\" {\n  default = (\n    \"old\"\n  )\n}\n",
			"variable \"p\" {\n  default = \"new\"\n}\n",
		},
		"keeps Windows line ends": {
			"variable \"p\" {\r\n  type = string\r\n  default = \"old\"\r\n}\r\n",
			"variable \"p\" {\r\n  type = string\r\n  default = \"new\"\r\n}\r\n",
		},
	} {
		t.Run(name, func(t *testing.T) {
			// The variable stands among others, which stay as they are too.
			const above, below = "\n# above\n", "/* below */ locals {\n  x = 1 # ${var.p}\n}\n"
			template := mustParse(t, contractJob+above+tc.before+below+contractVariables)
			rendered, err := jobspec.Render(template, deployment(), ada(), jobspec.Params{"p": "new"})
			if err != nil {
				t.Fatal(err)
			}
			if !strings.HasPrefix(string(rendered.Job), contractJob+above+tc.after+below) {
				t.Errorf("rendered\n%s\nwant in it\n%s", rendered.Job, tc.after)
			}
			if got := defaultsOf(t, rendered.Job); got["p"].AsString() != "new" || got["slug"].AsString() != "fall-26-py101-ada" {
				t.Errorf("defaults %#v", got)
			}
		})
	}
}

func TestRenderingIsDeterministic(t *testing.T) {
	for name, template := range builtIn(t) {
		t.Run(name, func(t *testing.T) {
			environment := map[string]any{}
			for _, key := range []string{"Z", "A", "M", "B", "Y"} {
				environment[key] = key
			}
			var first []byte
			for range 20 {
				rendered, err := jobspec.Render(template, deployment(), ada(), jobspec.Params{"environment": environment})
				if err != nil {
					t.Fatal(err)
				}
				if first == nil {
					first = rendered.Job
				}
				if !bytes.Equal(first, rendered.Job) {
					t.Fatal("two renderings of the same input differ")
				}
			}
		})
	}
}

func TestARenderedJobIsATemplateAgain(t *testing.T) {
	for name, template := range builtIn(t) {
		t.Run(name, func(t *testing.T) {
			once, err := jobspec.Render(template, deployment(), ada(), jobspec.Params{"cpu": 250})
			if err != nil {
				t.Fatal(err)
			}
			again, err := jobspec.Parse(name+jobspec.Suffix, once.Job)
			if err != nil {
				t.Fatal(err)
			}
			if err := again.Check(); err != nil {
				t.Error(err)
			}
			twice, err := jobspec.Render(again, deployment(), ada(), nil)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(string(once.Job), string(twice.Job)); diff != "" {
				t.Errorf("rendering it again changes it:\n%s", diff)
			}
		})
	}
}

func TestSettingsThatDoNotFitAreRefused(t *testing.T) {
	for name, tc := range map[string]struct {
		change func(*jobspec.Settings)
		want   string
	}{
		"namespace with interpolation": {func(s *jobspec.Settings) { s.Namespace = "${attr.x}" }, "settings.namespace: "},
		"no namespace":                 {func(s *jobspec.Settings) { s.Namespace = "" }, "settings.namespace: "},
		"no node pool":                 {func(s *jobspec.Settings) { s.NodePool = "" }, "settings.node_pool: "},
		"no datacenter":                {func(s *jobspec.Settings) { s.Datacenters = nil }, "settings.datacenters: names no datacenter"},
		"bad datacenter":               {func(s *jobspec.Settings) { s.Datacenters = []string{"dc1", "a b"} }, `settings.datacenters: "a b"`},
		"labs URL with a path":         {func(s *jobspec.Settings) { s.LabsURL = "http://labs.example.org/x" }, "settings.labs_url: "},
		"labs URL with a slash":        {func(s *jobspec.Settings) { s.LabsURL = "http://labs.example.org/" }, "settings.labs_url: "},
		"labs URL breaks out of NGINX": {func(s *jobspec.Settings) { s.LabsURL = "http://labs.example.org;}" }, "settings.labs_url: "},
		"labs URL with a user":         {func(s *jobspec.Settings) { s.LabsURL = "http://a@labs.example.org" }, "settings.labs_url: "},
		"labs URL of another scheme":   {func(s *jobspec.Settings) { s.LabsURL = "ftp://labs.example.org" }, "settings.labs_url: "},
		"no labs URL":                  {func(s *jobspec.Settings) { s.LabsURL = "" }, "settings.labs_url: "},
		"bad console URL":              {func(s *jobspec.Settings) { s.ConsoleURL = "javascript:alert(1)" }, "settings.console_url: "},
		"bad door URL":                 {func(s *jobspec.Settings) { s.DoorURL = "http://x/{{ y }}" }, "settings.door_url: "},
		"bad Vault role":               {func(s *jobspec.Settings) { s.VaultRole = "a b" }, "settings.vault_role: "},
		"bad Vault mount":              {func(s *jobspec.Settings) { s.VaultMount = "a//b" }, "settings.vault_mount: "},
		"no Vault mount":               {func(s *jobspec.Settings) { s.VaultMount = "" }, "settings.vault_mount: is not set"},
		"bad installation":             {func(s *jobspec.Settings) { s.InstallationID = "a\nb" }, "settings.installation_id: "},
		"no kind of home":              {func(s *jobspec.Settings) { s.HomeType = "" }, "settings.home.type: "},
		"home of root":                 {func(s *jobspec.Settings) { s.HomeUID = 0 }, "settings.home.uid: "},
		"home of root's group":         {func(s *jobspec.Settings) { s.HomeGID = 0 }, "settings.home.uid: "},
		"CSI without its plugin":       {func(s *jobspec.Settings) { s.HomeType, s.CSIFileSystem = jobspec.HomeCSI, "fs-1" }, "settings.home.csi.plugin_id: "},
		"CSI without a file system":    {func(s *jobspec.Settings) { s.HomeType, s.CSIPlugin = jobspec.HomeCSI, "efs" }, "settings.home.csi.file_system: "},
	} {
		t.Run(name, func(t *testing.T) {
			settings := deployment()
			tc.change(&settings)
			_, err := jobspec.Render(mustParse(t, withVariables("")), settings, ada(), nil)
			if got := fieldsOf(t, err); !strings.Contains(got, tc.want) {
				t.Errorf("refused with %q, want %q", got, tc.want)
			}
		})
	}
}

func TestSubjectsThatDoNotFitAreRefused(t *testing.T) {
	for name, tc := range map[string]struct {
		change func(*jobspec.Subject)
		want   string
	}{
		"no slug":              {func(s *jobspec.Subject) { s.Slug = "" }, `slug: "" is not a slug`},
		"a name for a slug":    {func(s *jobspec.Subject) { s.Slug = "Ada Lovelace" }, `slug: "Ada Lovelace" is not a slug`},
		"another class's":      {func(s *jobspec.Subject) { s.Slug = "fall-26-go101-ada" }, "does not begin with its class"},
		"the class alone":      {func(s *jobspec.Subject) { s.Slug = "fall-26-py101-" }, "is not a slug"},
		"a name for a cohort":  {func(s *jobspec.Subject) { s.CohortKey = "Fall 26" }, `cohort: "Fall 26" is not a key`},
		"climbing directories": {func(s *jobspec.Subject) { s.CourseKey = "../py101" }, `course: "../py101" is not a key`},
		"a bad id":             {func(s *jobspec.Subject) { s.WorkspaceID = "${x}" }, "workspace_id: "},
	} {
		t.Run(name, func(t *testing.T) {
			subject := ada()
			tc.change(&subject)
			_, err := jobspec.Render(mustParse(t, withVariables("")), deployment(), subject, nil)
			if got := fieldsOf(t, err); !strings.Contains(got, tc.want) {
				t.Errorf("refused with %q, want %q", got, tc.want)
			}
		})
	}
}

func TestATemplatesOwnRulesJudgeSettings(t *testing.T) {
	template := mustParse(t, withVariables("variable \"labs_url\" {\n  type = string\n  validation {\n    condition     = regex_replace(var.labs_url, \"^https://.*\", \"\") == \"\"\n    error_message = \"Only https.\"\n  }\n}\n"))
	_, err := jobspec.Render(template, deployment(), ada(), nil)
	if got, want := fieldsOf(t, err), `settings.labs_url: the template refuses "http://labs.localhost:9999" (Only https.)`; got != want {
		t.Errorf("refused with %q, want %q", got, want)
	}
}

func TestFingerprint(t *testing.T) {
	const variables = "variable \"labs_url\" { type = string }\nvariable \"memory\" {\n  type    = number\n  default = 512\n}\nvariable \"tags\" {\n  type    = map(string)\n  default = {}\n}\n"
	template := mustParse(t, withVariables(variables))
	fingerprint := func(change func(*jobspec.Settings), params jobspec.Params) string {
		settings := deployment()
		if change != nil {
			change(&settings)
		}
		return jobspec.Fingerprint(template, settings, params)
	}
	base := fingerprint(nil, nil)

	same := map[string]string{
		"no parameters":              fingerprint(nil, jobspec.Params{}),
		"a default, spelled out":     fingerprint(nil, jobspec.Params{"memory": 512}),
		"a default, as JSON has it":  fingerprint(nil, jobspec.Params{"memory": 512.0, "tags": map[string]any{}}),
		"a setting it does not take": fingerprint(func(s *jobspec.Settings) { s.ConsoleURL = "https://other.example.org" }, nil),
		"whose homes are":            fingerprint(func(s *jobspec.Settings) { s.HomeUID = 1001 }, nil),
	}
	for name, got := range same {
		if got != base {
			t.Errorf("%s changes the fingerprint", name)
		}
	}
	different := map[string]string{
		"another parameter":       fingerprint(nil, jobspec.Params{"memory": 513}),
		"a map":                   fingerprint(nil, jobspec.Params{"tags": map[string]any{"a": "b"}}),
		"a setting that it takes": fingerprint(func(s *jobspec.Settings) { s.LabsURL = "https://labs.example.org" }, nil),
		"another namespace":       fingerprint(func(s *jobspec.Settings) { s.Namespace = "other" }, nil),
		"another kind of home":    fingerprint(func(s *jobspec.Settings) { s.HomeType = jobspec.HomeCSI }, nil),
		"a refused parameter":     fingerprint(nil, jobspec.Params{"memory": "much"}),
		"another refused one":     fingerprint(nil, jobspec.Params{"memory": "more"}),
		"another template":        jobspec.Fingerprint(mustParse(t, withVariables(variables+"\n")), deployment(), nil),
	}
	seen := map[string]string{base: "the base"}
	for name, got := range different {
		if other, ok := seen[got]; ok {
			t.Errorf("%s has the fingerprint of %s", name, other)
		}
		seen[got] = name
	}
	if one, two := fingerprint(nil, jobspec.Params{"tags": map[string]any{"a": 1, "b": 2}}), fingerprint(nil, jobspec.Params{"tags": map[string]any{"b": "2", "a": "1"}}); one != two {
		t.Error("the order or spelling of a map changes the fingerprint")
	}
}

func TestFingerprintsFollowRenderings(t *testing.T) {
	// Whatever changes a rendering changes the fingerprint, for every setting that a job can show.
	for name, template := range builtIn(t) {
		t.Run(name, func(t *testing.T) {
			base, err := jobspec.Render(template, deployment(), ada(), nil)
			if err != nil {
				t.Fatal(err)
			}
			for i, change := range []func(*jobspec.Settings){
				func(s *jobspec.Settings) { s.InstallationID = "other" },
				func(s *jobspec.Settings) { s.Namespace = "other" },
				func(s *jobspec.Settings) { s.NodePool = "other" },
				func(s *jobspec.Settings) { s.Datacenters = []string{"dc1", "dc2"} },
				func(s *jobspec.Settings) { s.HomeType, s.CSIPlugin, s.CSIFileSystem = jobspec.HomeCSI, "efs", "fs-1" },
				func(s *jobspec.Settings) { s.LabsURL = "https://labs.example.org" },
				func(s *jobspec.Settings) { s.ConsoleURL = "" },
				func(s *jobspec.Settings) { s.VaultRole = "" },
				func(s *jobspec.Settings) { s.VaultMount = "other" },
			} {
				settings := deployment()
				change(&settings)
				rendered, err := jobspec.Render(template, settings, ada(), nil)
				if err != nil {
					t.Fatal(err)
				}
				if bytes.Equal(base.Job, rendered.Job) {
					t.Errorf("change %d does not show in the job", i)
				}
				if jobspec.Fingerprint(template, deployment(), nil) == jobspec.Fingerprint(template, settings, nil) {
					t.Errorf("change %d does not show in the fingerprint", i)
				}
			}
		})
	}
}

func TestWorkspaceURL(t *testing.T) {
	if got, want := deployment().WorkspaceURL("a-b-c"), "http://labs.localhost:9999/a-b-c/"; got != want {
		t.Errorf("%q, want %q", got, want)
	}
}

func BenchmarkRender(b *testing.B) {
	template := builtIn(b)["code-server"]
	for b.Loop() {
		if _, err := jobspec.Render(template, deployment(), ada(), jobspec.Params{"memory": 2048}); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkFingerprint(b *testing.B) {
	template := builtIn(b)["code-server"]
	for b.Loop() {
		jobspec.Fingerprint(template, deployment(), jobspec.Params{"memory": 2048})
	}
}
