package dev

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/bothylabs/bothy/service/app"
	"github.com/bothylabs/bothy/service/client"
	"github.com/bothylabs/bothy/service/config"
	"github.com/bothylabs/bothy/service/dev/stack"
	"github.com/bothylabs/bothy/service/dev/toolchain"
)

// Dev is everything, running.
type Dev struct {
	cfg    Config
	stack  *stack.Stack
	server *server
	api    *client.Client
}

// server is Bothy, running in this process.
type server struct {
	log    *os.File
	cancel context.CancelFunc
	// ended receives what the server's Run gave back, once.
	ended chan error
}

// Start brings up what is missing, installing and building it where it must, and
// gives it back when Bothy answers and the demo class is launched. What an
// earlier, killed run has left is cleared first. When Start fails or ctx ends,
// nothing is left running; force then gives the context of Stop.
func Start(ctx context.Context, force func() (context.Context, context.CancelFunc), cfg Config) (*Dev, error) {
	cfg, err := cfg.withDefaults()
	if err != nil {
		return nil, err
	}
	if cfg.Stack, err = prepare(ctx, cfg); err != nil {
		return nil, err
	}
	if cfg.Reset {
		if err := stack.Reset(ctx, cfg.Stack); err != nil {
			return nil, fmt.Errorf("reset: %w", err)
		}
		cfg.Report("state in " + cfg.Stack.Dir + " removed")
	}
	if err := checkPort(ctx, cfg.Port); err != nil {
		return nil, err
	}
	d := &Dev{cfg: cfg}
	if d.stack, err = stack.Start(ctx, cfg.Stack); err != nil {
		return nil, err //nolint:wrapcheck
	}
	if err := d.startBothy(ctx); err != nil {
		ending, release := force()
		defer release()
		return nil, errors.Join(err, d.Stop(ending))
	}
	return d, nil
}

// prepare finds or makes the programs and completes the stack's configuration.
func prepare(ctx context.Context, cfg Config) (stack.Config, error) {
	paths, err := toolchain.Ensure(ctx, cfg.Toolchain, toolchain.Development()...)
	if err != nil {
		return stack.Config{}, fmt.Errorf("prepare the programs: %w", err)
	}
	if _, err := toolchain.EnsureUser(ctx, cfg.Toolchain.Report); err != nil {
		return stack.Config{}, fmt.Errorf("prepare the workspaces' user: %w", err)
	}
	s := cfg.Stack
	s.Binaries = stack.Binaries{Nomad: paths.Nomad, Consul: paths.Consul, Vault: paths.Vault, Fabio: paths.Fabio, CNIDir: paths.CNI}
	s.ChrootEnv = paths.ChrootEnv()
	return s, nil
}

func (d *Dev) startBothy(ctx context.Context) error {
	began := time.Now()
	token, err := apiToken(d.cfg.tokenFile())
	if err != nil {
		return err
	}
	if err := writeSecret(d.cfg.envFile(), envText(d.cfg.apiAddr(), token, d.stack.Env())); err != nil {
		return err
	}
	if d.server, err = startServer(ctx, d.cfg, d.stack.Env(), token); err != nil {
		return err
	}
	if d.api, err = client.New(d.cfg.apiAddr(), token.Reveal()); err != nil {
		return fmt.Errorf("make the API client: %w", err)
	}
	if err := ensureDemo(ctx, d.api); err != nil {
		return err
	}
	d.cfg.Report(fmt.Sprintf("bothy: started (%s)", time.Since(began).Round(100*time.Millisecond)))
	return nil
}

