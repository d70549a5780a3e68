package app

import (
	"sync"
	"time"

	"github.com/bothylabs/bothy/service/api"
	"github.com/bothylabs/bothy/service/lab"
	"github.com/bothylabs/bothy/service/reconcile"
)

// role knows whether this instance holds the reconciler's role and how it fares in it.
type role struct {
	// instance is this one's name.
	instance string

	mu    sync.Mutex
	since time.Time // zero while this instance does not hold the role
	// waiting is why the role could not be had.
	waiting error
	// last is the newest pass, whole the end of the newest that was complete.
	last  reconcile.Pass
	whole time.Time
}

// assume notes that this instance holds the role.
func (r *role) assume(at time.Time) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.since, r.waiting = at, nil
}

// resign notes that it does not any more; what it saw is of the past.
func (r *role) resign() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.since, r.last = time.Time{}, reconcile.Pass{}
}

// waits notes why the role could not be had or was lost.
func (r *role) waits(err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.waiting = err
}

// passed notes a pass. The loop passes only while it holds the role.
func (r *role) passed(p reconcile.Pass) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.last = p
	if p.Err == nil && p.Unreadable == "" {
		r.whole = p.At
	}
}

// state is what people are told.
func (r *role) state(l lock) api.ReconcilerState {
	other, known := l.Holder()
	r.mu.Lock()
	defer r.mu.Unlock()
	s := api.ReconcilerState{Instance: r.instance, Active: !r.since.IsZero(), LastPassAt: r.whole, Err: r.last.Err}
	switch {
	case s.Active:
		s.Holder, s.HeldSince = r.instance, r.since
	case known:
		s.Holder, s.HeldSince = other.Instance, other.Since
	default:
		s.Err = r.waiting
	}
	if s.Err == nil && r.last.Unreadable != "" {
		s.Err = lab.Errorf(lab.CodeUnavailable, "nothing is changed while Nomad cannot be read: %s", r.last.Unreadable)
	}
	return s
}
