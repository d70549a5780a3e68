// Package app is the composition root: it makes every part of the server from
// the settings, and runs them together. The binary, `bothy dev` and the tests
// start the same thing.
package app

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"time"

	"github.com/google/uuid"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"go.opentelemetry.io/otel/trace"

	"github.com/bothylabs/bothy/jobspecs"
	"github.com/bothylabs/bothy/service/api"
	"github.com/bothylabs/bothy/service/auth"
	"github.com/bothylabs/bothy/service/config"
	"github.com/bothylabs/bothy/service/consul"
	"github.com/bothylabs/bothy/service/events"
	"github.com/bothylabs/bothy/service/keyring"
	"github.com/bothylabs/bothy/service/lab"
	"github.com/bothylabs/bothy/service/nomad"
	"github.com/bothylabs/bothy/service/reconcile"
	"github.com/bothylabs/bothy/service/registrar"
	"github.com/bothylabs/bothy/service/retention"
	"github.com/bothylabs/bothy/service/store"
	"github.com/bothylabs/bothy/service/vault"
)

// shutdownTimeout is how long requests that are under way may take to end.
const shutdownTimeout = 10 * time.Second

// Deps are what the settings do not hold. Logger must be set; a test sets the others too.
type Deps struct {
	Logger *slog.Logger
	// Version is shown by the API.
	Version string
	// NewID makes ids that sort in the order in which they were made. Default: UUIDv7.
	NewID func() string
	// Now is the clock. Default time.Now.
	Now func() time.Time

	// traces takes spans; nil while there is no tracing.
	traces trace.TracerProvider
}

// App is a server that has been made and not yet run, or is running.
type App struct {
	cfg      config.Config
	log      *slog.Logger
	store    *store.Store
	listener net.Listener
	http     *http.Server
	streams  *api.Streams
	adapters
	telemetry telemetry
	// metrics is the registry of all that is counted.
	metrics *prometheus.Registry
	role    *role
	loop    *reconcile.Loop
	// keyring tells Vault, where the loop tells Nomad.
	keyring *keyring.Keyring
	feed    *events.Feed
	// people knows who is signed in; letters writes to them, nil where no mail is sent.
	people  *auth.People
	letters *auth.Letters
	keeper  *retention.Keeper
	lock    lock
	guard   guard
}

// New opens the database and the listener and makes everything else; Nomad,
// Consul and Vault are not asked yet, and need not be there. What New opened is
// closed by Run, or by Close where Run is never called.
func New(ctx context.Context, cfg config.Config, deps Deps) (_ *App, err error) {
	deps = deps.withDefaults()
	a := &App{cfg: cfg, log: deps.Logger, role: &role{}, streams: api.NewStreams()}
	defer func() { //nolint:contextcheck // what was begun is ended also when ctx has ended
		if err != nil {
			err = errors.Join(err, a.Close())
		}
	}()
	if err := a.listen(ctx); err != nil {
		return nil, err
	}
	if a.role.instance, err = a.instance(); err != nil {
		return nil, err
	}
	if a.telemetry, err = newTelemetry(ctx, a.cfg.Telemetry.OTLPEndpoint, deps.Version, a.role.instance, deps.Logger.With("part", "telemetry")); err != nil {
		return nil, err
	}
	deps.traces = a.telemetry.provider()
	if err := a.openStore(ctx, deps); err != nil {
		return nil, err
	}
	if a.adapters, err = newAdapters(a.cfg, deps); err != nil {
		return nil, err
	}
	return a, a.makeService(ctx, deps)
}

func (d Deps) withDefaults() Deps {
	if d.NewID == nil {
		d.NewID = func() string { return uuid.Must(uuid.NewV7()).String() }
	}
	if d.Now == nil {
		d.Now = time.Now
	}
	return d
}

// adapters are the clients of the servers that Bothy needs.
type adapters struct {
	nomad  *nomad.Client
	consul *consul.Watcher
	vault  *vault.Client
	// toConsul is how consul was made; the lock is made like it.
	toConsul consul.Config
}

