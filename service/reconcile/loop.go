package reconcile

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/cenkalti/backoff/v5"
	"github.com/prometheus/client_golang/prometheus"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/trace"

	"github.com/bothylabs/bothy/service/lab"
	"github.com/bothylabs/bothy/service/tracing"
)

// ErrFenced says that another instance has taken the reconciler's role over.
var ErrFenced = errors.New("another instance reconciles now")

// Config is what a loop works with. Every field without a default must be set.
type Config struct {
	Store   Store
	Nomad   Nomad
	Health  Health
	Secrets Secrets
	Jobs    Jobs
	// Installation is this installation's id, as its jobs bear it.
	Installation string
	Logger       *slog.Logger
	Registry     prometheus.Registerer
	// Traces takes the spans of passes and actions; nil for none.
	Traces trace.TracerProvider

	// HomeRetention is how long the home of a deleted workspace is kept; 0 for ever.
	HomeRetention time.Duration
	// NewID makes the ids of audit rows.
	NewID func() string

	// Workers bounds how many actions are under way at once. Default 8.
	Workers int
	// Tick is the longest time between two passes. Default 15 s.
	Tick time.Duration
	// Pause is the shortest time between two passes, so that a thousand events
	// cost a few passes and not a thousand. Default 200 ms.
	Pause time.Duration
	// Jitter is the part of a retry's delay that is random, 0 to 1. Default 0.5.
	Jitter float64
	// Now is the clock. Default time.Now.
	Now func() time.Time
	// Passed is told of each pass once it has ended, and must not block. May be nil.
	Passed func(Pass)
}

// Pass is how one comparison went.
type Pass struct {
	At time.Time
	// Unreadable says why nothing could be decided; "" when Nomad could be read.
	Unreadable string
	// Err is what kept it from its end, nil when it was complete.
	Err error
}

// actionTimeout bounds one action. Making a home is the longest part of one.
const actionTimeout = 2 * time.Minute

// Loop compares and acts for as long as it runs.
type Loop struct {
	cfg     Config
	metrics *metrics
	wake    chan struct{}
}

// New makes a loop and registers its metrics. It does nothing before Run.
func New(cfg Config) (*Loop, error) {
	setDefault(&cfg.Workers, 8)
	setDefault(&cfg.Tick, 15*time.Second)
	setDefault(&cfg.Pause, 200*time.Millisecond)
	setDefault(&cfg.Jitter, 0.5)
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	if cfg.Passed == nil {
		cfg.Passed = func(Pass) {}
	}
	m, err := newMetrics(cfg.Registry)
	if err != nil {
		return nil, fmt.Errorf("register the reconciler's metrics: %w", err)
	}
	return &Loop{cfg: cfg, metrics: m, wake: make(chan struct{}, 1)}, nil
}

func setDefault[T int | float64 | time.Duration](field *T, value T) {
	if *field == 0 {
		*field = value
	}
}

// Wake has the loop compare soon. It never blocks, and many calls cost one pass.
func (l *Loop) Wake() {
	select {
	case l.wake <- struct{}{}:
	default:
	}
}

// Run takes the reconciler's role over and fulfils it until ctx ends, which is no
// error, or until another instance takes the role (ErrFenced). When it returns,
// no action is under way any more, and it may be called again.
func (l *Loop) Run(ctx context.Context) error {
	epoch, err := l.claim(ctx)
	if err != nil {
		return ended2nil(ctx, err)
	}
	l.cfg.Logger.InfoContext(ctx, "reconciling", "epoch", epoch)
	l.metrics.begin()
	defer l.metrics.end()
	r := &round{
		cfg: l.cfg, metrics: l.metrics, epoch: epoch,
		faults: newFaults(l.cfg.Jitter),
		busy:   map[string]struct{}{},
		done:   make(chan outcome, l.cfg.Workers),
	}
	return ended2nil(ctx, l.turn(ctx, r))
}

// ended2nil drops the errors that the end of ctx causes.
func ended2nil(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return nil
	}
	return err
}

// claim asks for the role until the database answers.
func (l *Loop) claim(ctx context.Context) (int64, error) {
	epoch, err := backoff.Retry(ctx, func() (int64, error) { return l.cfg.Store.ClaimEpoch(ctx) },
		backoff.WithMaxElapsedTime(0),
		backoff.WithNotify(func(err error, delay time.Duration) {
			l.cfg.Logger.WarnContext(ctx, "the reconciler's role can't be claimed", "error", err, "again_in", delay)
		}))
	if err != nil {
		return 0, fmt.Errorf("claim the reconciler's role: %w", err)
	}
	return epoch, nil
}

