package store

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/jmoiron/sqlx"

	"github.com/bothylabs/bothy/service/lab"
)

// addPersons says of the new ones among students whose memberships they are: the
// users with these logins, who are made where there are none, with the membership's
// id; of whom it is known already, that stays. Who lapsed may sign in again, with a
// new password. The users are held.
func addPersons(ctx context.Context, tx session, enrolled, students []lab.Student, at time.Time) error {
	known := make(map[string]bool, len(enrolled))
	for _, s := range enrolled {
		known[s.ID] = true
	}
	var added []userRow
	of := map[string]string{} // whose memberships they are, by id
	for _, s := range students {
		switch {
		case known[s.ID]:
		case s.UserID != "":
			of[s.ID] = s.UserID
		default:
			added = append(added, rowOfUser(lab.User{
				ID: s.ID, Login: s.Email, Name: s.Name, Email: s.Email, Role: lab.RoleStudent, Password: lab.PasswordNone,
				CreatedAt: at, UpdatedAt: at,
			}))
		}
	}
	if _, err := in[string](ctx, tx, `SELECT id FROM users WHERE id IN (?) ORDER BY id`+tx.locks.own, slices.Sorted(maps.Values(of))); err != nil {
		return err
	}
	// In one order, so that those who make the same users wait for each other and no more.
	slices.SortFunc(added, func(a, b userRow) int { return strings.Compare(a.LoginKey, b.LoginKey) })
	if err := insert(ctx, tx, insertUser+` ON CONFLICT (login_key) DO NOTHING`, added...); err != nil {
		return err
	}
	rows, err := in[userRow](ctx, tx, selectUsers+`WHERE login_key IN (?) ORDER BY login_key`+tx.locks.own,
		convert(added, func(r userRow) string { return r.LoginKey }))
	if err != nil {
		return err
	}
	ids := make(map[string]string, len(rows))
	for _, r := range rows {
		ids[r.LoginKey] = r.ID
	}
	for i, s := range students {
		if known[s.ID] {
			continue
		}
		if s.UserID == "" {
			students[i].UserID = ids[emailKey(s.Email)]
		}
		of[s.ID] = students[i].UserID
	}
	return eachBatch(ctx, tx, `UPDATE users SET disabled_at = NULL, lapsed = FALSE, password = 'none', password_until = NULL, revision = revision + 1, updated_at = ?
		WHERE lapsed AND id IN (?)`, []any{stamp(at)}, slices.Compact(slices.Sorted(maps.Values(of))))
}

// lapse disables those of the users who are students and have no membership any
// more, and gives what ended with that. Who enrolls them at the same time waits, or is
// waited for.
func lapse(ctx context.Context, tx session, users []string, at time.Time) (access, error) {
	users = slices.Compact(slices.Sorted(slices.Values(users)))
	const gone = ` role = 'student' AND disabled_at IS NULL AND NOT EXISTS
		(SELECT 1 FROM students s WHERE s.user_id = users.id AND s.withdrawn_at IS NULL)`
	if _, err := in[string](ctx, tx, `SELECT id FROM users WHERE id IN (?) ORDER BY id`+tx.locks.own, users); err != nil {
		return access{}, err
	}
	lapsed, err := in[string](ctx, tx, `SELECT id FROM users WHERE id IN (?) AND`+gone, users)
	if err != nil {
		return access{}, err
	}
	err = eachBatch(ctx, tx, `UPDATE users SET disabled_at = ?, lapsed = TRUE, revision = revision + 1, updated_at = ?
		WHERE id IN (?)`, []any{stamp(at), stamp(at)}, lapsed)
	if err != nil {
		return access{}, err
	}
	ended, err := shutOut(ctx, tx, lapsed, at)
	ended.users = len(lapsed)
	return ended, err
}

// access is what users had that has ended: their accounts, the sessions that would
// have lasted longer, and their API tokens, by id.
type access struct {
	users, sessions int
	tokens          []string
}

// shutOut ends the sessions and API tokens of users who are disabled, and must be
// held. Whoever enables them again does so with none of what they had before, which
// may be in somebody else's hands.
func shutOut(ctx context.Context, tx session, users []string, at time.Time) (ended access, err error) {
	if ended.sessions, err = endSessions(ctx, tx, users, "", at); err != nil {
		return access{}, err
	}
	ended.tokens, err = revokeTokens(ctx, tx, users, at)
	return ended, err
}

// and is what ended of both.
func (a access) and(b access) access {
	return access{users: a.users + b.users, sessions: a.sessions + b.sessions, tokens: slices.Concat(a.tokens, b.tokens)}
}

// with is the record of an act that ended an access too.
func (a access) with(audit lab.Audit) lab.Audit {
	detail := map[string]any{}
	maps.Copy(detail, audit.Detail)
	if a.users > 0 {
		detail["users_disabled"] = a.users
	}
	if a.sessions > 0 {
		detail["ended_sessions"] = a.sessions
	}
	if len(a.tokens) > 0 {
		detail["revoked_tokens"] = a.tokens
	}
	audit.Detail = detail
	return audit
}

// usersOf gives whose memberships students are.
func usersOf(ctx context.Context, tx session, students []string) ([]string, error) {
	return in[string](ctx, tx, `SELECT DISTINCT user_id FROM students WHERE id IN (?)`, students)
}

// eachBatch runs a statement whose last parameter is a list of any length.
func eachBatch(ctx context.Context, tx session, statement string, args []any, list []string) error {
	for batch := range slices.Chunk(list, batchRows) {
		query, all, err := sqlx.In(statement, append(slices.Clone(args), batch)...)
		if err != nil {
			return fmt.Errorf("expand the list of a statement: %w", err)
		}
		if _, err := tx.exec(ctx, query, all...); err != nil {
			return err
		}
	}
	return nil
}
