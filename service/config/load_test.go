package config

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/bothylabs/bothy/service/lab"
)

// everySetting has three values for each setting: as the file writes it, as an
// environment variable or flag has it, and where it lands.
func everySetting(t *testing.T) []settingCase {
	t.Helper()
	file := writeSecret(t, "another-secret-of-a-file")
	dsn := writeSecret(t, "postgres://bothy:pw@db.example.org/bothy")
	dir := t.TempDir()
	cases := []settingCase{
		{"listen", `"127.0.0.1:1"`, "127.0.0.1:2", "127.0.0.1:3", func(c Config) any { return c.Listen }},
		{"console_url", `"https://one.example.com"`, "https://two.example.com", "https://three.example.com", func(c Config) any { return c.ConsoleURL }},
		{"labs_url", `"https://one.example.com"`, "https://two.example.com", "https://three.example.com", func(c Config) any { return c.LabsURL }},
		{"labs.own_hosts", `true`, "true", "true", func(c Config) any { return c.Labs.OwnHosts }},
		{"labs.look_in_shared", `true`, "true", "true", func(c Config) any { return c.Labs.LookInShared }},
		{"labs.same_host", `true`, "true", "true", func(c Config) any { return c.Labs.SameHost }},
		{"door.listen", `"127.0.0.1:1"`, "127.0.0.1:2", "127.0.0.1:3", func(c Config) any { return c.Door.Listen }},
		{"door.url", `"http://10.0.0.1:1"`, "http://10.0.0.1:2", "http://10.0.0.1:3", func(c Config) any { return c.Door.URL }},
		{"door.resolver", `"10.0.0.1:53"`, "10.0.0.2:53", "10.0.0.3:53", func(c Config) any { return c.Door.Resolver }},
		{"door.register", `true`, "true", "true", func(c Config) any { return c.Door.Register }},
		{"data_dir", `"/one"`, "/two", "/three", func(c Config) any { return c.DataDir }},
		{"template_dir", quote(dir), dir, dir, func(c Config) any { return c.TemplateDir }},
		{"tls.cert_file", quote(file), file, file, func(c Config) any { return c.TLS.CertFile }},
		{"tls.key_file", quote(file), file, file, func(c Config) any { return c.TLS.KeyFile }},
		{"api.token_file", quote(file), file, file, func(c Config) any { return c.API.Token.File }},
		{"api.trusted_proxies", `["10.0.0.0/8"]`, "10.1.1.1, 10.2.0.0/16", "::1", func(c Config) any { return strings.Join(c.API.TrustedProxies, ",") }},
		{"store.driver", `"sqlite"`, "sqlite", "sqlite", func(c Config) any { return c.Store.Driver }},
		{"store.path", `"/one.db"`, "/two.db", "/three.db", func(c Config) any { return c.StorePath() }},
		{"store.dsn_file", quote(dsn), dsn, dsn, func(c Config) any { return c.Store.DSN.File }},
		{"store.max_connections", `3`, "4", "5", func(c Config) any { return c.Store.MaxConnections }},
		{"store.max_idle_connections", `3`, "4", "5", func(c Config) any { return c.Store.MaxIdleConnections }},
		{"store.connection_lifetime", `"3m0s"`, "4m0s", "5m0s", func(c Config) any { return c.Store.ConnectionLifetime.String() }},
		{"nomad.address", `"http://one:4646"`, "http://two:4646", "http://three:4646", func(c Config) any { return c.Nomad.Address }},
		{"nomad.region", `"one"`, "two", "three", func(c Config) any { return c.Nomad.Region }},
		{"nomad.namespace", `"one"`, "two", "three", func(c Config) any { return c.Nomad.Namespace }},
		{"nomad.node_pool", `"one"`, "two", "three", func(c Config) any { return c.Nomad.NodePool }},
		{"nomad.datacenters", `["dc1","dc2"]`, "dc3, dc4", "dc5", func(c Config) any { return strings.Join(c.Nomad.Datacenters, ",") }},
		{"consul.address", `"http://one:8500"`, "http://two:8500", "http://three:8500", func(c Config) any { return c.Consul.Address }},
		{"consul.datacenter", `"one"`, "two", "three", func(c Config) any { return c.Consul.Datacenter }},
		{"consul.namespace", `"one"`, "two", "three", func(c Config) any { return c.Consul.Namespace }},
		{"vault.address", `"http://one:8200"`, "http://two:8200", "http://three:8200", func(c Config) any { return c.Vault.Address }},
		{"vault.namespace", `"one"`, "two", "three", func(c Config) any { return c.Vault.Namespace }},
		{"vault.mount", `"one"`, "two", "three", func(c Config) any { return c.Vault.Mount }},
		{"vault.people_mount", `"one"`, "two", "three", func(c Config) any { return c.Vault.PeopleMount }},
		{"vault.app_role.role_id", `"one"`, "two", "three", func(c Config) any { return c.Vault.AppRole.RoleID }},
		{"vault.app_role.secret_id_file", quote(file), file, file, func(c Config) any { return c.Vault.AppRole.SecretID.File }},
		{"vault.app_role.mount", `"one"`, "two", "three", func(c Config) any { return c.Vault.AppRole.Mount }},
		{"vault.jwt.role", `"one"`, "two", "three", func(c Config) any { return c.Vault.JWT.Role }},
		{"vault.jwt.file", quote(file), file, file, func(c Config) any { return c.Vault.JWT.Identity.File }},
		{"vault.jwt.mount", `"one"`, "two", "three", func(c Config) any { return c.Vault.JWT.Mount }},
		{"vault.role", `"one"`, "two", "three", func(c Config) any { return c.Vault.Role }},
		{"session.idle", `"3m0s"`, "4m0s", "5m0s", func(c Config) any { return c.Session.Idle.String() }},
		{"session.lifetime", `"13h0m0s"`, "14h0m0s", "15h0m0s", func(c Config) any { return c.Session.Lifetime.String() }},
		{"mail.address", `"one:25"`, "two:587", "three:465", func(c Config) any { return c.Mail.Address }},
		{"mail.security", `"tls"`, "none", "starttls", func(c Config) any { return c.Mail.Security }},
		{"mail.username", `"one"`, "two", "three", func(c Config) any { return c.Mail.Username }},
		{"mail.password_file", quote(file), file, file, func(c Config) any { return c.Mail.Password.File }},
		{"mail.from", `"one@example.org"`, "Two <two@example.org>", "three@example.org", func(c Config) any { return c.Mail.From }},
		{"mail.folder", `"one"`, "two", "three", func(c Config) any { return c.Mail.Folder }},
		{"mail.per_minute", `3`, "4", "5", func(c Config) any { return c.Mail.PerMinute }},
		{"mail.invitations", `false`, "true", "false", func(c Config) any { return c.Mail.Invitations }},
		{"oidc.issuer", `"https://one/realms/a"`, "https://two/", "http://127.0.0.1:8200/v1/identity/oidc/provider/school", func(c Config) any { return c.OIDC.Issuer }},
		{"oidc.client_id", `"one"`, "two", "three", func(c Config) any { return c.OIDC.ClientID }},
		{"oidc.client_secret_file", quote(file), file, file, func(c Config) any { return c.OIDC.ClientSecret.File }},
		{"oidc.scopes", `["openid","email"]`, "openid, groups", "openid", func(c Config) any { return strings.Join(c.OIDC.Scopes, ",") }},
		{"oidc.display_name", `"One"`, "Two", "Three", func(c Config) any { return c.OIDC.DisplayName }},
		{"oidc.ca_file", quote(file), file, file, func(c Config) any { return c.OIDC.CAFile }},
		{"oidc.login_claim", `"one"`, "two", "three", func(c Config) any { return c.OIDC.LoginClaim }},
		{"oidc.name_claim", `"one"`, "two", "three.four", func(c Config) any { return c.OIDC.NameClaim }},
		{"oidc.unverified_email", `true`, "false", "true", func(c Config) any { return c.OIDC.UnverifiedEmail }},
		{"oidc.link", `"nobody"`, "everybody", "no_admins", func(c Config) any { return c.OIDC.Link }},
		{"home.type", `"csi"`, "host", "csi", func(c Config) any { return c.Home.Type }},
		{"home.uid", `3`, "4", "5", func(c Config) any { return c.Home.UID }},
		{"home.gid", `3`, "4", "5", func(c Config) any { return c.Home.GID }},
		{"home.csi.plugin_id", `"one"`, "two", "three", func(c Config) any { return c.Home.CSI.PluginID }},
		{"home.csi.file_system", `"one"`, "two", "three", func(c Config) any { return c.Home.CSI.FileSystem }},
		{"instance", `"one"`, "two:8080", "three", func(c Config) any { return c.Instance }},
		{"telemetry.otlp_endpoint", `"http://one:4318"`, "http://two:4318", "http://three:4318/base", func(c Config) any { return c.Telemetry.OTLPEndpoint }},
		{"reconcile.lock", `"none"`, "consul", "none", func(c Config) any { return c.Reconcile.Lock }},
		{"reconcile.lock_path", `"one"`, "two/x", "three", func(c Config) any { return c.Reconcile.LockPath }},
		{"reconcile.lock_ttl", `"11s"`, "12s", "13s", func(c Config) any { return c.Reconcile.LockTTL.String() }},
		{"reconcile.lock_delay", `"1s"`, "2s", "3s", func(c Config) any { return c.Reconcile.LockDelay.String() }},
		{"log.level", `"debug"`, "warn", "error", func(c Config) any { return c.Log.Level }},
		{"log.format", `"json"`, "text", "json", func(c Config) any { return c.Log.Format }},
		{"reconcile.workers", `3`, "4", "5", func(c Config) any { return c.Reconcile.Workers }},
		{"reconcile.interval", `"3s"`, "4s", "5s", func(c Config) any { return c.Reconcile.Interval.String() }},
		{"home.retention", `"30h0m0s"`, "40h0m0s", "0s", func(c Config) any { return c.Home.Retention.String() }},
		{"limits.requests_per_address", `30`, "40", "0", func(c Config) any { return c.Limits.RequestsPerAddress }},
		{"limits.requests_per_caller", `30`, "40", "0", func(c Config) any { return c.Limits.RequestsPerCaller }},
		{"audit.max_age", `"30h0m0s"`, "40h0m0s", "0s", func(c Config) any { return c.Audit.MaxAge.String() }},
		{"events.max_age", `"3m0s"`, "4m0s", "5m0s", func(c Config) any { return c.Events.MaxAge.String() }},
		{"events.max_rows", `3000`, "4000", "5000", func(c Config) any { return c.Events.MaxRows }},
	}
	blocks := map[string]func(Config) (TLS, Credential){
		"nomad":  func(c Config) (TLS, Credential) { return c.Nomad.TLS, c.Nomad.Token },
		"consul": func(c Config) (TLS, Credential) { return c.Consul.TLS, c.Consul.Token },
		"vault":  func(c Config) (TLS, Credential) { return c.Vault.TLS, c.Vault.Token },
	}
	for block, get := range blocks {
		cases = append(cases,
			settingCase{block + ".token_file", quote(file), file, file, func(c Config) any { _, token := get(c); return token.File }},
			settingCase{block + ".tls.ca_file", quote(file), file, file, func(c Config) any { tls, _ := get(c); return tls.CAFile }},
			settingCase{block + ".tls.ca_path", quote(dir), dir, dir, func(c Config) any { tls, _ := get(c); return tls.CAPath }},
			settingCase{block + ".tls.cert_file", quote(file), file, file, func(c Config) any { tls, _ := get(c); return tls.CertFile }},
			settingCase{block + ".tls.key_file", quote(file), file, file, func(c Config) any { tls, _ := get(c); return tls.KeyFile }},
			settingCase{block + ".tls.server_name", `"one"`, "two", "three", func(c Config) any { tls, _ := get(c); return tls.ServerName }},
			settingCase{block + ".tls.skip_verify", `true`, "false", "true", func(c Config) any { tls, _ := get(c); return tls.SkipVerify }},
		)
	}
	return cases
}

