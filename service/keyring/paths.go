package keyring

import (
	"context"
	"sync"
)

// paths lets one at a time work on a workspace's path in Vault: a pass, a start and
// the end of a workspace know nothing of each other.
type paths struct {
	mu sync.Mutex
	// held are the job ids at work, each until its channel is closed.
	held map[string]chan struct{}
}

// alone does something once nobody else works on the path of this job, or gives the
// error of a ctx that ended before.
func (p *paths) alone(ctx context.Context, jobID string, do func() error) error {
	own := make(chan struct{})
	for other := p.hold(jobID, own); other != own; other = p.hold(jobID, own) {
		select {
		case <-other:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	defer func() {
		p.mu.Lock()
		defer p.mu.Unlock()
		delete(p.held, jobID)
		close(own)
	}()
	return do()
}

// hold gives who holds a job from now on: own, where nobody does yet.
func (p *paths) hold(jobID string, own chan struct{}) chan struct{} {
	p.mu.Lock()
	defer p.mu.Unlock()
	if other, held := p.held[jobID]; held {
		return other
	}
	p.held[jobID] = own
	return own
}
