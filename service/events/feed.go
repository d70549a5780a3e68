// Package events hands the changes that the store tells on to those who follow
// them. Each instance of the server has one Feed: it reads what is new from the
// database once, keeps the newest in memory, and lets any number of subscribers
// read along, each at its own speed and none at the cost of another.
package events

import (
	"context"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/cenkalti/backoff/v5"
	"github.com/prometheus/client_golang/prometheus"
	"golang.org/x/sync/errgroup"

	"github.com/bothylabs/bothy/service/lab"
)

const (
	defaultPoll    = time.Second
	defaultBacklog = 1 << 14 // an act on a class of 10,000 fits
	defaultMaxAge  = 24 * time.Hour
	defaultMaxRows = 100_000
	defaultClean   = time.Minute
	// readBatch is how many events are read from the database at a time.
	readBatch = 500
	// Listening that has failed is tried again after these.
	firstRetry = time.Second
	lastRetry  = 30 * time.Second
)

// Log is the events as they are stored.
type Log interface {
	// Events gives what comes after an id, in the order of the ids.
	Events(ctx context.Context, after int64, limit int) ([]lab.Event, error)
	// EventRange gives the ids of the oldest that is kept and of the newest there was.
	EventRange(ctx context.Context) (first, last int64, err error)
	// Listen calls wake when there may be more, until ctx ends.
	Listen(ctx context.Context, wake func()) error
	CleanEvents(ctx context.Context, before time.Time, keep int64) (int64, error)
}

// Config is what a Feed needs. Log and Logger must be set.
type Config struct {
	Log    Log
	Logger *slog.Logger
	// Registry takes the feed's metrics; nil for none.
	Registry prometheus.Registerer
	// Poll is how often the database is asked, whether or not it tells by itself. Default 1 s.
	Poll time.Duration
	// Backlog is how many events are kept in memory: a subscriber that falls further
	// behind is dropped. Default 16,384.
	Backlog int
	// Events that are older than MaxAge (default 24 h), or more than MaxRows
	// (default 100,000), are removed from the database while Cleans says so; nil never does.
	MaxAge  time.Duration
	MaxRows int64
	Cleans  func() bool
	// CleanEvery is how often old ones are looked for. Default 1 minute.
	CleanEvery time.Duration
	// Now is the clock. Default time.Now.
	Now func() time.Time
}

// Feed is the events of one instance. Its methods may be called by many goroutines.
type Feed struct {
	cfg Config
	// woken holds something while there may be more to read.
	woken   chan struct{}
	metrics metrics

	mu sync.Mutex
	// recent is a ring: the event with the id n, for first <= n <= last, is at n modulo its length.
	recent      []lab.Event
	first, last int64
	// moved is closed, and replaced, when there is more, or the feed has ended.
	moved chan struct{}
	// started is closed once it is known where the events begin; ended says that no more come.
	started chan struct{}
	ended   bool
}

// New makes a feed; Run runs it.
func New(cfg Config) (*Feed, error) {
	if cfg.Poll == 0 {
		cfg.Poll = defaultPoll
	}
	if cfg.Backlog == 0 {
		cfg.Backlog = defaultBacklog
	}
	if cfg.MaxAge == 0 {
		cfg.MaxAge = defaultMaxAge
	}
	if cfg.MaxRows == 0 {
		cfg.MaxRows = defaultMaxRows
	}
	if cfg.CleanEvery == 0 {
		cfg.CleanEvery = defaultClean
	}
	if cfg.Cleans == nil {
		cfg.Cleans = func() bool { return false }
	}
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	f := &Feed{
		cfg: cfg, woken: make(chan struct{}, 1), recent: make([]lab.Event, cfg.Backlog),
		moved: make(chan struct{}), started: make(chan struct{}),
	}
	var err error
	f.metrics, err = newMetrics(cfg.Registry)
	return f, err
}

// Run follows the database until ctx ends, which is no error. A database that
// does not answer is asked again. All subscriptions end with it.
func (f *Feed) Run(ctx context.Context) error {
	defer f.end()
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() error { return f.listen(ctx) })
	g.Go(func() error { return f.tail(ctx) })
	g.Go(func() error { return f.clean(ctx) })
	if err := g.Wait(); err != nil && ctx.Err() == nil {
		return fmt.Errorf("follow events: %w", err)
	}
	return nil
}

