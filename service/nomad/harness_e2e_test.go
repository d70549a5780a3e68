//go:build e2e

package nomad_test

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/url"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/hashicorp/nomad/api"

	"github.com/bothylabs/bothy/service/lab"
	"github.com/bothylabs/bothy/service/nomad"
)

func env(t *testing.T, name string) string {
	t.Helper()
	v := os.Getenv(name)
	if v == "" {
		t.Fatalf("%s is not set: these tests need a real Nomad", name)
	}
	return v
}

func open(t *testing.T, address, namespace, token string) *nomad.Client {
	t.Helper()
	c, err := nomad.New(nomad.Config{
		Address: address, Namespace: namespace,
		Token:  func() (string, error) { return token, nil },
		Logger: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func start(t *testing.T) *nomad.Client {
	t.Helper()
	return startAt(t, env(t, "NOMAD_ADDR"))
}

// startAt gives a client whose picture is complete.
func startAt(t *testing.T, address string) *nomad.Client {
	t.Helper()
	c := open(t, address, "bothy", env(t, "NOMAD_TOKEN"))
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- c.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Errorf("run: %v", err)
		}
	})
	await(t, c, "the picture is readable", func(s lab.Snapshot) bool { return s.Unreadable == "" })
	return c
}

func register(t *testing.T, c *nomad.Client, job *testJob, index uint64) uint64 {
	t.Helper()
	after, err := c.Register(t.Context(), job.id, job.mark, job.source(), index)
	if err != nil {
		t.Fatalf("register: %v", err)
	}
	return after
}

// await waits until the picture is as wanted.
func await(t *testing.T, c *nomad.Client, what string, is func(lab.Snapshot) bool) {
	t.Helper()
	limit := time.After(45 * time.Second)
	for !is(c.Snapshot()) {
		select {
		case <-c.Changed():
		case <-limit:
			t.Fatalf("in vain: %s\n%+v", what, c.Snapshot())
		}
	}
}

func awaitUnreadable(t *testing.T, c *nomad.Client, says string) {
	t.Helper()
	await(t, c, "the picture is unreadable", func(s lab.Snapshot) bool { return strings.Contains(s.Unreadable, says) })
}

// eventually asks again and again: Nomad tells nobody when a volume is free.
func eventually(t *testing.T, what string, is func(context.Context) bool) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 45*time.Second)
	defer cancel()
	ticker := time.NewTicker(100 * time.Millisecond)
	defer ticker.Stop()
	for !is(ctx) {
		select {
		case <-ticker.C:
		case <-ctx.Done():
			t.Fatalf("in vain: %s", what)
		}
	}
}

func running(job lab.Observation) string {
	for _, a := range job.Allocs {
		if a.Client == lab.AllocRunning {
			return a.ID
		}
	}
	return ""
}

func volumes(t *testing.T, name string) []*api.HostVolumeStub {
	t.Helper()
	client, err := api.NewClient(&api.Config{Address: env(t, "NOMAD_ADDR"), SecretID: env(t, "NOMAD_TOKEN"), Namespace: "bothy"})
	if err != nil {
		t.Fatal(err)
	}
	found, _, err := client.HostVolumes().List(nil, &api.QueryOptions{Prefix: name})
	if err != nil {
		t.Fatal(err)
	}
	return found
}

// testJob is a job of one mock task.
type testJob struct {
	slug, id                            string
	mark                                lab.Mark
	namespace, pool, datacenter, driver string
	cpu, memory                         int
	config, extra, volume               string
}

// newJob gives a job that runs, under a name of its own. It is stopped at the end.
func newJob(t *testing.T) *testJob {
	t.Helper()
	slug := fmt.Sprintf("e2e-%x", time.Now().UnixNano())
	job := &testJob{
		slug: slug, id: "bothy-" + slug, mark: lab.Mark{InstallationID: "e2e", WorkspaceID: slug},
		namespace: "bothy", pool: "default", datacenter: "dc1", driver: "mock_driver", cpu: 20, memory: 20,
		config: `run_for = "1h"`,
	}
	t.Cleanup(func() {
		c := open(t, env(t, "NOMAD_ADDR"), "bothy", env(t, "NOMAD_TOKEN"))
		if err := c.Stop(context.Background(), job.id, job.mark); err != nil {
			t.Errorf("clean up: %v", err)
		}
	})
	return job
}

func (j *testJob) source() []byte {
	var home, mount string
	if j.volume != "" {
		home = fmt.Sprintf(`volume "home" {
      type = "host"
      source = %q
      access_mode = "single-node-single-writer"
      attachment_mode = "file-system"
    }`, j.volume)
	}
	return fmt.Appendf(nil, `job %[1]q {
  namespace   = %[2]q
  node_pool   = %[3]q
  datacenters = [%[4]q]
  meta {
    bothy_installation_id = %[5]q
    bothy_workspace_id    = %[6]q
  }
  %[7]s
  group "workspace" {
    reschedule {
      unlimited      = true
      delay          = "10m"
      delay_function = "constant"
    }
    restart {
      attempts = 0
      mode     = "fail"
    }
    ephemeral_disk {
      size = 10
    }
    %[8]s
    task "main" {
      driver = %[9]q
      config {
        %[10]s
      }
      %[11]s
      logs {
        disabled      = true
        max_files     = 1
        max_file_size = 1
      }
      resources {
        cpu    = %[12]d
        memory = %[13]d
      }
    }
  }
}
`, j.id, j.namespace, j.pool, j.datacenter, j.mark.InstallationID, j.mark.WorkspaceID, j.extra, home, j.driver, j.config, mount, j.cpu, j.memory)
}

// wire is a way to Nomad that can be cut.
type wire struct {
	t        *testing.T
	target   string
	mu       sync.Mutex
	listener net.Listener
	at       string
	open     []net.Conn
}

func newWire(t *testing.T) *wire {
	t.Helper()
	u, err := url.Parse(env(t, "NOMAD_ADDR"))
	if err != nil {
		t.Fatal(err)
	}
	w := &wire{t: t, target: u.Host, at: "127.0.0.1:0"}
	w.mend()
	t.Cleanup(w.cut)
	return w
}

func (w *wire) address() string { return "http://" + w.at }

func (w *wire) mend() {
	listener, err := net.Listen("tcp", w.at)
	if err != nil {
		w.t.Fatal(err)
	}
	w.mu.Lock()
	w.listener, w.at = listener, listener.Addr().String()
	w.mu.Unlock()
	go func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			go w.carry(conn)
		}
	}()
}

func (w *wire) carry(conn net.Conn) {
	far, err := net.Dial("tcp", w.target)
	if err != nil {
		conn.Close()
		return
	}
	w.mu.Lock()
	w.open = append(w.open, conn, far)
	w.mu.Unlock()
	go func() {
		_, _ = io.Copy(far, conn)
		far.Close()
	}()
	_, _ = io.Copy(conn, far)
	conn.Close()
}

// cut closes everything that is open and takes nothing new.
func (w *wire) cut() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.listener.Close()
	for _, conn := range w.open {
		conn.Close()
	}
	w.open = nil
}
