package auth

import (
	"context"
	"fmt"
	"time"

	"github.com/bothylabs/bothy/service/lab"
)

// How long giving somebody a password may take at Vault, which is less than what the
// client of Vault waits for an answer, and how long it keeps others from it: until what
// was given up can't come any more, whichever instance's clock is looked at.
const (
	giveTimeout = 12 * time.Second
	heldFor     = 45 * time.Second
	// givePause is between two looks whether somebody else is done, givePatience how long
	// there are any.
	givePause    = 200 * time.Millisecond
	givePatience = 5 * time.Second
)

// PasswordHolds keeps who is giving somebody a password.
type PasswordHolds interface {
	HoldPassword(ctx context.Context, hold lab.PasswordHold, at time.Time) error
	ReleasePassword(ctx context.Context, hold lab.PasswordHold) (bool, error)
}

// Giver gives people passwords, of each person one at a time. All but Turn must be set.
type Giver struct {
	Holds     PasswordHolds
	Passwords Passwords
	NewID     func() string
	Now       func() time.Time
	After     func(time.Duration) <-chan time.Time
	// Turn waits until Vault may be asked; done, which may be called again, lets others
	// ask it. Without one it may be asked at once.
	Turn func(ctx context.Context) (done func(), err error)
}

// Give gives somebody a password under a hold, which says whose, and has note write
// down that they have it, which ends the hold that it gets. Vault keeps what comes last
// and compares nothing: nobody else gives them one in between, so that what the database
// says is what Vault has.
// Who waits for the answer may leave: what was begun is ended. CodeConflict when
// somebody else takes long, and of a temporary password for who has one of their own;
// CodeUnauthenticated and CodeForbidden as HoldPassword has them.
func (g Giver) Give(ctx context.Context, hold lab.PasswordHold, password string, note func(context.Context, lab.PasswordHold) error) error {
	hold, done, err := g.hold(ctx, hold)
	if err != nil {
		return err
	}
	defer done()
	begun, cancel := context.WithTimeout(context.WithoutCancel(ctx), giveTimeout)
	defer cancel()
	err = g.Passwords.SetPassword(begun, hold.UserID, password)
	done()
	if err != nil {
		if begun.Err() == nil { // else it may still come, and the hold ends by itself
			g.release(ctx, hold)
		}
		return fmt.Errorf("set a password: %w", err)
	}
	settling, cancel := context.WithTimeout(context.WithoutCancel(ctx), settleTimeout)
	defer cancel()
	return note(settling, hold)
}

// hold waits for a while until nobody else gives the person a password. Nobody keeps a
// turn while they wait, else one person could take all of them.
func (g Giver) hold(ctx context.Context, hold lab.PasswordHold) (_ lab.PasswordHold, done func(), err error) {
	hold.ID = g.NewID()
	hold, done, err = g.tryHold(ctx, hold)
	for late := g.Now().Add(givePatience); lab.CodeOf(err) == lab.CodeConflict && !hold.Temporary && g.Now().Before(late); {
		select {
		case <-g.After(givePause):
			hold, done, err = g.tryHold(ctx, hold)
		case <-ctx.Done():
			err = ctx.Err()
		}
	}
	return hold, done, err
}

// tryHold holds it when the turn has come, unless somebody else does. The turn comes
// first: a hold must not grow old while others have theirs.
func (g Giver) tryHold(ctx context.Context, hold lab.PasswordHold) (_ lab.PasswordHold, done func(), err error) {
	if done, err = g.turn(ctx); err != nil {
		return hold, nil, err
	}
	at := g.Now()
	hold.Until = at.Add(heldFor)
	if err = g.Holds.HoldPassword(ctx, hold, at); err != nil {
		done()
	}
	return hold, done, err
}

func (g Giver) turn(ctx context.Context) (done func(), err error) {
	if g.Turn == nil {
		return func() {}, nil
	}
	return g.Turn(ctx)
}

// release ends a hold under which nothing was set. Where that fails it ends by itself.
func (g Giver) release(ctx context.Context, hold lab.PasswordHold) {
	settling, cancel := context.WithTimeout(context.WithoutCancel(ctx), settleTimeout)
	defer cancel()
	_, _ = g.Holds.ReleasePassword(settling, hold)
}