// newAdapters makes them; nothing is asked yet.
func newAdapters(cfg config.Config, deps Deps) (a adapters, err error) {
	consulTLS, err := clientTLS("consul.tls", cfg.Consul.TLS)
	if err != nil {
		return a, err
	}
	vaultTLS, err := clientTLS("vault.tls", cfg.Vault.TLS)
	if err != nil {
		return a, err
	}
	if a.nomad, err = NewNomad(cfg.Nomad, deps); err != nil {
		return a, err
	}
	a.toConsul = consul.Config{
		Address: cfg.Consul.Address, Datacenter: cfg.Consul.Datacenter, Namespace: cfg.Consul.Namespace,
		Token: tokenOf(cfg.Consul.Token), TLS: consulTLS, Logger: deps.Logger.With("part", "consul"), Traces: deps.traces,
	}
	if a.consul, err = consul.New(a.toConsul); err != nil {
		return a, fmt.Errorf("make the Consul client: %w", err)
	}
	if a.vault, err = vault.New(vault.Config{
		Address: cfg.Vault.Address, Namespace: cfg.Vault.Namespace, Mount: cfg.Vault.Mount, PeopleMount: cfg.Vault.PeopleMount,
		Token: tokenOf(cfg.Vault.Token), Login: loginOf(cfg.Vault, os.Getenv),
		TLS: vaultTLS, Logger: deps.Logger.With("part", "vault"), Traces: deps.traces,
	}); err != nil {
		return a, fmt.Errorf("make the Vault client: %w", err)
	}
	return a, nil
}

// NewNomad makes the client of Nomad; it asks nothing of it.
func NewNomad(cfg config.Nomad, deps Deps) (*nomad.Client, error) {
	settings, err := clientTLS("nomad.tls", cfg.TLS)
	if err != nil {
		return nil, err
	}
	deps = deps.withDefaults()
	client, err := nomad.New(nomad.Config{
		Address: cfg.Address, Region: cfg.Region, Namespace: cfg.Namespace,
		Token: tokenOf(cfg.Token), TLS: settings, Logger: deps.Logger.With("part", "nomad"), Traces: deps.traces, Now: deps.Now,
	})
	if err != nil {
		return nil, fmt.Errorf("make the Nomad client: %w", err)
	}
	return client, nil
}

// tokenOf gives the token for each request, read anew from a file that may have been rotated.
func tokenOf(c config.Credential) func() (string, error) {
	return func() (string, error) {
		secret, err := c.Read()
		return secret.Reveal(), err
	}
}

// loginOf gives how Bothy logs in at Vault; nil where it has a token.
func loginOf(cfg config.Vault, getenv func(string) string) *vault.Login {
	fields := func(name, value, secretName string, secret config.Credential) func() (map[string]string, error) {
		return func() (map[string]string, error) {
			text, err := secret.Read()
			if err != nil {
				return nil, err
			}
			return map[string]string{name: value, secretName: text.Reveal()}, nil
		}
	}
	switch {
	case cfg.AppRole.RoleID != "":
		return &vault.Login{Mount: cfg.AppRole.Mount, Fields: fields("role_id", cfg.AppRole.RoleID, "secret_id", cfg.AppRole.SecretID)}
	case cfg.JWT.Role != "":
		identity := cfg.JWT.Identity
		if !identity.IsSet() {
			identity.File = filepath.Join(getenv("NOMAD_SECRETS_DIR"), "nomad_vault_default.jwt")
		}
		return &vault.Login{Mount: cfg.JWT.Mount, Fields: fields("role", cfg.JWT.Role, "jwt", identity)}
	default:
		return nil
	}
}

// makeService makes the parts that decide, and the API over them.
func (a *App) makeService(ctx context.Context, deps Deps) error {
	installation, err := a.store.Installation(ctx, deps.NewID)
	if err != nil {
		return fmt.Errorf("name the installation: %w", err)
	}
	catalog, err := Templates(a.cfg.TemplateDir)
	if err != nil {
		return err
	}
	library, err := registrar.NewLibrary(a.store)
	if err != nil {
		return err
	}
	settings := JobSettings(a.cfg, installation)
	a.metrics = prometheus.NewRegistry()
	a.metrics.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	if a.keyring, err = keyring.New(keyring.Config{
		Store: a.store, Vault: a.vault, Logger: deps.Logger.With("part", "keyring"), Registry: a.metrics, Tick: a.cfg.Reconcile.Interval,
	}); err != nil {
		return fmt.Errorf("make the keyring: %w", err)
	}
	if a.loop, err = reconcile.New(reconcile.Config{
		Store: a.store, Nomad: a.nomad, Health: a.consul, Secrets: a.keyring, Jobs: jobs{library: library, settings: settings},
		Installation: installation, Logger: deps.Logger.With("part", "reconciler"), Registry: a.metrics, Traces: deps.traces,
		Workers: a.cfg.Reconcile.Workers, Tick: a.cfg.Reconcile.Interval, HomeRetention: a.cfg.Home.Retention, NewID: deps.NewID, Now: deps.Now, Passed: a.role.passed,
	}); err != nil {
		return fmt.Errorf("make the reconciler: %w", err)
	}
	if err := a.makeLock(installation); err != nil {
		return err
	}
	people := registrar.New(registrar.Config{
		Store: a.store, Library: library, Parser: a.nomad, Preflight: a.nomad, Cluster: a.nomad, Settings: settings,
		NewID: deps.NewID, Now: deps.Now, Vault: a.vault, Mails: a.cfg.Mail.IsSet(),
		Notify: func() {
			a.loop.Wake()
			a.keyring.Wake()
		},
	})
	if err := people.TakeUpTemplates(ctx, catalog); err != nil {
		return err
	}
	if a.feed, err = events.New(events.Config{
		Log: a.store, Logger: deps.Logger.With("part", "events"), Registry: a.metrics, Now: deps.Now,
		MaxAge: a.cfg.Events.MaxAge, MaxRows: int64(a.cfg.Events.MaxRows),
		// One instance is enough, and the reconciler's role has one holder.
		Cleans: func() bool { return a.role.state(a.lock).Active },
	}); err != nil {
		return fmt.Errorf("make the feed of events: %w", err)
	}
	if err := a.makePeople(deps); err != nil {
		return err
	}
	if a.keeper, err = retention.New(retention.Config{
		Rules: a.retentions(), Logger: deps.Logger.With("part", "retention"), Registry: a.metrics, Now: deps.Now,
		Active: func() bool { return a.role.state(a.lock).Active },
	}); err != nil {
		return fmt.Errorf("make what ends retentions: %w", err)
	}
	if err := a.makeDoor(ctx, people, deps); err != nil {
		return err
	}
	return a.makeAPI(people, installation, deps) //nolint:contextcheck // what answers a request has the request's own
}

