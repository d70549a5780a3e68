package store

import (
	"context"
	"time"
)

const (
	// oldBatch bounds how many rows one transaction removes whose time is over:
	// others get their turn between two of them.
	oldBatch = 500
	// oldOperations is the same for operations, which have an item for each workspace.
	oldOperations = 5
)

// clean removes rows in transactions of their own until there are fewer than a batch,
// and gives how many went.
func (s *Store) clean(ctx context.Context, what string, batch int64, remove func(tx session) (int64, error)) (removed int64, err error) {
	for {
		var n int64
		err := s.update(ctx, what, func(tx session) (err error) {
			n, err = remove(tx)
			return err
		})
		if err != nil {
			return removed, err
		}
		if removed += n; n < batch {
			return removed, nil
		}
	}
}

// cleanTable removes the rows of a table that a condition, with the moment as its only
// parameter, says are over; the oldest by a column first. key are the columns of its
// primary key.
func (s *Store) cleanTable(ctx context.Context, table, key, condition, oldest string, before time.Time) (int64, error) {
	return s.clean(ctx, "remove old rows of "+table, oldBatch, func(tx session) (int64, error) {
		return tx.exec(ctx, `DELETE FROM `+table+` WHERE (`+key+`) IN (SELECT `+key+` FROM `+table+`
			WHERE `+condition+` ORDER BY `+oldest+` LIMIT ?`+tx.locks.free+`)`, stamp(before), oldBatch)
	})
}

// CleanSessions removes the sessions that ended, or would have, before a moment.
func (s *Store) CleanSessions(ctx context.Context, before time.Time) (int64, error) {
	ended, err := s.cleanTable(ctx, "sessions", "id", "ended_at < ?", "ended_at", before)
	if err != nil {
		return ended, err
	}
	expired, err := s.cleanTable(ctx, "sessions", "id", "expires_at < ?", "expires_at", before)
	return ended + expired, err
}

// CleanDevices removes the browsers that were last signed in with before a moment.
func (s *Store) CleanDevices(ctx context.Context, before time.Time) (int64, error) {
	return s.cleanTable(ctx, "devices", "user_id, hash", "used_at < ?", "used_at", before)
}

// CleanTokens removes the API tokens that expired or were revoked before a moment.
func (s *Store) CleanTokens(ctx context.Context, before time.Time) (int64, error) {
	revoked, err := s.cleanTable(ctx, "api_tokens", "id", "revoked_at < ?", "revoked_at", before)
	if err != nil {
		return revoked, err
	}
	expired, err := s.cleanTable(ctx, "api_tokens", "id", "expires_at < ?", "expires_at", before)
	return revoked + expired, err
}

// CleanLetters removes the letters whose link or temporary password ended before a
// moment. Invitations that are still to be sent stay.
func (s *Store) CleanLetters(ctx context.Context, before time.Time) (int64, error) {
	return s.cleanTable(ctx, "mail_links", "id", "expires_at < ? AND (sent_at IS NOT NULL OR kind = 'reset')", "expires_at", before)
}

// CleanAttempts removes the counts of wrong passwords, and of what may be asked for so
// often, that were last touched before a moment.
func (s *Store) CleanAttempts(ctx context.Context, before time.Time) (int64, error) {
	return s.cleanTable(ctx, "sign_in_attempts", "key", "last_at < ?", "last_at", before)
}

// CleanKeys removes the requests that were made under a key of their own before a moment.
func (s *Store) CleanKeys(ctx context.Context, before time.Time) (int64, error) {
	return s.cleanTable(ctx, "idempotency_keys", "actor, key", "created_at < ?", "created_at", before)
}

// CleanLookIns removes who looked in on workspaces before a moment.
func (s *Store) CleanLookIns(ctx context.Context, before time.Time) (int64, error) {
	return s.cleanTable(ctx, "look_ins", "id", "at < ?", "at", before)
}

// CleanOperations removes the operations that ended before a moment, each with all of
// its items.
func (s *Store) CleanOperations(ctx context.Context, before time.Time) (int64, error) {
	return s.clean(ctx, "remove old operations", oldOperations, func(tx session) (int64, error) {
		var ids []string
		if err := tx.list(ctx, &ids, `SELECT id FROM operations WHERE ended_at < ? ORDER BY ended_at LIMIT ?`+tx.locks.free, stamp(before), oldOperations); err != nil {
			return 0, err
		}
		for _, statement := range []string{`DELETE FROM operation_items WHERE operation_id IN (?)`, `DELETE FROM operations WHERE id IN (?)`} {
			if err := eachBatch(ctx, tx, statement, nil, ids); err != nil {
				return 0, err
			}
		}
		return int64(len(ids)), nil
	})
}