// turn passes whenever something changed, and hands what is to be done to workers.
// It alone touches r; workers tell it their outcome.
func (l *Loop) turn(ctx context.Context, r *round) error {
	var workers sync.WaitGroup
	defer workers.Wait()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()

	ticker := time.NewTicker(l.cfg.Tick)
	defer ticker.Stop()
	due := &alarm{timer: time.NewTimer(0), set: true}
	defer due.timer.Stop()
	retry := time.NewTimer(l.cfg.Tick)
	defer retry.Stop()
	failures := backoff.NewExponentialBackOff()

	for {
		r.dispatch(ctx, &workers)
		select {
		case <-ctx.Done():
			return nil
		case <-due.timer.C:
			due.set = false
			err := r.pass(ctx)
			if errors.Is(err, ErrFenced) {
				return err
			}
			if err != nil && ctx.Err() == nil {
				delay := failures.NextBackOff()
				l.cfg.Logger.WarnContext(ctx, "a pass failed", "error", err, "again_in", delay)
				due.within(delay)
				continue
			}
			failures.Reset()
			now := l.cfg.Now()
			if at, ok := r.next(now); ok {
				retry.Reset(at.Sub(now))
			}
			continue
		case out := <-r.done:
			if err := r.settle(ctx, out); err != nil {
				return err
			}
		case <-l.wake:
		case <-l.cfg.Nomad.Changed():
		case <-l.cfg.Health.Changed():
		case <-ticker.C:
		case <-retry.C:
		}
		due.within(l.cfg.Pause - l.cfg.Now().Sub(r.passed))
	}
}

// alarm is a timer that, once set, keeps its time until it rings.
type alarm struct {
	timer *time.Timer
	set   bool
}

func (a *alarm) within(d time.Duration) {
	if !a.set {
		a.set = true
		a.timer.Reset(max(d, 0))
	}
}

// round is the state of one Run.
type round struct {
	cfg     Config
	metrics *metrics
	epoch   int64
	faults  *faults
	// queue is what the last pass decided and no worker has begun.
	queue []task
	// busy are the jobs that a worker acts on. A pass leaves them out: what it reads
	// of them may be from before or after the action.
	busy map[string]struct{}
	// returning are those of them that start again where their homes are.
	returning int
	done      chan outcome
	// passed is when the last pass ended, evictAt when the next eviction is due.
	passed  time.Time
	evictAt time.Time
	// reported and fingerprintErrors are what was logged already.
	reported          map[string]string
	fingerprintErrors map[string]string
}

// next gives when there is something to do that waits for nothing but its time.
func (r *round) next(now time.Time) (time.Time, bool) {
	at, ok := r.faults.next(now)
	if !r.evictAt.IsZero() && (!ok || r.evictAt.Before(at)) {
		return r.evictAt, true
	}
	return at, ok
}

// task is an action with the workspace that it was decided for.
type task struct {
	action Action
	item   Item
	// decided is the span of the pass that decided it.
	decided trace.SpanContext
}

type outcome struct {
	task task
	err  error
	took time.Duration
}

// returns counts a task that takes room on a node which it can't choose.
func (t task) returns() int {
	if t.action.Kind == KindRegister && !t.action.First {
		return 1
	}
	return 0
}

// dispatch gives work to as many workers as there may be.
func (r *round) dispatch(ctx context.Context, workers *sync.WaitGroup) {
	e := effects{cfg: r.cfg, epoch: r.epoch}
	for len(r.busy) < r.cfg.Workers && len(r.queue) > 0 {
		t := r.queue[0]
		if t.action.First && r.returning > 0 {
			// Where a new home goes depends on the room that these take.
			break
		}
		r.queue = r.queue[1:]
		r.busy[t.action.JobID] = struct{}{}
		r.returning += t.returns()
		workers.Go(func() {
			start := r.cfg.Now()
			limited, cancel := context.WithTimeout(ctx, actionTimeout)
			defer cancel()
			limited, span := r.begin(limited, t)
			err := e.do(limited, t)
			tracing.End(span, err)
			r.done <- outcome{task: t, err: err, took: r.cfg.Now().Sub(start)}
		})
	}
	r.metrics.waiting.Set(float64(len(r.queue)))
}

// begin begins the trace of an action, which is linked to the pass that decided it.
func (r *round) begin(ctx context.Context, t task) (context.Context, trace.Span) {
	return tracing.Tracer(r.cfg.Traces).Start(ctx, "reconcile "+string(t.action.Kind), trace.WithNewRoot(), trace.WithLinks(trace.Link{SpanContext: t.decided}),
		trace.WithAttributes(attribute.String("bothy.workspace_id", t.item.ID), attribute.String("bothy.why", t.action.Why)))
}

// settle takes the outcome of an action.
func (r *round) settle(ctx context.Context, out outcome) error {
	action := out.task.action
	delete(r.busy, action.JobID)
	r.returning -= out.task.returns()
	if ctx.Err() != nil {
		return nil
	}
	kind, result := string(action.Kind), "ok"
	if out.err != nil {
		result = string(lab.CodeOf(out.err))
	}
	r.metrics.actions.WithLabelValues(kind, result).Inc()
	r.metrics.actionTime.WithLabelValues(kind).Observe(out.took.Seconds())

	log := r.cfg.Logger.With("action", kind, "job", action.JobID, "why", action.Why, "took", out.took)
	if errors.Is(out.err, ErrFenced) {
		return out.err
	}
	if out.err != nil {
		r.faults.failed(action.JobID, wishOf(out.task.item), out.err, r.cfg.Now())
		log.WarnContext(ctx, "action failed", "error", out.err)
		return nil
	}
	r.faults.succeeded(action.JobID)
	log.InfoContext(ctx, "action done")
	return nil
}
