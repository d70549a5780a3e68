package app_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/bothylabs/bothy/service/app"
	"github.com/bothylabs/bothy/service/client"
	"github.com/bothylabs/bothy/service/config"
	"github.com/bothylabs/bothy/service/lab"
	"github.com/bothylabs/bothy/service/store/storetest"
)

const token = "the-bearer-token-of-the-tests"

func TestTheServerServesWhileNomadConsulAndVaultAreDown(t *testing.T) {
	s := start(t, settings(t))
	if body := s.get("/healthz", http.StatusOK); !strings.Contains(body, "ok") {
		t.Errorf("/healthz: %s", body)
	}
	body := s.get("/readyz", http.StatusOK)
	for _, want := range []string{`"store":"ok"`, `"nomad":"unavailable"`, `"consul":"unavailable"`, `"vault":"unavailable"`} {
		if !strings.Contains(body, want) {
			t.Errorf("/readyz lacks %s: %s", want, body)
		}
	}

	status, err := s.client.Status(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if status.InstallationID == "" || status.Version != "v0-test" {
		t.Errorf("got %+v", status)
	}
	for _, d := range status.Dependencies {
		if d.Ok != (d.Name == "store") {
			t.Errorf("%s: ok is %v (%s)", d.Name, d.Ok, d.Detail)
		}
	}
	if r := status.Reconciler; r.LastPassAt != nil || r.Active || r.Holder != nil {
		t.Errorf("without Consul nobody can know who reconciles: %+v", r)
	}
}

func TestASingleInstanceReconcilesWithoutALock(t *testing.T) {
	cfg := settings(t)
	cfg.Instance, cfg.Reconcile.Lock = "lab1", "none"
	s := start(t, cfg)
	r := s.reconcilerIs(func(r client.ReconcilerStatus) bool { return r.Active })
	if r.Instance != "lab1" || r.Holder == nil || r.Holder.Instance != "lab1" || r.LastPassAt != nil {
		t.Errorf("got %+v; a pass without Nomad is not a complete one", r)
	}
}

func TestWithoutALockTheNewestInstanceReconciles(t *testing.T) {
	cfg := settings(t)
	cfg.Reconcile.Lock, cfg.Reconcile.Interval = "none", time.Second
	cfg.Store.Driver = "postgres"
	cfg.Store.DSN = config.Credential{Value: config.NewSecret(postgres.Empty(t))}
	one := start(t, cfg)
	// Something to record, by which the first instance finds out.
	template, students := "shell", []client.StudentInput{{Name: "Ana Pérez", Email: "ana@example.edu"}}
	if _, err := one.client.CreateClass(t.Context(), client.ClassInput{Cohort: "Fall 26", Course: "linux", Template: &template, Students: &students}); err != nil {
		t.Fatal(err)
	}
	one.reconcilerIs(func(r client.ReconcilerStatus) bool { return r.Active })
	two := start(t, cfg)
	two.reconcilerIs(func(r client.ReconcilerStatus) bool { return r.Active })
}

func TestWhatNeedsNomadIsRefusedWhileItIsDownAndLeavesNothingHalfMade(t *testing.T) {
	s := start(t, settings(t))
	template := "shell"
	students := []client.StudentInput{{Name: "Ana Pérez", Email: "ana@example.edu"}}
	if _, err := s.client.CreateClass(t.Context(), client.ClassInput{Cohort: "Fall 26", Course: "linux", Template: &template, Students: &students}); err != nil {
		t.Fatalf("creating a class needs no Nomad: %v", err)
	}
	_, err := s.client.LaunchClass(t.Context(), "fall-26/linux")
	if lab.CodeOf(err) != lab.CodeUnavailable || !strings.Contains(err.Error(), "Nomad") {
		t.Errorf("got %v", err)
	}
	workspaces, err := s.client.Workspaces(t.Context(), client.WorkspaceFilter{})
	if err != nil || len(workspaces) != 0 {
		t.Errorf("got %v, %v", workspaces, err)
	}
}

func TestEverythingButTheProbesWantsTheToken(t *testing.T) {
	s := start(t, settings(t))
	s.get("/v1/status", http.StatusUnauthorized)
	stranger, err := client.New("http://"+s.address, "another-token")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := stranger.Status(t.Context()); lab.CodeOf(err) != lab.CodeUnauthenticated {
		t.Errorf("got %v", err)
	}
}

func TestInstancesShareAPostgresDatabase(t *testing.T) {
	cfg := settings(t)
	cfg.Store.Driver = "postgres"
	cfg.Store.DSN = config.Credential{Value: config.NewSecret(postgres.Empty(t))}
	one, two := start(t, cfg), start(t, cfg)
	if _, err := one.client.CreateCohort(t.Context(), client.CohortInput{Name: "Fall 26"}); err != nil {
		t.Fatal(err)
	}
	if cohorts, err := two.client.Cohorts(t.Context()); err != nil || len(cohorts) != 1 {
		t.Errorf("got %v, %v", cohorts, err)
	}
	if body := two.get("/readyz", http.StatusOK); !strings.Contains(body, `"store":"ok"`) {
		t.Errorf("/readyz: %s", body)
	}
	first, err := one.client.Status(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	second, err := two.client.Status(t.Context())
	if err != nil || first.InstallationID != second.InstallationID {
		t.Errorf("installations %q and %q, %v", first.InstallationID, second.InstallationID, err)
	}
}

func TestStateSurvivesARestart(t *testing.T) {
	cfg := settings(t)
	s := start(t, cfg)
	if _, err := s.client.CreateCohort(t.Context(), client.CohortInput{Name: "Fall 26"}); err != nil {
		t.Fatal(err)
	}
	before, err := s.client.Status(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	s.stop()

	s = start(t, cfg)
	if _, err := s.client.Cohort(t.Context(), "fall-26"); err != nil {
		t.Error(err)
	}
	after, err := s.client.Status(t.Context())
	if err != nil || after.InstallationID != before.InstallationID {
		t.Errorf("the installation was %s and is %s, %v", before.InstallationID, after.InstallationID, err)
	}
}

func TestATakenPortIsNamed(t *testing.T) {
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = taken.Close() })
	cfg := settings(t)
	cfg.Listen = taken.Addr().String()
	wantField(t, cfg, "listen", "is taken by another program")
}

func TestWhatCannotBeUsedEndsTheStart(t *testing.T) {
	cases := map[string]struct {
		change func(*testing.T, *config.Config)
		field  string
		says   string
	}{
		"an address of another machine": {func(_ *testing.T, c *config.Config) { c.Listen = "192.0.2.1:0" }, "listen", "not an address of this machine"},
		"a CA file that holds none":     {func(t *testing.T, c *config.Config) { c.Vault.TLS.CAFile = file(t, "nothing") }, "vault.tls.ca_file", "no CA certificates"},
		"a certificate that is none": {func(t *testing.T, c *config.Config) {
			c.Nomad.TLS.CertFile, c.Nomad.TLS.KeyFile = file(t, "nothing"), file(t, "nothing")
		}, "nomad.tls.cert_file", "no certificate"},
		"a certificate of its own that is none": {func(t *testing.T, c *config.Config) {
			c.TLS.CertFile, c.TLS.KeyFile = file(t, "nothing"), file(t, "nothing")
		}, "tls.cert_file", "no certificate"},
		"an operator's template that is broken": {func(t *testing.T, c *config.Config) {
			c.TemplateDir = filepath.Dir(fileNamed(t, "mine.nomad.hcl", "job {"))
		}, "mine.nomad.hcl:1", ""},
	}
	for what, c := range cases {
		t.Run(what, func(t *testing.T) {
			cfg := settings(t)
			c.change(t, &cfg)
			wantField(t, cfg, c.field, c.says)
		})
	}
}

func TestADataFolderThatCannotBeMade(t *testing.T) {
	cfg := settings(t)
	cfg.DataDir = filepath.Join(file(t, "a file"), "below")
	_, err := app.New(t.Context(), cfg, app.Deps{Logger: slog.New(slog.DiscardHandler)})
	if lab.CodeOf(err) != lab.CodeUnavailable || !strings.Contains(err.Error(), "folder of the database") {
		t.Errorf("got %v", err)
	}
}

func TestNoSecretGetsIntoTheLog(t *testing.T) {
	cfg := settings(t)
	cfg.Nomad.Token = config.Credential{Value: config.NewSecret("nomad-hush")}
	cfg.Consul.Token = config.Credential{Value: config.NewSecret("consul-hush")}
	cfg.Vault.Token = config.Credential{File: file(t, "vault-hush")}
	s := start(t, cfg)
	if _, err := s.client.Status(t.Context()); err != nil {
		t.Fatal(err)
	}
	s.stop()
	log := s.log.String()
	if !strings.Contains(log, "serving") || !strings.Contains(log, "ended") {
		t.Errorf("the log does not tell of the server's life:\n%s", log)
	}
	for _, secret := range []string{token, "hush"} {
		if strings.Contains(log, secret) {
			t.Errorf("%q is in the log:\n%s", secret, log)
		}
	}
}

// settings are of a server whose Nomad, Consul and Vault do not answer.
func settings(t *testing.T) config.Config {
	t.Helper()
	c := config.Default()
	c.Listen, c.Door.Listen = "127.0.0.1:0", "127.0.0.1:0"
	c.DataDir = t.TempDir()
	c.API.Token = config.Credential{Value: config.NewSecret(token)}
	c.Nomad.Address, c.Consul.Address, c.Vault.Address = "http://127.0.0.1:1", "http://127.0.0.1:1", "http://127.0.0.1:1"
	c.Log.Level = "debug"
	return c
}

// running is a server that runs until the test ends, or stop is called.
type running struct {
	t       *testing.T
	address string
	client  *client.Client
	log     *buffer
	stop    func()
}

func start(t *testing.T, cfg config.Config) *running {
	t.Helper()
	log := &buffer{}
	a, err := app.New(t.Context(), cfg, app.Deps{Logger: app.NewLogger(log, cfg.Log), Version: "v0-test"})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- a.Run(ctx) }()
	s := &running{t: t, address: a.Address(), log: log}
	s.stop = sync.OnceFunc(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Errorf("the server ended with %v", err)
		}
	})
	t.Cleanup(s.stop)
	if s.client, err = client.New("http://"+s.address, token); err != nil {
		t.Fatal(err)
	}
	return s
}

