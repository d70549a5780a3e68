package config

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestBadInputNamesPlaceSettingProblemAndRemedy(t *testing.T) {
	open := filepath.Join(t.TempDir(), "open.token")
	if err := os.WriteFile(open, []byte("some-token"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(open, 0o644); err != nil {
		t.Fatal(err)
	}
	cases := map[string]struct {
		file    string
		env     map[string]string
		flags   map[string]string
		name    string // of the field, with %s for the file's path
		problem string
		remedy  string
	}{
		"a key that is nearly right": {
			file: "\nnomad {\n  addresse = \"http://n:4646\"\n}", name: "%s:3:3: nomad",
			problem: `unsupported argument: An argument named "addresse" is not expected here`, remedy: `did you mean "address"?`,
		},
		"a block that is nearly right": {
			file: "nomat {\n}", name: "%s:1:1", problem: `"nomat"`, remedy: `did you mean "nomad"?`,
		},
		"a block written twice":               {file: "log {}\nlog {}", name: "%s:2:1: log", problem: "second time, after line 1", remedy: "one block"},
		"HCL that is broken":                  {file: "nomad {", name: "%s:1:", problem: "unclosed", remedy: ""},
		"a reference":                         {file: `listen = var.x`, name: "%s:1:10: listen", problem: "variables not allowed"},
		"a role id without its secret id":     {file: "vault {\n  app_role {\n    role_id = \"x\"\n  }\n}", name: "%s:3:15: vault.app_role.secret_id_file", problem: "not set", remedy: "mode 0600"},
		"a secret id without its role id":     {env: map[string]string{"BOTHY_VAULT_APP_ROLE_SECRET_ID": "s"}, name: "vault.app_role.role_id", problem: "missing", remedy: "role id"},
		"two ways to a Vault token":           {file: "vault {\n  jwt {\n    role = \"bothy\"\n  }\n}", env: map[string]string{"BOTHY_VAULT_TOKEN": "s.x"}, name: "%s:3:12: vault.jwt.role", problem: "beside vault.token", remedy: "leave out one"},
		"a secret in the file":                {file: "nomad {\n  token = \"s.hush\"\n}", name: "%s:2:11: nomad.token", problem: "no place in this file", remedy: "BOTHY_NOMAD_TOKEN"},
		"a list where a word belongs":         {file: `listen = ["a"]`, name: "%s:1:10: listen", problem: "tuple", remedy: "one value"},
		"a word where a list belongs":         {file: `nomad { datacenters = "dc1" }`, name: "nomad.datacenters", problem: "string, not a list", remedy: `["dc1"]`},
		"an empty list":                       {file: `nomad { datacenters = [] }`, name: "nomad.datacenters", problem: "no name", remedy: "at least one"},
		"a proxy that is no network":          {file: `api { trusted_proxies = ["proxy"] }`, name: "api.trusted_proxies", problem: `"proxy" is neither`, remedy: "10.0.0.0/8"},
		"null":                                {file: `listen = null`, name: "%s:1:10: listen", problem: "null", remedy: "leave the line out"},
		"an address without a scheme":         {file: `nomad { address = "n:4646" }`, name: "nomad.address", problem: `not an http or https URL`, remedy: "https://"},
		"a password in an address":            {env: map[string]string{"NOMAD_ADDR": "http://me:hush@n:4646"}, name: "environment variable NOMAD_ADDR: nomad.address", problem: "user name or password", remedy: "token_file"},
		"an address that does not parse":      {env: map[string]string{"NOMAD_ADDR": "http://me:hush@n:port"}, name: "nomad.address", problem: "is not a URL", remedy: "https://"},
		"an origin with a path":               {file: `labs_url = "http://labs/x"`, name: "labs_url", problem: "has a path", remedy: "end it"},
		"a door by a name nobody resolves":    {file: `door { url = "http://bothy.service.consul:8082" }`, name: "door.resolver", problem: "door.url has a name", remedy: "DNS server"},
		"a door at the workspaces' host":      {file: "labs_url = \"http://labs.lan:9999\"\ndoor { url = \"http://labs.lan:8082\" }", name: "%s:2:14: door.url", problem: "a host of workspaces", remedy: "another name or address"},
		"a door there, written otherwise":     {file: "labs_url = \"http://labs.lan:9999\"\ndoor { url = \"http://Labs.LAN:8082\" }", name: "%s:2:14: door.url", problem: "a host of workspaces", remedy: "another name or address"},
		"a door that listens there":           {file: "labs_url = \"http://10.0.0.5:9999\"\ndoor { listen = \"10.0.0.5:8082\" }", name: "%s:2:17: door.listen", problem: "the host of workspaces", remedy: "another name or address"},
		"a door over TLS":                     {file: `door { url = "https://10.0.0.1:8082" }`, name: "door.url", problem: "https", remedy: "http://"},
		"one host for both origins":           {file: `labs_url = "http://bothy.localhost:9999"`, name: "labs_url", problem: "same host as console_url", remedy: "of their own"},
		"a listen address without port":       {flags: map[string]string{"listen": "127.0.0.1"}, name: "flag -listen: listen", problem: "not host:port", remedy: "127.0.0.1:8080"},
		"a port that is too high":             {flags: map[string]string{"listen": ":70000"}, name: "listen", problem: "70000", remedy: "free port"},
		"a number out of range":               {file: `reconcile { workers = 0 }`, name: "reconcile.workers", problem: "from 1 to 256", remedy: "from 1 to 256"},
		"a number that is none":               {env: map[string]string{"BOTHY_RECONCILE_WORKERS": "many"}, name: "BOTHY_RECONCILE_WORKERS", problem: `"many"`, remedy: "1 to 256"},
		"an instance's name with a space":     {file: `instance = "one two"`, name: "instance", problem: "not a name of an instance", remedy: "letters"},
		"a lock path with a slash at its end": {file: `reconcile { lock_path = "bothy/" }`, name: "reconcile.lock_path", problem: "not a key", remedy: "slash"},
		"a duration without a unit":           {file: `reconcile { interval = "15" }`, name: "reconcile.interval", problem: "not a duration", remedy: "30s"},
		"an unknown choice":                   {file: `home { type = "nfs" }`, name: "home.type", problem: `"nfs" is not one of the choices`, remedy: "host or csi"},
		"homes from a plugin unnamed":         {file: "home {\n type = \"csi\"\n csi { file_system = \"fs-1\" }\n}", name: "%s:2:9: home.csi.plugin_id", problem: "missing", remedy: "CSI plugin"},
		"a home of root":                      {file: `home { uid = 0 }`, name: "home.uid", problem: "whole number from 1", remedy: "from 1"},
		"a flag of true and false":            {env: map[string]string{"NOMAD_SKIP_VERIFY": "maybe"}, name: "nomad.tls.skip_verify", problem: "neither true nor false"},
		"a name with a space":                 {file: `nomad { namespace = "my space" }`, name: "nomad.namespace", problem: "not a name", remedy: "letters"},
		"a mount that is none":                {file: `vault { mount = "a//b" }`, name: "vault.mount", problem: "not the path of a mount", remedy: "letters"},
		"a token file that is not there":      {env: map[string]string{"BOTHY_NOMAD_TOKEN_FILE": "/nowhere/token"}, name: "nomad.token_file", problem: "/nowhere/token: no such file", remedy: "0600"},
		"a token file open to everyone":       {env: map[string]string{"BOTHY_NOMAD_TOKEN_FILE": open}, name: "nomad.token_file", problem: "readable by every user", remedy: "chmod 600"},
		"a token that is two words":           {env: map[string]string{"NOMAD_TOKEN": "a b"}, name: "nomad.token", problem: "space", remedy: "alone"},
		"a database without its URL":          {env: map[string]string{"BOTHY_STORE_DRIVER": "postgres"}, name: "environment variable BOTHY_STORE_DRIVER: store.dsn_file", problem: "is not set", remedy: "BOTHY_STORE_DSN"},
		"a URL without its driver":            {env: map[string]string{"BOTHY_STORE_DSN": "postgres://me:hush@db/bothy"}, name: "environment variable BOTHY_STORE_DSN: store.dsn", problem: "while store.driver is sqlite", remedy: "postgres"},
		"a path of the other driver":          {env: map[string]string{"BOTHY_STORE_DRIVER": "postgres", "BOTHY_STORE_DSN": "postgres://me:hush@db/bothy", "BOTHY_STORE_PATH": "/x"}, name: "store.path", problem: "while store.driver is postgres", remedy: "leave it out"},
		"a URL of another database":           {env: map[string]string{"BOTHY_STORE_DRIVER": "postgres", "BOTHY_STORE_DSN": "mysql://me:hush@db/bothy"}, name: "store.dsn", problem: "does not begin with postgres://", remedy: "postgres://user"},
		"a URL in the file":                   {file: "store {\n  dsn = \"postgres://me:hush@db/bothy\"\n}", name: "%s:2:9: store.dsn", problem: "no place in this file", remedy: "name that with dsn_file"},
		"an API token that is too short":      {env: map[string]string{"BOTHY_API_TOKEN": "short"}, name: "api.token", problem: "shorter than 16", remedy: "longer"},
		"a certificate without its key":       {env: map[string]string{"NOMAD_CLIENT_CERT": open}, name: "nomad.tls.key_file", problem: "missing", remedy: "private key"},
		"a key without its certificate":       {env: map[string]string{"BOTHY_TLS_KEY_FILE": open}, name: "tls.cert_file", problem: "missing", remedy: "certificate"},
		"a CA file that is not there":         {env: map[string]string{"VAULT_CACERT": "/nowhere/ca.pem"}, name: "vault.tls.ca_file", problem: "no such file", remedy: "path"},
		"a template folder that is none":      {env: map[string]string{"BOTHY_TEMPLATE_DIR": open}, name: "template_dir", problem: "not a folder", remedy: "folder"},
		"a template folder not there":         {env: map[string]string{"BOTHY_TEMPLATE_DIR": "/nowhere"}, name: "template_dir", problem: "no such file", remedy: "folder"},
		"a control character in a path":       {env: map[string]string{"BOTHY_DATA_DIR": "/a\nb"}, name: "data_dir", problem: "control character", remedy: "remove"},
		"an empty data folder":                {file: `data_dir = ""`, name: "data_dir", problem: "is empty", remedy: "folder"},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			src := newSources(t)
			if c.file != "" {
				src.file(c.file)
			}
			for k, v := range c.env {
				src.env[k] = v
			}
			for k, v := range c.flags {
				src.flags[k] = v
			}
			fields := src.mustFail()
			if len(fields) != 1 {
				t.Fatalf("got %d problems, want 1: %v", len(fields), fields)
			}
			got, wantName := fields[0], strings.ReplaceAll(c.name, "%s", src.path)
			if !strings.Contains(got.Name, wantName) || !strings.Contains(strings.ToLower(got.Problem), strings.ToLower(c.problem)) || !strings.Contains(got.Remedy, c.remedy) {
				t.Errorf("got  %v\nwant %s: … %s … (… %s …)", got, wantName, c.problem, c.remedy)
			}
			if strings.Contains(got.String(), "hush") {
				t.Errorf("the error shows a secret: %v", got)
			}
		})
	}
}

