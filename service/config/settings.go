package config

import (
	"strings"
	"time"
)

// A setting is one thing that can be said: in the file by its name, in the
// environment by BOTHY_ and its name (or by the names that Nomad, Consul and
// Vault's own programs use), on the command line by a flag.
type setting struct {
	// name is the path of blocks and then the attribute: "nomad.tls.ca_file".
	name string
	// usage is one sentence for -help and the reference.
	usage string
	// env are further environment variables, asked after BOTHY_….
	env []variable
	// envOnly marks a secret's own text, which no file or flag may hold.
	envOnly bool
	isList  bool
	isBool  bool
	// inJobs marks what is written into every job; `bothy render` takes it too.
	inJobs bool
	// secret is the credential that the setting is about, if it is about one.
	secret *Credential
	read   value
}

// A variable is an environment variable of another program that Bothy understands.
type variable struct {
	name string
	// translate turns the program's way of writing the value into Bothy's; nil keeps it.
	translate func(string) string
}

// maxID is the largest user or group id that file systems can store.
const maxID = 1<<32 - 2

// settings lists everything that can be said, each reading into c. This list is
// the only place where a setting is named: file, environment, flags and the
// reference are all made from it.
func settings(c *Config) []setting {
	return concat(
		[]setting{
			{name: "instance", usage: "Name of this one of several instances, for people (default the host's name and the port of listen).", read: instanceName(&c.Instance)},
			{name: "listen", usage: "Host and port to serve the API and the console on.", read: listenAddress(&c.Listen)},
			{name: "console_url", usage: "Origin of the console and API as browsers see it.", inJobs: true, read: origin(&c.ConsoleURL)},
			{name: "labs_url", usage: "Origin of the workspaces as browsers see it; its host must differ from console_url's.", inJobs: true, read: origin(&c.LabsURL)},
			{name: "data_dir", usage: "Folder for what the server stores on its own disk.", read: text(&c.DataDir)},
			{name: "template_dir", usage: "Folder of job files offered beside the built-in templates.", read: text(&c.TemplateDir)},
			{name: "tls.cert_file", usage: "Certificate (PEM) to serve; without it Bothy serves plain HTTP.", read: text(&c.TLS.CertFile)},
			{name: "tls.key_file", usage: "Private key (PEM) of tls.cert_file.", read: text(&c.TLS.KeyFile)},
			{name: "api.token_file", usage: "File with the operator's bearer token, which may do everything (default none: people sign in).", secret: &c.API.Token, read: secretFile(&c.API.Token)},
			{name: "api.token", usage: "The operator's bearer token itself.", envOnly: true, secret: &c.API.Token, read: secretValue(&c.API.Token)},
			{name: "api.trusted_proxies", usage: "Addresses or networks whose X-Forwarded-For is believed (default none).", isList: true, read: networks(&c.API.TrustedProxies)},
			{name: "session.idle", usage: "How long somebody stays signed in without doing anything, 1m to 720h.", read: duration(&c.Session.Idle, time.Minute, 720*time.Hour)},
			{name: "session.lifetime", usage: "How long somebody stays signed in at most, 1m to 2160h.", read: duration(&c.Session.Lifetime, time.Minute, 2160*time.Hour)},
		},
		mailSettings(&c.Mail),
		oidcSettings(&c.OIDC),
		doorSettings(c),
		storeSettings(&c.Store),
		nomadSettings(&c.Nomad),
		consulSettings(&c.Consul),
		vaultSettings(&c.Vault),
		[]setting{
			{name: "home.type", usage: "Kind of volume for homes: host (dynamic host volume) or csi.", inJobs: true, read: oneOf(&c.Home.Type, "host", "csi")},
			{name: "home.uid", usage: "Numeric user that owns a home's directory: that of the workspaces' user.", inJobs: true, read: integer(&c.Home.UID, 1, maxID)},
			{name: "home.gid", usage: "Numeric group of a home's directory.", inJobs: true, read: integer(&c.Home.GID, 1, maxID)},
			{name: "home.retention", usage: "How long the home of a deleted workspace is kept, 24h to 876000h; 0 for ever.", read: retention(&c.Home.Retention)},
			{name: "home.csi.plugin_id", usage: "CSI plugin that makes homes, where home.type is csi.", inJobs: true, read: name(&c.Home.CSI.PluginID)},
			{name: "home.csi.file_system", usage: "EFS file system that holds the homes, where home.type is csi.", inJobs: true, read: name(&c.Home.CSI.FileSystem)},
			{name: "log.level", usage: "Least level that is logged: debug, info, warn or error.", read: oneOf(&c.Log.Level, "debug", "info", "warn", "error")},
			{name: "log.format", usage: "Form of the log: text or json.", read: oneOf(&c.Log.Format, "text", "json")},
			{name: "telemetry.otlp_endpoint", usage: "Base URL of an OpenTelemetry collector (OTLP over HTTP) that traces are sent to, as http://127.0.0.1:4318 (default none).", env: also("OTEL_EXPORTER_OTLP_ENDPOINT"), read: serverAddress(&c.Telemetry.OTLPEndpoint)},
			{name: "reconcile.workers", usage: "Most changes made at Nomad at the same time, 1 to 256.", read: integer(&c.Reconcile.Workers, 1, 256)},
			{name: "reconcile.interval", usage: "Longest time between two comparisons of desired and observed state, 1s to 10m.", read: duration(&c.Reconcile.Interval, time.Second, 10*time.Minute)},
			{name: "reconcile.lock", usage: "What decides which of several instances reconciles: consul, or none where there is one instance only.", read: oneOf(&c.Reconcile.Lock, "consul", "none")},
			{name: "reconcile.lock_path", usage: "Key of that lock in Consul's KV store (default bothy/<installation id>/reconciler).", read: keyPath(&c.Reconcile.LockPath)},
			{name: "reconcile.lock_ttl", usage: "How long the lock is held without a sign of life, 10s to 10m; after a crash it passes on within twice this and lock_delay.", read: duration(&c.Reconcile.LockTTL, 10*time.Second, 10*time.Minute)},
			{name: "reconcile.lock_delay", usage: "How long Consul keeps the lock free after its holder was lost, 1s to 1m.", read: duration(&c.Reconcile.LockDelay, time.Second, time.Minute)},
			{name: "limits.requests_per_address", usage: "Requests a second that one address may send over time, ten times as many at once, 0 to 100000; 0 for no limit.", read: integer(&c.Limits.RequestsPerAddress, 0, 100_000)},
			{name: "limits.requests_per_caller", usage: "Requests a second with one credential, likewise.", read: integer(&c.Limits.RequestsPerCaller, 0, 100_000)},
			{name: "audit.max_age", usage: "How long the record of changes is kept, 24h to 876000h; 0 for ever.", read: retention(&c.Audit.MaxAge)},
			{name: "operations.max_age", usage: "How long operations can be looked up after their end, 24h to 876000h; 0 for ever.", read: retention(&c.Operations.MaxAge)},
			{name: "events.max_age", usage: "How long events are kept for those who were away, 1m to 720h.", read: duration(&c.Events.MaxAge, time.Minute, 720*time.Hour)},
			{name: "events.max_rows", usage: "How many events are kept at most, 1000 to 10000000.", read: integer(&c.Events.MaxRows, 1000, 10_000_000)},
		},
	)
}

