package store

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/bothylabs/bothy/service/lab"
)

// expiredKeys bounds how many keys whose time is over one act clears away.
const expiredKeys = 100

// claimKey takes the key of an intent, if it has one, for this transaction. Who
// asks with the same key meanwhile waits until the transaction ends.
func claimKey(ctx context.Context, tx session, intent lab.Intent, now time.Time) error {
	if !keyed(intent) {
		return nil
	}
	if err := clearKeys(ctx, tx, intent, now.Add(-lab.KeyRetention)); err != nil {
		return err
	}
	n, err := tx.exec(ctx, `INSERT INTO idempotency_keys (actor, key, operation, fingerprint, target, status, headers, body, created_at)
		VALUES (?, ?, ?, ?, '', 0, '{}', '', ?) ON CONFLICT (actor, key) DO NOTHING`,
		intent.Actor.Name, intent.Key, intent.Operation, intent.Fingerprint, stamp(now))
	if err == nil && n == 0 {
		return lab.Wrap(lab.CodeConflict, lab.ErrDone, "this key was used before")
	}
	return err
}

// keyed: a dry run uses up no key.
func keyed(intent lab.Intent) bool { return intent.Key != "" && !intent.DryRun }

// clearKeys removes the intent's own key if its time is over, and some others.
func clearKeys(ctx context.Context, tx session, intent lab.Intent, before time.Time) error {
	_, err := tx.exec(ctx, `DELETE FROM idempotency_keys WHERE actor = ? AND key = ? AND created_at < ?`,
		intent.Actor.Name, intent.Key, stamp(before))
	if err != nil {
		return err
	}
	_, err = tx.exec(ctx, `DELETE FROM idempotency_keys WHERE (actor, key) IN (SELECT actor, key FROM idempotency_keys
		WHERE created_at < ? ORDER BY created_at LIMIT ?`+tx.locks.free+`)`, stamp(before), expiredKeys)
	return err
}

// keepTarget notes what was changed under a key. What is noted first stays: an
// act that answers with something else than its audit's target notes that itself.
func keepTarget(ctx context.Context, tx session, intent lab.Intent, target string) error {
	if !keyed(intent) {
		return nil
	}
	_, err := tx.exec(ctx, `UPDATE idempotency_keys SET target = ? WHERE actor = ? AND key = ? AND target = ''`, target, intent.Actor.Name, intent.Key)
	return err
}

// Receipt gives what is kept of the request that was carried out under the
// intent's key; CodeNotFound when none was within lab.KeyRetention.
func (s *Store) Receipt(ctx context.Context, intent lab.Intent) (lab.Receipt, error) {
	var row struct {
		Operation   string `db:"operation"`
		Fingerprint string `db:"fingerprint"`
		Target      string `db:"target"`
		Status      int    `db:"status"`
		Headers     string `db:"headers"`
		Body        []byte `db:"body"`
		CreatedAt   stamp  `db:"created_at"`
	}
	err := s.reader().find(ctx, "request under the key", intent.Key, &row,
		`SELECT operation, fingerprint, target, status, headers, body, created_at
		FROM idempotency_keys WHERE actor = ? AND key = ? AND created_at >= ?`,
		intent.Actor.Name, intent.Key, stamp(s.now().Add(-lab.KeyRetention)))
	if err != nil {
		return lab.Receipt{}, s.failed(ctx, "look for a key", err)
	}
	receipt := lab.Receipt{Operation: row.Operation, Fingerprint: row.Fingerprint, Target: row.Target, At: time.Time(row.CreatedAt)}
	if row.Status == 0 {
		return receipt, nil
	}
	receipt.Answer = &lab.Answer{Status: row.Status, Body: row.Body}
	if err := json.Unmarshal([]byte(row.Headers), &receipt.Answer.Header); err != nil {
		return lab.Receipt{}, fmt.Errorf("read the headers of a kept answer: %w", err)
	}
	return receipt, nil
}

// KeepAnswer keeps what the request under the intent's key was answered, unless
// an answer is kept already or the key is another request's by now.
func (s *Store) KeepAnswer(ctx context.Context, intent lab.Intent, answer lab.Answer) error {
	headers, err := json.Marshal(answer.Header)
	if err != nil {
		return fmt.Errorf("write the headers of an answer: %w", err)
	}
	return s.update(ctx, "keep an answer", func(tx session) error {
		_, err := tx.exec(ctx, `UPDATE idempotency_keys SET status = ?, headers = ?, body = ?
			WHERE actor = ? AND key = ? AND fingerprint = ? AND status = 0`,
			answer.Status, string(headers), string(answer.Body), intent.Actor.Name, intent.Key, intent.Fingerprint)
		return err
	})
}