type settingCase struct {
	name            string
	hcl, env, flags string
	get             func(Config) any
}

// needed are settings that another one requires beside it.
func needed(name, file string) map[string]string {
	if name == "home.type" {
		return map[string]string{"home.csi.plugin_id": "plugin", "home.csi.file_system": "fs-1"}
	}
	switch name {
	case "oidc.issuer":
		return map[string]string{"oidc.client_id": "bothy"}
	case "oidc.client_id", "oidc.client_secret_file":
		return map[string]string{"oidc.issuer": "https://sso.example.org", "oidc.client_id": "bothy"}
	case "mail.address", "mail.folder":
		return map[string]string{"mail.from": "bothy@example.org"}
	case "mail.username":
		return map[string]string{"mail.password_file": file}
	case "vault.app_role.role_id":
		return map[string]string{"vault.app_role.secret_id_file": file}
	case "vault.app_role.secret_id_file":
		return map[string]string{"vault.app_role.role_id": "one"}
	}
	if name == "store.dsn_file" {
		return map[string]string{"store.driver": "postgres"}
	}
	if pair, ok := strings.CutSuffix(name, ".cert_file"); ok {
		return map[string]string{pair + ".key_file": file}
	}
	if pair, ok := strings.CutSuffix(name, ".key_file"); ok {
		return map[string]string{pair + ".cert_file": file}
	}
	return nil
}

