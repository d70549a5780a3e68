package app

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"strings"

	"golang.org/x/sync/errgroup"

	"github.com/bothylabs/bothy/service/api"
	"github.com/bothylabs/bothy/service/auth"
	"github.com/bothylabs/bothy/service/consul"
	"github.com/bothylabs/bothy/service/door"
	"github.com/bothylabs/bothy/service/lab"
	"github.com/bothylabs/bothy/service/limit"
	"github.com/bothylabs/bothy/service/registrar"
)

const (
	// doorService is the name of Bothy's own service in Consul; the policy file grants it.
	doorService = "bothy"
	doorHealth  = "/-/door/health"
)

// guard is the door with its own listener.
type guard struct {
	*door.Door
	listener net.Listener
	http     *http.Server
	// registrar is nil where the door is not registered in Consul.
	registrar *consul.Registrar
}

// makeDoor makes the door; it listens already, and answers once it runs.
func (a *App) makeDoor(ctx context.Context, people *registrar.Registrar, deps Deps) (err error) {
	if a.guard.listener, err = listenOn(ctx, "door.listen", "-door-listen", a.cfg.Door.Listen); err != nil {
		return err
	}
	a.guard.Door, err = door.New(door.Config{
		Store: a.store, Allows: auth.Allows, Refused: people.RecordRefused,
		Remote: func(r *http.Request) string { return remoteOf(r, a.cfg.Door.TrustedProxies) },
		Start: func(ctx context.Context, intent lab.Intent, slug lab.Slug) error {
			_, err := people.ActOnWorkspace(ctx, intent, string(slug), registrar.ActStart)
			return err
		},
		Sweeps: func() bool { return a.role.state(a.lock).Active }, Wake: a.loop.Wake,
		ConsoleURL: a.cfg.ConsoleURL, LabsURL: a.cfg.LabsURL, OwnHosts: a.cfg.Labs.OwnHosts, LookInShared: a.cfg.Labs.LookInShared,
		Idle: a.cfg.Session.Idle, Logger: deps.Logger.With("part", "door"), NewID: deps.NewID, Now: deps.Now,
	})
	if err != nil {
		return err
	}
	labs, err := a.limitedDoor()
	if err != nil {
		return err
	}
	a.guard.http = &http.Server{
		Handler: labs, ReadHeaderTimeout: api.ReadHeaderTimeout, ReadTimeout: api.ReadTimeout, WriteTimeout: api.WriteTimeout,
		IdleTimeout: api.IdleTimeout, MaxHeaderBytes: api.MaxHeaderBytes,
		ErrorLog: slog.NewLogLogger(deps.Logger.With("part", "door").Handler(), slog.LevelWarn),
	}
	if !a.cfg.Door.Register {
		return nil
	}
	return a.makeRegistration(deps)
}

// limitedDoor is what the door's listener answers with, as fast as one address may
// ask: that of a workspace, of a node whose workspaces come by its own, or of a visitor
// whom the router sends.
func (a *App) limitedDoor() (http.Handler, error) {
	limited, err := limit.New(limit.Config{
		PerAddress: a.cfg.Limits.RequestsPerAddress, TrustedProxies: a.cfg.Door.TrustedProxies,
		Exempt: []string{doorHealth}, Refuse: api.Refuser(), Registry: a.metrics,
	}, a.guard.Labs())
	if err != nil {
		return nil, fmt.Errorf("make the door's limits: %w", err)
	}
	return limited, nil
}

// makeRegistration makes what keeps the door in Consul.
func (a *App) makeRegistration(deps Deps) error {
	labs, err := url.Parse(a.cfg.LabsURL)
	if err != nil {
		return fmt.Errorf("labs_url: %w", err)
	}
	address, err := a.doorAddress()
	if err != nil {
		return err
	}
	cfg := a.toConsul
	cfg.Logger = deps.Logger.With("part", "door")
	a.guard.registrar, err = consul.NewRegistrar(cfg, consul.Registration{
		Name: doorService, ID: doorService + "-" + strings.ReplaceAll(a.role.instance, ":", "-"), Address: address,
		Tags: consul.CatchAll(labs.Hostname()), CheckPath: doorHealth,
	})
	if err != nil {
		return fmt.Errorf("make the door's registration: %w", err)
	}
	return nil
}

// doorAddress is where the router reaches the door: where it listens, or, when that
// is every address of the machine, where workspaces reach it.
func (a *App) doorAddress() (string, error) {
	listening := a.guard.listener.Addr().String()
	host, port, err := net.SplitHostPort(listening)
	if err != nil {
		return "", fmt.Errorf("address of the door: %w", err)
	}
	if ip := net.ParseIP(host); ip != nil && !ip.IsUnspecified() {
		return listening, nil
	}
	u, err := url.Parse(a.cfg.Door.URL)
	if err != nil {
		return "", fmt.Errorf("door.url: %w", err)
	}
	return net.JoinHostPort(u.Hostname(), port), nil
}

// visitor says who is signed in at the console. Whoever must choose a password first
// is nobody yet: the page to sign in sends them on to do that.
func (a *App) visitor(r *http.Request, answer http.Header) (lab.Caller, string, error) {
	remote := remoteOf(r, a.cfg.API.TrustedProxies)
	visitor, err := a.people.Visitor(r.Context(), r, remote, answer)
	if err != nil {
		return lab.Caller{}, "", err
	}
	if visitor.Session.PasswordDue {
		return lab.Caller{}, "", lab.Errorf(lab.CodeUnauthenticated, "another password must be chosen first")
	}
	return visitor.Caller, remote, nil
}

// guarding runs the door's parts in g.
func (a *App) guarding(ctx context.Context, g *errgroup.Group) {
	g.Go(func() error {
		if err := a.guard.http.Serve(a.guard.listener); !errors.Is(err, http.ErrServerClosed) {
			return fmt.Errorf("serve the door: %w", err)
		}
		return nil
	})
	g.Go(func() error {
		<-ctx.Done()
		ending, cancel := context.WithTimeout(context.WithoutCancel(ctx), shutdownTimeout)
		defer cancel()
		if err := a.guard.http.Shutdown(ending); err != nil {
			return errors.Join(a.guard.http.Close())
		}
		return nil
	})
	g.Go(func() error { return a.guard.Run(ctx) })
	if a.guard.registrar != nil {
		g.Go(func() error { return a.guard.registrar.Run(ctx) })
	}
}
