//go:build e2e && linux

package stack_test

import (
	"os"
	"regexp"
	"slices"
	"strconv"
	"syscall"
	"testing"
	"time"

	"github.com/bothylabs/bothy/service/dev/stack"
	"github.com/bothylabs/bothy/service/firewall"
)

var processLine = regexp.MustCompile(`^process: (\S+) \(pid (\d+)\)$`)

// processes gives the pids of a stack's processes by name, as Leftovers sees them.
func processes(t *testing.T, cfg stack.Config, names ...string) []int {
	t.Helper()
	left, err := stack.Leftovers(bounded(t), cfg)
	if err != nil {
		t.Fatal(err)
	}
	var pids []int
	for _, line := range left {
		m := processLine.FindStringSubmatch(line)
		if m == nil || len(names) > 0 && !slices.Contains(names, m[1]) {
			continue
		}
		pid, err := strconv.Atoi(m[2])
		if err != nil {
			t.Fatal(err)
		}
		pids = append(pids, pid)
	}
	return pids
}

func signalAll(t *testing.T, pids []int, sig syscall.Signal) {
	t.Helper()
	if len(pids) == 0 {
		t.Fatal("there is no process to signal")
	}
	for _, pid := range pids {
		if err := syscall.Kill(pid, sig); err != nil {
			t.Fatalf("signal %d: %v", pid, err)
		}
	}
}

func TestKilledStackIsClearedAndComesBack(t *testing.T) {
	for name, murder := range map[string]func(*testing.T, stack.Config, *runningProgram){
		"the program alone": func(t *testing.T, _ stack.Config, p *runningProgram) { p.kill(t) },
		"the program and all servers at once": func(t *testing.T, cfg stack.Config, p *runningProgram) {
			pids := processes(t, cfg, "consul", "vault", "nomad", "fabio")
			p.kill(t)
			for _, pid := range pids {
				_ = syscall.Kill(pid, syscall.SIGKILL) // it may be ending already
			}
		},
		"in the middle of stopping": func(t *testing.T, _ stack.Config, p *runningProgram) {
			if err := p.cmd.Process.Signal(syscall.SIGTERM); err != nil {
				t.Fatal(err)
			}
			p.until(t, "stopping")
			p.kill(t)
		},
		"while its Nomad hangs": func(t *testing.T, cfg stack.Config, p *runningProgram) {
			signalAll(t, processes(t, cfg, "nomad"), syscall.SIGSTOP)
			p.kill(t)
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			cfg := newConfig(t)
			p := runProgram(t, cfg)
			p.until(t, "stack ready")
			w := workspace{slug: "ada", env: savedEnv(t, cfg)}
			w.launch(t, "sesame")
			w.answers(t, "sesame 1 nobody")
			murder(t, cfg, p)

			found, err := stack.Clean(bounded(t), cfg)
			if err != nil {
				t.Fatalf("clean: %v", err)
			}
			if len(found) == 0 {
				t.Error("nothing was found to clean")
			}
			if rules := "firewall table: table inet " + firewall.Table(cfg.BridgeName); !slices.Contains(found, rules) {
				t.Errorf("%q was not found: %q", rules, found)
			}
			nothingLeft(t, cfg)

			s := start(t, cfg)
			if s.Env().NodeID != w.env.NodeID {
				t.Error("the node is another one")
			}
			w.env = s.Env()
			w.answers(t, "sesame 2 nobody")
			stop(t, s)
			nothingLeft(t, cfg)
		})
	}
}

func TestStackKilledWhileStartingStartsAgain(t *testing.T) {
	for _, step := range []string{"consul started", "vault started and unsealed", "nomad started", "nomad-client ready for workspaces"} {
		t.Run(step, func(t *testing.T) {
			t.Parallel()
			cfg := newConfig(t)
			p := runProgram(t, cfg)
			p.until(t, step)
			p.kill(t)
			s := start(t, cfg)
			w := workspace{slug: "ada", env: s.Env()}
			w.launch(t, "sesame")
			w.answers(t, "sesame 1 nobody")
			stop(t, s)
			nothingLeft(t, cfg)
		})
	}
}

func TestLeftoversAreFoundWithoutTheDirectory(t *testing.T) {
	t.Parallel()
	cfg := newConfig(t)
	p := runProgram(t, cfg)
	p.until(t, "stack ready")
	w := workspace{slug: "ada", env: savedEnv(t, cfg)}
	w.launch(t, "sesame")
	w.answers(t, "sesame 1 nobody")
	p.kill(t)
	if err := os.Rename(cfg.Dir, cfg.Dir+".gone"); err != nil {
		t.Fatal(err)
	}
	if _, err := stack.Clean(bounded(t), cfg); err != nil {
		t.Fatalf("clean: %v", err)
	}
	nothingLeft(t, cfg)
}

func TestStopEndsWhatHangs(t *testing.T) {
	for _, part := range []string{"nomad", "consul", "vault", "fabio"} {
		t.Run(part, func(t *testing.T) {
			t.Parallel()
			cfg := newConfig(t)
			cfg.DrainTimeout, cfg.StopTimeout = 3*time.Second, 2*time.Second
			s := start(t, cfg)
			w := workspace{slug: "ada", env: s.Env()}
			w.launch(t, "sesame")
			w.answers(t, "sesame 1 nobody")
			signalAll(t, processes(t, cfg, part), syscall.SIGSTOP)
			stop(t, s)
			nothingLeft(t, cfg)
		})
	}
}

func TestStackTellsWhenAPartDies(t *testing.T) {
	t.Parallel()
	cfg := newConfig(t)
	s := start(t, cfg)
	signalAll(t, processes(t, cfg, "fabio"), syscall.SIGKILL)
	e := exitOf(t, s)
	if e.Part != "fabio" || e.Status != "signal: killed" || len(e.Last) == 0 {
		t.Errorf("got %+v, want fabio, killed, with the end of its log", e)
	}
	stop(t, s)
	nothingLeft(t, cfg)
}