// startServer runs Bothy in this process, with its log in a file. It listens when
// startServer returns.
func startServer(ctx context.Context, cfg Config, env stack.Env, token config.Secret) (*server, error) {
	if err := os.MkdirAll(filepath.Dir(cfg.logFile()), 0o700); err != nil {
		return nil, fmt.Errorf("make the folder of logs: %w", err)
	}
	log, err := os.OpenFile(cfg.logFile(), os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		return nil, fmt.Errorf("open Bothy's log: %w", err)
	}
	settings := settings(cfg, env, token)
	logger := app.NewLogger(log, settings.Log)
	bothy, err := app.New(ctx, settings, app.Deps{Logger: logger, Version: cfg.Version})
	if err != nil {
		return nil, errors.Join(err, log.Close())
	}
	// The server outlives the context of the start; Stop ends it.
	running, cancel := context.WithCancel(context.WithoutCancel(ctx))
	s := &server{log: log, cancel: cancel, ended: make(chan error, 1)}
	go func() { s.ended <- bothy.Run(running) }()
	return s, nil
}

// settings is the configuration of Bothy beside a stack. Nothing of the caller's
// environment gets into it.
func settings(cfg Config, env stack.Env, token config.Secret) config.Config {
	c := config.Default()
	c.Listen, c.ConsoleURL, c.LabsURL = cfg.listen(), cfg.consoleURL(), cfg.labsURL()
	c.DataDir = cfg.dataDir()
	c.API.Token = config.Credential{Value: token}
	c.Nomad.Address, c.Nomad.Token = env.NomadAddr, config.Credential{Value: env.Bothy.Nomad}
	c.Consul.Address, c.Consul.Token = env.ConsulAddr, config.Credential{Value: env.Bothy.Consul}
	c.Vault.Address, c.Vault.Token = env.VaultAddr, config.Credential{Value: env.Bothy.Vault}
	c.Log.Level = cfg.LogLevel
	return c
}

// Client speaks to the API as an operator.
func (d *Dev) Client() *client.Client { return d.api }

// Addresses are what a person needs to find their way.
type Addresses struct {
	// Console is for browsers, API for programs.
	Console, API                string
	Nomad, Consul, Vault, Fabio string
	// Dir holds all state, EnvFile what a shell can source, Logs a file for each part.
	Dir, EnvFile, Logs string
}

// Addresses gives them.
func (d *Dev) Addresses() Addresses {
	env := d.stack.Env()
	return Addresses{
		Console: d.cfg.consoleURL(), API: d.cfg.apiAddr(), Nomad: env.NomadAddr, Consul: env.ConsulAddr, Vault: env.VaultAddr,
		Fabio: env.FabioUIAddr, Dir: d.cfg.Stack.Dir, EnvFile: d.cfg.envFile(), Logs: d.cfg.logs(),
	}
}

// Wait returns when ctx ends, with nil, or when a part ends by itself, with an
// error that has the last lines of its log.
func (d *Dev) Wait(ctx context.Context) error {
	select {
	case <-ctx.Done():
		return nil
	case e := <-d.stack.Exited():
		return fmt.Errorf("%s has ended (%s); the last lines of %s:\n  %s", e.Part, e.Status, e.LogFile, strings.Join(e.Last, "\n  "))
	case err := <-d.server.ended:
		d.server.ended <- err // Stop wants it too
		return fmt.Errorf("bothy has ended: %w; its log is %s", err, d.cfg.logFile())
	}
}

// Stop ends everything; state stays. When ctx ends, the rest is done by force.
func (d *Dev) Stop(ctx context.Context) error {
	var errs []error
	if d.server != nil {
		d.server.cancel()
		errs = append(errs, <-d.server.ended, d.server.log.Close())
		d.cfg.Report("bothy: ended")
		d.server = nil
	}
	if d.stack != nil {
		errs = append(errs, d.stack.Stop(ctx))
	}
	return errors.Join(errs...)
}

func tryListen(ctx context.Context, port int) error {
	l, err := (&net.ListenConfig{}).Listen(ctx, "tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(port)))
	if err != nil {
		var op *net.OpError
		if errors.As(err, &op) {
			err = op.Err
		}
		return err
	}
	return l.Close()
}
