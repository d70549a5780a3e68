package app

import (
	"context"
	"sync"
	"time"

	"github.com/bothylabs/bothy/service/api"
	"github.com/bothylabs/bothy/service/lab"
	"github.com/bothylabs/bothy/service/reconcile"
)

// role is the reconciler's store, and knows from its use how the reconciler is doing.
type role struct {
	reconcile.Store
	now      func() time.Time
	snapshot func() lab.Snapshot

	mu     sync.Mutex
	active bool
	pass   time.Time
	err    error
}

// ClaimEpoch implements reconcile.Store.
func (r *role) ClaimEpoch(ctx context.Context) (int64, error) {
	epoch, err := r.Store.ClaimEpoch(ctx)
	r.note(func() { r.active, r.err = err == nil, err })
	return epoch, err
}

// ReconcileList implements reconcile.Store. Each pass begins with it; what the
// pass then does, it does from memory.
func (r *role) ReconcileList(ctx context.Context) ([]lab.WorkItem, error) {
	items, err := r.Store.ReconcileList(ctx)
	r.note(func() {
		r.err = err
		if err == nil {
			r.pass = r.now()
		}
	})
	return items, err
}

// resign notes that the loop has ended.
func (r *role) resign() { r.note(func() { r.active = false }) }

func (r *role) note(change func()) {
	r.mu.Lock()
	defer r.mu.Unlock()
	change()
}

// state is what people are told.
func (r *role) state() api.ReconcilerState {
	r.mu.Lock()
	defer r.mu.Unlock()
	s := api.ReconcilerState{Active: r.active, LastPassAt: r.pass, Err: r.err}
	if unreadable := r.snapshot().Unreadable; unreadable != "" && s.Err == nil {
		s.Err = lab.Errorf(lab.CodeUnavailable, "nothing is changed while Nomad cannot be read: %s", unreadable)
	}
	return s
}