func mailSettings(m *Mail) []setting {
	return []setting{
		{name: "mail.address", usage: "Host and port of the SMTP server for invitations and password resets (default none: no mail is sent).", read: listenAddress(&m.Address)},
		{name: "mail.security", usage: "How the connection to it is secured: starttls, tls (from the beginning) or none (for a server on the same machine).", read: oneOf(&m.Security, "starttls", "tls", "none")},
		{name: "mail.username", usage: "Name that Bothy signs in to the SMTP server with (default none).", read: text(&m.Username)},
		{name: "mail.password_file", usage: "File with the password for it.", secret: &m.Password, read: secretFile(&m.Password)},
		{name: "mail.password", usage: "The password itself.", envOnly: true, secret: &m.Password, read: secretValue(&m.Password)},
		{name: "mail.from", usage: "Sender of mails: bothy@example.edu, or Bothy <bothy@example.edu>.", read: mailAddress(&m.From)},
		{name: "mail.folder", usage: "Folder that takes each mail as an .eml file in the place of a server; for development.", read: text(&m.Folder)},
		{name: "mail.per_minute", usage: "Most mails sent in a minute, 1 to 6000.", read: integer(&m.PerMinute, 1, 6000)},
		{name: "mail.invitations", usage: "Mail a temporary password to everybody who has none; false where people sign in by single sign-on alone.", isBool: true, read: boolean(&m.Invitations)},
		{name: "mail.invitation_lifetime", usage: "How long the temporary password of an invitation is good, 1h to 2160h.", read: duration(&m.InvitationLifetime, time.Hour, 2160*time.Hour)},
	}
}

