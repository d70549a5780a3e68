package store_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/bothylabs/bothy/service/lab"
)

// sizes counts the rows of the tables that something is removed from.
func (f *fixture) sizes() map[string]int {
	f.t.Helper()
	db, err := f.db.open(f.where)
	f.must(err)
	defer db.Close()
	sizes := map[string]int{}
	for _, table := range []string{
		"sessions", "devices", "api_tokens", "mail_links", "sign_in_attempts", "idempotency_keys", "look_ins", "operations", "operation_items", "tickets", "passes",
	} {
		var n int
		f.must(db.GetContext(f.t.Context(), &n, `SELECT COUNT(*) FROM `+table))
		sizes[table] = n
	}
	return sizes
}

// less is the sizes without so many rows.
func less(sizes map[string]int, gone map[string]int) map[string]int {
	left := map[string]int{}
	for table, n := range sizes {
		left[table] = n - gone[table]
	}
	return left
}

func TestWhatIsGoodForNothingAnyMoreIsRemovedWhenItsTimeIsOver(t *testing.T) {
	t.Parallel()
	onEach(t, func(t *testing.T, f *fixture) {
		f.lived(6) // has a row of everything, all of it good after now
		db, err := f.db.open(f.where)
		f.must(err)
		defer db.Close()
		start := f.sizes()
		for table, n := range start {
			if n == 0 {
				t.Fatalf("there is nothing in %s", table)
			}
		}
		far, old := f.now.Add(10*365*24*time.Hour), f.now.Add(-time.Hour)
		ctx := t.Context()
		exec := func(query string, args ...any) {
			t.Helper()
			_, err := db.ExecContext(ctx, db.Rebind(query), args...)
			f.must(err)
		}
		// What is left as it is must stay, whenever it began.
		for _, statement := range []string{
			`UPDATE sessions SET expires_at = ?, ended_at = NULL`, `UPDATE api_tokens SET expires_at = ?, revoked_at = NULL`, `UPDATE mail_links SET expires_at = ?`,
			`UPDATE devices SET used_at = ?`, `UPDATE sign_in_attempts SET last_at = ?`, `UPDATE idempotency_keys SET created_at = ?`, `UPDATE look_ins SET at = ?`,
			`UPDATE operations SET ended_at = NULL WHERE created_at < ?`, `UPDATE tickets SET expires_at = ?`, `UPDATE passes SET ended_at = NULL WHERE created_at < ?`,
		} {
			exec(statement, far.UnixMicro())
		}
		u := f.user("gone@example.org", lab.RoleStudent)
		const many = 1203
		for i := range many {
			exec(`INSERT INTO sign_in_attempts (key, unknown_failed, unknown_pending, known_failed, known_pending, began_at, last_at) VALUES (?, 0, 0, 0, 0, 1, ?)`,
				fmt.Sprint("old-", i), old.UnixMicro())
		}
		session := `INSERT INTO sessions (id, hash, rotated_at, user_id, password_due, remote, agent, created_at, seen_at, expires_at, ended_at)
			VALUES (?, ?, 1, ?, 0, '', '', 1, 1, ?, ?)`
		exec(session, "expired", "expired", u.ID, old.UnixMicro(), nil)
		exec(session, "ended", "ended", u.ID, far.UnixMicro(), old.UnixMicro())
		token := `INSERT INTO api_tokens (id, hash, user_id, name, scope, created_at, expires_at, revoked_at) VALUES (?, ?, ?, 'n', 'read', 1, ?, ?)`
		exec(token, "expired", "expired", u.ID, old.UnixMicro(), nil)
		exec(token, "revoked", "revoked", u.ID, far.UnixMicro(), old.UnixMicro())
		letter := `INSERT INTO mail_links (id, hash, user_id, kind, tries, asked_at, due_at, sent_at, expires_at) VALUES (?, '', ?, ?, 0, 1, 1, ?, ?)`
		exec(letter, "sent", u.ID, "invitation", 1, old.UnixMicro())
		exec(letter, "unsent", u.ID, "reset", nil, old.UnixMicro())
		exec(letter, "waiting", u.ID, "invitation", nil, old.UnixMicro()) // stays
		exec(`INSERT INTO devices (user_id, hash, used_at) VALUES (?, 'h', ?)`, u.ID, old.UnixMicro())
		exec(`INSERT INTO idempotency_keys (actor, key, operation, fingerprint, target, status, headers, body, created_at) VALUES ('a', 'k', 'o', 'f', '', 0, '{}', '', ?)`, old.UnixMicro())
		exec(`INSERT INTO look_ins (id, workspace_id, user_id, actor, role, at) SELECT 'old', workspace_id, '', '', '', ? FROM look_ins LIMIT 1`, old.UnixMicro())
		exec(`INSERT INTO tickets (hash, workspace_id, host, looks_in, user_id, session_id, actor, role, remote, created_at, expires_at)
			SELECT 'old', workspace_id, host, looks_in, '', '', '', '', '', 1, ? FROM tickets LIMIT 1`, old.UnixMicro())
		exec(`INSERT INTO passes (id, hash, workspace_id, host, looks_in, user_id, session_id, actor, role, created_at, expires_at, ended_at)
			SELECT 'old', 'old', workspace_id, host, looks_in, '', '', '', '', 1, 1, ? FROM passes LIMIT 1`, old.UnixMicro())
		exec(`INSERT INTO browsers (hash, user_id, actor, used_at) VALUES ('old', '', '', ?)`, old.UnixMicro())
		for i := range 11 {
			id := fmt.Sprint("old-", i)
			exec(`INSERT INTO operations (id, kind, class_id, class_key, cohort_id, actor_name, state, affected, total, pending, done, failed, superseded, created_at, ended_at)
				VALUES (?, 'class.launch', 'c', 'a/b', '', '', 'done', 2, 2, 0, 2, 0, 0, 1, ?)`, id, old.UnixMicro())
			for w := range 2 {
				exec(`INSERT INTO operation_items (operation_id, workspace_id, slug, restarts, resets, outcome, reason, unsettled, ended_at) VALUES (?, ?, '', 0, 0, 'done', '', FALSE, 1)`, id, fmt.Sprint(w))
			}
		}

		full := f.sizes()
		clean := map[string]func(context.Context, time.Time) (int64, error){
			"sessions": f.CleanSessions, "devices": f.CleanDevices, "api_tokens": f.CleanTokens, "mail_links": f.CleanLetters, "sign_in_attempts": f.CleanAttempts,
			"idempotency_keys": f.CleanKeys, "look_ins": f.CleanLookIns, "operations": f.CleanOperations,
		}
		for table, gone := range map[string]int{
			"sessions": 2, "devices": 1, "api_tokens": 2, "mail_links": 2, "sign_in_attempts": many, "idempotency_keys": 1, "look_ins": 1, "operations": 11,
		} {
			if n, err := clean[table](ctx, old); err != nil || n != 0 {
				t.Errorf("%s: %d went before their time (%v)", table, n, err)
			}
			if n, err := clean[table](ctx, f.now); err != nil || int(n) != gone {
				t.Errorf("%s: %d went, not %d (%v)", table, n, gone, err)
			}
		}
		f.must(f.CleanDoor(ctx, f.now, f.now))
		want := less(full, map[string]int{
			"sessions": 2, "devices": 1, "api_tokens": 2, "mail_links": 2, "sign_in_attempts": many, "idempotency_keys": 1, "look_ins": 1,
			"operations": 11, "operation_items": 22, "tickets": 1, "passes": 1, "browsers": 1,
		})
		if diff := cmp.Diff(want, f.sizes()); diff != "" {
			t.Error(diff)
		}
	})
}
