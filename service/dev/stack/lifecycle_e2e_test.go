//go:build e2e && linux

package stack_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"

	consul "github.com/hashicorp/consul/api"
	nomad "github.com/hashicorp/nomad/api"

	"github.com/bothylabs/bothy/service/config"
	"github.com/bothylabs/bothy/service/dev/stack"
	"github.com/bothylabs/bothy/service/lab"
)

func TestStackRunsWorkspacesAndComesBackAsItWas(t *testing.T) {
	t.Parallel()
	cfg := newConfig(t)
	s := start(t, cfg)
	before := asJSON(t, s.Env())
	w := workspace{slug: "ada", env: s.Env()}
	w.launch(t, "sesame")
	w.answers(t, "sesame 1 nobody")

	t.Run("a workspace reads its own secret and nobody else's", func(t *testing.T) {
		other := workspace{slug: "bob", env: s.Env()}
		other.launch(t, "swordfish")
		other.answers(t, "swordfish 1 nobody")
		client := vaultClient(t, w.env.VaultAddr, config.Secret{})
		login, err := client.Logical().WriteWithContext(bounded(t), "auth/jwt-nomad/login", map[string]any{
			"role": "bothy-workspace", "jwt": w.identity(t, cfg),
		})
		if err != nil {
			t.Fatalf("log in as the workspace: %v", err)
		}
		client.SetToken(login.Auth.ClientToken)
		own, err := client.Logical().ReadWithContext(bounded(t), "bothy/data/workspaces/bothy-ada/env")
		if err != nil || own == nil {
			t.Fatalf("read its own secret: %v", err)
		}
		for _, path := range []string{
			"bothy/data/workspaces/bothy-bob/env", "bothy/metadata/workspaces/bothy-ada/env", "sys/policies/acl/bothy", "auth/token/create",
		} {
			if _, err := client.Logical().ReadWithContext(bounded(t), path); !denied(err) {
				t.Errorf("reading %s: %v, want a denial", path, err)
			}
		}
	})
	t.Run("Bothy's tokens can do no more than they must", func(t *testing.T) { limitedTokens(t, s.Env()) })
	t.Run("the routers' tokens only read", func(t *testing.T) { routersOnlyRead(t, cfg, s.Env()) })
	t.Run("everything listens on loopback", func(t *testing.T) { onlyLoopback(t, cfg, s.Env()) })
	t.Run("no secret is in a command line, a log or a configuration", func(t *testing.T) { noSecretShown(t, cfg, s.Env()) })

	stop(t, s)
	nothingLeft(t, cfg)

	s = start(t, cfg)
	if after := asJSON(t, s.Env()); after != before {
		t.Errorf("tokens and node are others after a restart:\n%s\n%s", before, after)
	}
	w.env = s.Env()
	w.answers(t, "sesame 2 nobody")
	stop(t, s)
	nothingLeft(t, cfg)
}

// denied tells whether a server said no, and not something else.
func denied(err error) bool {
	return err != nil && (strings.Contains(err.Error(), "403") || strings.Contains(err.Error(), "ermission denied"))
}

