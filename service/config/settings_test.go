package config

import (
	"flag"
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
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
		{"door.trusted_proxies", `["10.0.0.0/8"]`, "10.1.1.1, 10.2.0.0/16", "::1", func(c Config) any { return strings.Join(c.Door.TrustedProxies, ",") }},
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
		{"mail.invitation_lifetime", `"2h0m0s"`, "3h0m0s", "4h0m0s", func(c Config) any { return c.Mail.InvitationLifetime.String() }},
		{"operations.max_age", `"30h0m0s"`, "40h0m0s", "0s", func(c Config) any { return c.Operations.MaxAge.String() }},
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

// inBlocks writes "nomad.tls.ca_file" as HCL: nomad { tls { ca_file = … } }.
func inBlocks(name, literal string) string {
	parts := strings.Split(name, ".")
	text := parts[len(parts)-1] + " = " + literal
	for _, block := range slices.Backward(parts[:len(parts)-1]) {
		text = block + " {\n" + text + "\n}"
	}
	return text + "\n"
}

func quote(s string) string { return `"` + s + `"` }