func TestEverySettingIsReadFromFileEnvironmentAndFlag(t *testing.T) {
	file := writeSecret(t, "a-secret-of-a-file-here")
	for _, c := range everySetting(t) {
		t.Run(c.name, func(t *testing.T) {
			src := newSources(t)
			if c.name == "api.token_file" {
				delete(src.env, "BOTHY_API_TOKEN") // it would win over the file
			}
			for name, v := range needed(c.name, file) {
				if name == c.name {
					continue
				}
				src.env[setting{name: name}.envName()] = v
			}
			src.file(inBlocks(c.name, c.hcl))
			fromFile := c.get(src.mustLoad())
			if unquoted := strings.Trim(c.hcl, `"`); fmt.Sprint(fromFile) != unquoted && !strings.HasPrefix(c.hcl, "[") {
				t.Errorf("from the file: got %v, want %s", fromFile, unquoted)
			}

			src.env[setting{name: c.name}.envName()] = c.env
			if got := fmt.Sprint(c.get(src.mustLoad())); got != strings.ReplaceAll(c.env, ", ", ",") {
				t.Errorf("the environment must win over the file: got %v, want %s", got, c.env)
			}

			src.flags[c.name] = c.flags
			if got := fmt.Sprint(c.get(src.mustLoad())); got != c.flags {
				t.Errorf("a flag must win over the environment: got %v, want %s", got, c.flags)
			}
		})
	}
}

