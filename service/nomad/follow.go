package nomad

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/hashicorp/nomad/api"

	"github.com/bothylabs/bothy/service/lab"
)

const (
	// restAfter is how long a log may be silent, once its allocation has ended,
	// until all of it has been seen: Nomad sends it on in batches of 200 ms.
	restAfter = time.Second
	// lookAgain is the longest time between two looks at a job that is followed.
	lookAgain = 30 * time.Second
	// retryAfter is the pause after a look that failed.
	retryAfter = time.Second
)

// follower writes a log, and what comes after it.
type follower struct {
	client  *Client
	request lab.LogRequest
	log     logOf
	// tail is what the first log begins with, nil for the logs after it.
	tail *logTail
	out  io.Writer
	// current is the log that is being written, nil for none.
	current *copying
}

// sighting is what a look at the job gave.
type sighting struct {
	jobView
	err error
}

// run writes until the job has stopped or ctx ends, which is no error.
func (f *follower) run(ctx context.Context, first jobView) error {
	ctx, cancel := context.WithCancel(ctx)
	sightings := f.watch(ctx, first)
	defer func() {
		cancel()
		f.stop()
		for range sightings { // until the watcher has ended
			continue
		}
	}()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-f.brokeOff():
			err := f.current.err
			return lab.Wrap(lab.CodeUnavailable, err, "Nomad ended the log of allocation %.8s", f.log.alloc).WithHint("follow it again")
		case seen, open := <-sightings:
			if !open {
				return nil
			}
			if done, err := f.see(ctx, seen); done || err != nil {
				return err
			}
		}
	}
}

// see does what a sighting asks for, and says whether there is nothing left to follow.
func (f *follower) see(ctx context.Context, seen sighting) (done bool, err error) {
	switch {
	case lab.CodeOf(seen.err) == lab.CodeConflict || seen.err == nil && seen.newest == nil:
		return true, f.say("the job is gone")
	case seen.err != nil:
		return true, seen.err
	}
	if seen.newest.ID != f.log.alloc {
		if err := f.goOver(ctx, seen.newest); err != nil {
			return true, err
		}
	}
	if f.current == nil && started(seen.newest, f.log.task) {
		if f.current, err = f.begin(ctx); err != nil {
			return true, err
		}
	}
	if !ended(seen.newest) || !seen.stopped {
		return false, nil
	}
	f.rest(ctx)
	f.stop()
	return true, f.say("allocation %.8s has ended: %s", f.log.alloc, seen.newest.ClientStatus)
}

// goOver leaves an allocation for the one that takes its place.
func (f *follower) goOver(ctx context.Context, alloc *api.AllocationListStub) error {
	f.rest(ctx)
	f.stop()
	tasks, err := f.client.tasksOf(ctx, alloc.ID)
	if err != nil {
		return err
	}
	task, err := chooseTask(tasks, f.request.Task)
	if err != nil {
		return err
	}
	err = f.say("allocation %.8s takes the place of %.8s", alloc.ID, f.log.alloc)
	f.log = logOf{alloc: alloc.ID, task: task, stderr: f.request.Stderr}
	f.tail = nil
	return err
}

// say writes a line of our own between those of the log.
func (f *follower) say(format string, args ...any) error {
	if _, err := fmt.Fprintf(f.out, "==> "+format+" <==\n", args...); err != nil {
		return fmt.Errorf("write the log: %w", err)
	}
	return nil
}

// begin opens the log and has it written.
func (f *follower) begin(ctx context.Context) (*copying, error) {
	ctx, cancel := context.WithCancel(ctx)
	body, err := f.open(ctx)
	if err != nil {
		cancel()
		return nil, err
	}
	c := &copying{cancel: cancel, wrote: make(chan struct{}, 1), done: make(chan struct{})}
	go func() {
		_, err := io.Copy(c.noting(f.out), body)
		c.err = errors.Join(err, body.Close())
		close(c.done)
	}()
	return c, nil
}

