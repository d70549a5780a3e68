//go:build containers

package e2e

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/bothylabs/bothy/service/dev/toolchain"
)

// How long the engine may take to start and to end.
const (
	engineStart = time.Minute
	engineStop  = 30 * time.Second
)

// enginePlaces are folders outside of its own that an engine makes.
func enginePlaces() []string {
	return []string{"/etc/docker", "/opt/containerd", "/run/containerd"}
}

// An engine is a Docker engine of the tests' own, which has no network: Nomad
// gives workspaces theirs.
type engine struct {
	dir, programs, socket string
	cgroup                string   // the parent of all containers' cgroups
	foreign               []string // of enginePlaces, what was there before
	out                   *transcript
	pid                   int
	ended                 chan struct{}
}

// newEngine starts an engine, or skips the test and says why there can be none.
func newEngine(t *testing.T, root string) *engine {
	t.Helper()
	paths, err := toolchain.Ensure(t.Context(), toolchain.Config{SourceDir: root}, toolchain.Docker)
	if err != nil {
		t.Skipf("NOT RUN: there is no Docker engine and none can be had: %v", err)
	}
	dir := t.TempDir()
	e := &engine{
		dir: dir, cgroup: "bothy-e2e-" + rand.Text(), programs: paths.Docker, socket: filepath.Join(dir, "docker.sock"), out: newTranscript(), ended: make(chan struct{}),
	}
	for _, place := range enginePlaces() {
		if _, err := os.Stat(place); err == nil {
			e.foreign = append(e.foreign, place)
		}
	}
	t.Cleanup(func() { e.discard(t) })
	if err := e.start(t.Context()); err != nil {
		t.Skipf("NOT RUN: no Docker engine can be started here: %v\n%s", err, lastLines(e.out.String(), 15))
	}
	return e
}

func (e *engine) start(ctx context.Context) error {
	// The machine's own engine may be configured by a file; this one is not.
	config := filepath.Join(e.dir, "daemon.json")
	if err := os.WriteFile(config, []byte("{}"), 0o600); err != nil {
		return fmt.Errorf("configure the engine: %w", err)
	}
	cmd := exec.Command(filepath.Join(e.programs, "dockerd"), // ended by stop
		"--config-file", config, "--host", "unix://"+e.socket, "--group", "root", "--pidfile", filepath.Join(e.dir, "pid"),
		"--data-root", filepath.Join(e.dir, "data"), "--exec-root", filepath.Join(e.dir, "run"),
		"--cgroup-parent", "/"+e.cgroup,
		"--bridge", "none", "--iptables=false", "--ip6tables=false", "--ip-forward=false", "--ip-masq=false", "--userland-proxy=false")
	cmd.Env = e.environ("HOME=" + e.dir)
	cmd.Stdout, cmd.Stderr = e.out, e.out
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGTERM}
	started := make(chan error, 1)
	go func() {
		// Pdeathsig follows the thread that started the process.
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		defer close(e.ended)
		err := cmd.Start()
		if err == nil {
			e.pid = cmd.Process.Pid
		}
		started <- err
		if err == nil {
			_ = cmd.Wait()
		}
	}()
	if err := <-started; err != nil {
		return fmt.Errorf("run dockerd: %w", err)
	}
	ctx, cancel := context.WithTimeout(ctx, engineStart)
	defer cancel()
	return e.out.await(ctx, e.ended, "API listen on")
}

// environ lets programs find the engine's own programs first, and the engine.
func (e *engine) environ(more ...string) []string {
	return append([]string{
		"PATH=" + e.programs + ":/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "DOCKER_HOST=unix://" + e.socket,
	}, more...)
}

// docker runs the command-line client and gives what it prints.
func (e *engine) docker(t *testing.T, args ...string) string {
	t.Helper()
	program := filepath.Join(e.programs, "docker")
	if _, err := os.Stat(program); err != nil {
		program = "docker" // an installed one is elsewhere than its engine
	}
	cmd := exec.CommandContext(t.Context(), program, args...)
	cmd.Env = e.environ("HOME=" + e.dir)
	var errs strings.Builder
	cmd.Stderr = &errs
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("docker %s: %v\n%s", strings.Join(args, " "), err, errs.String())
	}
	return string(out)
}

// stop ends the engine. A second call does nothing.
func (e *engine) stop() error {
	select {
	case <-e.ended:
		return nil
	default:
		if err := syscall.Kill(e.pid, syscall.SIGTERM); err != nil {
			return fmt.Errorf("end the engine: %w", err)
		}
		select {
		case <-e.ended:
		case <-time.After(engineStop):
			_ = syscall.Kill(e.pid, syscall.SIGKILL)
			<-e.ended
			return errors.New("the engine had to be killed")
		}
	}
	// An engine leaves this one mounted: the host's own network, by another name.
	host := filepath.Join(e.dir, "run", "netns", "default")
	if err := unix.Unmount(host, unix.MNT_DETACH); err != nil && !errors.Is(err, fs.ErrNotExist) && !errors.Is(err, unix.EINVAL) {
		return fmt.Errorf("unmount %s: %w", host, err)
	}
	return nil
}

// discard ends what runs and takes away what the engine makes outside of its
// folder. Anything that holds on to that fails the test.
func (e *engine) discard(t *testing.T) {
	t.Helper()
	if err := e.stop(); err != nil {
		t.Error(err)
	}
	e.nothingLeft(t)
	for _, place := range enginePlaces() {
		if !slices.Contains(e.foreign, place) {
			if err := os.RemoveAll(place); err != nil {
				t.Error(err)
			}
		}
	}
	groups, _ := filepath.Glob("/sys/fs/cgroup/*/" + e.cgroup) // the pattern is right
	for _, group := range append(groups, "/sys/fs/cgroup/"+e.cgroup) {
		if err := os.Remove(group); err != nil && !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("left behind: cgroup %s: %v", group, err)
		}
	}
}

// nothingLeft looks for processes and mounts of an engine that has ended.
func (e *engine) nothingLeft(t *testing.T) {
	t.Helper()
	processes, err := processesOf(e.dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, line := range processes {
		t.Errorf("left behind by the engine: %s", line)
	}
	points, err := mountPoints("/proc/self/mountinfo")
	if err != nil {
		t.Fatal(err)
	}
	for _, point := range points {
		if strings.HasPrefix(point, e.dir+"/") {
			t.Errorf("left behind by the engine: mount %s", point)
		}
	}
}