func TestTheTableOfTestsIsTheTableOfSettings(t *testing.T) {
	var tested []string
	for _, c := range everySetting(t) {
		tested = append(tested, c.name)
	}
	var known []string
	for _, s := range settings(&Config{}) {
		if !s.envOnly {
			known = append(known, s.name)
		}
	}
	slices.Sort(tested)
	slices.Sort(known)
	if diff := cmp.Diff(known, tested); diff != "" {
		t.Errorf("settings without a test (-) or tests without a setting (+):\n%s", diff)
	}
}

func TestEveryFlagIsDeclaredAndRead(t *testing.T) {
	flags := Flags{}
	set := flag.NewFlagSet("server", flag.ContinueOnError)
	set.SetOutput(io.Discard)
	flags.Register(set)
	if err := set.Parse([]string{"-listen", ":9", "-nomad-tls-skip-verify", "-reconcile-interval=2s"}); err != nil {
		t.Fatal(err)
	}
	want := Flags{"listen": ":9", "nomad.tls.skip_verify": "true", "reconcile.interval": "2s"}
	if diff := cmp.Diff(want, flags); diff != "" {
		t.Error(diff)
	}
	if set.Lookup("nomad-token") != nil || set.Lookup("api-token") != nil || set.Lookup("store-dsn") != nil {
		t.Error("a secret must have no flag: command lines are visible to every user of a machine")
	}
}

