package stack

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/google/uuid"
	"golang.org/x/sys/unix"

	"github.com/bothylabs/bothy/service/config"
	"github.com/bothylabs/bothy/service/lab"
)

// pollInterval is how often a server is asked whether it is ready.
const pollInterval = 100 * time.Millisecond

// sweepTimeout bounds the removal of what is left, after Stop's context has ended
// as well.
const sweepTimeout = time.Minute

// Stack is a running stack. Its methods may be called from several goroutines.
// Whoever starts one must stop it.
type Stack struct {
	cfg     Config
	layout  layout
	secrets secretStore
	unlock  func()
	exits   chan PartExit
	env     Env

	consul *consulServer
	vault  *vaultServer
	nomad  *nomadServer
	node   string // the id of Nomad's node

	mu      sync.Mutex
	parts   []*process // in the order in which they started
	stopped bool
}

// Start brings a stack up and gives it back when all of it is ready. It first
// clears what an earlier stack in the same directory has left. Ports or a network
// that others use are lab.CodeConflict and name the setting that changes them; a
// part that does not come up is lab.CodeUnavailable with the last lines of its
// log. When Start fails, nothing of it is left running.
func Start(ctx context.Context, cfg Config) (*Stack, error) {
	cfg, err := cfg.withDefaults()
	if err != nil {
		return nil, err
	}
	if err := cfg.validate(); err != nil {
		return nil, err
	}
	if err := checkMachine(cfg); err != nil {
		return nil, err
	}
	l := layout(cfg.Dir)
	unlock, err := l.lock()
	if err != nil {
		return nil, err
	}
	s := &Stack{
		cfg: cfg, layout: l, unlock: unlock, exits: make(chan PartExit, len(cfg.Ports.fields())),
		secrets: secretStore{dir: l.secrets(), generate: uuid.NewString},
	}
	if err := s.start(ctx); err != nil {
		return nil, errors.Join(err, s.Stop(context.WithoutCancel(ctx)))
	}
	return s, nil
}

// checkMachine finds out early what would fail late.
func checkMachine(cfg Config) error {
	var fields []lab.Field
	if os.Geteuid() != 0 {
		fields = append(fields, lab.Field{
			Name: "user", Problem: "Nomad's exec driver and network namespaces need root", Remedy: "run it with sudo",
		})
	}
	b := cfg.Binaries
	for name, path := range map[string]string{
		partNomad: b.Nomad, partConsul: b.Consul, partVault: b.Vault, string(cfg.Router): routerFor(cfg).path,
		"CNI plugins": filepath.Join(b.CNIDir, "bridge"),
	} {
		if !filepath.IsAbs(path) || unix.Access(path, unix.X_OK) != nil {
			fields = append(fields, lab.Field{
				Name: name, Problem: fmt.Sprintf("%q is not a program", path), Remedy: "build or install it, and name its absolute path",
			})
		}
	}
	for _, tool := range []string{"iptables-save", "iptables-restore"} {
		if _, err := exec.LookPath(tool); err != nil {
			fields = append(fields, lab.Field{Name: tool, Problem: "is not installed", Remedy: "apt-get install iptables"})
		}
	}
	if _, err := exec.LookPath("nft"); err != nil {
		fields = append(fields, lab.Field{Name: "nft", Problem: "is not installed", Remedy: "apt-get install nftables"})
	}
	if len(fields) > 0 {
		return lab.Invalid("this machine cannot run the development stack", fields...)
	}
	return nil
}

