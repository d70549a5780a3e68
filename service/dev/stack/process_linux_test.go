package stack

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"

	"github.com/bothylabs/bothy/service/lab"
)

// run starts a shell script as a part of a stack and waits until its log has the
// line "up".
func run(t *testing.T, l layout, script string, exits chan PartExit) *process {
	t.Helper()
	if err := l.prepare(lastStart()); err != nil {
		t.Fatal(err)
	}
	p, err := startProcess(l, command{part: "part", path: "/bin/sh", args: []string{"-c", script}}, func(e PartExit) { exits <- e })
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := p.stop(context.WithoutCancel(t.Context()), 0); err != nil {
			t.Error(err)
		}
	})
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	if err := poll(ctx, nil, func(context.Context) error {
		if !strings.Contains(strings.Join(tail(p.logFile), "\n"), "up") {
			return errors.New("not up yet")
		}
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	return p
}

func TestAPartThatEndsByItselfIsReportedWithTheEndOfItsLog(t *testing.T) {
	l, exits := newLayout(t), make(chan PartExit, 1)
	run(t, l, "seq 100 | sed 's/^/line /'; echo up; exit 3", exits)
	e := <-exits
	if e.Part != "part" || e.Status != "exit status 3" || e.LogFile != l.log("part") {
		t.Errorf("got %+v", e)
	}
	if len(e.Last) != lastLines || e.Last[lastLines-1] != "up" || e.Last[0] != "line 87" {
		t.Errorf("last lines %q", e.Last)
	}
}

func TestAPartIsAskedToEndAndKilledWhenItDoesNot(t *testing.T) {
	for name, script := range map[string]string{
		"listens":     "trap 'echo bye; exit 0' TERM; echo up; while :; do sleep 1 & wait; done",
		"is deaf":     "trap '' TERM; echo up; while :; do sleep 1; done",
		"is stopped":  "echo up; kill -STOP $$; sleep 1000",
		"ended early": "echo up",
	} {
		t.Run(name, func(t *testing.T) {
			exits := make(chan PartExit, 1)
			p := run(t, newLayout(t), script, exits)
			if name == "ended early" {
				<-exits
			}
			if err := p.stop(t.Context(), 200*time.Millisecond); err != nil {
				t.Fatal(err)
			}
			if !p.ended() || p.id.alive() {
				t.Error("it has not ended")
			}
			select {
			case e := <-exits:
				t.Errorf("an end that was asked for is reported: %+v", e)
			default:
			}
		})
	}
}

func TestPartsGetACleanEnvironmentAndAGroupOfTheirOwn(t *testing.T) {
	t.Setenv("AWS_SECRET_ACCESS_KEY", "very secret")
	l := newLayout(t)
	p := run(t, l, "env; echo up; exec sleep 1000", nil)
	log := strings.Join(tail(p.logFile), "\n")
	if strings.Contains(log, "very secret") || !strings.Contains(log, markerEnv+"="+l.id()) {
		t.Errorf("its environment is\n%s", log)
	}
	if group, err := unix.Getpgid(p.id.PID); err != nil || group != p.id.PID {
		t.Errorf("its process group is %d, %v", group, err)
	}
}

func TestTheLastRunsLogIsKept(t *testing.T) {
	l, exits := newLayout(t), make(chan PartExit, 2)
	run(t, l, "echo first up", exits)
	<-exits
	run(t, l, "echo second up", exits)
	<-exits
	if diff := cmp.Diff([][]string{{"second up"}, {"first up"}}, [][]string{tail(l.log("part")), tail(l.log("part") + ".1")}); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestOnlyTheVeryProcessIsSignalled(t *testing.T) {
	cmd := exec.CommandContext(t.Context(), "/bin/sleep", "1000")
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	id, err := identify(cmd.Process.Pid)
	if err != nil || !id.alive() {
		t.Fatalf("identify: %v", err)
	}
	earlier := id
	earlier.Start-- // who had this pid before
	if err := earlier.signal(unix.SIGKILL); err != nil {
		t.Errorf("signal to one that has ended: %v", err)
	}
	if !id.alive() {
		t.Fatal("another process with the same pid was hit")
	}
	if err := id.signal(unix.SIGKILL); err != nil {
		t.Fatal(err)
	}
	_ = cmd.Wait() // it says that it was killed
	if id.alive() {
		t.Error("it still runs")
	}
}

func TestAPortsHolderIsFound(t *testing.T) {
	l, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	ports := valid(t, nil).Offset(8000).Ports
	address, ok := l.Addr().(*net.TCPAddr)
	if !ok {
		t.Fatalf("listening on %v", l.Addr())
	}
	ports.Labs = address.Port
	err = checkPorts(t.Context(), ports)
	self, readErr := os.ReadFile("/proc/self/comm")
	if readErr != nil {
		t.Fatal(readErr)
	}
	want := "is taken by " + strings.TrimSpace(string(self))
	if lab.CodeOf(err) != lab.CodeConflict || !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), "-labs-port") {
		t.Errorf("got %v, want a conflict that says %q", err, want)
	}
}

