package dev

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/bothylabs/bothy/service/app"
	"github.com/bothylabs/bothy/service/client"
	"github.com/bothylabs/bothy/service/config"
	"github.com/bothylabs/bothy/service/dev/school"
	"github.com/bothylabs/bothy/service/dev/stack"
	"github.com/bothylabs/bothy/service/dev/toolchain"
)

// settleTimeout bounds how long Bothy may take to read what the stack runs.
const settleTimeout = time.Minute

// ErrInterrupted is a start that was given up on request; nothing of it is left.
var ErrInterrupted = errors.New("interrupted")

// Dev is everything, running.
type Dev struct {
	cfg Config
	// user owns the homes.
	user   toolchain.User
	stack  *stack.Stack
	school *school.School
	server *server
	api    *client.Client
	people []Person
	unlock func()
}

// server is Bothy, running in this process.
type server struct {
	bothy  *app.App
	log    *os.File
	cancel context.CancelFunc
	// ended receives what the server's Run gave back, once.
	ended chan error
}

// Start brings up what is missing, installing and building it where it must, and
// gives it back when Bothy answers and the demo class is launched. What an
// earlier, killed run has left is cleared first. When Start fails or ctx ends,
// nothing is left running (ErrInterrupted for the latter); force then gives the
// context of Stop.
func Start(ctx context.Context, force func() (context.Context, context.CancelFunc), cfg Config) (*Dev, error) {
	cfg, err := cfg.withDefaults()
	if err != nil {
		return nil, err
	}
	d := &Dev{cfg: cfg}
	if err := d.prepare(ctx); err != nil {
		if ctx.Err() != nil {
			return nil, ErrInterrupted
		}
		return nil, err
	}
	if d.unlock, err = lock(cfg.Stack.Dir); err != nil {
		return nil, err
	}
	if err := d.start(ctx); err != nil {
		ending, release := force()
		defer release()
		stopped := d.Stop(ending) //nolint:contextcheck // ctx may have ended, which is why this runs
		if ctx.Err() == nil {
			return nil, errors.Join(err, stopped)
		}
		// What an interrupt did to each part is no news; what it left would be.
		if err := errors.Join(stopped, d.left(ending)); err != nil { //nolint:contextcheck // as above
			return nil, err
		}
		return nil, ErrInterrupted
	}
	return d, nil
}

// left is an error that names what is left of the stack on this machine.
func (d *Dev) left(ctx context.Context) error {
	found, err := stack.Leftovers(ctx, d.cfg.Stack)
	if err != nil || len(found) == 0 {
		return err
	}
	return fmt.Errorf("these are left running; the next start clears them:\n%s", strings.Join(found, "\n"))
}

func (d *Dev) start(ctx context.Context) (err error) {
	if err := checkPorts(ctx, d.cfg); err != nil {
		return err
	}
	if d.cfg.Reset {
		if err := stack.Reset(ctx, d.cfg.Stack); err != nil {
			return fmt.Errorf("reset: %w", err)
		}
		d.cfg.Report("state in " + d.cfg.Stack.Dir + " removed")
	}
	if d.stack, err = stack.Start(ctx, d.cfg.Stack); err != nil {
		return err
	}
	return d.startBothy(ctx)
}

// prepare finds or makes the programs and the workspaces' user, and completes the configuration with them.
func (d *Dev) prepare(ctx context.Context) error {
	paths, err := toolchain.Ensure(ctx, d.cfg.Toolchain, toolchain.Development(toolchain.Tool(d.cfg.Stack.Router))...)
	if err != nil {
		return fmt.Errorf("prepare the programs: %w", err)
	}
	if d.user, err = toolchain.EnsureUser(ctx, d.cfg.Toolchain.Report); err != nil {
		return fmt.Errorf("prepare the workspaces' user: %w", err)
	}
	d.cfg.Stack.Binaries = stack.Binaries{
		Nomad: paths.Nomad, Consul: paths.Consul, Vault: paths.Vault, Fabio: paths.Fabio, Traefik: paths.Traefik, CNIDir: paths.CNI,
	}
	d.cfg.Stack.ChrootEnv = paths.ChrootEnv()
	return nil
}