// open opens the log at the lines that are wanted of what there is.
func (f *follower) open(ctx context.Context) (io.ReadCloser, error) {
	switch {
	case f.tail == nil:
		return f.client.open(ctx, f.log, true, "start", 0)
	case f.request.Tail == 0:
		return f.client.open(ctx, f.log, true, "end", 0)
	case f.tail.whole:
		// From the start and past what is known, so that nothing is lost between.
		body, err := f.client.open(ctx, f.log, true, "start", 0)
		if err != nil {
			return nil, err
		}
		if err := f.skip(body); err != nil {
			return nil, errors.Join(err, body.Close())
		}
		return body, nil
	default:
		// So many bytes before the end are what there was; the lines are counted in these.
		body, err := f.client.open(ctx, f.log, true, "end", f.tail.read)
		if err != nil {
			return nil, err
		}
		if err := f.skip(body); err != nil {
			return nil, errors.Join(err, body.Close())
		}
		return body, nil
	}
}

// skip reads what there was, and writes the last lines of it.
func (f *follower) skip(body io.Reader) error {
	text := make([]byte, f.tail.read)
	if _, err := io.ReadFull(body, text); err != nil {
		return lab.Wrap(lab.CodeUnavailable, err, "Nomad's answer with the log broke off")
	}
	if _, err := f.out.Write(lastLines(text, f.request.Tail)); err != nil {
		return fmt.Errorf("write the log: %w", err)
	}
	return nil
}

// watch looks at the job whenever its allocations change, until ctx ends.
func (f *follower) watch(ctx context.Context, first jobView) <-chan sighting {
	sightings := make(chan sighting)
	go func() {
		defer close(sightings)
		seen := sighting{jobView: first}
		for {
			select {
			case sightings <- seen:
			case <-ctx.Done():
				return
			}
			if seen = f.look(ctx, seen.index); ctx.Err() != nil {
				return
			}
		}
	}()
	return sightings
}

// look waits for the next change of the job; while Nomad does not answer, it asks again.
func (f *follower) look(ctx context.Context, index uint64) sighting {
	for {
		v, err := f.client.view(ctx, f.request.JobID, f.request.Mark, &api.QueryOptions{WaitIndex: index, WaitTime: lookAgain})
		if lab.CodeOf(err) != lab.CodeUnavailable {
			return sighting{v, err}
		}
		select {
		case <-time.After(retryAfter):
		case <-ctx.Done():
			return sighting{err: err}
		}
	}
}

// brokeOff is closed when the current log has ended by itself.
func (f *follower) brokeOff() <-chan struct{} {
	if f.current == nil {
		return nil
	}
	return f.current.done
}

// rest waits until the current log has been silent for a while.
func (f *follower) rest(ctx context.Context) {
	if f.current == nil {
		return
	}
	for {
		select {
		case <-f.current.wrote:
		case <-f.current.done:
			return
		case <-time.After(restAfter):
			return
		case <-ctx.Done():
			return
		}
	}
}

// stop ends the current log and waits for it.
func (f *follower) stop() {
	if f.current != nil {
		f.current.cancel()
		<-f.current.done
		f.current = nil
	}
}

// copying is a log that is being written.
type copying struct {
	cancel context.CancelFunc
	// wrote is signalled after each write.
	wrote chan struct{}
	// done is closed when the log has ended, with err for the reason.
	done chan struct{}
	err  error
}

// noting gives a writer that signals what it has written.
func (c *copying) noting(out io.Writer) io.Writer {
	return writerFunc(func(text []byte) (int, error) {
		n, err := out.Write(text)
		select {
		case c.wrote <- struct{}{}:
		default:
		}
		return n, err
	})
}

type writerFunc func([]byte) (int, error)

func (w writerFunc) Write(text []byte) (int, error) { return w(text) }