func TestADirectoryIsForOneProgramAtATime(t *testing.T) {
	l := newLayout(t)
	unlock, err := l.lock()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := l.lock(); lab.CodeOf(err) != lab.CodeConflict {
		t.Errorf("a second lock: %v, want a conflict", err)
	}
	unlock()
	if exists(string(l)) {
		t.Error("a directory that was made for the lock alone is left")
	}
	unlock, err = l.lock()
	if err != nil {
		t.Fatalf("after it was given back: %v", err)
	}
	unlock()
}

func TestWipeRemovesAStacksStateAndNothingElse(t *testing.T) {
	l := newLayout(t)
	if err := l.wipe(); err != nil {
		t.Errorf("no directory: %v", err)
	}
	stranger := newLayout(t)
	if err := os.Mkdir(string(stranger), 0o700); err != nil {
		t.Fatal(err)
	}
	write(t, filepath.Join(string(stranger), "thesis.tex"), "")
	if err := stranger.wipe(); lab.CodeOf(err) != lab.CodeInvalid || !exists(filepath.Join(string(stranger), "thesis.tex")) {
		t.Errorf("a directory without the mark: %v, want invalid", err)
	}
	if err := l.prepare(lastStart()); err != nil {
		t.Fatal(err)
	}
	write(t, filepath.Join(l.volumes(), "thesis.tex"), "")
	if err := l.wipe(); err != nil {
		t.Fatal(err)
	}
	if entries, err := os.ReadDir(string(l)); err != nil || len(entries) > 0 {
		t.Errorf("left: %v, %v", entries, err)
	}
}

func TestContainersOfOurAllocationsAreFoundAndRemoved(t *testing.T) {
	socket := filepath.Join(t.TempDir(), "docker.sock")
	listener, err := (&net.ListenConfig{}).Listen(t.Context(), "unix", socket)
	if err != nil {
		t.Fatal(err)
	}
	var asked []string
	server := &http.Server{ReadHeaderTimeout: time.Minute, Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked = append(asked, r.Method+" "+r.URL.RequestURI())
		switch {
		case r.Method == http.MethodGet:
			_, _ = io.WriteString(w, `[{"Id":"ours","Labels":{"`+allocLabel+`":"`+ourAlloc+`"}},{"Id":"theirs","Labels":{"`+allocLabel+`":"`+theirAlloc+`"}}]`)
		case strings.Contains(r.URL.Path, "gone"):
			w.WriteHeader(http.StatusNotFound)
		case strings.Contains(r.URL.Path, "stuck"):
			w.WriteHeader(http.StatusConflict)
		default:
			w.WriteHeader(http.StatusNoContent)
		}
	})}
	done := make(chan error, 1)
	go func() { done <- server.Serve(listener) }()
	defer func() {
		_ = server.Close()
		<-done
	}()

	engine := dockerEngine(socket)
	found, err := engine.list(t.Context(), map[string]bool{ourAlloc: true})
	if err != nil || len(found) != 1 || found[0].ID != "ours" {
		t.Fatalf("found %v, %v", found, err)
	}
	for id, fails := range map[string]bool{"ours": false, "gone": false, "stuck": true} {
		if err := engine.remove(t.Context(), id); (err != nil) != fails {
			t.Errorf("remove %s: %v", id, err)
		}
	}
	want := `GET /containers/json?all=true&filters=%7B%22label%22%3A%5B%22com.hashicorp.nomad.alloc_id%22%5D%7D`
	if asked[0] != want {
		t.Errorf("asked %s\nwant  %s", asked[0], want)
	}
	none := dockerEngine(filepath.Join(t.TempDir(), "none.sock"))
	if found, err := none.list(t.Context(), map[string]bool{ourAlloc: true}); err != nil || len(found) > 0 {
		t.Errorf("without an engine: %v, %v", found, err)
	}
}
