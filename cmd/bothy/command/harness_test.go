package command

import (
	"bytes"
	"context"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/hashicorp/cli"
)

// world is an Env whose every part a test can set and look at.
type world struct {
	*Env
	t      *testing.T
	ui     *cli.MockUi
	vars   map[string]string
	clock  time.Time
	cancel context.CancelFunc
	// interruptAt is the wait in which the person interrupts, 0 for never.
	waits, interruptAt int
}

// newWorld has nobody at the terminal, an empty environment, and a clock that
// moves only while a command waits.
func newWorld(t *testing.T) *world {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	t.Cleanup(cancel)
	w := &world{
		t: t, ui: cli.NewMockUi(), vars: map[string]string{}, cancel: cancel,
		clock: time.Date(2026, 9, 1, 8, 0, 0, 0, time.UTC),
	}
	w.Env = &Env{
		UI: w.ui, Stdout: w.ui.OutputWriter, Stderr: w.ui.ErrorWriter, Stdin: &bytes.Buffer{},
		LookupEnv: func(name string) (string, bool) {
			v, ok := w.vars[name]
			return v, ok
		},
		Size:    func() (int, int) { return 80, 24 },
		Resized: func() (<-chan os.Signal, func()) { return nil, func() {} },
		Raw:     func() (func(), error) { return func() {}, nil },
		Browser: func() func(context.Context, string) error { return nil },
		Now:     func() time.Time { return w.clock },
		After: func(d time.Duration) <-chan time.Time {
			w.clock = w.clock.Add(d)
			w.waits++
			if w.waits == w.interruptAt {
				w.cancel()
				return nil
			}
			now := make(chan time.Time, 1)
			now <- w.clock
			return now
		},
		Interruptible: func() (context.Context, context.CancelFunc) { return ctx, func() {} },
		Version:       "v0.0.0-test",
	}
	return w
}

// run runs a command line and gives what it printed and its exit code.
func (w *world) run(args ...string) result {
	w.t.Helper()
	w.ui.OutputWriter.Reset()
	w.ui.ErrorWriter.Reset()
	code := Run(args, w.Env)
	return result{t: w.t, args: args, code: code, out: w.ui.OutputWriter.String(), err: w.ui.ErrorWriter.String()}
}

// result is what a command did.
type result struct {
	t        *testing.T
	args     []string
	code     int
	out, err string
}

// ok wants success.
func (r result) ok() result {
	r.t.Helper()
	if r.code != exitOK {
		r.t.Fatalf("bothy %s: exit code %d\n%s%s", strings.Join(r.args, " "), r.code, r.out, r.err)
	}
	return r
}

// fails wants an exit code and words on standard error.
func (r result) fails(code int, words ...string) result {
	r.t.Helper()
	if r.code != code {
		r.t.Errorf("bothy %s: exit code %d, want %d\n%s%s", strings.Join(r.args, " "), r.code, code, r.out, r.err)
	}
	for _, word := range words {
		if !strings.Contains(r.err, word) {
			r.t.Errorf("bothy %s: standard error lacks %q:\n%s", strings.Join(r.args, " "), word, r.err)
		}
	}
	return r
}

// says wants words on standard output.
func (r result) says(words ...string) result {
	r.t.Helper()
	for _, word := range words {
		if !strings.Contains(r.out, word) {
			r.t.Errorf("bothy %s: standard output lacks %q:\n%s", strings.Join(r.args, " "), word, r.out)
		}
	}
	return r
}
