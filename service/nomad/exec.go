package nomad

import (
	"context"
	"errors"
	"fmt"
	"path"
	"slices"
	"strings"

	"github.com/hashicorp/nomad/api"

	"github.com/bothylabs/bothy/service/lab"
)

// RunningTask finds a running task of a job's newest allocation that commands may run
// in: one that mounts the home, by its name, or by lab.MainTask. CodeConflict when it
// does not run, or when the job is not the one that bears the mark; CodeForbidden for
// any other task, CodeInvalid when there is no such task.
func (c *Client) RunningTask(ctx context.Context, jobID string, mark lab.Mark, name string) (lab.TaskRef, error) {
	ctx, cancel := context.WithTimeout(ctx, requestTimeout)
	defer cancel()
	v, err := c.view(ctx, jobID, mark, nil)
	if err != nil {
		return lab.TaskRef{}, err
	}
	if v.newest == nil {
		return lab.TaskRef{}, neverRan(jobID)
	}
	tasks, err := c.tasksOf(ctx, v.newest.ID)
	if err != nil {
		return lab.TaskRef{}, err
	}
	task, err := chooseExecTask(tasks, name)
	if err != nil {
		return lab.TaskRef{}, err
	}
	if state := v.newest.TaskStates[task]; v.newest.ClientStatus != api.AllocClientStatusRunning || state == nil || state.State != "running" {
		return lab.TaskRef{}, lab.Errorf(lab.CodeConflict, "the task %q of job %q does not run now: its allocation is %s", task, jobID, v.newest.ClientStatus).
			WithHint("start the workspace and wait until it is ready")
	}
	return lab.TaskRef{AllocID: v.newest.ID, Task: task}, nil
}

// Exec runs a command inside a task until it has ended, and gives its exit code.
// What is read from Stdin after that is lost. CodeConflict when the allocation
// has ended, CodeInvalid when the command cannot be run there.
func (c *Client) Exec(ctx context.Context, r lab.ExecRequest) (int, error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	q, err := c.query(ctx)
	if err != nil {
		return 0, err
	}
	alloc, _, err := c.api.Allocations().Info(r.AllocID, q)
	if err != nil {
		return 0, c.failed(err, c.needs("read-job"))
	}
	if q, err = c.query(ctx); err != nil {
		return 0, err
	}
	var task *api.Task
	if i := slices.IndexFunc(tasksIn(alloc), func(t *api.Task) bool { return t.Name == r.Task }); i >= 0 {
		task = tasksIn(alloc)[i]
	}
	code, err := c.sockets.Allocations().Exec(ctx, alloc, r.Task, r.TTY, runnable(task, r.Command), r.Stdin, r.Stdout, r.Stderr, nomadSizes(ctx, r.Sizes), q)
	if err != nil {
		return 0, c.notRun(ctx, err)
	}
	return code, nil
}

// setpriv is the program that takes privileges away from what it starts, wherever it lies.
const setpriv = "setpriv"

// runnable gives the command as the task's driver takes it. The exec driver leaves a
// command in group 0 and with capabilities, whatever the task itself has dropped, so
// it starts through the same setpriv line as its task: see decision 4. Seen on Nomad
// 1.11.3: a program that is not there hangs the driver's executor, and with it every
// later command in that task; so a shell starts the program, and says so with exit
// code 127.
func runnable(task *api.Task, command []string) []string {
	if task == nil || task.Driver != "exec" {
		return command
	}
	return slices.Concat(privileges(task), []string{"/bin/sh", "-c", `exec "$@"`, "sh"}, command)
}

// privileges gives setpriv and its options as a task starts through them; nothing for
// a task that starts otherwise, whose commands have what the driver gives the task.
func privileges(task *api.Task) []string {
	program, _ := task.Config["command"].(string)
	if path.Base(program) != setpriv {
		return nil
	}
	line := []string{program}
	args, _ := task.Config["args"].([]any)
	for _, arg := range args {
		option, _ := arg.(string)
		if !strings.HasPrefix(option, "--") || option == "--" {
			break
		}
		line = append(line, option)
	}
	return line
}

// notRun translates why a command did not run or did not end.
func (c *Client) notRun(ctx context.Context, err error) error {
	var coded *lab.Error
	text := plain(err.Error())
	switch {
	case ctx.Err() != nil:
		return fmt.Errorf("run a command: %w", context.Cause(ctx))
	case errors.As(err, &coded), statusOf(err) != 0:
		return c.failed(err, c.needs("alloc-exec"))
	case strings.Contains(text, "Permission denied"):
		return lab.Wrap(lab.CodeRefused, err, "Nomad refused: the token is unknown or lacks %s", c.needs("alloc-exec")).
			WithHint("compare the token's policy with the one that Bothy needs")
	case strings.Contains(text, "executable file not found"), strings.Contains(text, "no such file or directory"), strings.Contains(text, "permission denied"):
		return lab.Wrap(lab.CodeInvalid, err, "the command cannot be run in the workspace: %s", text).
			WithHint("is it there, and executable? a shell is /bin/sh")
	default:
		return lab.Wrap(lab.CodeUnavailable, err, "Nomad ended the command's connection: %s", text)
	}
}

// nomadSizes hands sizes on in Nomad's form until ctx ends.
func nomadSizes(ctx context.Context, sizes <-chan lab.TerminalSize) <-chan api.TerminalSize {
	if sizes == nil {
		return nil
	}
	out := make(chan api.TerminalSize)
	go func() { // ends with the command, whose context this is
		for {
			select {
			case size, open := <-sizes:
				if !open {
					return
				}
				select {
				case out <- api.TerminalSize{Width: size.Columns, Height: size.Rows}:
				case <-ctx.Done():
					return
				}
			case <-ctx.Done():
				return
			}
		}
	}()
	return out
}