func (d *Dev) startBothy(ctx context.Context) error {
	began := time.Now()
	token, err := madeOnce(d.cfg.tokenFile())
	if err != nil {
		return err
	}
	if err := writeSecret(d.cfg.envFile(), envText(d.cfg, token, d.stack.Env(), d.user)); err != nil {
		return err
	}
	chosen := settings(d.cfg, d.stack.Env(), d.user, token)
	if err := d.openSchool(ctx, &chosen); err != nil {
		return err
	}
	if err := writeSecret(d.cfg.configFile(), configText(d.cfg, chosen)); err != nil {
		return err
	}
	if d.server, err = startServer(ctx, d.cfg.logFile(), chosen, d.cfg.Version); err != nil {
		return err
	}
	if d.api, err = client.New(d.cfg.apiAddr(), token.Reveal()); err != nil {
		return fmt.Errorf("make the API client: %w", err)
	}
	if err := d.settled(ctx); err != nil {
		return err
	}
	// They come before the class: whoever has a password is not invited by mail.
	if d.people, err = ensurePeople(ctx, d.server.bothy, d.cfg.passwordsFile(), d.cfg.consoleURL()); err != nil {
		return err
	}
	if err := ensureDemo(ctx, d.api); err != nil {
		return err
	}
	d.cfg.Report(fmt.Sprintf("bothy: started (%s)", time.Since(began).Round(100*time.Millisecond)))
	return nil
}

// settled waits until the reconciler has compared everything once: before, the
// API tells of the last run.
func (d *Dev) settled(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, settleTimeout)
	defer cancel()
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	for {
		status, err := d.api.Status(ctx)
		if err == nil && status.Reconciler.LastPassAt != nil {
			return nil
		}
		if err == nil {
			err = errors.New(status.Reconciler.Detail)
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("wait for Bothy to read the cluster (its log is %s): %w", d.cfg.logFile(), errors.Join(ctx.Err(), err))
		case <-tick.C:
		}
	}
}

// startServer runs Bothy in this process, with its log in a file. It listens when
// startServer returns.
func startServer(ctx context.Context, logFile string, settings config.Config, version string) (*server, error) {
	if err := os.MkdirAll(filepath.Dir(logFile), 0o700); err != nil {
		return nil, fmt.Errorf("make the folder of logs: %w", err)
	}
	// One log for each run, as the stack's parts have them; the one before is kept.
	if err := os.Rename(logFile, logFile+".1"); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("put the last log aside: %w", err)
	}
	log, err := os.OpenFile(logFile, os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		return nil, fmt.Errorf("open Bothy's log: %w", err)
	}
	logger := app.NewLogger(log, settings.Log)
	bothy, err := app.New(ctx, settings, app.Deps{Logger: logger, Version: version})
	if err != nil {
		return nil, errors.Join(err, log.Close())
	}
	// The server outlives the context of the start; Stop ends it.
	running, cancel := context.WithCancel(context.WithoutCancel(ctx))
	s := &server{bothy: bothy, log: log, cancel: cancel, ended: make(chan error, 1)}
	go func() { s.ended <- bothy.Run(running) }()
	return s, nil
}