func limitedTokens(t *testing.T, env stack.Env) {
	t.Helper()
	ctx := bounded(t)
	v := vaultClient(t, env.VaultAddr, env.Bothy.Vault)
	_, err := v.Logical().ReadWithContext(ctx, "bothy/data/workspaces/bothy-ada/env")
	refused(t, "Vault: reading a secret", err)
	_, err = v.Logical().WriteWithContext(ctx, "bothy/data/elsewhere", map[string]any{"data": map[string]any{}})
	refused(t, "Vault: writing elsewhere", err)
	_, err = v.Logical().WriteWithContext(ctx, "auth/token/create", map[string]any{})
	refused(t, "Vault: making tokens", err)
	if _, err := v.Auth().Token().RenewSelfWithContext(ctx, 0); err != nil {
		t.Errorf("Vault: renewing its own token: %v", err)
	}
	if _, err := v.Logical().ReadWithContext(ctx, "bothy/metadata/workspaces/bothy-ada/env"); err != nil {
		t.Errorf("Vault: reading a secret's version: %v", err)
	}

	n := nomadClient(t, env, env.Bothy.Nomad)
	_, _, err = n.Jobs().List(&nomad.QueryOptions{Namespace: "default"})
	refused(t, "Nomad: another namespace", err)
	_, err = n.Agent().Self()
	refused(t, "Nomad: the agent", err)
	_, _, err = n.ACLTokens().List(nil)
	refused(t, "Nomad: tokens", err)
	_, err = n.Nodes().UpdateDrain(env.NodeID, nil, true, nil)
	refused(t, "Nomad: draining a node", err)
	if _, _, err := n.Nodes().Info(env.NodeID, nil); err != nil {
		t.Errorf("Nomad: reading a node: %v", err)
	}
	job, _, err := n.Jobs().Info("bothy-ada", nil)
	if err != nil {
		t.Fatalf("Nomad: reading a job: %v", err)
	}
	allocs, _, err := n.Jobs().Allocations("bothy-ada", false, nil)
	if err != nil || len(allocs) != 1 {
		t.Fatalf("Nomad: a job's allocations: %d, %v", len(allocs), err)
	}
	alloc, _, err := n.Allocations().Info(allocs[0].ID, nil)
	if err != nil {
		t.Fatalf("Nomad: reading an allocation: %v", err)
	}
	frames, logErrs := n.AllocFS().Logs(alloc, false, "web", "stderr", "start", 0, ctx.Done(), nil)
	for what, err := range map[string]error{
		"planning a job":          second(n.Jobs().Plan(job, true, nil)),
		"running a command":       execute(ctx, n, alloc),
		"signalling a task":       n.Allocations().Signal(alloc, nil, "web", "SIGHUP"),
		"reading a task's log":    endOf(frames, logErrs),
		"listing node pools":      second(n.NodePools().List(nil)),
		"listing CSI volumes":     second(n.CSIVolumes().List(nil)),
		"listing host volumes":    second(n.HostVolumes().List(nil, nil)),
		"reading its namespace":   second(n.Namespaces().Info(stack.Namespace, nil)),
		"listing a job's history": second(n.Jobs().Deployments("bothy-ada", false, nil)),
	} {
		if err != nil {
			t.Errorf("Nomad: %s: %v", what, err)
		}
	}
	topics := map[nomad.Topic][]string{nomad.TopicJob: {"*"}, nomad.TopicAllocation: {"*"}, nomad.TopicEvaluation: {"*"}, nomad.TopicNode: {"*"}}
	if _, err := n.EventStream().Stream(ctx, topics, 0, &nomad.QueryOptions{Namespace: stack.Namespace}); err != nil {
		t.Errorf("Nomad: the event stream: %v", err)
	}

	c, err := consul.NewClient(&consul.Config{Address: env.ConsulAddr, Token: env.Bothy.Consul.Reveal()})
	if err != nil {
		t.Fatal(err)
	}
	refused(t, "Consul: registering a service of another name", c.Agent().ServiceRegister(&consul.AgentServiceRegistration{Name: "ada"}))
	_, err = c.KV().Put(&consul.KVPair{Key: "fabio/config"}, nil)
	refused(t, "Consul: writing Fabio's routes", err)
	_, _, err = c.ACL().TokenList(nil)
	refused(t, "Consul: tokens", err)
	if _, _, err := c.Health().Service("ada", "", true, nil); err != nil {
		t.Errorf("Consul: a workspace's health: %v", err)
	}
	lock, err := c.LockKey("bothy/leader")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := lock.Lock(nil); err != nil {
		t.Errorf("Consul: taking the lock: %v", err)
	} else if err := lock.Unlock(); err != nil {
		t.Errorf("Consul: giving the lock back: %v", err)
	}
}

// second drops the answer of a call whose error matters alone.
func second[A, M any](_ A, _ M, err error) error { return err }

// endOf reads a log to its end.
func endOf(frames <-chan *nomad.StreamFrame, errs <-chan error) error {
	for {
		select {
		case err := <-errs:
			return err
		case _, ok := <-frames:
			if !ok {
				return nil
			}
		}
	}
}

func execute(ctx context.Context, n *nomad.Client, alloc *nomad.Allocation) error {
	_, err := n.Allocations().Exec(ctx, alloc, "app", false, []string{"/bin/true"}, strings.NewReader(""), io.Discard, io.Discard, nil, nil)
	return err
}

