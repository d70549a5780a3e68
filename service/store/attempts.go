package store

import (
	"context"
	"math"
	"time"

	"github.com/bothylabs/bothy/service/lab"
)

const (
	// attemptsKept is how long failures are kept: more than the longest window that
	// anything is counted in. Anybody can make rows, with logins that there are not.
	attemptsKept = 2 * time.Hour
	// expiredAttempts bounds how many of those one attempt clears away.
	expiredAttempts = 100
)

// attemptRow is what was tried at an account, or from an address.
type attemptRow struct {
	Key            string `db:"key"`
	UnknownFailed  int    `db:"unknown_failed"`
	UnknownPending int    `db:"unknown_pending"`
	KnownFailed    int    `db:"known_failed"`
	KnownPending   int    `db:"known_pending"`
	BeganAt        stamp  `db:"began_at"`
	LastAt         stamp  `db:"last_at"`
}

func accountKey(account string) string { return "account:" + account }
func addressKey(address string) string { return "address:" + address }

// BeginAttempt counts a try at a password as one that is being made, and gives how
// long it has to wait; CodeTooMany where the account has no room for another. Each
// that was begun must be ended.
func (s *Store) BeginAttempt(ctx context.Context, a lab.Attempt, limits lab.AttemptLimits) (wait time.Duration, err error) {
	err = s.update(ctx, "begin an attempt", func(tx session) error {
		if err := clearAttempts(ctx, tx, a.At); err != nil {
			return err
		}
		account, err := holdAttempts(ctx, tx, accountKey(a.Account), a.At)
		if err != nil {
			return err
		}
		if forgotten := time.Time(account.LastAt).Add(limits.Quiet); !a.At.Before(forgotten) {
			account = attemptRow{Key: account.Key, BeganAt: stamp(a.At)}
		}
		quiet := time.Time(account.LastAt).Add(limits.Quiet).Sub(a.At) // what is refused does not prolong it
		account.LastAt = later(account.LastAt, a.At)
		if a.Known {
			if account.KnownFailed+account.KnownPending >= limits.Known {
				return tooMany(quiet)
			}
			account.KnownPending++
			return keepAttempts(ctx, tx, account)
		}
		if account.UnknownFailed+account.UnknownPending >= limits.Unknown {
			return tooMany(quiet)
		}
		account.UnknownPending++
		if err := keepAttempts(ctx, tx, account); err != nil {
			return err
		}
		failures, err := addressFailures(ctx, tx, a, limits.Window)
		wait = limits.Delay(failures)
		return err
	})
	if err != nil {
		return 0, err
	}
	return wait, nil
}

// addressFailures gives how many failures came from the address within the window.
// What is only being looked at is none: a school signs in all at once.
func addressFailures(ctx context.Context, tx session, a lab.Attempt, window time.Duration) (int, error) {
	var failures []int
	err := tx.list(ctx, &failures, `SELECT unknown_failed FROM sign_in_attempts WHERE key = ? AND began_at > ?`, addressKey(a.Address), stamp(a.At.Add(-window)))
	if err != nil || len(failures) == 0 {
		return 0, err
	}
	return failures[0], nil
}

// EndAttempt counts what became of a try that was begun. A right password makes
// the account's failures forgotten.
func (s *Store) EndAttempt(ctx context.Context, a lab.Attempt, limits lab.AttemptLimits, outcome lab.AttemptOutcome) error {
	return s.update(ctx, "end an attempt", func(tx session) error {
		account, err := holdAttempts(ctx, tx, accountKey(a.Account), a.At)
		if err != nil {
			return err
		}
		failed, pending := &account.UnknownFailed, &account.UnknownPending
		if a.Known {
			failed, pending = &account.KnownFailed, &account.KnownPending
		}
		*pending = max(0, *pending-1)
		switch outcome {
		case lab.AttemptWrong:
			*failed++
		case lab.AttemptRight:
			account.UnknownFailed, account.KnownFailed = 0, 0
		case lab.AttemptVoid:
		}
		if err := keepAttempts(ctx, tx, account); err != nil || a.Known || outcome != lab.AttemptWrong {
			return err
		}
		return countAttempt(ctx, tx, addressKey(a.Address), math.MaxInt, limits.Window, a.At)
	})
}

// Spend counts something that may be done so often within a window, under a key of
// its own; CodeTooMany where it was.
func (s *Store) Spend(ctx context.Context, key string, most int, window time.Duration, at time.Time) error {
	return s.update(ctx, "count a request", func(tx session) error {
		if err := clearAttempts(ctx, tx, at); err != nil {
			return err
		}
		return countAttempt(ctx, tx, key, most, window, at)
	})
}

// countAttempt counts one within a window that begins with the first.
func countAttempt(ctx context.Context, tx session, key string, most int, window time.Duration, at time.Time) error {
	row, err := holdAttempts(ctx, tx, key, at)
	if err != nil {
		return err
	}
	ends := time.Time(row.BeganAt).Add(window)
	if !at.Before(ends) {
		row, ends = attemptRow{Key: key, BeganAt: stamp(at)}, at.Add(window)
	}
	if row.UnknownFailed >= most {
		return tooMany(ends.Sub(at))
	}
	row.UnknownFailed++
	row.LastAt = later(row.LastAt, at)
	return keepAttempts(ctx, tx, row)
}

func tooMany(wait time.Duration) error {
	e := lab.Errorf(lab.CodeTooMany, "this was tried too often")
	e.RetryAfter = max(time.Second, wait)
	return e
}

// holdAttempts holds what is counted under a key, until the transaction ends.
func holdAttempts(ctx context.Context, tx session, key string, at time.Time) (row attemptRow, err error) {
	if _, err := tx.exec(ctx, `INSERT INTO sign_in_attempts (key, unknown_failed, unknown_pending, known_failed, known_pending, began_at, last_at)
		VALUES (?, 0, 0, 0, 0, ?, ?) ON CONFLICT (key) DO NOTHING`, key, stamp(at), stamp(at)); err != nil {
		return row, err
	}
	err = tx.get(ctx, &row, `SELECT key, unknown_failed, unknown_pending, known_failed, known_pending, began_at, last_at
		FROM sign_in_attempts WHERE key = ?`+tx.locks.own, key)
	return row, err
}

func keepAttempts(ctx context.Context, tx session, row attemptRow) error {
	_, err := tx.exec(ctx, `UPDATE sign_in_attempts SET unknown_failed = ?, unknown_pending = ?, known_failed = ?, known_pending = ?, began_at = ?, last_at = ?
		WHERE key = ?`, row.UnknownFailed, row.UnknownPending, row.KnownFailed, row.KnownPending, row.BeganAt, row.LastAt, row.Key)
	return err
}

// clearAttempts removes some of what counts no more.
func clearAttempts(ctx context.Context, tx session, now time.Time) error {
	_, err := tx.exec(ctx, `DELETE FROM sign_in_attempts WHERE key IN (SELECT key FROM sign_in_attempts
		WHERE last_at < ? ORDER BY last_at LIMIT ?`+tx.locks.free+`)`, stamp(now.Add(-attemptsKept)), expiredAttempts)
	return err
}

// later gives the later of two moments: clocks of instances differ.
func later(one stamp, other time.Time) stamp {
	if time.Time(one).After(other) {
		return one
	}
	return stamp(other)
}
