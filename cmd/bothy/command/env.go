// Package command holds the commands of the bothy binary: each is an action that
// says how it is used, declares its flags and runs. What is common to all (help,
// flags, errors, output) is done around them, once.
package command

import (
	"context"
	"io"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/hashicorp/cli"
	"golang.org/x/term"
)

// Env is the world that a command runs in; tests hand in their own.
type Env struct {
	UI cli.Ui
	// Stdout takes what must come out byte for byte: rendered jobs, JSON, redrawn lines.
	Stdout io.Writer
	Stderr io.Writer
	Stdin  io.Reader
	// LookupEnv reads an environment variable.
	LookupEnv func(name string) (string, bool)
	// InTerminal and OutTerminal say whether a person sits at that end.
	InTerminal, OutTerminal bool
	// Size gives the terminal's columns and rows.
	Size func() (columns, rows int)
	// Resized signals each new size of the terminal, until stop.
	Resized func() (signals <-chan os.Signal, stop func())
	// Raw hands every key of the terminal to the program; restore undoes that.
	Raw func() (restore func(), err error)
	Now func() time.Time
	// Browser gives what opens an address in a browser, nil where there is none.
	Browser func() func(ctx context.Context, url string) error
	// After is the clock of repeated questions (time.After).
	After func(time.Duration) <-chan time.Time
	// Interruptible gives a context that ends when the person interrupts. After
	// release, a further interrupt ends the process at once.
	Interruptible func() (ctx context.Context, release context.CancelFunc)
	Version       string
}

// System gives the Env of the running process.
func System() *Env {
	out, in := int(os.Stdout.Fd()), int(os.Stdin.Fd())
	return &Env{
		UI:          &cli.BasicUi{Reader: os.Stdin, Writer: os.Stdout, ErrorWriter: os.Stderr},
		Stdout:      os.Stdout,
		Stderr:      os.Stderr,
		Stdin:       os.Stdin,
		LookupEnv:   os.LookupEnv,
		InTerminal:  term.IsTerminal(in),
		OutTerminal: term.IsTerminal(out),
		Size: func() (int, int) {
			columns, rows, err := term.GetSize(out)
			if err != nil || columns <= 0 || rows <= 0 {
				return 80, 24
			}
			return columns, rows
		},
		Resized: resized,
		Raw: func() (func(), error) {
			before, err := term.MakeRaw(in)
			return func() { _ = term.Restore(in, before) }, err // a terminal that is gone needs no restoring
		},
		Browser: browser,
		Now:     time.Now,
		After:   time.After,
		Interruptible: func() (context.Context, context.CancelFunc) {
			return signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM, syscall.SIGHUP)
		},
		Version: buildVersion(),
	}
}

// getenv gives a variable's value, "" when it is not set.
func (e *Env) getenv(name string) string {
	value, _ := e.LookupEnv(name)
	return value
}

// A style colours words for a person at a terminal, and leaves them alone for everything else.
type style struct{ on bool }

func (e *Env) style() style {
	return style{on: e.OutTerminal && e.getenv("NO_COLOR") == "" && e.getenv("TERM") != "dumb"}
}

func (s style) code(sequence, text string) string {
	if !s.on || text == "" {
		return text
	}
	return "\x1b[" + sequence + "m" + text + "\x1b[0m"
}

func (s style) bold(text string) string   { return s.code("1", text) }
func (s style) faint(text string) string  { return s.code("2", text) }
func (s style) red(text string) string    { return s.code("31", text) }
func (s style) green(text string) string  { return s.code("32", text) }
func (s style) yellow(text string) string { return s.code("33", text) }
