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
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/bothylabs/bothy/service/api"
	"github.com/bothylabs/bothy/service/auth"
	"github.com/bothylabs/bothy/service/consul"
	"github.com/bothylabs/bothy/service/door"
	"github.com/bothylabs/bothy/service/lab"
	"github.com/bothylabs/bothy/service/registrar"
)

const (
	// doorService is the name of Bothy's own service in Consul; the policy file grants it.
	doorService = "bothy"
	doorHealth  = "/-/door/health"
	// sessionIdle is how long a session may go unseen.
	sessionIdle = 12 * time.Hour
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
		Store: a.store, Allows: auth.Allows,
		Start: func(ctx context.Context, intent lab.Intent, slug lab.Slug) error {
			_, err := people.ActOnWorkspace(ctx, intent, string(slug), registrar.ActStart)
			return err
		},
		Sweeps: func() bool { return a.role.state(a.lock).Active }, Wake: a.loop.Wake,
		ConsoleURL: a.cfg.ConsoleURL, LabsURL: a.cfg.LabsURL, OwnHosts: a.cfg.Labs.OwnHosts, LookInShared: a.cfg.Labs.LookInShared,
		Idle: sessionIdle, Logger: deps.Logger.With("part", "door"), NewID: deps.NewID, Now: deps.Now,
	})
	if err != nil {
		return err
	}
	a.guard.http = &http.Server{
		Handler: a.guard.Labs(), ReadHeaderTimeout: api.ReadHeaderTimeout, ReadTimeout: api.ReadTimeout, WriteTimeout: api.WriteTimeout,
		IdleTimeout: api.IdleTimeout, MaxHeaderBytes: api.MaxHeaderBytes,
		ErrorLog: slog.NewLogLogger(deps.Logger.With("part", "door").Handler(), slog.LevelWarn),
	}
	if !a.cfg.Door.Register {
		return nil
	}
	return a.makeRegistration(deps)
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

// console is everything on the console's origin.
func (a *App) console(rest http.Handler) http.Handler {
	open := a.guard.Console(a.visitor)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if strings.HasPrefix(r.URL.Path, "/open/") {
			open.ServeHTTP(w, r)
			return
		}
		rest.ServeHTTP(w, r)
	})
}

// visitor says who is signed in at the console.
func (*App) visitor(*http.Request) (lab.Caller, string, error) {
	return lab.Caller{}, "", lab.Errorf(lab.CodeUnauthenticated, "nobody is signed in")
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