func routersOnlyRead(t *testing.T, cfg stack.Config, env stack.Env) {
	t.Helper()
	for _, router := range stack.Routers() {
		token, err := os.ReadFile(filepath.Join(cfg.Dir, "secrets", "consul-"+string(router)+".token"))
		if err != nil {
			t.Fatal(err)
		}
		c, err := consul.NewClient(&consul.Config{Address: env.ConsulAddr, Token: strings.TrimSpace(string(token))})
		if err != nil {
			t.Fatal(err)
		}
		if seen, _, err := c.Health().Service("ada", "bothy", true, nil); err != nil || len(seen) != 1 {
			t.Errorf("%s: reading a workspace's health: %d, %v", router, len(seen), err)
		}
		if services, _, err := c.Catalog().Services(nil); err != nil || services["ada"] == nil {
			t.Errorf("%s: listing services: %v, %v", router, services, err)
		}
		refused(t, string(router)+": registering a service", c.Agent().ServiceRegister(&consul.AgentServiceRegistration{Name: "ada"}))
		_, err = c.KV().Put(&consul.KVPair{Key: "fabio/config"}, nil)
		refused(t, string(router)+": writing a key", err)
		_, _, err = c.KV().Get("bothy/leader", nil)
		refused(t, string(router)+": reading a key of Bothy's", err)
		_, _, err = c.ACL().TokenList(nil)
		refused(t, string(router)+": tokens", err)
	}
}

func refused(t *testing.T, what string, err error) {
	t.Helper()
	if !denied(err) {
		t.Errorf("%s: %v, want a denial", what, err)
	}
}

// onlyLoopback tries every port on the machine's other addresses, the bridge's
// among them.
func onlyLoopback(t *testing.T, cfg stack.Config, env stack.Env) {
	t.Helper()
	addresses, err := net.InterfaceAddrs()
	if err != nil {
		t.Fatal(err)
	}
	seenGateway := false
	p := cfg.Ports
	for _, a := range addresses {
		ip, ok := a.(*net.IPNet)
		if !ok || ip.IP.IsLoopback() || ip.IP.To4() == nil {
			continue
		}
		seenGateway = seenGateway || ip.IP.String() == env.Gateway.String()
		for _, port := range []int{
			p.NomadHTTP, p.NomadRPC, p.NomadSerf, p.ConsulHTTP, p.ConsulRPC, p.ConsulSerf, p.VaultHTTP, p.VaultCluster, p.Labs, p.RouterUI,
		} {
			address := net.JoinHostPort(ip.IP.String(), fmt.Sprint(port))
			if c, err := (&net.Dialer{}).DialContext(bounded(t), "tcp", address); err == nil {
				_ = c.Close()
				t.Errorf("something listens on %s", address)
			}
		}
	}
	if !seenGateway {
		t.Errorf("the host has not the address %s on the bridge", env.Gateway)
	}
}

func noSecretShown(t *testing.T, cfg stack.Config, env stack.Env) {
	t.Helper()
	secrets := map[string]string{"the workspace's secret": "sesame"}
	files, err := filepath.Glob(filepath.Join(cfg.Dir, "secrets", "*.token"))
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range append(files, filepath.Join(cfg.Dir, "secrets", "vault-unseal.key")) {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		secrets[filepath.Base(file)] = strings.TrimSpace(string(text))
		if info, err := os.Stat(file); err != nil || info.Mode().Perm() != 0o600 {
			t.Errorf("%s is not for its owner alone: %v, %v", file, info.Mode(), err)
		}
	}
	if len(secrets) < 11 {
		t.Errorf("only %d secrets were found", len(secrets))
	}
	look := func(where string, text []byte) {
		for name, value := range secrets {
			if bytes.Contains(text, []byte(value)) {
				t.Errorf("%s shows %s", where, name)
			}
		}
	}
	commands, err := filepath.Glob("/proc/[0-9]*/cmdline")
	if err != nil {
		t.Fatal(err)
	}
	paths := commands
	for _, dir := range []string{"logs", "config"} {
		err := filepath.WalkDir(filepath.Join(cfg.Dir, dir), func(path string, d fs.DirEntry, err error) error {
			if err == nil && d.Type().IsRegular() {
				paths = append(paths, path)
			}
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	for _, path := range paths {
		if text, err := os.ReadFile(path); err == nil {
			look(path, text)
		}
	}
	routes, err := get(bounded(t), env.RouterUIAddr+"/api/config")
	if err != nil {
		t.Fatal(err)
	}
	look("Fabio's UI", []byte(routes))
}

func TestStackRefusesPortsThatAreTaken(t *testing.T) {
	t.Parallel()
	cfg := newConfig(t)
	l, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp4", fmt.Sprintf("127.0.0.1:%d", cfg.Ports.VaultHTTP))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = l.Close() }()

	_, err = stack.Start(bounded(t), cfg)
	var coded *lab.Error
	if !errors.As(err, &coded) || coded.Code != lab.CodeConflict || len(coded.Fields) != 1 {
		t.Fatalf("start: %v, want one conflict", err)
	}
	for _, want := range []string{"-vault-port", fmt.Sprint(cfg.Ports.VaultHTTP), "Vault", fmt.Sprintf("pid %d", os.Getpid())} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("the error does not name %q: %v", want, err)
		}
	}
	nothingLeft(t, cfg)
}

func TestStackSaysWhichPartDoesNotStart(t *testing.T) {
	t.Parallel()
	cfg := newConfig(t)
	broken := filepath.Join(t.TempDir(), "vault")
	if err := os.WriteFile(broken, []byte("#!/bin/sh\necho the vault is stuck >&2\nexit 3\n"), 0o700); err != nil {
		t.Fatal(err)
	}
	cfg.Binaries.Vault = broken

	_, err := stack.Start(bounded(t), cfg)
	if lab.CodeOf(err) != lab.CodeUnavailable {
		t.Fatalf("start: %v, want unavailable", err)
	}
	for _, want := range []string{"vault has ended (exit status 3)", "logs/vault.log", "the vault is stuck"} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("the error does not say %q: %v", want, err)
		}
	}
	nothingLeft(t, cfg)
}

