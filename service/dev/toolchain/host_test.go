package toolchain

import (
	"context"
	"errors"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

func TestRunGivesLinesOfBothStreams(t *testing.T) {
	text, err := output(t.Context(), machine{}, command{
		Path: "/bin/sh", Args: []string{"-c", "echo $A; pwd; echo err >&2"}, Env: []string{"A=1"}, Dir: "/usr",
	})
	if err != nil || text != "1\n/usr\nerr\n" {
		t.Errorf("%q, %v", text, err)
	}
}

func TestRunThatFailsSaysTheLastLines(t *testing.T) {
	err := machine{}.Run(t.Context(), command{Path: "/bin/sh", Args: []string{"-c", "seq 100; exit 3"}})
	if err == nil || !strings.Contains(err.Error(), "exit status 3") || !strings.HasSuffix(err.Error(), "\n  99\n  100") {
		t.Errorf("error %v", err)
	}
	if strings.Contains(err.Error(), "\n  80\n") {
		t.Error("it says more than the last lines")
	}
}

func TestInterruptedRunEndsEverythingThatItStarted(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	child := 0
	err := machine{}.Run(ctx, command{
		Path: "/bin/sh",
		// Background processes of a shell ignore SIGINT, as the worst compiler would.
		Args: []string{"-c", "sleep 600 & echo $!; wait"},
		Line: func(line string) {
			child, _ = strconv.Atoi(line)
			cancel()
		},
	})
	if !errors.Is(err, context.Canceled) {
		t.Errorf("error %v, want %v", err, context.Canceled)
	}
	wait, stop := context.WithTimeout(t.Context(), 10*time.Second)
	defer stop()
	for gone := false; !gone; {
		if wait.Err() != nil {
			t.Fatalf("process %d is still there", child)
		}
		// A killed orphan stays until its new parent collects it.
		text, err := machine{}.ReadFile("/proc/" + strconv.Itoa(child) + "/stat")
		gone = err != nil || strings.Contains(string(text), ") Z ") || errors.Is(syscall.Kill(child, 0), syscall.ESRCH)
	}
}

func TestLookPathKnowsTheFoldersOfAdministrators(t *testing.T) {
	t.Setenv("PATH", "/usr/bin:/bin")
	if got := (machine{}).LookPath("useradd"); got != "/usr/sbin/useradd" {
		t.Errorf("useradd is at %q", got)
	}
	if got := (machine{}).LookPath("no-such-program"); got != "" {
		t.Errorf("found %q", got)
	}
}
