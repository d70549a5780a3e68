package app

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/bothylabs/bothy/service/lab"
)

// listen takes the port early, so that a taken one is known before anything runs.
func (a *App) listen(ctx context.Context) error {
	config, err := listenerTLS(a.cfg.TLS)
	if err != nil {
		return err
	}
	l, err := listenOn(ctx, "listen", "-listen", a.cfg.Listen)
	if err != nil {
		return err
	}
	if config != nil {
		l = tls.NewListener(l, config)
	}
	a.listener = l
	return nil
}

// listenOn takes a port by the setting and flag that name it.
func listenOn(ctx context.Context, setting, flag, address string) (net.Listener, error) {
	l, err := (&net.ListenConfig{}).Listen(ctx, "tcp", address)
	if err != nil {
		return nil, lab.Invalid("the server cannot listen", lab.Field{
			Name: setting, Problem: listenProblem(address, err),
			Remedy: fmt.Sprintf("end the program that holds the port, or choose another address with %s, BOTHY_%s or %s",
				setting, strings.ToUpper(strings.ReplaceAll(setting, ".", "_")), flag),
		})
	}
	return l, nil
}

func listenProblem(address string, err error) string {
	switch {
	case errors.Is(err, syscall.EADDRINUSE):
		return address + " is taken by another program"
	case errors.Is(err, syscall.EACCES):
		return address + " may not be listened on by this user"
	case errors.Is(err, syscall.EADDRNOTAVAIL):
		return address + " is not an address of this machine"
	}
	var op *net.OpError
	if errors.As(err, &op) {
		err = op.Err
	}
	return fmt.Sprintf("%s cannot be listened on: %v", address, err)
}

// Address is where the server listens: host and port, the port chosen where the setting was 0.
func (a *App) Address() string { return a.listener.Addr().String() }

// Run serves until ctx ends, which is no error, or a part fails for good. When
// it returns, everything has ended and is closed.
func (a *App) Run(ctx context.Context) error {
	if domain := a.cfg.PlantedFrom(); domain != "" {
		a.log.WarnContext(ctx, "by plain http, a workspace's page can sign people in at the console as somebody else: see docs/door.md", "console", a.cfg.ConsoleURL, "domain", domain)
	}
	a.log.InfoContext(ctx, "serving", "address", a.Address(), "console", a.cfg.ConsoleURL, "labs", a.cfg.LabsURL,
		"nomad", a.cfg.Nomad.Address, "consul", a.cfg.Consul.Address, "vault", a.cfg.Vault.Address)
	g, ctx := errgroup.WithContext(ctx)
	g.Go(a.serve)
	g.Go(func() error { return a.endServing(ctx) })
	g.Go(func() error { return a.nomad.Run(ctx) })
	g.Go(func() error { return a.consul.Run(ctx) })
	g.Go(func() error { return a.vault.Run(ctx) })
	g.Go(func() error { return a.feed.Run(ctx) })
	g.Go(func() error { return a.keeper.Run(ctx) })
	a.guarding(ctx, g)
	g.Go(func() error { return a.election().Run(ctx) })
	err := g.Wait()
	a.log.Info("ended")
	return errors.Join(err, a.Close()) //nolint:contextcheck // the last spans are sent when ctx has ended
}

func (a *App) serve() error {
	if err := a.http.Serve(a.listener); !errors.Is(err, http.ErrServerClosed) {
		return fmt.Errorf("serve: %w", err)
	}
	return nil
}

// endServing lets requests end once ctx has; those that would never are ended,
// and those that take too long are cut.
func (a *App) endServing(ctx context.Context) error {
	<-ctx.Done()
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), shutdownTimeout)
	defer cancel()
	a.streams.End(ctx)
	if err := a.http.Shutdown(ctx); err != nil {
		a.log.WarnContext(ctx, "requests were cut off", "error", err)
		return errors.Join(a.http.Close())
	}
	return nil
}

// election has this instance reconcile whenever it is its turn.
func (a *App) election() *election {
	return &election{lock: a.lock, run: a.fulfil, role: a.role, log: a.log.With("part", "reconciler"), now: time.Now, jitter: 0.5}
}

// fulfil does what one instance at a time does. The loop says when that is over.
func (a *App) fulfil(ctx context.Context) error {
	if err := a.keyring.Claim(ctx); err != nil {
		if ctx.Err() != nil {
			return nil
		}
		return err
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	var g errgroup.Group
	g.Go(func() error { return a.keyring.Run(ctx) })
	if a.letters != nil {
		g.Go(func() error { return a.letters.Run(ctx) })
	}
	g.Go(func() error {
		defer cancel()
		return a.loop.Run(ctx)
	})
	return g.Wait()
}

// instance is this instance's name: the one set, or the host's with the port that
// it listens on, which is the same after a restart.
func (a *App) instance() (string, error) {
	if a.cfg.Instance != "" {
		return a.cfg.Instance, nil
	}
	host, err := os.Hostname()
	if err != nil {
		return "", fmt.Errorf("name this instance: %w", err)
	}
	_, port, err := net.SplitHostPort(a.Address())
	if err != nil {
		return "", fmt.Errorf("name this instance: %w", err)
	}
	return net.JoinHostPort(host, port), nil
}

// Close closes what New opened. Run does it by itself; twice does no harm.
func (a *App) Close() error {
	a.telemetry.end(context.Background())
	var errs []error
	for _, listener := range []net.Listener{a.listener, a.guard.listener} {
		if listener == nil {
			continue
		}
		if err := listener.Close(); err != nil && !errors.Is(err, net.ErrClosed) {
			errs = append(errs, fmt.Errorf("close the listener: %w", err))
		}
	}
	if a.store != nil {
		errs = append(errs, a.store.Close())
	}
	return errors.Join(errs...)
}
