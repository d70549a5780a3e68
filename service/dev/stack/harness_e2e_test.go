//go:build e2e && linux

package stack_test

import (
	"bufio"
	"context"
	_ "embed"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	nomad "github.com/hashicorp/nomad/api"
	vault "github.com/hashicorp/vault/api"

	"github.com/bothylabs/bothy/service/config"
	"github.com/bothylabs/bothy/service/dev/stack"
)

// These tests run the real servers, from the folder that BOTHY_TOOLS_DIR names,
// as root. They take ports far from the default ones.

const (
	envTools = "BOTHY_TOOLS_DIR"
	envCNI   = "BOTHY_CNI_DIR"
	// envProgram makes this test binary a program that runs a stack until it is
	// asked to end, so that tests can kill it.
	envProgram = "BOTHY_STACK_TEST_PROGRAM"

	// patience bounds every wait for a real server.
	patience = 2 * time.Minute
)

//go:embed testdata/page.nomad.hcl
var pageJob string

func TestMain(m *testing.M) {
	if spec := os.Getenv(envProgram); spec != "" {
		if err := program(spec); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	os.Exit(m.Run())
}

// program runs the stack that spec (a directory and an offset) describes.
func program(spec string) error {
	dir, offset, _ := strings.Cut(spec, ",")
	n, err := strconv.Atoi(offset)
	if err != nil {
		return err
	}
	ctx, cancel := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer cancel()
	cfg := stack.Config{Dir: dir, Binaries: binaries(os.Getenv), Report: func(e stack.Event) { fmt.Println(e.Part, e.Step) }}
	s, err := stack.Start(ctx, cfg.Offset(n))
	if err != nil {
		return err
	}
	<-ctx.Done()
	fmt.Println("stopping")
	return s.Stop(context.Background())
}

func binaries(getenv func(string) string) stack.Binaries {
	tools, cni := getenv(envTools), getenv(envCNI)
	if cni == "" {
		cni = "/usr/lib/cni"
	}
	return stack.Binaries{
		Nomad: filepath.Join(tools, "nomad"), Consul: filepath.Join(tools, "consul"),
		Vault: filepath.Join(tools, "vault"), Fabio: filepath.Join(tools, "fabio"), CNIDir: cni,
	}
}

// offsets are the places for stacks beside each other; a test takes one and gives it back.
var offsets = func() chan int {
	free := make(chan int, 4)
	for i := range cap(free) {
		free <- 5000 + 1000*i
	}
	return free
}()

// newConfig gives the configuration of a stack of its own for a test, and makes
// sure that nothing of it is left when the test ends. Tests with stacks of their
// own run beside each other: most of their time is waiting for servers.
func newConfig(t *testing.T) stack.Config {
	t.Helper()
	offset := <-offsets
	t.Cleanup(func() { offsets <- offset })
	if os.Getenv(envTools) == "" {
		t.Fatalf("%s must name the folder with nomad, consul, vault and fabio", envTools)
	}
	cfg := stack.Config{
		Dir: filepath.Join(t.TempDir(), "dev"), Binaries: binaries(os.Getenv),
		Report: func(e stack.Event) { t.Logf("%s %s %s", e.Part, e.Step, e.Took.Round(time.Millisecond)) },
	}.Offset(offset)
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		defer cancel()
		if t.Failed() {
			showLogs(t, cfg)
		}
		if _, err := stack.Clean(ctx, cfg); err != nil {
			t.Errorf("clean up after the test: %v", err)
		}
	})
	return cfg
}

func showLogs(t *testing.T, cfg stack.Config) {
	t.Helper()
	logs, err := filepath.Glob(filepath.Join(cfg.Dir, "logs", "*.log"))
	if err != nil {
		t.Log(err)
	}
	for _, path := range logs {
		if text, err := os.ReadFile(path); err == nil {
			t.Logf("%s:\n%s", path, text[max(0, len(text)-4000):])
		}
	}
}

func bounded(t *testing.T) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	t.Cleanup(cancel)
	return ctx
}

func start(t *testing.T, cfg stack.Config) *stack.Stack {
	t.Helper()
	s, err := stack.Start(bounded(t), cfg)
	if err != nil {
		t.Fatalf("start: %v", err)
	}
	t.Cleanup(func() {
		if err := s.Stop(context.WithoutCancel(t.Context())); err != nil {
			t.Errorf("stop: %v", err)
		}
	})
	return s
}

func stop(t *testing.T, s *stack.Stack) {
	t.Helper()
	if err := s.Stop(bounded(t)); err != nil {
		t.Fatalf("stop: %v", err)
	}
}

