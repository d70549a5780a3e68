package store

import (
	"cmp"
	"context"
	"time"

	"github.com/bothylabs/bothy/service/lab"
)

const (
	sessionColumns = `s.id, s.hash, s.user_id, s.password_due, s.remote, s.agent, s.rotated_at, s.created_at, s.seen_at, s.expires_at, s.ended_at`
	selectSessions = `SELECT ` + sessionColumns + ` FROM sessions s `
	insertSession  = `INSERT INTO sessions (id, hash, rotated_at, user_id, password_due, remote, agent, created_at, seen_at, expires_at)
		VALUES (:id, :hash, :rotated_at, :user_id, :password_due, :remote, :agent, :created_at, :seen_at, :expires_at)`
	// sessionUnder is the id of the session that has, or had, the token under a hash, which is
	// given twice.
	sessionUnder = `(SELECT id FROM sessions WHERE hash = ? UNION ALL SELECT session_id FROM session_tokens WHERE hash = ? LIMIT 1)`
)

type sessionRow struct {
	ID          string `db:"id"`
	Hash        string `db:"hash"`
	UserID      string `db:"user_id"`
	PasswordDue int64  `db:"password_due"`
	Remote      string `db:"remote"`
	Agent       string `db:"agent"`
	RotatedAt   stamp  `db:"rotated_at"`
	CreatedAt   stamp  `db:"created_at"`
	SeenAt      stamp  `db:"seen_at"`
	ExpiresAt   stamp  `db:"expires_at"`
	EndedAt     stamp  `db:"ended_at"`
}

func (r sessionRow) session() lab.Session {
	return lab.Session{
		ID: r.ID, UserID: r.UserID, PasswordDue: r.PasswordDue != 0, Remote: r.Remote, Agent: r.Agent, RotatedAt: time.Time(r.RotatedAt),
		CreatedAt: time.Time(r.CreatedAt), SeenAt: time.Time(r.SeenAt), ExpiresAt: time.Time(r.ExpiresAt), EndedAt: r.EndedAt.pointer(),
	}
}

func rowOfSession(s lab.Session, hash string) sessionRow {
	row := sessionRow{
		ID: s.ID, Hash: hash, UserID: s.UserID, Remote: s.Remote, Agent: s.Agent, RotatedAt: stamp(s.RotatedAt),
		CreatedAt: stamp(s.CreatedAt), SeenAt: stamp(s.SeenAt), ExpiresAt: stamp(s.ExpiresAt),
	}
	if s.PasswordDue {
		row.PasswordDue = 1
	}
	return row
}

// BeginSession writes a new session of somebody, and that they have used its browser;
// the sessions that it replaces end, each with the audit that ended gives. CodeForbidden
// for who is disabled by now, CodeConflict for who was changed since their password was
// looked at.
func (s *Store) BeginSession(ctx context.Context, in lab.SignIn, audit lab.Audit, ended func(lab.Session) lab.Audit) error {
	begun := in.Session
	return s.update(ctx, "begin a session", func(tx session) error {
		user, err := holdUser(ctx, tx, begun.UserID)
		switch {
		case err != nil:
			return err
		case !user.Active():
			return lab.Errorf(lab.CodeForbidden, "this person may not sign in any more")
		case in.Revision != 0 && in.Revision != user.Revision:
			return lab.Errorf(lab.CodeConflict, "the account was changed at this moment").WithHint("sign in again")
		}
		if err := insert(ctx, tx, insertSession, rowOfSession(begun, in.Hash)); err != nil {
			return err
		}
		if _, err := tx.exec(ctx, `INSERT INTO devices (user_id, hash, used_at) VALUES (?, ?, ?)
			ON CONFLICT (user_id, hash) DO UPDATE SET used_at = excluded.used_at`, begun.UserID, in.Device, stamp(begun.CreatedAt)); err != nil {
			return err
		}
		if err := record(ctx, tx, audit); err != nil {
			return err
		}
		for _, old := range in.Replaced {
			if err := replaceSession(ctx, tx, old, begun.CreatedAt, ended); err != nil {
				return err
			}
		}
		return nil
	})
}