func doorSettings(c *Config) []setting {
	return []setting{
		{name: "labs.own_hosts", usage: "Every name below labs_url's host leads to the router: people look in on workspaces there.", isBool: true, read: boolean(&c.Labs.OwnHosts)},
		{name: "labs.look_in_shared", usage: "Without labs.own_hosts, let people look in on the host that all workspaces share; a risk, see docs/door.md.", isBool: true, read: boolean(&c.Labs.LookInShared)},
		{name: "labs.same_host", usage: "Let labs_url and console_url have the same host; a risk, see docs/door.md.", isBool: true, inJobs: true, read: boolean(&c.Labs.SameHost)},
		{name: "door.listen", usage: "Host and port where the workspaces' NGINX asks whether a visitor may come in.", read: listenAddress(&c.Door.Listen)},
		{name: "door.url", usage: "URL of that listener as workspaces reach it (default that of a Nomad client's bridge).", inJobs: true, read: plainOrigin(&c.Door.URL)},
		{name: "door.resolver", usage: "DNS server, address and port, that NGINX asks for the host of door.url where that is a name.", inJobs: true, read: addressPort(&c.Door.Resolver)},
		{name: "door.register", usage: "Register the listener in Consul, so that the router sends it visitors of workspaces that do not run.", isBool: true, read: boolean(&c.Door.Register)},
		{name: "door.trusted_proxies", usage: "Addresses or networks of the routers, as the door sees them, whose X-Forwarded-For is believed (default none).", isList: true, read: networks(&c.Door.TrustedProxies)},
	}
}

func storeSettings(s *Store) []setting {
	return []setting{
		{name: "store.driver", usage: "Database to use: sqlite or postgres.", read: oneOf(&s.Driver, "sqlite", "postgres")},
		{name: "store.path", usage: "SQLite database file (default bothy.db in data_dir).", read: text(&s.Path)},
		{name: "store.dsn_file", usage: "File with the URL of the PostgreSQL database: postgres://user:password@host:5432/database.", secret: &s.DSN, read: secretFile(&s.DSN)}, //nolint:gosec // G101: a form, no password
		{name: "store.dsn", usage: "The URL of the PostgreSQL database itself.", envOnly: true, secret: &s.DSN, read: secretValue(&s.DSN)},
		{name: "store.max_connections", usage: "Most connections to PostgreSQL that one instance opens, 2 to 1000.", read: integer(&s.MaxConnections, 2, 1000)},
		{name: "store.max_idle_connections", usage: "Most connections to PostgreSQL kept while they have nothing to do, 1 to 1000.", read: integer(&s.MaxIdleConnections, 1, 1000)},
		{name: "store.connection_lifetime", usage: "How long one connection to PostgreSQL is used, 1m to 24h.", read: duration(&s.ConnectionLifetime, time.Minute, 24*time.Hour)},
	}
}

