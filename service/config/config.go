// Package config reads Bothy's settings: from flags, the environment, a file in
// HCL and the defaults, in this order of precedence. Everything that is wrong is
// reported at once, with its place and the remedy.
package config

import (
	"path/filepath"
	"time"
)

// Config is everything that `bothy server` can be told. The zero value is not
// usable: Default and Load give one.
type Config struct {
	// Instance names this one of several instances to people; "" means its host's
	// name and the port of Listen.
	Instance string
	// Listen is the host:port that the API and the console are served on.
	Listen string
	// ConsoleURL is the origin of console and API as browsers see it, without a trailing slash.
	ConsoleURL string
	// LabsURL is the origin of the workspaces as browsers see it, without a trailing slash.
	// It never shares a host with ConsoleURL: student-controlled code runs there.
	LabsURL string
	// DataDir holds what the server stores on its own disk.
	DataDir string
	// TemplateDir is a folder of job files beside the built-in templates; "" for none.
	TemplateDir string

	TLS        ListenerTLS
	API        API
	Session    Session
	Mail       Mail
	OIDC       OIDC
	Labs       Labs
	Door       Door
	Store      Store
	Nomad      Nomad
	Consul     Consul
	Vault      Vault
	Home       Home
	Log        Log
	Telemetry  Telemetry
	Reconcile  Reconcile
	Events     Events
	Audit      Audit
	Operations Operations
	Limits     Limits
}

// ListenerTLS is the certificate that Bothy itself serves; empty for plain HTTP.
type ListenerTLS struct {
	CertFile string
	KeyFile  string
}

// API is how clients of Bothy's own API are known.
type API struct {
	// Token is the operator's bearer token, which may do everything; it may be missing
	// where people sign in.
	Token Credential
	// TrustedProxies are the addresses or networks whose X-Forwarded-For is believed.
	TrustedProxies []string
}

// Session is how long people stay signed in.
type Session struct {
	// Idle is how long a session may go unused, Lifetime how long it lasts at most.
	Idle, Lifetime time.Duration
}

// Mail is how people are written to; without Address and Folder they are not.
type Mail struct {
	// Address is the SMTP server's host:port.
	Address string
	// Security is "starttls", "tls" or "none".
	Security string
	// Username is "" for a server that wants none.
	Username string
	Password Credential
	// From is the sender.
	From string
	// Folder takes each mail as a file, in the place of a server; for development.
	Folder string
	// PerMinute bounds how many mails are sent.
	PerMinute int
	// Invitations mails a temporary password to everybody who has none.
	Invitations bool
	// InvitationLifetime is how long the temporary password of an invitation is good.
	InvitationLifetime time.Duration
}

// IsSet says whether mail is sent at all.
func (m Mail) IsSet() bool { return m.Address != "" || m.Folder != "" }

// Labs is how the workspaces' hosts are, and which risks with them are admitted.
type Labs struct {
	// OwnHosts says that every name below LabsURL's host leads to the router, so that
	// each workspace has a host of its own.
	OwnHosts bool
	// LookInShared lets people look in on the shared host where OwnHosts is false.
	LookInShared bool
	// SameHost lets LabsURL and ConsoleURL have the same host.
	SameHost bool
}

// Door is the check at every workspace's NGINX.
type Door struct {
	// Listen is the host:port that the workspaces' NGINX and the router ask.
	Listen string
	// URL is that listener as the workspaces reach it, without a trailing slash.
	URL string
	// Resolver is the DNS server that NGINX asks for URL's host; "" where that is an address.
	Resolver string
	// Register puts the listener into Consul, as the route of all that has no workspace.
	Register bool
	// TrustedProxies are the routers' addresses or networks, whose X-Forwarded-For is believed.
	TrustedProxies []string
}

// Store is the database.
type Store struct {
	// Driver is "sqlite" or "postgres".
	Driver string
	// Path is the SQLite database file; "" means bothy.db in Config.DataDir.
	Path string
	// DSN is the URL of the PostgreSQL database, which may hold a password.
	DSN Credential
	// MaxConnections and MaxIdleConnections bound the connections to PostgreSQL.
	MaxConnections, MaxIdleConnections int
	// ConnectionLifetime is how long a connection to PostgreSQL is used.
	ConnectionLifetime time.Duration
}

// TLS is how the server at the other end is trusted, and how Bothy shows itself to it.
type TLS struct {
	CAFile     string
	CAPath     string
	CertFile   string
	KeyFile    string
	ServerName string
	SkipVerify bool
}

// Nomad is the cluster that workspaces run on.
type Nomad struct {
	Address     string
	Region      string
	Namespace   string
	NodePool    string
	Datacenters []string
	Token       Credential
	TLS         TLS
}

// Consul is where workspaces are found and checked.
type Consul struct {
	Address    string
	Datacenter string
	Namespace  string
	Token      Credential
	TLS        TLS
}

// Vault is where the secrets of workspaces live.
type Vault struct {
	Address   string
	Namespace string
	// Token is Bothy's; without one it logs in by AppRole or JWT.
	Token   Credential
	AppRole AppRole
	JWT     JWT
	// Mount is the KV v2 mount, without slashes at its ends.
	Mount string
	// PeopleMount is the userpass auth method that holds people's passwords, without slashes at its ends.
	PeopleMount string
	// Role is the role that a workspace's tasks take at Vault's JWT auth method.
	Role string
	TLS  TLS
}

