package store

import (
	"context"
	"errors"

	"github.com/bothylabs/bothy/service/lab"
)

// errDryRun undoes the transaction of an act that was only to be tried.
var errDryRun = errors.New("a dry run ends here")

// act runs fn in a transaction, as update does, for somebody who asks for it, and
// records what fn did; where it did nothing, its audit has no more than the target. A dry run goes all the way and is then undone; under a key
// that is used, nothing happens and the error wraps lab.ErrDone.
func (s *Store) act(ctx context.Context, intent lab.Intent, what string, fn func(session) (lab.Audit, error)) error {
	err := s.update(ctx, what, func(tx session) error {
		if err := claimKey(ctx, tx, intent, s.now()); err != nil {
			return err
		}
		audit, err := fn(tx)
		if err != nil {
			return err
		}
		if audit.ID != "" {
			if err := record(ctx, tx, audit); err != nil {
				return err
			}
		}
		if err := keepTarget(ctx, tx, intent, audit.Target); err != nil {
			return err
		}
		if intent.DryRun {
			return errDryRun
		}
		return nil
	})
	if errors.Is(err, errDryRun) {
		return nil
	}
	return err
}