func nomadSettings(n *Nomad) []setting {
	return concat(
		[]setting{
			{name: "nomad.address", usage: "URL of Nomad's HTTP API.", env: also("NOMAD_ADDR"), read: serverAddress(&n.Address)},
			{name: "nomad.region", usage: "Nomad region (default: that of the agent asked).", env: also("NOMAD_REGION"), read: name(&n.Region)},
			{name: "nomad.namespace", usage: "Nomad namespace that workspaces run in; Bothy should be alone in it.", inJobs: true, env: also("NOMAD_NAMESPACE"), read: name(&n.Namespace)},
			{name: "nomad.node_pool", usage: "Nomad node pool that workspaces run in.", inJobs: true, read: name(&n.NodePool)},
			{name: "nomad.datacenters", usage: "Nomad datacenters that workspaces may run in.", inJobs: true, isList: true, read: list(&n.Datacenters)},
			{name: "nomad.token_file", usage: "File with Bothy's Nomad ACL token.", secret: &n.Token, read: secretFile(&n.Token)},
			{name: "nomad.token", usage: "Bothy's Nomad ACL token itself.", envOnly: true, env: also("NOMAD_TOKEN"), secret: &n.Token, read: secretValue(&n.Token)},
		},
		tlsSettings("nomad", "Nomad", &n.TLS, map[string][]variable{
			"ca_file":     also("NOMAD_CACERT"),
			"ca_path":     also("NOMAD_CAPATH"),
			"cert_file":   also("NOMAD_CLIENT_CERT"),
			"key_file":    also("NOMAD_CLIENT_KEY"),
			"server_name": also("NOMAD_TLS_SERVER_NAME"),
			"skip_verify": also("NOMAD_SKIP_VERIFY"),
		}),
	)
}

func consulSettings(n *Consul) []setting {
	return concat(
		[]setting{
			{name: "consul.address", usage: "URL of Consul's HTTP API.", env: []variable{{"CONSUL_HTTP_ADDR", withScheme}}, read: serverAddress(&n.Address)},
			{name: "consul.datacenter", usage: "Consul datacenter (default: that of the agent asked).", read: name(&n.Datacenter)},
			{name: "consul.namespace", usage: "Consul Enterprise namespace of the workspaces' services.", env: also("CONSUL_NAMESPACE"), read: name(&n.Namespace)},
			{name: "consul.token_file", usage: "File with Bothy's Consul ACL token.", env: also("CONSUL_HTTP_TOKEN_FILE"), secret: &n.Token, read: secretFile(&n.Token)},
			{name: "consul.token", usage: "Bothy's Consul ACL token itself.", envOnly: true, env: also("CONSUL_HTTP_TOKEN"), secret: &n.Token, read: secretValue(&n.Token)},
		},
		tlsSettings("consul", "Consul", &n.TLS, map[string][]variable{
			"ca_file":     also("CONSUL_CACERT"),
			"ca_path":     also("CONSUL_CAPATH"),
			"cert_file":   also("CONSUL_CLIENT_CERT"),
			"key_file":    also("CONSUL_CLIENT_KEY"),
			"server_name": also("CONSUL_TLS_SERVER_NAME"),
			"skip_verify": {{"CONSUL_HTTP_SSL_VERIFY", inverted}},
		}),
	)
}

