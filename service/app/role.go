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
	mu     sync.Mutex
	active bool
	// last is the newest pass, whole the end of the newest that was complete.
	last  reconcile.Pass
	whole time.Time
}

// resign notes that the loop has ended.
func (r *role) resign() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.active = false
}

// passed notes a pass. The loop passes only while it holds the role.
func (r *role) passed(p reconcile.Pass) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.active, r.last = true, p
	if p.Err == nil && p.Unreadable == "" {
		r.whole = p.At
	}
}

// state is what people are told.
func (r *role) state() api.ReconcilerState {
	r.mu.Lock()
	defer r.mu.Unlock()
	s := api.ReconcilerState{Active: r.active, LastPassAt: r.whole, Err: r.last.Err}
	if s.Err == nil && r.last.Unreadable != "" {
		s.Err = lab.Errorf(lab.CodeUnavailable, "nothing is changed while Nomad cannot be read: %s", r.last.Unreadable)
	}
	return s
}