// settings is the configuration of Bothy beside the stack. Nothing of the
// caller's environment gets into it.
func settings(cfg Config, env stack.Env, user toolchain.User, token config.Secret) config.Config {
	c := config.Default()
	c.Listen, c.ConsoleURL, c.LabsURL = cfg.listen(), cfg.consoleURL(), cfg.labsURL()
	// Names below labs.localhost lead to this machine, as that one does.
	c.Labs.OwnHosts = true
	c.Door.Listen = cfg.doorListen(env.Gateway)
	c.Door.URL = "http://" + c.Door.Listen
	c.Door.TrustedProxies = []string{env.Gateway.String()} // the router runs on this machine
	c.DataDir = cfg.dataDir()
	c.API.Token = config.Credential{Value: token}
	c.Nomad.Address, c.Nomad.Token = env.NomadAddr, config.Credential{Value: env.Bothy.Nomad}
	c.Consul.Address, c.Consul.Token = env.ConsulAddr, config.Credential{Value: env.Bothy.Consul}
	c.Vault.Address = env.VaultAddr
	c.Vault.AppRole.RoleID, c.Vault.AppRole.SecretID = env.VaultRoleID, config.Credential{Value: env.VaultSecretID}
	c.Home.UID, c.Home.GID = user.UID, user.GID
	c.Mail.Folder, c.Mail.From = cfg.mailDir(), "Bothy <bothy@localhost>"
	// Consul's least: nobody wants to wait for the lock of a killed run.
	c.Reconcile.LockTTL, c.Reconcile.LockDelay = 10*time.Second, time.Second
	c.Log.Level = cfg.LogLevel
	return c
}

// Client speaks to the API as an operator.
func (d *Dev) Client() *client.Client { return d.api }

// People are the demo's people: the admin, the instructor, the students.
func (d *Dev) People() []Person { return d.people }

// Addresses are what a person needs to find their way.
type Addresses struct {
	// Console is for browsers, API for programs.
	Console, API         string
	Nomad, Consul, Vault string
	// Router is where the router shows its routes, RouterName which one it is.
	Router     string
	RouterName stack.Router
	// Dir holds all state, EnvFile what a shell can source, Logs a file for each part,
	// Mail the mails that people would get, PasswordsFile the passwords of the demo's people,
	// SchoolPassword that of everybody at the school.
	Dir, EnvFile, Logs, Mail, PasswordsFile, SchoolPassword string
}

// Addresses gives them.
func (d *Dev) Addresses() Addresses {
	env := d.stack.Env()
	return Addresses{
		Console: d.cfg.consoleURL(), API: d.cfg.apiAddr(), Nomad: env.NomadAddr, Consul: env.ConsulAddr, Vault: env.VaultAddr,
		Router: routesURL(d.cfg.Stack.Router, env.RouterUIAddr), RouterName: d.cfg.Stack.Router, Dir: d.cfg.Stack.Dir, EnvFile: d.cfg.envFile(), Logs: d.cfg.logs(),
		Mail: d.cfg.mailDir(), PasswordsFile: d.cfg.passwordsFile(), SchoolPassword: d.cfg.schoolFile("password"),
	}
}

// routesURL is a page of the router's that lists its routes.
func routesURL(router stack.Router, ui string) string {
	if router == stack.Traefik {
		return ui + "/api/http/routers"
	}
	return ui
}

// Wait returns when ctx ends, with nil, or when a part ends by itself, with an
// error that has the last lines of its log.
func (d *Dev) Wait(ctx context.Context) error {
	select {
	case <-ctx.Done():
		return nil
	case e := <-d.stack.Exited():
		return fmt.Errorf("%s has ended (%s); the last lines of %s:\n%s", e.Part, e.Status, e.LogFile, strings.Join(e.Last, "\n"))
	case err := <-d.server.ended:
		d.server.ended <- err // Stop wants it too
		return fmt.Errorf("bothy has ended: %w; its log is %s", err, d.cfg.logFile())
	}
}

// Stop ends everything; state stays. When ctx ends, the rest is done by force.
func (d *Dev) Stop(ctx context.Context) error {
	defer d.unlock()
	var errs []error
	if d.server != nil {
		d.server.cancel()
		errs = append(errs, <-d.server.ended, d.server.log.Close())
		d.cfg.Report("bothy: ended")
		d.server = nil
	}
	if d.school != nil {
		errs = append(errs, d.school.Stop(ctx))
		d.school = nil
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