// AppRole is what Bothy logs in with at Vault's AppRole auth method.
type AppRole struct {
	// Mount is the auth method, without slashes at its ends.
	Mount string
	// RoleID is "" where Bothy does not log in this way.
	RoleID   string
	SecretID Credential
}

// JWT is what Bothy logs in with at Vault's JWT auth method: the identity that
// Nomad gives to its task.
type JWT struct {
	// Mount is the auth method, without slashes at its ends.
	Mount string
	// Role is "" where Bothy does not log in this way.
	Role string
	// Identity is the signed identity; without a source, the file that Nomad writes
	// for the identity vault_default.
	Identity Credential
}

// Home is where the home of a workspace is kept.
type Home struct {
	// Type is "host" (a Nomad dynamic host volume) or "csi".
	Type string
	// UID and GID own a home's directory.
	UID, GID int
	// Retention is how long the home of a deleted workspace is kept; 0 for ever.
	Retention time.Duration
	CSI       CSI
}

// CSI is where homes come from while Home.Type is "csi".
type CSI struct {
	// PluginID is the id of the CSI plugin.
	PluginID string
	// FileSystem is the EFS file system's id.
	FileSystem string
}

// Log is what the server writes about itself, to its standard error.
type Log struct {
	// Level is "debug", "info", "warn" or "error".
	Level string
	// Format is "text" or "json".
	Format string
}

// Telemetry is where traces go.
type Telemetry struct {
	// OTLPEndpoint is the base URL of an OTLP collector over HTTP; "" for no traces.
	OTLPEndpoint string
}

// Reconcile is how the desired state is brought about.
type Reconcile struct {
	// Workers bounds the changes that are made at Nomad at the same time.
	Workers int
	// Interval is the longest time between two comparisons of desired and observed
	// state; changes are acted upon at once.
	Interval time.Duration
	// Lock decides which of several instances reconciles: "consul" by a lock there,
	// or "none" for an installation of one instance.
	Lock string
	// LockPath is the lock's key in Consul's KV store; "" means
	// bothy/<installation id>/reconciler.
	LockPath string
	// LockTTL is how long the lock's session lives that is not renewed.
	LockTTL time.Duration
	// LockDelay is how long Consul keeps the lock free after its holder was lost.
	LockDelay time.Duration
}

// Limits are how fast one may ask: requests a second, 0 for no limit. Ten seconds'
// worth may come at once.
type Limits struct {
	RequestsPerAddress int
	RequestsPerCaller  int
}

// Operations is how long acts on classes can be looked up after their end.
type Operations struct {
	// MaxAge is 0 for ever.
	MaxAge time.Duration
}

// Audit is how long the record of changes is kept.
type Audit struct {
	// MaxAge is 0 for ever.
	MaxAge time.Duration
}

// Events is how long changes are kept for those who follow them and were away.
type Events struct {
	// MaxAge is how old an event gets.
	MaxAge time.Duration
	// MaxRows is how many are kept at most.
	MaxRows int
}

// Default gives the settings that hold where nothing else is said.
func Default() Config {
	return Config{
		Listen:     "127.0.0.1:8080",
		ConsoleURL: "http://bothy.localhost:8080",
		LabsURL:    "http://labs.localhost:9999",
		DataDir:    "/var/lib/bothy",
		Session:    Session{Idle: 12 * time.Hour, Lifetime: 7 * 24 * time.Hour},
		Mail:       Mail{Security: "starttls", PerMinute: 120, Invitations: true, InvitationLifetime: 7 * 24 * time.Hour},
		OIDC: OIDC{
			Scopes: []string{"openid", "profile", "email"}, LoginClaim: "email", NameClaim: "name", Link: "no_admins",
		},
		// The address of a node on its workspaces' network, as Nomad has it unless told otherwise.
		Door:  Door{Listen: ":8082", URL: "http://172.26.64.1:8082", Register: true},
		Store: Store{Driver: "sqlite", MaxConnections: 20, MaxIdleConnections: 5, ConnectionLifetime: 30 * time.Minute},
		Nomad: Nomad{
			Address:     "http://127.0.0.1:4646",
			Namespace:   "bothy",
			NodePool:    "default",
			Datacenters: []string{"dc1"},
		},
		Consul: Consul{Address: "http://127.0.0.1:8500"},
		Vault: Vault{
			Address: "http://127.0.0.1:8200", Mount: "bothy", PeopleMount: "bothy-people", Role: "bothy-workspace",
			AppRole: AppRole{Mount: "approle"}, JWT: JWT{Mount: "jwt-nomad"},
		},
		Home: Home{Type: "host", UID: 1000, GID: 1000, Retention: 90 * 24 * time.Hour},
		Log:  Log{Level: "info", Format: "text"},
		Reconcile: Reconcile{
			Workers: 8, Interval: 15 * time.Second,
			Lock: "consul", LockTTL: 15 * time.Second, LockDelay: 5 * time.Second,
		},
		Events:     Events{MaxAge: 24 * time.Hour, MaxRows: 100_000},
		Limits:     Limits{RequestsPerAddress: 500, RequestsPerCaller: 200},
		Audit:      Audit{MaxAge: 2 * 365 * 24 * time.Hour},
		Operations: Operations{MaxAge: 180 * 24 * time.Hour},
	}
}

// StorePath is the database file.
func (c Config) StorePath() string {
	if c.Store.Path != "" {
		return c.Store.Path
	}
	return filepath.Join(c.DataDir, "bothy.db")
}
