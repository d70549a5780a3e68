package nomad

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/url"
	"sync"
	"time"

	"github.com/cenkalti/backoff/v5"
	"github.com/hashicorp/nomad/api"

	"github.com/bothylabs/bothy/service/lab"
)

const (
	// subscribeTimeout bounds the wait for the stream's first line, which Nomad
	// sends once it has subscribed us. Without the right to read it sends none.
	subscribeTimeout = 10 * time.Second
	// silence is how long a stream may stay without a heartbeat (sent every 30 s)
	// before it counts as broken.
	silence = 100 * time.Second
	// purgeGrace is how long the tasks of a purged job may take to end: a kill
	// timeout may be set to 30 s at most unless the client's agent allows more.
	// Nomad deletes the allocations of a purged job at once and without an event,
	// so that a listing before that would say that nothing runs, too early.
	purgeGrace = 30 * time.Second
)

// Snapshot gives the picture of the namespace. It asks nothing of Nomad.
func (c *Client) Snapshot() lab.Snapshot { return c.cache.snapshot() }

// Changed receives after the picture has changed; many changes are one signal.
func (c *Client) Changed() <-chan struct{} { return c.changed }

func (c *Client) notify() {
	select {
	case c.changed <- struct{}{}:
	default:
	}
}

// Run keeps the picture up to date until ctx ends, which is no error. While
// Nomad can't be followed, the picture says so and is used for nothing.
func (c *Client) Run(ctx context.Context) error {
	delays := backoff.NewExponentialBackOff()
	delays.MaxInterval = 15 * time.Second
	for ctx.Err() == nil {
		err := c.follow(ctx, delays.Reset)
		if ctx.Err() != nil {
			break
		}
		c.cache.setUnreadable(unreadable(err))
		c.notify()
		delay := delays.NextBackOff()
		c.cfg.Logger.WarnContext(ctx, "Nomad can't be followed", "error", err, "again_in", delay)
		select {
		case <-ctx.Done():
		case <-time.After(delay):
		}
	}
	return nil
}

// unreadable is what people are told about a picture that can't be trusted.
func unreadable(err error) string {
	var coded *lab.Error
	if errors.As(err, &coded) {
		return coded.Message
	}
	return "Nomad can't be read"
}

// follow opens the event stream, lists everything once the stream is open, and
// keeps the picture up to date until something breaks. A gap in the stream can't
// be noticed, so nothing of a broken one is used again.
func (c *Client) follow(ctx context.Context, listed func()) error {
	if err := c.Ready(ctx); err != nil {
		return err
	}
	// What is known is of no use any more, and may even be of another Nomad: one that
	// was set up anew counts its indexes from the beginning.
	c.cache.forget()
	ctx, cancel := context.WithCancelCause(ctx)
	w := &watch{
		client: c, lines: make(chan events, 64), broken: make(chan error, 1),
		listings: make(chan answer, 1), probes: make(chan error, 1),
	}
	defer w.running.Wait()
	defer cancel(nil)
	if err := w.open(ctx, cancel); err != nil {
		return err
	}
	w.list(ctx)
	relist, probe := time.NewTicker(c.cfg.Relist), time.NewTicker(c.cfg.Probe)
	defer relist.Stop()
	defer probe.Stop()
	for {
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case err := <-w.broken:
			return c.failed(err, c.needs("read-job"))
		case line := <-w.lines:
			w.take(line)
		case got := <-w.listings:
			if got.err != nil {
				return got.err
			}
			w.finish(got.listing)
			listed()
		case err := <-w.probes:
			if err != nil {
				return err
			}
			w.probing = false
			c.cache.proven(c.cfg.Now())
		case <-relist.C:
			w.list(ctx)
		case <-w.purged:
			w.purged = nil
			w.list(ctx)
		case <-probe.C:
			w.probe(ctx)
		}
	}
}