func vaultSettings(n *Vault) []setting {
	return concat(
		[]setting{
			{name: "vault.address", usage: "URL of Vault's HTTP API.", env: also("VAULT_ADDR"), read: serverAddress(&n.Address)},
			{name: "vault.namespace", usage: "Vault Enterprise namespace.", env: also("VAULT_NAMESPACE"), read: mount(&n.Namespace)},
			{name: "vault.token_file", usage: "File with Bothy's Vault token.", secret: &n.Token, read: secretFile(&n.Token)},
			{name: "vault.token", usage: "Bothy's Vault token itself.", envOnly: true, env: also("VAULT_TOKEN"), secret: &n.Token, read: secretValue(&n.Token)},
			{name: "vault.app_role.role_id", usage: "Role id that Bothy logs in with at Vault's AppRole auth method, instead of a token.", read: text(&n.AppRole.RoleID)},
			{name: "vault.app_role.secret_id_file", usage: "File with the secret id that belongs to vault.app_role.role_id.", secret: &n.AppRole.SecretID, read: secretFile(&n.AppRole.SecretID)},
			{name: "vault.app_role.secret_id", usage: "The secret id itself.", envOnly: true, secret: &n.AppRole.SecretID, read: secretValue(&n.AppRole.SecretID)},
			{name: "vault.app_role.mount", usage: "Vault's AppRole auth method.", read: mount(&n.AppRole.Mount)},
			{name: "vault.jwt.role", usage: "Role that Bothy logs in with at Vault's JWT auth method by the identity of its Nomad task, instead of a token.", read: name(&n.JWT.Role)},
			{name: "vault.jwt.file", usage: "File with that identity (default nomad_vault_default.jwt in NOMAD_SECRETS_DIR).", read: secretFile(&n.JWT.Identity)},
			{name: "vault.jwt.mount", usage: "Vault's JWT auth method, for Bothy's own login.", read: mount(&n.JWT.Mount)},
			{name: "vault.mount", usage: "KV version 2 mount that holds the workspaces' secrets.", inJobs: true, read: mount(&n.Mount)},
			{name: "vault.people_mount", usage: "Userpass auth method of Bothy's own that holds the passwords of people.", read: mount(&n.PeopleMount)},
			{name: "vault.role", usage: "Role of Vault's JWT auth method that a workspace's tasks take.", inJobs: true, read: name(&n.Role)},
		},
		tlsSettings("vault", "Vault", &n.TLS, map[string][]variable{
			"ca_file":     also("VAULT_CACERT"),
			"ca_path":     also("VAULT_CAPATH"),
			"cert_file":   also("VAULT_CLIENT_CERT"),
			"key_file":    also("VAULT_CLIENT_KEY"),
			"server_name": also("VAULT_TLS_SERVER_NAME"),
			"skip_verify": also("VAULT_SKIP_VERIFY"),
		}),
	)
}

func tlsSettings(block, server string, t *TLS, env map[string][]variable) []setting {
	return []setting{
		{name: block + ".tls.ca_file", usage: "CA certificate (PEM) that " + server + "'s certificate is checked with.", env: env["ca_file"], read: text(&t.CAFile)},
		{name: block + ".tls.ca_path", usage: "Folder of CA certificates (PEM) for " + server + ".", env: env["ca_path"], read: text(&t.CAPath)},
		{name: block + ".tls.cert_file", usage: "Certificate (PEM) that Bothy shows to " + server + ".", env: env["cert_file"], read: text(&t.CertFile)},
		{name: block + ".tls.key_file", usage: "Private key (PEM) of " + block + ".tls.cert_file.", env: env["key_file"], read: text(&t.KeyFile)},
		{name: block + ".tls.server_name", usage: "Name expected in " + server + "'s certificate, where it is not the address's host.", env: env["server_name"], read: text(&t.ServerName)},
		{name: block + ".tls.skip_verify", usage: "Trust any certificate of " + server + "; for trials only.", isBool: true, env: env["skip_verify"], read: boolean(&t.SkipVerify)},
	}
}

func concat(lists ...[]setting) []setting {
	var all []setting
	for _, l := range lists {
		all = append(all, l...)
	}
	return all
}

func also(names ...string) []variable {
	variables := make([]variable, len(names))
	for i, n := range names {
		variables[i] = variable{name: n}
	}
	return variables
}

// withScheme adds what Consul's programs leave out: CONSUL_HTTP_ADDR is mostly host:port.
func withScheme(address string) string {
	if strings.Contains(address, "://") {
		return address
	}
	return "http://" + address
}

// inverted turns "verify" into "skip verification".
func inverted(verify string) string {
	switch strings.ToLower(verify) {
	case "0", "f", "false":
		return "true"
	case "1", "t", "true":
		return "false"
	}
	return verify
}

// envName is the setting's own environment variable: BOTHY_NOMAD_TLS_CA_FILE.
func (s setting) envName() string {
	return "BOTHY_" + strings.ToUpper(strings.ReplaceAll(s.name, ".", "_"))
}

// flagName is the setting's flag: -nomad-tls-ca-file.
func (s setting) flagName() string {
	return strings.NewReplacer(".", "-", "_", "-").Replace(s.name)
}

// jobFlagName is its flag where jobs are rendered, as Nomad's own programs have it: -namespace.
func (s setting) jobFlagName() string { return strings.TrimPrefix(s.flagName(), "nomad-") }
