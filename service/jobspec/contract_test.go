package jobspec_test

import (
	"strings"
	"testing"
)

func TestBuiltInTemplatesKeepTheContract(t *testing.T) {
	for name, template := range builtIn(t) {
		t.Run(name, func(t *testing.T) {
			if err := template.Check(); err != nil {
				t.Error(err)
			}
		})
	}
}

// The line numbers count from the first line of contractVariables, an empty one; the job is in line 9.
func TestCheckTellsWhatIsMissing(t *testing.T) {
	for name, tc := range map[string]struct{ from, to, want string }{
		"a slug":                       {"variable \"slug\" { type = string }", "", `there is no variable "slug"`},
		"a job":                        {contractJob, "", "there are 0 job blocks instead of one"},
		"only one job":                 {contractJob, contractJob + contractJob, "lab.nomad.hcl:47:1: there are 2 job blocks instead of one"},
		"an id":                        {`  id        = "bothy-${var.slug}"`, "", "lab.nomad.hcl:9:1: the job's id is not bothy-<slug>"},
		"the right id":                 {`"bothy-${var.slug}"`, `"lab-${var.slug}"`, "lab.nomad.hcl:10:3: the job's id is not bothy-<slug>"},
		"the namespace":                {`  namespace = var.namespace`, "", "lab.nomad.hcl:9:1: the job is not in Bothy's namespace"},
		"the right namespace":          {`= var.namespace`, `= "default"`, "lab.nomad.hcl:11:3: the job is not in Bothy's namespace"},
		"a service job":                {`  namespace`, "  type = \"batch\"\n  namespace", "lab.nomad.hcl:11:3: the job is not a service job"},
		"no periodic job":              {`  group`, "  periodic {}\n  group", "a workspace cannot be periodic"},
		"no parameterized job":         {`  group`, "  parameterized {}\n  group", "a workspace cannot be parameterized"},
		"no multiregion job":           {`  group`, "  multiregion {}\n  group", "a workspace cannot be multiregion"},
		"the installation's mark":      {"    bothy_installation_id = var.installation_id\n", "", "the job's meta has no bothy_installation_id with var.installation_id"},
		"the workspace's mark":         {"= var.workspace_id", `= "x"`, "the job's meta has no bothy_workspace_id with var.workspace_id"},
		"marks in a map of meta":       {"  meta {\n    bothy_installation_id = var.installation_id\n    bothy_workspace_id    = var.workspace_id\n  }", "  meta = { bothy_workspace_id = var.workspace_id }", "the job's meta has no bothy_installation_id"},
		"a group":                      {`group "workspace"`, `group_of "workspace"`, "there are 0 group blocks instead of one"},
		"one instance":                 {"    network {", "    count = 2\n    network {", "the group's count is not 1"},
		"bridge networking":            {`mode = "bridge"`, `mode = "host"`, "lab.nomad.hcl:18:7: the network's mode is not bridge"},
		"a network's mode":             {"      mode = \"bridge\"\n", "", "the network's mode is not bridge"},
		"the port":                     {`port "http"`, `port "web"`, `the group's network has no port "http"`},
		"no other port":                {`      port "http"`, "      port \"ssh\" {}\n      port \"http\"", `lab.nomad.hcl:19:7: there is a port beside "http"`},
		"no static port":               {"{ to = 8080 }", "{ static = 8080 }", "lab.nomad.hcl:19:21: the port is static"},
		"the home":                     {`volume "home" {`, `volume "data" {`, `the group has no volume "home"`},
		"the home's type":              {"var.home_type", `"host_"`, "the home's type is not var.home_type"},
		"the home's source":            {"      source = var.home_volume\n", "", "the home's source is not var.home_volume"},
		"the home's mount":             {`volume      = "home"`, `volume      = "data"`, `no task mounts the volume "home"`},
		"the service":                  {"service {", "services {", "there is no service named by the slug"},
		"the service's name":           {"name = var.slug", `name = "lab"`, "there is no service named by the slug"},
		"the service's port":           {`port = "http"`, `port = "8080"`, `the service's port is not "http"`},
		"Consul":                       {`port = "http"`, "port = \"http\"\n      provider = \"nomad\"", "the service is not Consul's"},
		"tags":                         {`      tags = ["bothy"]`, "", `the service has no tag "bothy"`},
		"the tag":                      {`["bothy"]`, `["both", "y"]`, `the service has no tag "bothy"`},
		"a check":                      {"check {", "checks {", "the service has no check of type http"},
		"an HTTP check":                {`type     = "http"`, `type     = "tcp"`, "the service has no check of type http"},
		"a check's path":               {"        path     = \"/\"\n", "", "the service has no check of type http with a path"},
		"a quiet Vault token":          {"driver = \"exec\"", "driver = \"exec\"\n      vault {}", "the Vault token would be in the task's environment"},
		"a Vault token not in a file":  {"driver = \"exec\"", "driver = \"exec\"\n      vault { env = false }", "the Vault token would be in the task's files"},
		"a Vault token of the group's": {"    network {", "    vault { disable_file = true }\n    network {", "the Vault token would be in the task's environment"},
		"a Vault token of the job's":   {"  group", "  vault { env = true }\n  group", "the Vault token would be in the task's environment"},
		"a dynamic Vault block's":      {"driver = \"exec\"", "driver = \"exec\"\n      dynamic \"vault\" {\n        for_each = [1]\n        content { role = \"x\" }\n      }", "the Vault token would be in the task's environment"},
	} {
		t.Run(name, func(t *testing.T) {
			whole := withVariables("")
			source := strings.Replace(whole, tc.from, tc.to, 1)
			if source == whole {
				t.Fatalf("%q is not in the template", tc.from)
			}
			if got := fieldsOf(t, mustParse(t, source).Check()); !strings.Contains(got, tc.want) {
				t.Errorf("told\n%s\nwant\n%s", got, tc.want)
			}
		})
	}
}

