package e2e

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/bothylabs/bothy/service/client"
)

// takeoverLimit is how long a role may be nobody's: twice the TTL of the lock and
// its delay, which are 10 s and 1 s here, and time for a loaded machine.
const takeoverLimit = 45 * time.Second

// instances: two servers on one PostgreSQL, of which one reconciles.
func instances(t *testing.T, d *dev) {
	dsn := filepath.Join(d.dir, "shared.dsn")
	if err := os.WriteFile(dsn, []byte(postgres.Empty(t)), 0o600); err != nil {
		t.Fatal(err)
	}
	start := func(name string) *server {
		return newServer(t, d, name, fmt.Sprintf(`
instance = %q

store {
  driver   = "postgres"
  dsn_file = %q
}

reconcile {
  lock_ttl   = "10s"
  lock_delay = "1s"
}
`, name, dsn))
	}
	one := start("one")
	one.reconciles(t, "one", takeoverLimit)
	two := start("two")
	two.standsBy(t, "one")

	// The helpers speak to the second server from here on: it answers throughout the kill.
	second := *d
	second.api = two.api
	class := second.createClass(t, "Instances", "instance", "shell", nil, student("Grace Hopper", 1))
	defer second.deleteClass(t, class.Key)
	if _, err := one.api.LaunchClass(t.Context(), class.Key); err != nil {
		t.Fatal(err)
	}
	slug := second.classReady(t, class.Key)[0].Slug

	t.Run("killed, the other takes over and reconciles", func(t *testing.T) {
		began := time.Now()
		one.kill(t)
		if _, err := two.api.StopWorkspace(t.Context(), slug); err != nil {
			t.Fatal(err)
		}
		two.reconciles(t, "two", takeoverLimit)
		took := time.Since(began)
		second.workspaceIs(t, slug, "stopped by the other instance", inPhase(client.PhaseStopped))
		t.Logf("the other instance reconciled %s after the kill; the workspace was stopped after %s",
			took.Round(100*time.Millisecond), time.Since(began).Round(100*time.Millisecond))
	})
	t.Run("paused beyond the TTL, it comes back as a standby", func(t *testing.T) {
		one.start(t)
		one.standsBy(t, "two")
		two.signal(t, syscall.SIGSTOP)
		began := time.Now()
		// It is not to stay paused when something fails here.
		defer func() { _ = two.cmd.Process.Signal(syscall.SIGCONT) }()
		if _, err := one.api.StartWorkspace(t.Context(), slug); err != nil {
			t.Fatal(err)
		}
		one.reconciles(t, "one", takeoverLimit)
		t.Logf("the other instance reconciled %s after the pause began", time.Since(began).Round(100*time.Millisecond))
		third := *d
		third.api = one.api
		third.workspaceIs(t, slug, "ready", inPhase(client.PhaseReady))
		version := *d.job(t, jobID(slug)).Version

		two.signal(t, syscall.SIGCONT)
		two.standsBy(t, "one")
		for _, line := range strings.Split(two.out.String(), "\n") {
			if strings.Contains(line, "does not reconcile") {
				t.Logf("the paused one says: %s", d.seen.redact(line))
			}
		}
		throughout(t, watchSpan, "the paused one did something", func(ctx context.Context) error {
			status, err := one.api.Status(ctx)
			if err != nil {
				return fmt.Errorf("status: %w", err)
			}
			if !status.Reconciler.Active {
				return fmt.Errorf("the other one lost the role: %+v", status.Reconciler)
			}
			if now := *d.job(t, jobID(slug)).Version; now != version {
				return fmt.Errorf("the job was submitted again: version %d", now)
			}
			return nil
		})
	})
	t.Run("ended cleanly, it hands over at once", func(t *testing.T) {
		began := time.Now()
		one.signal(t, syscall.SIGTERM)
		two.reconciles(t, "two", takeoverLimit)
		took := time.Since(began)
		<-one.ended
		t.Logf("handed over after %s", took.Round(10*time.Millisecond))
	})
}

// reconciles waits until the server itself reconciles, under its name.
func (s *server) reconciles(t *testing.T, name string, within time.Duration) {
	t.Helper()
	eventually(t, within, name+" reconciles", func(ctx context.Context) error {
		status, err := s.api.Status(ctx)
		if err != nil {
			return fmt.Errorf("status: %w", err)
		}
		r := status.Reconciler
		if !r.Active || r.LastPassAt == nil || r.Instance != name || r.Holder == nil || r.Holder.Instance != name {
			return fmt.Errorf("it says %+v", r)
		}
		return nil
	})
}

// standsBy waits until the server says that another one reconciles.
func (s *server) standsBy(t *testing.T, holder string) {
	t.Helper()
	eventually(t, takeoverLimit, "it stands by for "+holder, func(ctx context.Context) error {
		status, err := s.api.Status(ctx)
		if err != nil {
			return fmt.Errorf("status: %w", err)
		}
		if r := status.Reconciler; r.Active || r.Holder == nil || r.Holder.Instance != holder {
			return fmt.Errorf("it says %+v", r)
		}
		return nil
	})
}
