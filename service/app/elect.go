package app

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"github.com/cenkalti/backoff/v5"

	"github.com/bothylabs/bothy/service/consul"
	"github.com/bothylabs/bothy/service/reconcile"
)

const (
	// firstTry and lastTry bound the time to the next try for the reconciler's role.
	firstTry = time.Second
	lastTry  = 10 * time.Second
	// settled is how long the role must have been held before a loss of it counts as
	// the first one.
	settled = time.Minute
)

// lock lets one of several instances at a time reconcile.
type lock interface {
	// Hold waits for the lock and runs work while it is held, as consul.Lock does.
	Hold(ctx context.Context, work func(context.Context) error) error
	// Holder says who else holds it; ok is false when that is not known.
	Holder() (h consul.Holder, ok bool)
}

// noLock is for an installation of one instance. One that starts later takes the
// role from it for good: without a lock they would take it from each other for ever.
type noLock struct{ log *slog.Logger }

// Hold implements lock.
func (n noLock) Hold(ctx context.Context, work func(context.Context) error) error {
	err := work(ctx)
	if errors.Is(err, reconcile.ErrFenced) {
		n.log.WarnContext(ctx, `another instance reconciles now; this one serves the API only until it is started again (reconcile.lock is "none")`)
		<-ctx.Done()
		return nil
	}
	return err
}

// Holder implements lock.
func (noLock) Holder() (consul.Holder, bool) { return consul.Holder{}, false }

// election has this instance reconcile whenever it is its turn.
type election struct {
	lock lock
	// run reconciles until its context ends or another instance takes over.
	run  func(context.Context) error
	role *role
	log  *slog.Logger
	now  func() time.Time
	// jitter is the part of a delay that is random, 0 to 1.
	jitter float64
}

// Run tries to get the role, fulfils it while it is this instance's, and tries
// again, until ctx ends, which is no error.
func (e *election) Run(ctx context.Context) error {
	delays := backoff.NewExponentialBackOff()
	delays.InitialInterval, delays.MaxInterval, delays.Multiplier, delays.RandomizationFactor = firstTry, lastTry, 2, e.jitter
	for {
		var held time.Duration
		err := e.lock.Hold(ctx, func(ctx context.Context) error {
			begun := e.now()
			defer func() { held = e.now().Sub(begun) }()
			return e.reconcile(ctx)
		})
		if ctx.Err() != nil {
			return nil
		}
		e.role.waits(err)
		if held >= settled {
			delays.Reset()
		}
		delay := delays.NextBackOff()
		e.log.WarnContext(ctx, "this instance does not reconcile", "error", err, "again_in", delay)
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(delay):
		}
	}
}

// reconcile is one turn.
func (e *election) reconcile(ctx context.Context) error {
	e.role.assume(e.now())
	defer e.role.resign()
	e.log.InfoContext(ctx, "this instance reconciles")
	return e.run(ctx)
}