func TestWhatJobsHoldCanBeSaidWithoutAServer(t *testing.T) {
	flags := Flags{}
	set := flag.NewFlagSet("render", flag.ContinueOnError)
	set.SetOutput(io.Discard)
	flags.RegisterJob(set)
	if err := set.Parse([]string{"-namespace", "default", "-datacenters", "a,b", "-home-type", "csi"}); err != nil {
		t.Fatal(err)
	}
	if set.Lookup("listen") != nil || set.Lookup("nomad-address") != nil {
		t.Error("what only a server needs has no flag here")
	}
	env := map[string]string{"BOTHY_HOME_UID": "1234", "NOMAD_NAMESPACE": "of-the-environment", "BOTHY_LISTEN": "not an address"}
	lookup := func(name string) (string, bool) { v, ok := env[name]; return v, ok }
	_, err := LoadJob(lookup, flags)
	var coded *lab.Error
	if !errors.As(err, &coded) || len(coded.Fields) != 2 || coded.Fields[0].Name != "flag -home-type: home.csi.plugin_id" {
		t.Errorf("got %v", err)
	}
	if err := set.Parse([]string{"-home-type", "host"}); err != nil {
		t.Fatal(err)
	}
	c, err := LoadJob(lookup, flags)
	if err != nil {
		t.Fatal(err)
	}
	if c.Nomad.Namespace != "default" || strings.Join(c.Nomad.Datacenters, ",") != "a,b" || c.Home.UID != 1234 {
		t.Errorf("got %+v, %+v", c.Nomad, c.Home)
	}
}

func TestNomadAloneNeedsNoServersSettings(t *testing.T) {
	src := newSources(t)
	src.env = map[string]string{"NOMAD_ADDR": "http://n:1", "CONSUL_HTTP_ADDR": "not an address"}
	lookup := func(name string) (string, bool) { v, ok := src.env[name]; return v, ok }
	n, err := LoadNomad(lookup)
	if err != nil || n.Address != "http://n:1" {
		t.Errorf("got %+v, %v", n, err)
	}
	src.env["BOTHY_NOMAD_TOKEN_FILE"] = "/nowhere"
	if _, err := LoadNomad(lookup); lab.CodeOf(err) != lab.CodeInvalid {
		t.Errorf("got %v", err)
	}
}

func TestDefaultsHoldWhereNothingIsSaid(t *testing.T) {
	got := newSources(t).mustLoad()
	want := Default()
	want.API = got.API
	if diff := cmp.Diff(want, got, cmp.AllowUnexported(Secret{})); diff != "" {
		t.Error(diff)
	}
	if got.StorePath() != "/var/lib/bothy/bothy.db" {
		t.Errorf("the database lies at %s", got.StorePath())
	}
}