func TestAllProblemsAreReportedAtOnce(t *testing.T) {
	src := newSources(t)
	src.file("listen = \"x\"\nnomad {\n  address = \"y\"\n  colour = 1\n}\n")
	src.env["VAULT_ADDR"] = "z"
	if fields := src.mustFail(); len(fields) != 4 {
		t.Errorf("got %d problems, want 4: %v", len(fields), fields)
	}
}

func TestAFileThatIsNotThere(t *testing.T) {
	src := newSources(t)
	src.path = "/nowhere/bothy.hcl"
	fields := src.mustFail()
	if len(fields) != 1 || fields[0].Name != "/nowhere/bothy.hcl" || !strings.Contains(fields[0].Problem, "no such file") {
		t.Errorf("got %v", fields)
	}
}

func TestMailNeedsASenderAndASafeWay(t *testing.T) {
	for name, test := range map[string]struct {
		env  map[string]string
		want string
	}{
		"no sender":             {map[string]string{"BOTHY_MAIL_FOLDER": "mails"}, "mail.from"},
		"two places":            {map[string]string{"BOTHY_MAIL_FOLDER": "mails", "BOTHY_MAIL_ADDRESS": "a:25", "BOTHY_MAIL_FROM": "a@b.c"}, "mail.folder"},
		"no password":           {map[string]string{"BOTHY_MAIL_ADDRESS": "a:25", "BOTHY_MAIL_FROM": "a@b.c", "BOTHY_MAIL_USERNAME": "bothy"}, "mail.password_file"},
		"a password in clear":   {map[string]string{"BOTHY_MAIL_SECURITY": "none", "BOTHY_MAIL_PASSWORD": "a-password"}, "mail.security"},
		"idle without lifetime": {map[string]string{"BOTHY_SESSION_IDLE": "200h"}, "session.idle"},
	} {
		t.Run(name, func(t *testing.T) {
			src := newSources(t)
			for n, v := range test.env {
				src.env[n] = v
			}
			if fields := src.mustFail(); len(fields) != 1 || !strings.HasSuffix(fields[0].Name, test.want) {
				t.Errorf("got %v", fields)
			}
		})
	}
}
