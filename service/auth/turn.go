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

// givePassword gives somebody the password that they choose once it is their turn, and
// gives their revision since. All their sessions but the one kept, which asks for it,
// end, with tokens their API tokens too.
func (p *People) givePassword(ctx context.Context, userID, password, kept string, tokens bool, audit lab.Audit) (revision int64, err error) {
	giver := Giver{Holds: p.Store, Passwords: p.Passwords, NewID: p.NewID, Now: p.Now, After: p.After, Turn: p.turn}
	err = giver.Give(ctx, lab.PasswordHold{UserID: userID, SessionID: kept}, password, func(ctx context.Context, hold lab.PasswordHold) error {
		given, err := p.Store.PasswordSet(ctx, hold, lab.PasswordOwn, kept, tokens, p.now(), audit)
		revision = given.Revision
		return err
	})
	return revision, err
}