func TestTheEnvironmentOfTheOtherProgramsIsUnderstood(t *testing.T) {
	file := writeSecret(t, "some-token")
	cases := map[string]struct {
		value string
		want  any
		get   func(Config) any
	}{
		"NOMAD_ADDR":             {"https://n:4646", "https://n:4646", func(c Config) any { return c.Nomad.Address }},
		"NOMAD_TOKEN":            {"n-token", "n-token", func(c Config) any { return c.Nomad.Token.Value.Reveal() }},
		"NOMAD_CACERT":           {file, file, func(c Config) any { return c.Nomad.TLS.CAFile }},
		"NOMAD_SKIP_VERIFY":      {"1", true, func(c Config) any { return c.Nomad.TLS.SkipVerify }},
		"CONSUL_HTTP_ADDR":       {"c:8500", "http://c:8500", func(c Config) any { return c.Consul.Address }},
		"CONSUL_HTTP_TOKEN":      {"c-token", "c-token", func(c Config) any { return c.Consul.Token.Value.Reveal() }},
		"CONSUL_HTTP_TOKEN_FILE": {file, file, func(c Config) any { return c.Consul.Token.File }},
		"CONSUL_CACERT":          {file, file, func(c Config) any { return c.Consul.TLS.CAFile }},
		"CONSUL_HTTP_SSL_VERIFY": {"false", true, func(c Config) any { return c.Consul.TLS.SkipVerify }},
		"VAULT_ADDR":             {"https://v:8200/", "https://v:8200", func(c Config) any { return c.Vault.Address }},
		"VAULT_TOKEN":            {"v-token", "v-token", func(c Config) any { return c.Vault.Token.Value.Reveal() }},
		"VAULT_CACERT":           {file, file, func(c Config) any { return c.Vault.TLS.CAFile }},
	}
	for variable, c := range cases {
		t.Run(variable, func(t *testing.T) {
			src := newSources(t)
			src.env[variable] = c.value
			if got := c.get(src.mustLoad()); got != c.want {
				t.Errorf("got %v, want %v", got, c.want)
			}
		})
	}
	t.Run("Bothy's own variable wins", func(t *testing.T) {
		src := newSources(t)
		src.env["NOMAD_ADDR"] = "http://theirs:1"
		src.env["BOTHY_NOMAD_ADDRESS"] = "http://ours:1"
		if got := src.mustLoad().Nomad.Address; got != "http://ours:1" {
			t.Errorf("got %s", got)
		}
	})
}

func TestTheLaterSourceOfACredentialWinsWhole(t *testing.T) {
	file := writeSecret(t, "of-the-file")
	src := newSources(t)
	src.file(`nomad { token_file = ` + quote(file) + ` }`)
	src.env["NOMAD_TOKEN"] = "of-the-environment"
	if got := read(t, src.mustLoad().Nomad.Token); got != "of-the-environment" {
		t.Errorf("the environment must win over the file, got %q", got)
	}
	src.flags["nomad.token_file"] = file
	if got := read(t, src.mustLoad().Nomad.Token); got != "of-the-file" {
		t.Errorf("the flag must win over the environment, got %q", got)
	}
}

func TestBothysOwnVariableForACredentialGoesBeforeAnotherPrograms(t *testing.T) {
	file := writeSecret(t, "bothys")
	src := newSources(t)
	src.env["NOMAD_TOKEN"], src.env["BOTHY_NOMAD_TOKEN_FILE"] = "the-operators", file
	src.env["CONSUL_HTTP_TOKEN_FILE"], src.env["BOTHY_CONSUL_TOKEN"] = "/nowhere", "bothys"
	c := src.mustLoad()
	for server, token := range map[string]Credential{"nomad": c.Nomad.Token, "consul": c.Consul.Token} {
		if got := read(t, token); got != "bothys" {
			t.Errorf("%s: got %q", server, got)
		}
	}
}