// replaceSession ends the session of a token, where there is one that has not ended.
func replaceSession(ctx context.Context, tx session, hash string, at time.Time, ended func(lab.Session) lab.Audit) error {
	n, err := tx.exec(ctx, `UPDATE sessions SET ended_at = ? WHERE ended_at IS NULL AND id = `+sessionUnder, stamp(at), hash, hash)
	if err != nil || n == 0 {
		return err
	}
	var row sessionRow
	if err := tx.get(ctx, &row, selectSessions+`WHERE s.id = `+sessionUnder, hash, hash); err != nil {
		return err
	}
	return record(ctx, tx, ended(row.session()))
}

// SessionOf gives the session that has or had the token under a hash, its user, and
// what the token is to it. CodeNotFound without one.
func (s *Store) SessionOf(ctx context.Context, hash string) (lab.Session, lab.User, lab.SessionToken, error) {
	var row struct {
		sessionRow
		SucceededAt stamp `db:"succeeded_at"`
		Succeeds    bool  `db:"succeeds"`
	}
	err := s.reader().find(ctx, "session", "", &row, `SELECT `+sessionColumns+`, t.succeeded_at, EXISTS (SELECT 1 FROM session_tokens o WHERE o.session_id = s.id AND o.succeeded_at IS NULL
				AND (t.hash IS NULL OR o.replaced_at < t.replaced_at)) AS succeeds
		FROM sessions s LEFT JOIN session_tokens t ON t.hash = ? WHERE s.id = `+sessionUnder, hash, hash, hash)
	if err != nil {
		return lab.Session{}, lab.User{}, lab.SessionToken{}, s.failed(ctx, "read a session", err)
	}
	user, err := s.User(ctx, row.UserID)
	return row.session(), user, lab.SessionToken{SucceededAt: row.SucceededAt.pointer(), Succeeds: row.Succeeds}, err
}

// SucceedTokens notes that the token under a hash is seen, so that its browser needs
// none of those that the session had before it.
func (s *Store) SucceedTokens(ctx context.Context, sessionID, hash string, at time.Time) error {
	return s.update(ctx, "note that a token is seen", func(tx session) error {
		_, err := tx.exec(ctx, `UPDATE session_tokens SET succeeded_at = ? WHERE session_id = ? AND succeeded_at IS NULL
			AND NOT EXISTS (SELECT 1 FROM session_tokens t WHERE t.hash = ? AND t.replaced_at <= session_tokens.replaced_at)`, stamp(at), sessionID, hash)
		return err
	})
}

// Session gives the session with an id.
func (s *Store) Session(ctx context.Context, id string) (lab.Session, error) {
	var row sessionRow
	if err := s.reader().find(ctx, "session", id, &row, selectSessions+`WHERE s.id = ?`, id); err != nil {
		return lab.Session{}, s.failed(ctx, "read a session", err)
	}
	return row.session(), nil
}

// RotateSession puts another token in the place of the one that the session has had
// since a moment, and says whether it has: somebody else may have been first.
func (s *Store) RotateSession(ctx context.Context, id string, since time.Time, to string, at time.Time) (done bool, err error) {
	err = s.update(ctx, "rotate a session", func(tx session) error {
		n, err := tx.exec(ctx, `INSERT INTO session_tokens (hash, session_id, replaced_at)
			SELECT hash, id, CAST(? AS BIGINT) FROM sessions WHERE id = ? AND rotated_at = ? AND ended_at IS NULL`+tx.locks.own, stamp(at), id, stamp(since))
		if done = n == 1; err != nil || !done {
			return err
		}
		_, err = tx.exec(ctx, `UPDATE sessions SET hash = ?, rotated_at = ?, seen_at = ? WHERE id = ?`, to, stamp(at), stamp(at), id)
		return err
	})
	return done, err
}

// EndReused ends the session whose token, under the hash given, has a later one that
// was seen at a moment or before it; none where there is no such session, or it has
// ended.
func (s *Store) EndReused(ctx context.Context, hash string, succeeded, at time.Time, audit func(lab.Session) lab.Audit) error {
	const ofHash = `WHERE s.ended_at IS NULL AND s.id IN (SELECT session_id FROM session_tokens WHERE hash = ? AND succeeded_at <= ?)`
	var found []sessionRow
	if err := s.reader().list(ctx, &found, selectSessions+ofHash, hash, stamp(succeeded)); err != nil {
		return s.failed(ctx, "look for a token's session", err)
	}
	if len(found) == 0 {
		return nil
	}
	return s.update(ctx, "end a session whose token was used again", func(tx session) error {
		n, err := tx.exec(ctx, `UPDATE sessions SET ended_at = ? WHERE id = ? AND ended_at IS NULL`, stamp(at), found[0].ID)
		if err != nil || n == 0 {
			return err
		}
		return record(ctx, tx, audit(found[0].session()))
	})
}