func TestStackComesBackOnOtherPorts(t *testing.T) {
	t.Parallel()
	cfg := newConfig(t)
	s := start(t, cfg)
	w := workspace{slug: "ada", env: s.Env()}
	w.launch(t, "sesame")
	w.answers(t, "sesame 1 nobody")
	stop(t, s)

	moved := newConfig(t)
	moved.Dir = cfg.Dir
	s = start(t, moved)
	w.env = s.Env()
	w.answers(t, "sesame 2 nobody")
	stop(t, s)
	nothingLeft(t, cfg)
	nothingLeft(t, moved)
}

func TestNeighboursDoNotTouchEachOther(t *testing.T) {
	t.Parallel()
	cfg, neighbour := newConfig(t), newConfig(t)
	s, other := start(t, cfg), start(t, neighbour)
	w, v := workspace{slug: "ada", env: s.Env()}, workspace{slug: "ada", env: other.Env()}
	w.launch(t, "sesame")
	v.launch(t, "swordfish")
	w.answers(t, "sesame 1 nobody")
	v.answers(t, "swordfish 1 nobody")

	if _, err := stack.Start(bounded(t), cfg); lab.CodeOf(err) != lab.CodeConflict || !strings.Contains(err.Error(), fmt.Sprint(os.Getpid())) {
		t.Errorf("a second start in the same directory: %v, want a conflict that names the pid", err)
	}
	stop(t, s)
	nothingLeft(t, cfg)
	v.answers(t, "swordfish 1 nobody")
	stop(t, other)
	nothingLeft(t, neighbour)
}

func TestResetForgetsEverything(t *testing.T) {
	t.Parallel()
	cfg := newConfig(t)
	s := start(t, cfg)
	before := asJSON(t, s.Env())
	stop(t, s)
	if err := stack.Reset(bounded(t), cfg); err != nil {
		t.Fatalf("reset: %v", err)
	}
	entries, err := os.ReadDir(cfg.Dir)
	if err != nil || len(entries) > 0 {
		t.Fatalf("after a reset there is %v, %v", entries, err)
	}
	s = start(t, cfg)
	if asJSON(t, s.Env()) == before {
		t.Error("the stack is the same one after a reset")
	}
	jobs, _, err := nomadClient(t, s.Env(), s.Env().Bothy.Nomad).Jobs().List(nil)
	if err != nil || len(jobs) > 0 {
		t.Errorf("jobs after a reset: %v, %v", jobs, err)
	}
}

// exitOf waits for the news that a part has ended by itself.
func exitOf(t *testing.T, s *stack.Stack) stack.PartExit {
	t.Helper()
	select {
	case e := <-s.Exited():
		return e
	case <-bounded(t).Done():
		t.Fatal("nobody tells that a part has ended")
		return stack.PartExit{}
	}
}