func (f *Feed) end() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.ended = true
	if !f.hasStarted() {
		close(f.started)
	}
	close(f.moved)
	f.moved = make(chan struct{})
}

// wake says that there may be more to read.
func (f *Feed) wake() {
	select {
	case f.woken <- struct{}{}:
	default:
	}
}

// listen lets the database wake the feed, and tries again while it cannot.
func (f *Feed) listen(ctx context.Context) error {
	delays := backoff.NewExponentialBackOff()
	delays.InitialInterval, delays.MaxInterval = firstRetry, lastRetry
	for {
		began := f.cfg.Now()
		err := f.cfg.Log.Listen(ctx, f.wake)
		if ctx.Err() != nil {
			return nil
		}
		if f.cfg.Now().Sub(began) > lastRetry {
			delays.Reset()
		}
		delay := delays.NextBackOff()
		f.cfg.Logger.WarnContext(ctx, "the database does not tell of events; it is asked for them", "error", err, "every", f.cfg.Poll, "again_in", delay)
		if !sleep(ctx, delay) {
			return nil
		}
	}
}

// tail reads what is new whenever it is woken, and now and then without.
func (f *Feed) tail(ctx context.Context) error {
	failing := false
	for {
		err := f.read(ctx)
		switch {
		case ctx.Err() != nil:
			return nil
		case err != nil && !failing:
			f.cfg.Logger.WarnContext(ctx, "events cannot be read; trying again", "error", err)
		case err == nil && failing:
			f.cfg.Logger.InfoContext(ctx, "events are read again")
		}
		failing = err != nil
		timer := time.NewTimer(f.cfg.Poll)
		select {
		case <-ctx.Done():
			timer.Stop()
			return nil
		case <-f.woken:
			timer.Stop()
		case <-timer.C:
		}
	}
}

// read takes in all that is new.
func (f *Feed) read(ctx context.Context) error {
	if !f.hasStarted() {
		_, last, err := f.cfg.Log.EventRange(ctx)
		if err != nil {
			return fmt.Errorf("find the newest event: %w", err)
		}
		f.start(last)
	}
	for {
		events, err := f.cfg.Log.Events(ctx, f.position(), readBatch)
		if err != nil {
			return fmt.Errorf("read events: %w", err)
		}
		if len(events) > 0 {
			f.metrics.lag.Observe(max(0, f.cfg.Now().Sub(events[len(events)-1].At)).Seconds())
			f.metrics.events.Add(float64(len(events)))
			f.take(events)
		}
		if len(events) < readBatch {
			return nil
		}
	}
}

func (f *Feed) hasStarted() bool {
	select {
	case <-f.started:
		return true
	default:
		return false
	}
}

func (f *Feed) start(last int64) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.first, f.last = last+1, last
	close(f.started)
}

// position is the id of the newest event that was taken in.
func (f *Feed) position() int64 {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.last
}

// take keeps new events and lets the subscribers have them.
func (f *Feed) take(events []lab.Event) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, e := range events {
		if e.ID != f.last+1 {
			// Some were removed before they were read. Nobody who needs them goes on.
			f.first = e.ID
		}
		f.recent[e.ID%int64(len(f.recent))] = e
		f.last = e.ID
	}
	f.first = max(f.first, f.last-int64(len(f.recent))+1)
	close(f.moved)
	f.moved = make(chan struct{})
}

// clean removes old events while this instance is the one to do so.
func (f *Feed) clean(ctx context.Context) error {
	for sleep(ctx, f.cfg.CleanEvery) {
		if !f.cfg.Cleans() {
			continue
		}
		if _, err := f.cfg.Log.CleanEvents(ctx, f.cfg.Now().Add(-f.cfg.MaxAge), f.cfg.MaxRows); err != nil && ctx.Err() == nil {
			f.cfg.Logger.WarnContext(ctx, "old events cannot be removed; trying again", "error", err)
		}
	}
	return nil
}

// sleep says whether the time passed before ctx ended.
func sleep(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-timer.C:
		return true
	}
}