// nothingLeft fails when the machine still has anything of the stack.
func nothingLeft(t *testing.T, cfg stack.Config) {
	t.Helper()
	left, err := stack.Leftovers(bounded(t), cfg)
	if err != nil {
		t.Fatalf("look for leftovers: %v", err)
	}
	if len(left) > 0 {
		t.Fatalf("left over:\n%s", strings.Join(left, "\n"))
	}
}

// eventually asks until the answer is nil.
func eventually(t *testing.T, what string, ask func(context.Context) error) {
	t.Helper()
	ctx := bounded(t)
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	for {
		err := ask(ctx)
		if err == nil {
			return
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			t.Fatalf("%s: %v", what, err)
		}
	}
}

// workspace is the test's job, run with Bothy's own tokens.
type workspace struct {
	slug string
	env  stack.Env
}

func (w workspace) jobID() string { return "bothy-" + w.slug }

// launch writes the secret, makes the home and registers the job.
func (w workspace) launch(t *testing.T, password string) {
	t.Helper()
	ctx := bounded(t)
	if _, err := vaultClient(t, w.env.VaultAddr, w.env.Bothy.Vault).Logical().WriteWithContext(ctx,
		"bothy/data/workspaces/"+w.jobID()+"/env", map[string]any{
			"options": map[string]any{"cas": 0}, "data": map[string]any{"password": password},
		}); err != nil {
		t.Fatalf("write the secret: %v", err)
	}
	client := nomadClient(t, w.env, w.env.Bothy.Nomad)
	volume, _, err := client.HostVolumes().Create(&nomad.HostVolumeCreateRequest{Volume: &nomad.HostVolume{
		Namespace: stack.Namespace, Name: "home-" + w.slug, PluginID: "mkdir", NodeID: w.env.NodeID,
		RequestedCapabilities: []*nomad.HostVolumeCapability{{
			AttachmentMode: nomad.HostVolumeAttachmentModeFilesystem, AccessMode: nomad.HostVolumeAccessModeSingleNodeSingleWriter,
		}},
		Parameters: map[string]string{"mode": "0700", "uid": "65534", "gid": "65534"},
	}}, (&nomad.WriteOptions{}).WithContext(ctx))
	if err != nil {
		t.Fatalf("make the home: %v", err)
	}
	eventually(t, "home ready", func(ctx context.Context) error {
		v, _, err := client.HostVolumes().Get(volume.Volume.ID, (&nomad.QueryOptions{}).WithContext(ctx))
		if err == nil && v.State != nomad.HostVolumeStateReady {
			err = fmt.Errorf("the home is %s", v.State)
		}
		return err
	})
	job, err := client.Jobs().ParseHCLOpts(&nomad.JobsParseRequest{
		JobHCL: pageJob, Variables: fmt.Sprintf("slug = %q", w.slug), Canonicalize: true,
	})
	if err != nil {
		t.Fatalf("parse the job: %v", err)
	}
	if _, _, err := client.Jobs().RegisterOpts(job, &nomad.RegisterOptions{}, (&nomad.WriteOptions{}).WithContext(ctx)); err != nil {
		t.Fatalf("register the job: %v", err)
	}
}

// answers waits until the workspace answers through Fabio: with its secret, the
// number of its starts so far, and its user.
func (w workspace) answers(t *testing.T, want string) {
	t.Helper()
	began := time.Now()
	defer func() { t.Logf("workspace %s answered after %s", w.slug, time.Since(began).Round(time.Millisecond)) }()
	eventually(t, "workspace "+w.slug, func(ctx context.Context) error {
		got, err := get(ctx, w.env.LabsAddr+"/"+w.slug+"/")
		if err == nil && strings.TrimSpace(got) != want {
			err = fmt.Errorf("it says %q, want %q", got, want)
		}
		return err
	})
}

func get(ctx context.Context, url string) (string, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, http.NoBody)
	if err != nil {
		return "", err
	}
	resp, err := http.DefaultTransport.RoundTrip(req)
	if err != nil {
		return "", err
	}
	defer func() { _ = resp.Body.Close() }()
	body, err := io.ReadAll(resp.Body)
	if err == nil && resp.StatusCode != http.StatusOK {
		err = errors.New(resp.Status)
	}
	return string(body), err
}