// SeeSession notes that a session is used.
func (s *Store) SeeSession(ctx context.Context, id string, at time.Time) error {
	return s.update(ctx, "see a session", func(tx session) error {
		_, err := tx.exec(ctx, `UPDATE sessions SET seen_at = ? WHERE id = ? AND seen_at < ?`, stamp(at), id, stamp(at))
		return err
	})
}

// Sessions gives a page of the sessions that are live at a moment, the newest
// first; those of one user, or of all for "".
func (s *Store) Sessions(ctx context.Context, userID string, now time.Time, idle time.Duration, p lab.Page) (lab.List[lab.Session], error) {
	var chosen conditions
	chosen.is("user", "s.user_id", userID)
	// The moment is in no cursor: it is another one with each page.
	chosen.sql = append(chosen.sql, `s.ended_at IS NULL AND s.expires_at > ? AND s.seen_at > ?`)
	chosen.args = append(chosen.args, stamp(now), stamp(now.Add(-idle)))
	return page(ctx, s, listing[sessionRow]{
		name: "sessions", from: selectSessions, standard: "-created_at",
		sorts: map[string]order[sessionRow]{
			"created_at": by(moment("s.created_at", func(r sessionRow) stamp { return r.CreatedAt })),
		},
		id: text("s.id", func(r sessionRow) string { return r.ID }),
	}, chosen, p, sessionRow.session)
}

// EndSession ends a session; CodeNotFound when it is not there, or ended already.
// The user's alone where one is named.
func (s *Store) EndSession(ctx context.Context, intent lab.Intent, userID, id string, at time.Time, audit lab.Audit) error {
	return s.act(ctx, intent, "end a session", func(tx session) (lab.Audit, error) {
		n, err := tx.exec(ctx, `UPDATE sessions SET ended_at = ? WHERE id = ? AND (user_id = ? OR ? = '') AND ended_at IS NULL`, stamp(at), id, userID, userID)
		if err == nil && n == 0 {
			err = lab.NotFound("session", id)
		}
		return audit, err
	})
}

// EndSessions ends all sessions of a user, and with tokens all API tokens.
func (s *Store) EndSessions(ctx context.Context, intent lab.Intent, userID string, tokens bool, at time.Time, audit lab.Audit) error {
	return s.act(ctx, intent, "end all sessions", func(tx session) (lab.Audit, error) {
		if err := tx.lock(ctx, "user", lockUser, userID); err != nil { // and all that begins anything for them
			return lab.Audit{}, err
		}
		ended, err := signOutAll(ctx, tx, userID, "", tokens, at)
		return ended.with(audit), err
	})
}

// signOutAll ends all sessions of a user but one, and with tokens all API tokens.
func signOutAll(ctx context.Context, tx session, userID, except string, tokens bool, at time.Time) (ended access, err error) {
	if ended.sessions, err = endSessions(ctx, tx, []string{userID}, except, at); err != nil || !tokens {
		return ended, err
	}
	ended.tokens, err = revokeTokens(ctx, tx, []string{userID}, at)
	return ended, err
}

// endSessions ends all sessions of users but one, and gives how many of them would
// have lasted longer.
func endSessions(ctx context.Context, tx session, users []string, except string, at time.Time) (live int, err error) {
	open, err := in[sessionRow](ctx, tx, selectSessions+`WHERE s.ended_at IS NULL AND s.user_id IN (?)`, users)
	if err != nil {
		return 0, err
	}
	for _, s := range open {
		if s.ID != except && time.Time(s.ExpiresAt).After(at) {
			live++
		}
	}
	return live, eachBatch(ctx, tx, `UPDATE sessions SET ended_at = ? WHERE ended_at IS NULL AND id <> ? AND user_id IN (?)`, []any{stamp(at), except}, users)
}

// KnowsDevice says whether somebody has signed in with a browser before.
func (s *Store) KnowsDevice(ctx context.Context, userID, hash string) (bool, error) {
	var n int64
	if err := s.reader().get(ctx, &n, `SELECT COUNT(*) FROM devices WHERE user_id = ? AND hash = ?`, userID, hash); err != nil {
		return false, s.failed(ctx, "look for a browser", err)
	}
	return n > 0, nil
}