// Templates gives the templates that the binary holds, and those of an operator's
// folder where one is named.
func Templates(folder string) (*registrar.Catalog, error) {
	folders := []registrar.Folder{{FS: jobspecs.FS, Kind: lab.OriginBuiltin}}
	if folder != "" {
		folders = append(folders, registrar.Folder{FS: os.DirFS(folder), Kind: lab.OriginFolder, Path: filepath.ToSlash(folder)})
	}
	catalog, err := registrar.NewCatalog(folders...)
	if err != nil {
		return nil, fmt.Errorf("read the templates: %w", err)
	}
	return catalog, nil
}

// makeLock makes what decides which instance reconciles.
func (a *App) makeLock(installation string) error {
	if a.cfg.Reconcile.Lock == "none" {
		a.lock = noLock{log: a.log.With("part", "reconciler")}
		return nil
	}
	path := a.cfg.Reconcile.LockPath
	if path == "" {
		path = "bothy/" + installation + "/reconciler"
	}
	made, err := consul.NewLock(a.toConsul, consul.LockConfig{
		Path: path, Instance: a.role.instance, TTL: a.cfg.Reconcile.LockTTL, Delay: a.cfg.Reconcile.LockDelay,
	})
	if err != nil {
		return fmt.Errorf("make the reconciler's lock: %w", err)
	}
	a.lock = made
	return nil
}

func (a *App) makeAPI(people *registrar.Registrar, installation string, deps Deps) error {
	handler, err := api.New(api.Config{
		Registrar: people, Authenticator: a.people, Belongings: a.store, Credentials: a.people, Receipts: a.store, Tasks: a.nomad, Door: a.guard.Door, Streams: a.streams,
		Log:     deps.Logger.With("part", "api"),
		Version: deps.Version, InstallationID: installation,
		Dependencies: []api.Dependency{
			{Name: "store", Required: true, Ready: a.store.Ready},
			{Name: "nomad", Ready: a.nomad.Ready},
			{Name: "consul", Ready: a.consul.Ready},
			{Name: "vault", Ready: a.vault.Ready},
		},
		Events: func(ctx context.Context, after int64, matches func(lab.Event) bool) (api.EventStream, error) {
			return a.feed.Subscribe(ctx, after, matches)
		},
		Reconciler: func() api.ReconcilerState { return a.role.state(a.lock) }, Metrics: a.metrics, Traces: deps.traces, TrustedOrigins: []string{a.cfg.ConsoleURL}, TrustedProxies: a.cfg.API.TrustedProxies, Now: deps.Now,
	})
	if err != nil {
		return fmt.Errorf("make the API: %w", err)
	}
	rest, err := a.makePages(people, deps)
	if err != nil {
		return err
	}
	front, err := a.hardened(a.console(handler, rest))
	if err != nil {
		return err
	}
	a.http = &http.Server{
		Handler:           front,
		ReadHeaderTimeout: api.ReadHeaderTimeout,
		ReadTimeout:       api.ReadTimeout,
		WriteTimeout:      api.WriteTimeout,
		IdleTimeout:       api.IdleTimeout,
		MaxHeaderBytes:    api.MaxHeaderBytes,
		ErrorLog:          slog.NewLogLogger(deps.Logger.With("part", "http").Handler(), slog.LevelWarn),
	}
	return nil
}