// identity reads the signed identity that a task got from Nomad.
func (w workspace) identity(t *testing.T, cfg stack.Config) string {
	t.Helper()
	client := nomadClient(t, w.env, w.env.Bothy.Nomad)
	allocs, _, err := client.Jobs().Allocations(w.jobID(), false, (&nomad.QueryOptions{}).WithContext(bounded(t)))
	if err != nil || len(allocs) != 1 {
		t.Fatalf("allocations of %s: %d, %v", w.jobID(), len(allocs), err)
	}
	token, err := os.ReadFile(filepath.Join(cfg.Dir, "alloc", allocs[0].ID, "app", "secrets", "nomad_vault_default.jwt"))
	if err != nil {
		t.Fatalf("read the identity: %v", err)
	}
	return string(token)
}

func nomadClient(t *testing.T, env stack.Env, token config.Secret) *nomad.Client {
	t.Helper()
	client, err := nomad.NewClient(&nomad.Config{Address: env.NomadAddr, SecretID: token.Reveal(), Namespace: stack.Namespace})
	if err != nil {
		t.Fatal(err)
	}
	return client
}

func vaultClient(t *testing.T, addr string, token config.Secret) *vault.Client {
	t.Helper()
	conf := vault.DefaultConfig()
	conf.Address = addr
	client, err := vault.NewClient(conf)
	if err != nil {
		t.Fatal(err)
	}
	client.SetToken(token.Reveal())
	return client
}

// runningProgram is another process that runs a stack.
type runningProgram struct {
	cmd   *exec.Cmd
	lines chan string // what it prints; closed when it ends
}

// runProgram starts a process with the stack that cfg describes.
func runProgram(t *testing.T, cfg stack.Config) *runningProgram {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(context.WithoutCancel(t.Context()), self)
	cmd.Env = append(os.Environ(), fmt.Sprintf("%s=%s,%s", envProgram, cfg.Dir, strings.TrimPrefix(cfg.BridgeName, "bothy")))
	cmd.Stderr = t.Output()
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	p := &runningProgram{cmd: cmd, lines: make(chan string, 100)}
	go func() {
		defer close(p.lines)
		for scan := bufio.NewScanner(out); scan.Scan(); {
			p.lines <- scan.Text()
		}
	}()
	t.Cleanup(func() { p.kill(t) })
	return p
}

// until waits for a line that the program prints.
func (p *runningProgram) until(t *testing.T, want string) {
	t.Helper()
	ctx := bounded(t)
	for {
		select {
		case line, ok := <-p.lines:
			if !ok {
				t.Fatalf("the program ended before it said %q", want)
			}
			if line == want {
				return
			}
		case <-ctx.Done():
			t.Fatalf("the program does not say %q", want)
		}
	}
}

// kill ends the program the hard way and waits for its end.
func (p *runningProgram) kill(t *testing.T) {
	t.Helper()
	if p.cmd.ProcessState != nil {
		return
	}
	_ = p.cmd.Process.Kill()
	for range p.lines {
		// Drain what it still printed; the pipe ends with it.
	}
	_ = p.cmd.Wait()
}

// savedEnv reads what the program's stack is, for tests that did not start it.
func savedEnv(t *testing.T, cfg stack.Config) stack.Env {
	t.Helper()
	secret := func(name string) config.Secret {
		text, err := os.ReadFile(filepath.Join(cfg.Dir, "secrets", name))
		if err != nil {
			t.Fatal(err)
		}
		return config.NewSecret(strings.TrimSpace(string(text)))
	}
	env := stack.Env{
		NomadAddr: fmt.Sprintf("http://127.0.0.1:%d", cfg.Ports.NomadHTTP),
		VaultAddr: fmt.Sprintf("http://127.0.0.1:%d", cfg.Ports.VaultHTTP),
		LabsAddr:  fmt.Sprintf("http://127.0.0.1:%d", cfg.Ports.Labs),
	}
	env.Bothy.Nomad, env.Bothy.Vault = secret("nomad-bothy.token"), secret("vault-bothy.token")
	env.Operator.Nomad = secret("nomad-management.token")
	nodes, _, err := nomadClient(t, env, env.Operator.Nomad).Nodes().List(nil)
	if err != nil || len(nodes) != 1 {
		t.Fatalf("nodes: %d, %v", len(nodes), err)
	}
	env.NodeID = nodes[0].ID
	return env
}

// asJSON is for comparing what holds secrets.
func asJSON(t *testing.T, env stack.Env) string {
	t.Helper()
	// Bothy logs in at Vault by its AppRole, and has another token each time.
	tokens := func(s stack.Tokens) []string { return []string{s.Nomad.Reveal(), s.Consul.Reveal()} }
	text, err := json.Marshal(map[string]any{
		"node": env.NodeID, "bothy": tokens(env.Bothy), "operator": append(tokens(env.Operator), env.Operator.Vault.Reveal()),
	})
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}
