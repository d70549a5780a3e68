//go:build e2e

package reconcile

import (
	"context"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"os"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/bothylabs/bothy/service/lab"
	"github.com/bothylabs/bothy/service/nomad"
)

// realJobs renders mock jobs with homes for a real Nomad.
type realJobs struct{ *world }

func (j realJobs) Render(_ context.Context, item lab.WorkItem) (Rendered, error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	job := fmt.Appendf(nil, `# %[4]s
job %[1]q {
  namespace   = "bothy"
  datacenters = ["dc1"]
  meta {
    bothy_installation_id = %[2]q
    bothy_workspace_id    = %[3]q
  }
  group "workspace" {
    ephemeral_disk {
      size = 10
    }
    volume "home" {
      type            = "host"
      source          = %[5]q
      access_mode     = "single-node-single-writer"
      attachment_mode = "file-system"
    }
    task "main" {
      driver = "mock_driver"
      env {
        VERSION = %[4]q
      }
      config {
        run_for = "1h"
      }
      logs {
        disabled      = true
        max_files     = 1
        max_file_size = 1
      }
      resources {
        cpu    = 1
        memory = 10
      }
    }
  }
}
`, item.Slug.JobID(), here, item.ID, j.version, item.Slug.HomeVolume())
	volume := fmt.Appendf(nil, `
type      = "host"
name      = %q
namespace = "bothy"
plugin_id = "mkdir"
capability {
  access_mode     = "single-node-single-writer"
  attachment_mode = "file-system"
}
`, item.Slug.HomeVolume())
	return Rendered{Job: job, Volume: volume, Fingerprint: j.version}, nil
}

// runningIsHealthy takes Nomad's word for the health of mock tasks.
type runningIsHealthy struct {
	nomad *nomad.Client
	never chan struct{}
}

func (h runningIsHealthy) Services() (map[string]lab.Health, string) {
	services := map[string]lab.Health{}
	for id, job := range h.nomad.Snapshot().Jobs {
		if runs(&job) {
			services[strings.TrimPrefix(id, "bothy-")] = lab.HealthPassing
		}
	}
	return services, ""
}

func (h runningIsHealthy) Changed() <-chan struct{} { return h.never }

// mortal kills the loop in the middle of one of its calls to Nomad.
type mortal struct {
	*nomad.Client
	left atomic.Int64
	kill context.CancelFunc
}

// spend kills shortly after the call has been sent, when it is the last one.
func (m *mortal) spend() {
	if m.left.Add(-1) == 0 {
		time.AfterFunc(time.Duration(rand.IntN(4000))*time.Microsecond, m.kill)
	}
}

func (m *mortal) Register(ctx context.Context, jobID string, mark lab.Mark, source []byte, index uint64) (uint64, error) {
	m.spend()
	return m.Client.Register(ctx, jobID, mark, source, index)
}

func (m *mortal) EnsureHome(ctx context.Context, volume, job []byte) error {
	m.spend()
	return m.Client.EnsureHome(ctx, volume, job)
}

func (m *mortal) Stop(ctx context.Context, jobID string, mark lab.Mark) error {
	m.spend()
	return m.Client.Stop(ctx, jobID, mark)
}

func (m *mortal) DeleteHome(ctx context.Context, name string) error {
	m.spend()
	return m.Client.DeleteHome(ctx, name)
}

// TestKilledOnARealNomadItConverges needs a real Nomad with the driver mock_driver
// at NOMAD_ADDR, and Bothy's token in NOMAD_TOKEN.
func TestKilledOnARealNomadItConverges(t *testing.T) {
	for _, name := range []string{"NOMAD_ADDR", "NOMAD_TOKEN"} {
		if os.Getenv(name) == "" {
			t.Fatalf("%s is not set: this test needs a real Nomad", name)
		}
	}
	client, err := nomad.New(nomad.Config{
		Address: os.Getenv("NOMAD_ADDR"), Namespace: "bothy",
		Token:  func() (string, error) { return os.Getenv("NOMAD_TOKEN"), nil },
		Logger: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	watched := make(chan error, 1)
	go func() { watched <- client.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		<-watched
	})

	w := newWorld()
	w.add(5, lab.DesiredRunning)
	run := fmt.Sprintf("e2e-%x", time.Now().UnixNano())
	for id, item := range w.items {
		item.ID, item.Slug = id, lab.Slug(run+"-"+id)
	}
	live := func(ctx context.Context, n Nomad) {
		loop, err := New(Config{
			Store: w, Nomad: n, Health: runningIsHealthy{client, nil}, Secrets: w, Jobs: realJobs{w}, Installation: here,
			Logger: slog.New(slog.DiscardHandler), Registry: prometheus.NewRegistry(), Tick: time.Second, Workers: 4,
		})
		if err != nil {
			t.Error(err)
			return
		}
		if err := loop.Run(ctx); err != nil {
			t.Errorf("run: %v", err)
		}
	}
	lives := func(n int) {
		for range n {
			ctx, kill := context.WithTimeout(ctx, 3*time.Second)
			m := &mortal{Client: client, kill: kill}
			m.left.Store(rand.Int64N(8) + 1)
			live(ctx, m)
			kill()
		}
	}
	settle := func(what string, is func(*lab.WorkItem) bool) {
		t.Helper()
		ctx, stop := context.WithTimeout(ctx, time.Minute)
		defer stop()
		done := make(chan struct{})
		go func() {
			defer close(done)
			live(ctx, client)
		}()
		ticker := time.NewTicker(50 * time.Millisecond)
		defer ticker.Stop()
		for !w.all(is) {
			select {
			case <-ticker.C:
			case <-ctx.Done():
				<-done
				for _, item := range w.items {
					t.Errorf("%s: %+v, submitted %+v", item.Slug, item.Status, item.Submitted)
				}
				t.Fatalf("in vain: %s", what)
			}
		}
		stop()
		<-done
	}
	ready := func(item *lab.WorkItem) bool {
		return item.Status.Phase == lab.PhaseReady && !item.Status.Drifted && !meant(item.Submitted)
	}

	lives(8)
	settle("all are ready", ready)

	w.do(func() {
		w.version = "v2"
		for _, item := range w.items {
			item.RestartsWanted++
		}
	})
	lives(4)
	settle("all run the new version", func(item *lab.WorkItem) bool {
		return ready(item) && !item.Status.Outdated && item.Submitted.Fingerprint == "v2" && item.Submitted.RestartsDone == 1
	})

	w.wish(lab.DesiredStopped)
	lives(3)
	settle("all are stopped", func(item *lab.WorkItem) bool { return item.Status.Phase == lab.PhaseStopped })
	w.wish(lab.DesiredRunning)
	settle("all are ready again", ready)

	w.do(func() {
		for _, item := range w.items {
			item.Desired, item.ReleaseHome = lab.DesiredDeleted, true
		}
	})
	lives(4)
	settle("all are gone", func(item *lab.WorkItem) bool { return item.DeletedAt != nil })
	if len(w.secrets) != 0 {
		t.Errorf("%d secrets are left", len(w.secrets))
	}
}

func (w *world) all(is func(*lab.WorkItem) bool) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, item := range w.items {
		if !is(item) {
			return false
		}
	}
	return true
}