// watch is the life of one event stream. Its goroutines end with its context.
type watch struct {
	client   *Client
	lines    chan events
	broken   chan error
	listings chan answer
	probes   chan error
	running  sync.WaitGroup
	// listing and probing say that one is under way.
	listing, probing bool
	// backlog is what arrived while a listing was under way: the listing may be older.
	backlog []events
	listed  indexes
	// purged fires when what is left of a purged job must be looked for; nil when there is none.
	purged <-chan time.Time
}

type answer struct {
	listing listing
	err     error
}

// open subscribes, and returns when Nomad has confirmed it: what changes from then
// on arrives. cancel ends the stream when it stays silent for too long.
func (w *watch) open(ctx context.Context, cancel context.CancelCauseFunc) error {
	q, err := w.client.query(ctx)
	if err != nil {
		return err
	}
	topics := url.Values{"topic": {string(api.TopicJob), string(api.TopicAllocation), string(api.TopicEvaluation)}}
	watchdog := time.AfterFunc(subscribeTimeout, func() {
		cancel(lab.Errorf(lab.CodeUnavailable, "Nomad's event stream is silent"))
	})
	body, err := w.client.api.Raw().Response("/v1/event/stream?"+topics.Encode(), q)
	if err != nil {
		watchdog.Stop()
		return w.client.failed(err, w.client.needs("read-job"))
	}
	decoder := json.NewDecoder(body)
	first, err := decodeLine(decoder)
	if err != nil {
		watchdog.Stop()
		_ = body.Close()
		return lab.Wrap(lab.CodeUnavailable, err, "Nomad does not open its event stream").
			WithHint("does the token have %s?", w.client.needs("read-job"))
	}
	w.backlog = []events{first}
	w.running.Go(func() {
		defer watchdog.Stop()
		defer body.Close() //nolint:errcheck // nothing is written to it
		w.broken <- w.read(ctx, decoder, watchdog)
	})
	return nil
}

// read hands the stream's lines on until it breaks.
func (w *watch) read(ctx context.Context, decoder *json.Decoder, watchdog *time.Timer) error {
	for {
		watchdog.Reset(silence)
		line, err := decodeLine(decoder)
		switch {
		case ctx.Err() != nil:
			return context.Cause(ctx)
		case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
			return lab.Wrap(lab.CodeUnavailable, err, "Nomad closed its event stream")
		case err != nil:
			return fmt.Errorf("read event stream: %w", err)
		case len(line.Events) == 0:
			continue
		}
		select {
		case w.lines <- line:
		case <-ctx.Done():
		}
	}
}

// take applies what the stream says, and keeps it for the listing under way.
func (w *watch) take(line events) {
	if w.listing {
		w.backlog = append(w.backlog, line)
	}
	w.client.cache.apply(line, w.listed)
	w.client.cache.proven(w.client.cfg.Now())
	if line.purges() {
		w.lookAgain()
	}
	w.client.notify()
}

// lookAgain has everything listed once the tasks of a purged job have ended.
func (w *watch) lookAgain() {
	if w.purged == nil {
		w.purged = time.After(purgeGrace)
	}
}

// list begins a listing unless one is under way.
func (w *watch) list(ctx context.Context) {
	if w.listing {
		return
	}
	w.listing = true
	w.running.Go(func() {
		l, err := w.client.list(ctx)
		w.listings <- answer{l, err}
	})
}

// finish puts a listing in place, and what has happened since it was begun on top.
func (w *watch) finish(l listing) {
	w.listing = false
	w.listed = l.at
	w.client.cache.replace(l, w.client.cfg.Now())
	for _, line := range w.backlog {
		w.client.cache.apply(line, w.listed)
	}
	w.backlog = nil
	if w.client.cache.awaitsPurged() {
		w.lookAgain()
	}
	w.client.notify()
}

// probe asks whether Nomad still answers and has a leader: a server that is cut
// off from the others would go on sending heartbeats.
func (w *watch) probe(ctx context.Context) {
	if w.probing {
		return
	}
	w.probing = true
	w.running.Go(func() {
		limited, cancel := context.WithTimeout(ctx, subscribeTimeout)
		defer cancel()
		w.probes <- w.client.Ready(limited)
	})
}