func TestCheckReadsWhatIsMeant(t *testing.T) {
	for name, tc := range map[string]struct{ from, to string }{
		"nothing changed":               {"", ""},
		"an id with a format":           {`"bothy-${var.slug}"`, `format("bothy-%s", var.slug)`},
		"an id through locals":          {`"bothy-${var.slug}"`, `local.id`},
		"meta as a map":                 {"  meta {\n    bothy_installation_id = var.installation_id\n    bothy_workspace_id    = var.workspace_id\n  }", "  meta = { bothy_installation_id = var.installation_id, bothy_workspace_id = var.workspace_id }"},
		"meta merged":                   {"  meta {\n    bothy_installation_id = var.installation_id\n    bothy_workspace_id    = var.workspace_id\n  }", "  meta = merge({ bothy_installation_id = var.installation_id }, { bothy_workspace_id = var.workspace_id })"},
		"the task's own service":        {"service {", "service {"},
		"a volume by a condition":       {"source = var.home_volume", `source = var.home_volume != "" ? var.home_volume : "home"`},
		"tags from a function":          {`["bothy"]`, `concat(["x"], ["bothy"])`},
		"tags of Nomad's alone":         {`["bothy"]`, `["bothy", "hash-${md5(var.slug)}"]`},
		"tags that Nomad interpolates":  {`["bothy"]`, `["bothy", "${NOMAD_ALLOC_ID}"]`},
		"an id that nobody can read":    {`"bothy-${var.slug}"`, `"${base64decode("Ym90aHk=")}-${var.slug}"`},
		"a dynamic check":               {"      check {\n        type     = \"http\"\n        path     = \"/\"\n        interval = \"3s\"\n        timeout  = \"2s\"\n      }", "      dynamic \"check\" {\n        for_each = [1]\n        content {\n          type = \"http\"\n          path = \"/\"\n        }\n      }"},
		"a Vault block that is careful": {"driver = \"exec\"", "driver = \"exec\"\n      vault {\n        env          = false\n        disable_file = true\n      }"},
		"another volume beside":         {"    volume \"home\" {", "    volume \"data\" {\n      type   = \"host\"\n      source = \"data\"\n    }\n    volume \"home\" {"},
		"count 1":                       {"    network {", "    count = 1\n    network {"},
	} {
		t.Run(name, func(t *testing.T) {
			source := strings.Replace(withVariables("locals {\n  id     = \"${local.prefix}${var.slug}\"\n  prefix = \"bothy-\"\n}\n"), tc.from, tc.to, 1)
			if err := mustParse(t, source).Check(); err != nil {
				t.Error(err)
			}
		})
	}
}

func TestTypedTextInFilesNeedsARule(t *testing.T) {
	const task = "driver = \"exec\""
	template := func(data string) string {
		return task + "\n      template {\n        destination = \"local/x\"\n        data        = " + data + "\n      }"
	}
	const ruled = "variable \"p\" {\n  type = string\n  validation {\n    condition     = regex_replace(var.p, \"^[a-z]*$\", \"\") == \"\"\n    error_message = \"Letters.\"\n  }\n}\n"
	for name, tc := range map[string]struct {
		variables, data string
		refused         bool
	}{
		"text":                  {"variable \"p\" { type = string }\n", `"listen ${var.p};"`, true},
		"text of no type":       {"variable \"p\" {}\n", `"listen ${var.p};"`, true},
		"a list of text":        {"variable \"p\" { type = list(string) }\n", `join(",", var.p)`, true},
		"a tuple with text":     {"variable \"p\" { type = tuple([number, string]) }\n", `var.p[1]`, true},
		"an object with text":   {"variable \"p\" { type = object({ a = number, b = string }) }\n", `var.p.b`, true},
		"a map's names":         {"variable \"p\" { type = map(number) }\n", `join(",", keys(var.p))`, true},
		"text through locals":   {"variable \"p\" { type = string }\nlocals {\n  q = local.r\n  r = var.p\n}\n", `"listen ${local.q};"`, true},
		"locals in a circle":    {"variable \"p\" { type = string }\nlocals {\n  q = \"${local.r}${var.p}\"\n  r = local.q\n}\n", `local.q`, true},
		"text with a rule":      {ruled, `"listen ${var.p};"`, false},
		"a number":              {"variable \"p\" { type = number }\n", `"listen ${var.p};"`, false},
		"a list of numbers":     {"variable \"p\" { type = list(number) }\n", `join(",", var.p)`, false},
		"what Bothy fills in":   {"", `"server_name ${var.slug};"`, false},
		"text that is not used": {"variable \"p\" { type = string }\n", `"nothing"`, false},
	} {
		t.Run(name, func(t *testing.T) {
			source := strings.Replace(withVariables(tc.variables), task, template(tc.data), 1)
			err := mustParse(t, source).Check()
			if !tc.refused {
				if err != nil {
					t.Error(err)
				}
				return
			}
			if got := fieldsOf(t, err); !strings.Contains(got, "var.p is written into a file, and anything can be typed into it") {
				t.Error(got)
			}
		})
	}
}