// HoldPassword keeps others from giving somebody a password; CodeConflict while
// somebody else does, and of a temporary one for who has chosen a password.
// CodeUnauthenticated where the session that asks has ended by now, CodeForbidden for
// who is disabled.
func (s *Store) HoldPassword(ctx context.Context, hold lab.PasswordHold, at time.Time) error {
	return s.update(ctx, "hold a password", func(tx session) error {
		user, err := holdUser(ctx, tx, hold.UserID) // whatever ends all that they have waits, or is seen
		if err != nil {
			return err
		}
		if err := asksStill(ctx, tx, hold); err != nil {
			return err
		}
		if !user.Active() && !hold.Disabled {
			return lab.Errorf(lab.CodeForbidden, "this person may not sign in any more")
		}
		n, err := tx.exec(ctx, `UPDATE users SET password_hold = ?, password_held_until = ?
			WHERE id = ? AND (password_hold = '' OR password_held_until <= ?) AND (? = FALSE OR password <> 'own')`,
			hold.ID, stamp(hold.Until), hold.UserID, stamp(at), hold.Temporary)
		if err == nil && n == 0 {
			err = lab.Errorf(lab.CodeConflict, "another password is being set at this moment").WithHint("try again in a minute")
		}
		return err
	})
}

// asksStill is CodeUnauthenticated where the session that asks for a hold has ended.
func asksStill(ctx context.Context, tx session, hold lab.PasswordHold) error {
	if hold.SessionID == "" {
		return nil
	}
	err := tx.lock(ctx, "session", `SELECT id FROM sessions WHERE ended_at IS NULL AND id = ?`, hold.SessionID)
	if lab.CodeOf(err) == lab.CodeNotFound {
		err = lab.Errorf(lab.CodeUnauthenticated, "your session has ended meanwhile").WithHint("sign in again")
	}
	return err
}

// ReleasePassword ends a hold, and says whether it was one still: it may have been
// too long, and somebody else's turn since.
func (s *Store) ReleasePassword(ctx context.Context, hold lab.PasswordHold) (held bool, err error) {
	err = s.update(ctx, "release a password", func(tx session) error {
		held, err = releasePassword(ctx, tx, hold)
		return err
	})
	return held, err
}

func releasePassword(ctx context.Context, tx session, hold lab.PasswordHold) (bool, error) {
	n, err := tx.exec(ctx, `UPDATE users SET password_hold = '', password_held_until = NULL WHERE id = ? AND password_hold = ?`, hold.UserID, hold.ID)
	return n == 1, err
}

// PasswordSet notes that somebody's password was set under a hold, which ends: their
// state, that what was due by their session is done, and that all their other
// sessions and their links have ended, with tokens their API tokens too, and their
// failures are forgotten. CodeConflict when the hold was too long, and somebody else's
// turn since: nothing is noted then.
func (s *Store) PasswordSet(
	ctx context.Context, hold lab.PasswordHold, state lab.Password, kept string, tokens bool, at time.Time, audit lab.Audit,
) (given lab.NewPassword, err error) {
	err = s.update(ctx, "note a new password", func(tx session) error {
		userID := hold.UserID
		before, err := holdUser(ctx, tx, userID)
		if err != nil {
			return err
		}
		if held, err := releasePassword(ctx, tx, hold); err != nil || !held {
			return cmp.Or(err, error(lab.Errorf(lab.CodeConflict, "another password was set meanwhile").WithHint("try again")))
		}
		for _, statement := range []struct {
			sql  string
			args []any
		}{
			{`UPDATE users SET password = ?, password_until = NULL, revision = revision + 1, updated_at = ? WHERE id = ?`, []any{string(state), stamp(at), userID}},
			{`UPDATE sessions SET password_due = 0 WHERE id = ?`, []any{kept}},
			{`UPDATE mail_links SET used_at = ? WHERE user_id = ? AND kind = 'reset' AND used_at IS NULL`, []any{stamp(at), userID}},
			{`DELETE FROM sign_in_attempts WHERE key = ?`, []any{accountKey(userID)}},
		} {
			if _, err := tx.exec(ctx, statement.sql, statement.args...); err != nil {
				return err
			}
		}
		gone, err := signOutAll(ctx, tx, userID, kept, tokens, at)
		if err != nil {
			return err
		}
		given = lab.NewPassword{Ended: lab.Ended{Sessions: gone.sessions, Tokens: len(gone.tokens)}, Revision: before.Revision + 1}
		return record(ctx, tx, gone.with(audit))
	})
	return given, err
}
