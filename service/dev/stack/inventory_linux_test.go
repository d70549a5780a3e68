package stack

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/vishvananda/netlink"
)

func TestProcessStateAndStartAreReadBehindTheName(t *testing.T) {
	stat := "4242 (a) S b) R 1 4242 4242 0 -1 4194560 1 0 0 0 0 0 0 0 20 0 1 0 987654 0 0 0\n"
	state, start, err := parseStat([]byte(stat))
	if err != nil || state != 'R' || start != 987654 {
		t.Errorf("got %c, %d, %v", state, start, err)
	}
	for _, broken := range []string{"", "4242 (a", "4242 (a) R 1 2"} {
		if _, _, err := parseStat([]byte(broken)); err == nil {
			t.Errorf("%q is taken for a process", broken)
		}
	}
}

func TestListeningSocketsAreReadFromProc(t *testing.T) {
	for name, c := range map[string]struct {
		line string
		port int
		ok   bool
	}{
		"TCP, listening": {"   0: 0100007F:2134 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 5551 1 0", 8500, true},
		"TCP, connected": {"   1: 0100007F:2134 0100007F:D431 01 00000000:00000000 00:00000000 00000000     0        0 5552 1 0", 0, false},
		"UDP, bound":     {"  2: 0100007F:206D 00000000:0000 07 00000000:00000000 00:00000000 00000000     0        0 5553 2 0", 8301, true},
		"TCP over IPv6":  {"   0: 00000000000000000000000000000000:1F90 00000000000000000000000000000000:0000 0A 00000000:00000000 00:00000000 00000000 0 0 5554 1", 8080, true},
		"the heading":    {"  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode", 0, false},
	} {
		t.Run(name, func(t *testing.T) {
			port, inode, ok := parseSocket(c.line)
			if port != c.port || ok != c.ok || ok && inode[:3] != "555" {
				t.Errorf("got %d, %q, %v", port, inode, ok)
			}
		})
	}
}

func TestAListThatChangesWhileItIsReadIsReadAgain(t *testing.T) {
	asked := 0
	interrupted := func(times int) func() ([]string, error) {
		asked = 0
		return func() ([]string, error) {
			if asked++; asked <= times {
				return []string{"half"}, fmt.Errorf("dump: %w", netlink.ErrDumpInterrupted)
			}
			return []string{"whole"}, nil
		}
	}
	list, err := complete(interrupted(3))
	if err != nil || !slices.Equal(list, []string{"whole"}) || asked != 4 {
		t.Errorf("got %q, %v after %d tries", list, err, asked)
	}
	if _, err := complete(interrupted(1000)); !errors.Is(err, netlink.ErrDumpInterrupted) {
		t.Errorf("a list that is never whole: %v", err)
	}
	refused := errors.New("not permitted")
	if _, err := complete(func() ([]string, error) { asked++; return nil, refused }); !errors.Is(err, refused) {
		t.Errorf("got %v, want %v", err, refused)
	}
}

func TestMountsComeInnermostFirst(t *testing.T) {
	info := `27 1 254:0 / / rw,relatime - ext4 /dev/vda rw
62 27 254:0 /x /srv/dev/alloc/a/app/alloc rw,relatime - ext4 /dev/vda rw
63 62 0:43 / /srv/dev/alloc/a/app/alloc/with\040blank rw,noexec - tmpfs tmpfs rw
`
	want := []string{"/srv/dev/alloc/a/app/alloc/with blank", "/srv/dev/alloc/a/app/alloc", "/"}
	if diff := cmp.Diff(want, parseMounts(info)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestProcessesAreRecognisedByMarkAndByAllocation(t *testing.T) {
	l := layout("/srv/bothy/dev")
	mine, other := l.id(), layout("/srv/bothy/other").id()
	if mine == other {
		t.Fatal("two directories have the same mark")
	}
	run := func(pid int, marker string, cgroup string, args ...string) proc {
		p := proc{identity: identity{PID: pid}, Marker: marker, Args: args}
		if cgroup != "" {
			p.Cgroups = []string{cgroup}
		}
		return p
	}
	procs := []proc{
		run(10, mine, "", "/cache/nomad", "agent", "-config=x"),
		run(11, mine, "", "/cache/consul", "agent"),
		run(12, mine, "", "/cache/nomad", "executor", `{"LogFile":"/srv/bothy/dev/alloc/`+ourAlloc+`/app/executor.out"}`),
		run(13, mine, "", "/cache/nomad", "logmon"),
		run(14, "", "/nomad/"+ourAlloc+".app", "nginx: worker process"),
		run(15, "", "/nomad.slice/share.slice/"+theirAlloc+".web.scope", "nginx: worker process"),
		run(16, other, "", "/cache/nomad", "agent", "-config=y"),
		run(17, other, "", "/cache/nomad", "executor", `{"LogFile":"/srv/bothy/other/alloc/`+theirAlloc+`/app/executor.out"}`),
		run(18, "", "", "tail", "-f", "/srv/bothy/dev/logs/nomad.log"),
		run(19, "", "", "/usr/bin/nomad", "job", "status"),
	}
	own := us(false)
	own.Allocs = map[string]bool{}
	own.learn(l, nil, procs, nil)
	if got := slices.Collect(maps.Keys(own.Allocs)); !slices.Equal(got, []string{ourAlloc}) {
		t.Errorf("allocations %v", got)
	}
	var inv inventory
	inv.sortProcs(l, own, procs)
	pids := func(procs []proc) []int {
		var out []int
		for _, p := range procs {
			out = append(out, p.PID)
		}
		return out
	}
	got := [][]int{pids(inv.servers), pids(inv.helpers), pids(inv.tasks)}
	if diff := cmp.Diff([][]int{{10, 11}, {12, 13}, {14}}, got); diff != "" {
		t.Errorf("servers, helpers, tasks (-want +got):\n%s", diff)
	}
	if !foreignNomad(l, procs) {
		t.Error("the other stack's Nomad is not noticed")
	}
	if foreignNomad(l, append(slices.Clone(procs[:5]), procs[9])) {
		t.Error("our own Nomad is taken for a foreign one")
	}
}

func TestAllocationsAreLearnedFromEveryTrace(t *testing.T) {
	own := us(false)
	own.Allocs = map[string]bool{}
	leased := "11111111-2222-3333-4444-555555555555"
	own.learn(layout(t.TempDir()), []ruleset{parseRules(savedNAT)}, nil, map[string]string{
		"/run/cni/nomad/10.202.144.7": leased, "/run/cni/nomad/10.202.144.8": "",
	})
	want := map[string]bool{ourAlloc: true, leased: true}
	if diff := cmp.Diff(want, own.Allocs); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}