// reconcilerIs waits until the server says so of its reconciler.
func (s *running) reconcilerIs(wanted func(client.ReconcilerStatus) bool) client.ReconcilerStatus {
	s.t.Helper()
	ctx, cancel := context.WithTimeout(s.t.Context(), 20*time.Second)
	defer cancel()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		status, err := s.client.Status(ctx)
		if err == nil && wanted(status.Reconciler) {
			return status.Reconciler
		}
		select {
		case <-ctx.Done():
			s.t.Fatalf("the reconciler is %+v, %v", status.Reconciler, err)
		case <-tick.C:
		}
	}
}

func (s *running) get(path string, want int) string {
	s.t.Helper()
	answer, err := http.Get("http://" + s.address + path)
	if err != nil {
		s.t.Fatal(err)
	}
	defer answer.Body.Close()
	body, err := io.ReadAll(answer.Body)
	if err != nil {
		s.t.Fatal(err)
	}
	if answer.StatusCode != want {
		s.t.Errorf("%s: got %s, want %d: %s", path, answer.Status, want, body)
	}
	return string(body)
}

func wantField(t *testing.T, cfg config.Config, field, says string) {
	t.Helper()
	_, err := app.New(t.Context(), cfg, app.Deps{Logger: slog.New(slog.DiscardHandler)})
	var coded *lab.Error
	if !errors.As(err, &coded) || coded.Code != lab.CodeInvalid || len(coded.Fields) == 0 {
		t.Fatalf("got %v", err)
	}
	got := coded.Fields[0]
	if !strings.Contains(got.Name, field) || !strings.Contains(got.Problem, says) || got.Remedy == "" {
		t.Errorf("got %v", got)
	}
}

func file(t *testing.T, text string) string {
	t.Helper()
	return fileNamed(t, "file", text)
}

func fileNamed(t *testing.T, name, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// buffer is a log that may be written and read at the same time.
type buffer struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (b *buffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.Write(p)
}

func (b *buffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.String()
}

var postgres storetest.Server

// tests end the database before goroutines are counted.
type tests struct{ m *testing.M }

func (t tests) Run() int { return postgres.Run(t.m.Run) }

func TestMain(m *testing.M) { goleak.VerifyTestMain(tests{m}) }