func TestACredentialKnowsWhereItIsFromAndWhatItStandsInFor(t *testing.T) {
	file := writeSecret(t, "of-the-file")
	src := newSources(t)
	src.file(`vault { token_file = ` + quote(file) + ` }`)
	if got := src.mustLoad().Vault.Token; !strings.HasSuffix(got.From, "bothy.hcl:1:22") || got.Passed != "" {
		t.Errorf("the file's: %+v", got)
	}
	src.env["VAULT_TOKEN"] = "of-the-environment"
	if got := src.mustLoad().Vault.Token; got.From != "environment variable VAULT_TOKEN" || got.Passed != file {
		t.Errorf("the environment's: %+v", got)
	}
	src.env["BOTHY_VAULT_TOKEN"] = "bothys"
	if got := src.mustLoad().Vault.Token; got.From != "environment variable BOTHY_VAULT_TOKEN" || got.Passed != file {
		t.Errorf("Bothy's own: %+v", got)
	}
}

func TestACredentialFileIsReadAgain(t *testing.T) {
	file := writeSecret(t, "first")
	src := newSources(t)
	src.env["BOTHY_VAULT_TOKEN_FILE"] = file
	c := src.mustLoad()
	if err := os.WriteFile(file, []byte("second\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if got := read(t, c.Vault.Token); got != "second" {
		t.Errorf("got %q after the token was rotated", got)
	}
}

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

func TestTheOperatorsTokenMayBeMissing(t *testing.T) {
	src := newSources(t)
	delete(src.env, "BOTHY_API_TOKEN")
	if c := src.mustLoad(); c.API.Token.IsSet() {
		t.Error("there is one")
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

// sources is a builder of Sources that hold an API token and nothing else.
type sources struct {
	t     *testing.T
	path  string
	env   map[string]string
	flags Flags
}

func newSources(t *testing.T) *sources {
	t.Helper()
	return &sources{t: t, env: map[string]string{"BOTHY_API_TOKEN": strings.Repeat("t", 32)}, flags: Flags{}}
}

func (s *sources) file(content string) {
	s.t.Helper()
	s.path = filepath.Join(s.t.TempDir(), "bothy.hcl")
	if err := os.WriteFile(s.path, []byte(content), 0o600); err != nil {
		s.t.Fatal(err)
	}
}

func (s *sources) load() (Config, error) {
	return Load(Sources{File: s.path, Flags: s.flags, LookupEnv: func(name string) (string, bool) {
		v, ok := s.env[name]
		return v, ok
	}})
}

func (s *sources) mustLoad() Config {
	s.t.Helper()
	c, err := s.load()
	if err != nil {
		s.t.Fatal(err)
	}
	return c
}

func (s *sources) mustFail() []lab.Field {
	s.t.Helper()
	_, err := s.load()
	var coded *lab.Error
	if !errors.As(err, &coded) || coded.Code != lab.CodeInvalid {
		s.t.Fatalf("got %v, want a lab.Error with code invalid", err)
	}
	return coded.Fields
}

// inBlocks writes "nomad.tls.ca_file" as HCL: nomad { tls { ca_file = … } }.
func inBlocks(name, literal string) string {
	parts := strings.Split(name, ".")
	text := parts[len(parts)-1] + " = " + literal
	for _, block := range slices.Backward(parts[:len(parts)-1]) {
		text = block + " {\n" + text + "\n}"
	}
	return text + "\n"
}

func writeSecret(t *testing.T, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "secret")
	if err := os.WriteFile(path, []byte(text+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func read(t *testing.T, c Credential) string {
	t.Helper()
	secret, err := c.Read()
	if err != nil {
		t.Fatal(err)
	}
	return secret.Reveal()
}

func quote(s string) string { return `"` + s + `"` }

func TestAShellsVaultTokenIsNoneForABothyThatLogsInByItself(t *testing.T) {
	src := newSources(t)
	src.env["BOTHY_VAULT_APP_ROLE_ROLE_ID"], src.env["BOTHY_VAULT_APP_ROLE_SECRET_ID"] = "bothy", "a-secret-id-of-bothys"
	src.env["VAULT_TOKEN"] = "an-operators"
	if got := src.mustLoad().Vault.Token; got.IsSet() {
		t.Errorf("the token is from %s", got.From)
	}
}
