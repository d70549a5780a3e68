package nomad

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"
	"strconv"
	"strings"

	"github.com/bothylabs/bothy/service/lab"
)

const (
	// lineGuess is about how long a line is, in bytes, and maxTailBytes the most
	// that is read to find the last lines of a log.
	lineGuess    = 200
	maxTailBytes = 8 << 20
)

// Logs gives the log of a task of the job's newest allocation: the last lines of
// what there is, and what follows if so asked. Following goes over to the
// allocation that takes the first one's place, with a line between that says so,
// and ends with a line when the job has stopped. CodeConflict when the task never
// ran or the job is not the one that bears the mark, CodeInvalid when there is
// no such task. The reader must be closed; it ends with ctx.
func (c *Client) Logs(ctx context.Context, r lab.LogRequest) (io.ReadCloser, error) {
	v, err := c.firstView(ctx, r)
	if err != nil {
		return nil, err
	}
	tasks, err := c.tasksOf(ctx, v.newest.ID)
	if err != nil {
		return nil, err
	}
	task, err := chooseTask(tasks, r.Task)
	if err != nil {
		return nil, err
	}
	log := logOf{alloc: v.newest.ID, task: task, stderr: r.Stderr}
	var tail logTail
	if started(v.newest, task) {
		if tail, err = c.tail(ctx, log, r.Tail); err != nil {
			return nil, err
		}
	} else if !r.Follow {
		return nil, lab.Errorf(lab.CodeConflict, "the task %q of job %q has not started yet, and has no log", task, r.JobID).
			WithHint("wait until the workspace is ready, or follow the log")
	}
	if !r.Follow {
		return io.NopCloser(bytes.NewReader(tail.last)), nil
	}
	ctx, cancel := context.WithCancel(ctx)
	out, in := io.Pipe()
	f := &follower{client: c, request: r, log: log, tail: &tail, out: in}
	done := make(chan struct{})
	go func() {
		defer close(done)
		in.CloseWithError(f.run(ctx, v))
	}()
	return &followed{PipeReader: out, cancel: cancel, done: done}, nil
}

// followed is a log that goes on.
type followed struct {
	*io.PipeReader
	cancel context.CancelFunc
	done   chan struct{}
}

// Close ends the following and waits for it.
func (f *followed) Close() error {
	f.cancel()
	err := f.PipeReader.Close()
	<-f.done
	return err
}

// firstView finds the allocation that a log is of.
func (c *Client) firstView(ctx context.Context, r lab.LogRequest) (jobView, error) {
	ctx, cancel := context.WithTimeout(ctx, requestTimeout)
	defer cancel()
	v, err := c.view(ctx, r.JobID, r.Mark, nil)
	if err == nil && v.newest == nil {
		err = neverRan(r.JobID)
	}
	return v, err
}

// logOf names one log.
type logOf struct {
	alloc, task string
	stderr      bool
}

// open reads a log as text, from so many bytes after its start or before its end.
func (c *Client) open(ctx context.Context, log logOf, follow bool, origin string, offset int) (io.ReadCloser, error) {
	q, err := c.query(ctx)
	if err != nil {
		return nil, err
	}
	kind := "stdout"
	if log.stderr {
		kind = "stderr"
	}
	q.Params = map[string]string{
		"task": log.task, "type": kind, "plain": "true", "follow": strconv.FormatBool(follow),
		"origin": origin, "offset": strconv.Itoa(offset),
	}
	body, err := c.api.Raw().Response("/v1/client/fs/logs/"+log.alloc, q)
	switch text := bodyOf(err); {
	case err == nil:
		return body, nil
	case forgotten(text):
		return nil, lab.Wrap(lab.CodeConflict, err, "the log of allocation %.8s is gone: its node has forgotten it", log.alloc)
	case statusOf(err) == http.StatusNotFound, strings.Contains(text, "log entry for task"):
		return nil, lab.Wrap(lab.CodeConflict, err, "the task %q has no log: %s", log.task, text)
	default:
		return nil, c.failed(err, c.needs("read-logs"))
	}
}

// forgotten says whether Nomad's refusal of a log means that what it was of is no more:
// an allocation that its client or the servers have removed, with its folder or before it.
func forgotten(text string) bool {
	for _, said := range []string{"Unknown allocation", "not found on client", "Unknown node"} {
		if strings.Contains(text, said) {
			return true
		}
	}
	return strings.Contains(text, "failed to list entries") && strings.Contains(text, "no such file or directory")
}

// logTail is the end of a log as it was at one moment.
type logTail struct {
	// last are its last lines.
	last []byte
	// read is how many bytes before the end were looked at; whole says that these were all.
	read  int
	whole bool
}

// tail reads the last lines of a log, in at most maxTailBytes.
func (c *Client) tail(ctx context.Context, log logOf, lines int) (logTail, error) {
	if lines == 0 {
		return logTail{}, nil
	}
	ctx, cancel := context.WithTimeout(ctx, requestTimeout)
	defer cancel()
	for size := max(4096, lines*lineGuess); ; size *= 4 {
		size = min(size, maxTailBytes)
		text, err := c.end(ctx, log, size)
		if err != nil {
			return logTail{}, err
		}
		whole := len(text) < size
		if whole || size == maxTailBytes || bytes.Count(text, []byte("\n")) > lines {
			return logTail{last: lastLines(text, lines), read: len(text), whole: whole}, nil
		}
	}
}

func (c *Client) end(ctx context.Context, log logOf, size int) (_ []byte, err error) {
	body, err := c.open(ctx, log, false, "end", size)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, body.Close()) }()
	// What was written while it was read comes on top of size.
	text, err := io.ReadAll(io.LimitReader(body, maxTailBytes+1<<20))
	if err != nil {
		return nil, lab.Wrap(lab.CodeUnavailable, err, "Nomad's answer with the log broke off")
	}
	return text, nil
}

// lastLines gives the last lines of a text; one that has not ended yet counts.
func lastLines(text []byte, lines int) []byte {
	at := len(bytes.TrimSuffix(text, []byte("\n")))
	for range lines {
		at = bytes.LastIndexByte(text[:at], '\n')
		if at < 0 {
			return text
		}
	}
	return text[at+1:]
}
