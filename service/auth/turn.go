package auth

import (
	"context"
	"sync"
	"time"

	"github.com/bothylabs/bothy/service/lab"
)

// How many passwords are looked at or set at a time, and how long somebody waits for
// their turn. Each keeps a core of Vault's busy for some 50 ms: more at once only make
// all of them late, up to where Vault's answers come too late for anybody. And each
// counts against its address while it is looked at: a school in which hundreds sign in
// at the same moment must not look like somebody who guesses, nor with six instances
// of Bothy.
const (
	turns    = 32
	turnWait = 40 * time.Second
)

// turn waits for a turn, first come, first served. done ends it, if there is one, and
// may be called again. CodeUnavailable when it does not come in time.
func (p *People) turn(ctx context.Context) (done func(), err error) {
	done = sync.OnceFunc(func() { <-p.taken })
	select {
	case p.taken <- struct{}{}:
		return done, nil
	default: // nobody waits for nothing
	}
	select {
	case p.taken <- struct{}{}:
		return done, nil
	case <-p.After(turnWait):
		return func() {}, lab.Errorf(lab.CodeUnavailable, "too many people sign in at this moment").WithHint("try again in a minute")
	case <-ctx.Done():
		return func() {}, ctx.Err()
	}
}

// setPassword gives somebody a password once it is their turn.
func (p *People) setPassword(ctx context.Context, userID, password string) error {
	done, err := p.turn(ctx)
	if err != nil {
		return err
	}
	defer done()
	return p.Passwords.SetPassword(ctx, userID, password)
}
