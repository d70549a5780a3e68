package command

import (
	"context"
	"flag"
	"fmt"
	"io"

	"github.com/bothylabs/bothy/service/client"
	"github.com/bothylabs/bothy/service/lab"
)

// logs is `bothy logs`.
type logs struct {
	env    *Env
	remote remoteFlags

	follow, stderr bool
	lines          int
	task           string
}

func (*logs) doc() doc {
	return doc{
		args:     []string{"<workspace>"},
		synopsis: "Print the log of a workspace",
		text: `
Prints the last lines that a task of the workspace wrote, and with -f what it
writes from now on. Following goes over to the allocation that takes the first
one's place, and ends when the workspace has stopped. What Bothy says in between
stands in lines of its own, "==> … <==". The log is Nomad's, of the newest
allocation; it is gone when Nomad has forgotten that.

At a terminal, what would move its cursor is left out; colours stay.
`,
		examples: []example{
			{"The end of the editor's log", "bothy logs fall-26-py101-ana-perez"},
			{"Follow the requests that come in", "bothy logs -f -n 10 -task nginx fall-26-py101-ana-perez"},
		},
	}
}

func (c *logs) flags(f *flags) {
	f.group("Options", func(set *flag.FlagSet) {
		set.BoolVar(&c.follow, "f", false, "Follow: go on with what is written from now on.")
		set.IntVar(&c.lines, "n", lab.DefaultTail, fmt.Sprintf("`Number` of last lines, up to %d.", lab.MaxTail))
		set.BoolVar(&c.stderr, "stderr", false, "Print standard error instead of standard output.")
		taskFlag(set, &c.task)
	})
	c.remote.flags(f)
}

func taskFlag(set *flag.FlagSet, task *string) {
	set.StringVar(task, "task", lab.MainTask, "`Name` of the task; \""+lab.MainTask+"\" is the one with the student's home, whatever its template calls it, and \"nginx\" the one before it.")
}

func (c *logs) run(ctx context.Context, args []string) error {
	if c.lines < 0 || c.lines > lab.MaxTail {
		return usagef("-n: %d is not from 0 to %d", c.lines, lab.MaxTail)
	}
	s, err := c.remote.connect(c.env)
	if err != nil {
		return err
	}
	log, err := s.Logs(ctx, args[0], client.LogOptions{Task: c.task, Stderr: c.stderr, Tail: &c.lines, Follow: c.follow})
	if err != nil {
		return err
	}
	defer func() { _ = log.Close() }() // it was only read
	out := c.env.Stdout
	if c.env.OutTerminal {
		out = &tame{out: out}
	}
	if _, err := io.Copy(out, log); err != nil && ctx.Err() == nil {
		return fmt.Errorf("print the log: %w", err)
	}
	return nil // an interrupt is how a person ends the following
}

// tame writes text of strangers to a terminal: line ends, tabs and colours stay,
// everything else that a terminal would obey is left out.
type tame struct {
	out io.Writer
	// pending is an escape sequence that has not ended yet.
	pending []byte
}

// maxSequence is longer than any sequence for a colour, in bytes.
const maxSequence = 32

// Write implements io.Writer.
func (t *tame) Write(text []byte) (int, error) {
	kept := make([]byte, 0, len(text))
	for _, b := range text {
		switch {
		case len(t.pending) > 0:
			kept = t.sequence(kept, b)
		case b == '\x1b':
			t.pending = append(t.pending, b)
		case b == '\n' || b == '\t' || b >= ' ' && b != 0x7f:
			kept = append(kept, b)
		}
	}
	if _, err := t.out.Write(kept); err != nil {
		return 0, fmt.Errorf("write: %w", err)
	}
	return len(text), nil
}

// sequence takes the next byte of an escape sequence, and keeps one of a colour
// ("ESC [ numbers m") when it is whole.
func (t *tame) sequence(kept []byte, b byte) []byte {
	t.pending = append(t.pending, b)
	switch {
	case b == '\n' || len(t.pending) > maxSequence:
		t.pending = nil
		return append(kept, '\n')
	case len(t.pending) == 2 && b == '[', len(t.pending) > 2 && (b >= '0' && b <= '9' || b == ';'):
		return kept
	case len(t.pending) > 2 && b == 'm':
		kept = append(kept, t.pending...)
	}
	t.pending = nil
	return kept
}
