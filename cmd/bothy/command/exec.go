package command

import (
	"context"
	"flag"

	"github.com/bothylabs/bothy/service/client"
	"github.com/bothylabs/bothy/service/lab"
)

// execCommand is `bothy exec`.
type execCommand struct {
	env    *Env
	remote remoteFlags

	stdin bool
	tty   choice
	task  string
}

func (*execCommand) doc() doc {
	return doc{
		args:     []string{"<workspace>", "<command>", "..."},
		synopsis: "Run a command inside a workspace",
		text: `
Runs a command in the running workspace, in the task with the student's home,
as "nomad alloc exec" does, and exits with its exit code. Everything after the
workspace's name belongs to the command. At a terminal the command gets one too,
of the same size.

The record of changes gets a row with the command's name, and the student sees
that somebody else was in the workspace. When the connection breaks, a command
that reads or writes it ends; any other may go on.
`,
		examples: []example{
			{"A shell in a student's workspace", "bothy exec fall-26-py101-ana-perez /bin/bash -l"},
			{"One command of a script", "bothy exec -i=false fall-26-py101-ana-perez ls -la /home/coder"},
			{"Hand a file over", "bothy exec fall-26-py101-ana-perez sh -c 'cat > /home/coder/notes.txt' < notes.txt"},
		},
	}
}

func (c *execCommand) flags(f *flags) {
	f.verbatimAfter = 1
	f.group("Options", func(set *flag.FlagSet) {
		set.BoolVar(&c.stdin, "i", true, "Hand standard input on; -i=false gives the command none.")
		set.Var(&c.tty, "t", "Give the command a terminal. Without it, that is done when standard input and output are one; -t=false never does.")
		set.StringVar(&c.task, "task", lab.MainTask, "`Name` of a task with the student's home; \""+lab.MainTask+"\" is the first, whatever its template calls it. No command runs in any other.")
	})
	c.remote.flags(f)
}

func (c *execCommand) run(ctx context.Context, args []string) error {
	if c.tty.or(false) && !c.stdin {
		return usagef("-t gives the command a terminal, and a terminal has input: leave -i=false away")
	}
	s, err := c.remote.connect(c.env)
	if err != nil {
		return err
	}
	options := client.ExecOptions{
		Task: c.task, Command: args[1:], Stdout: c.env.Stdout, Stderr: c.env.Stderr,
		TTY: c.tty.or(c.stdin && c.env.InTerminal && c.env.OutTerminal),
	}
	if c.stdin {
		options.Stdin = c.env.Stdin
	}
	code, err := c.exec(ctx, s, args[0], options)
	if err != nil {
		return err
	}
	if code != 0 {
		return reported{code}
	}
	return nil
}

// exec runs the command, in raw mode where it has the person's terminal.
func (c *execCommand) exec(ctx context.Context, s *client.Client, workspace string, options client.ExecOptions) (_ int, err error) {
	if !options.TTY {
		return s.Exec(ctx, workspace, options)
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	options.Sizes = c.sizes(ctx)
	if c.stdin && c.env.InTerminal {
		restore, err := c.env.Raw()
		if err != nil {
			return 0, lab.Wrap(lab.CodeInvalid, err, "the terminal cannot be handed to the command").WithHint("-t=false runs it without one")
		}
		defer restore()
	}
	return s.Exec(ctx, workspace, options)
}

// sizes gives the terminal's size, and each new one, until ctx ends.
func (c *execCommand) sizes(ctx context.Context) <-chan client.TerminalSize {
	resized, stop := c.env.Resized()
	sizes := make(chan client.TerminalSize, 1)
	go func() { // ends with ctx, which ends with the command
		defer stop()
		for {
			columns, rows := c.env.Size()
			select {
			case sizes <- client.TerminalSize{Columns: columns, Rows: rows}:
			case <-ctx.Done():
				return
			}
			select {
			case <-resized:
			case <-ctx.Done():
				return
			}
		}
	}()
	return sizes
}

// or gives the choice, or what holds where none was made.
func (c *choice) or(usual bool) bool {
	if c.wanted != nil {
		return *c.wanted
	}
	return usual
}