func (s *Stack) start(ctx context.Context) error {
	began := s.cfg.Now()
	found, err := clean(ctx, s.cfg, s.layout)
	if err != nil {
		return err
	}
	if len(found) > 0 {
		s.report(partStack, fmt.Sprintf("cleared %d things that the last run had left", len(found)), began)
	}
	if err := checkPorts(ctx, s.cfg.Ports); err != nil {
		return err
	}
	if err := s.layout.prepare(record{BridgeName: s.cfg.BridgeName, BridgeSubnet: s.cfg.BridgeSubnet}); err != nil {
		return err
	}
	if err := makeBridge(s.cfg, s.layout.id()); err != nil {
		return err
	}
	if err := separate(ctx, s.cfg); err != nil {
		return fmt.Errorf("separate the workspaces: %w", err)
	}
	for _, part := range []func(context.Context) error{s.startConsul, s.startVault, s.startNomad, s.startClient, s.startRouter} {
		if err := part(ctx); err != nil {
			return err
		}
	}
	if err := s.gatherEnv(); err != nil {
		return err
	}
	s.report(partStack, "ready", began)
	return nil
}

// launch runs a server and keeps it for Stop.
func (s *Stack) launch(c command) (*process, error) {
	p, err := startProcess(s.layout, c, func(e PartExit) { s.exits <- e })
	if err != nil {
		return nil, lab.Wrap(lab.CodeUnavailable, err, "%s cannot be started", c.part)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.parts = append(s.parts, p)
	return p, nil
}

// await asks again and again whether a part is ready.
func (s *Stack) await(ctx context.Context, p *process, check func(context.Context) error) error {
	ctx, cancel := context.WithTimeout(ctx, s.cfg.StartTimeout)
	defer cancel()
	err := poll(ctx, p.done, check)
	if err != nil {
		return s.failed(p, err)
	}
	return nil
}

// poll asks until the answer is nil, ctx ends or over is closed, and gives the
// last answer.
func poll(ctx context.Context, over <-chan struct{}, check func(context.Context) error) error {
	tick := time.NewTicker(pollInterval)
	defer tick.Stop()
	for {
		err := check(ctx)
		if err == nil {
			return nil
		}
		select {
		case <-tick.C:
		case <-over:
			return err
		case <-ctx.Done():
			return errors.Join(ctx.Err(), err)
		}
	}
}

// failed words why a part did not come up.
func (s *Stack) failed(p *process, cause error) error {
	problem := "is not ready"
	if p.ended() {
		problem = "has ended (" + p.status + ")"
	}
	return lab.Wrap(lab.CodeUnavailable, cause, "%s %s; the last lines of %s:\n  %s",
		p.part, problem, p.logFile, strings.Join(tail(p.logFile), "\n  "))
}

func (s *Stack) report(part, step string, began time.Time) {
	s.cfg.Report(Event{Part: part, Step: step, Took: s.cfg.Now().Sub(began)})
}

// Exited gives the parts that end by themselves while the stack runs. The channel
// is never closed.
func (s *Stack) Exited() <-chan PartExit { return s.exits }

// Env gives addresses and tokens.
func (s *Stack) Env() Env { return s.env }

func (s *Stack) gatherEnv() error {
	s.env = Env{
		NomadAddr:    "http://" + addressOf(s.cfg.Ports.NomadHTTP),
		ConsulAddr:   "http://" + addressOf(s.cfg.Ports.ConsulHTTP),
		VaultAddr:    "http://" + addressOf(s.cfg.Ports.VaultHTTP),
		LabsAddr:     "http://" + addressOf(s.cfg.Ports.Labs),
		RouterUIAddr: "http://" + addressOf(s.cfg.Ports.RouterUI),
		Gateway:      s.cfg.gateway(),
		NodeID:       s.node,
	}
	for name, field := range map[string]*config.Secret{
		nomadBothy: &s.env.Bothy.Nomad, consulBothy: &s.env.Bothy.Consul, vaultBothy: &s.env.Bothy.Vault,
		vaultSecretID:   &s.env.VaultSecretID,
		nomadManagement: &s.env.Operator.Nomad, consulManagement: &s.env.Operator.Consul, vaultRoot: &s.env.Operator.Vault,
	} {
		value, err := s.secrets.get(name)
		if err != nil {
			return err
		}
		*field = config.NewSecret(value)
	}
	var err error
	s.env.VaultRoleID, err = s.secrets.get(vaultRoleID)
	return err
}
