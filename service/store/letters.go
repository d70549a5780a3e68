package store

import (
	"context"
	"time"

	"github.com/bothylabs/bothy/service/lab"
)

const selectLetters = `SELECT id, user_id, kind, tries, asked_at, due_at, sent_at, expires_at, used_at FROM mail_links `

type letterRow struct {
	ID        string `db:"id"`
	UserID    string `db:"user_id"`
	Kind      string `db:"kind"`
	Tries     int    `db:"tries"`
	AskedAt   stamp  `db:"asked_at"`
	DueAt     stamp  `db:"due_at"`
	SentAt    stamp  `db:"sent_at"`
	ExpiresAt stamp  `db:"expires_at"`
	UsedAt    stamp  `db:"used_at"`
}

func (r letterRow) letter() lab.Letter {
	return lab.Letter{
		ID: r.ID, UserID: r.UserID, Kind: lab.LetterKind(r.Kind), Tries: r.Tries, AskedAt: time.Time(r.AskedAt), DueAt: time.Time(r.DueAt),
		SentAt: r.SentAt.pointer(), ExpiresAt: time.Time(r.ExpiresAt), UsedAt: r.UsedAt.pointer(),
	}
}

func rowOfLetter(l lab.Letter) letterRow {
	return letterRow{
		ID: l.ID, UserID: l.UserID, Kind: string(l.Kind), Tries: l.Tries, AskedAt: stamp(l.AskedAt), DueAt: stamp(l.DueAt), ExpiresAt: stamp(l.ExpiresAt),
	}
}

const insertLetter = `INSERT INTO mail_links (id, hash, user_id, kind, tries, asked_at, due_at, expires_at)
	VALUES (:id, '', :user_id, :kind, :tries, :asked_at, :due_at, :expires_at)`

// AskLetter wants a letter sent.
func (s *Store) AskLetter(ctx context.Context, letter lab.Letter, audit lab.Audit) error {
	return s.update(ctx, "ask for a letter", func(tx session) error {
		if err := insert(ctx, tx, insertLetter, rowOfLetter(letter)); err != nil {
			return err
		}
		return record(ctx, tx, audit)
	})
}

// WantInvitations wants an invitation sent to each person who has an address, may
// sign in, is nobody of a provider's, and has neither a password nor an invitation
// on its way; limit of them at most. It gives how many these were.
func (s *Store) WantInvitations(ctx context.Context, newID func() string, at time.Time, limit int) (n int, err error) {
	err = s.update(ctx, "want invitations", func(tx session) error {
		var users []string
		if err := tx.list(ctx, &users, `SELECT u.id FROM users u WHERE u.password = 'none' AND u.disabled_at IS NULL AND u.email <> '' AND u.subject = ''
			AND NOT EXISTS (SELECT 1 FROM mail_links l WHERE l.user_id = u.id AND l.kind = 'invitation' AND l.sent_at IS NULL)
			ORDER BY u.id LIMIT ?`, limit); err != nil {
			return err
		}
		rows := convert(users, func(id string) letterRow {
			return rowOfLetter(lab.Letter{ID: newID(), UserID: id, Kind: lab.LetterInvitation, AskedAt: at, DueAt: at, ExpiresAt: at})
		})
		n = len(rows)
		return insert(ctx, tx, insertLetter, rows...)
	})
	return n, err
}

// Invite wants an invitation sent, soon, to those of the invitees for whom it is
// something. Where one person is meant for whom it is not, it says why: CodeConflict.
// The revision of the user or cohort is raised, unless there is nobody to invite.
func (s *Store) Invite(
	ctx context.Context, intent lab.Intent, whom lab.Invitees, newID func() string, at time.Time, audit func(lab.Invited) lab.Audit,
) (lab.Invited, error) {
	var done lab.Invited
	err := s.act(ctx, intent, "invite", func(tx session) (lab.Audit, error) {
		done = lab.Invited{}
		users, revision, err := invitees(ctx, tx, intent, whom)
		if err != nil {
			return lab.Audit{}, err
		}
		done.Revision = revision
		var rows []letterRow
		for _, row := range users {
			reason := row.user().Invitable()
			switch {
			case reason == nil:
				rows = append(rows, rowOfLetter(lab.Letter{ID: newID(), UserID: row.ID, Kind: lab.LetterInvitation, AskedAt: at, DueAt: at, ExpiresAt: at}))
			case whom.One():
				return lab.Audit{}, reason
			default:
				done.PassedOver++
			}
		}
		if done.Invited = len(rows); done.Invited == 0 {
			return lab.Audit{Target: audit(done).Target}, nil
		}
		done.Revision++
		return audit(done), wantLetters(ctx, tx, whom, rows, at)
	})
	return done, err
}

// invitees gives the users who are meant, and the revision of what is asked for: the
// user or the cohort, which is held.
func invitees(ctx context.Context, tx session, intent lab.Intent, whom lab.Invitees) (users []userRow, revision int64, err error) {
	if whom.UserID != "" {
		if err := tx.lock(ctx, "user", lockUser, whom.UserID); err != nil {
			return nil, 0, err
		}
		if err := tx.list(ctx, &users, selectUsers+`WHERE id = ?`, whom.UserID); err != nil {
			return nil, 0, err
		}
		revision = users[0].Revision
		return users, revision, intent.Admits(revision, users[0].user())
	}
	cohort, err := holdCohort(ctx, tx, intent, whom.CohortID)
	if err != nil {
		return nil, 0, err
	}
	err = tx.list(ctx, &users, selectUsers+`WHERE id IN (SELECT user_id FROM students
		WHERE cohort_id = ? AND (id = ? OR ? = '') AND withdrawn_at IS NULL) ORDER BY id`, whom.CohortID, whom.StudentID, whom.StudentID)
	if err == nil && len(users) == 0 && whom.StudentID != "" {
		err = lab.NotFound("student", whom.StudentID)
	}
	return users, cohort.Revision, err
}

// wantLetters writes invitations that are due now; of one that could not be sent yet,
// the next try is.
func wantLetters(ctx context.Context, tx session, whom lab.Invitees, rows []letterRow, at time.Time) error {
	if err := insert(ctx, tx, insertLetter+` ON CONFLICT DO NOTHING`, rows...); err != nil {
		return err
	}
	if err := eachBatch(ctx, tx, `UPDATE mail_links SET due_at = ? WHERE kind = 'invitation' AND sent_at IS NULL AND user_id IN (?)`,
		[]any{stamp(at)}, convert(rows, func(r letterRow) string { return r.UserID })); err != nil {
		return err
	}
	if whom.UserID == "" {
		return changedRoster(ctx, tx, whom.CohortID, at)
	}
	_, err := tx.exec(ctx, `UPDATE users SET revision = revision + 1, updated_at = ? WHERE id = ?`, stamp(at), whom.UserID)
	return err
}

// DueLetters gives the letters that are to be sent by now: first the links, for which
// somebody waits, and of each kind the oldest first.
func (s *Store) DueLetters(ctx context.Context, now time.Time, limit int) ([]lab.Letter, error) {
	var rows []letterRow
	if err := s.reader().list(ctx, &rows, selectLetters+`WHERE sent_at IS NULL AND due_at <= ? ORDER BY kind <> 'reset', due_at, id LIMIT ?`, stamp(now), limit); err != nil {
		return nil, s.failed(ctx, "list the letters that are due", err)
	}
	return convert(rows, letterRow.letter), nil
}

// TryLetter notes, before a letter is sent, which try this is, that it is tried
// again when it is due unless it is known to be sent by then, and, of a reset, the
// hash of its link. It says whether the try is the caller's: another instance may
// have begun it.
func (s *Store) TryLetter(ctx context.Context, letter lab.Letter, hash string) (mine bool, err error) {
	err = s.update(ctx, "try a letter", func(tx session) error {
		n, err := tx.exec(ctx, `UPDATE mail_links SET hash = ?, tries = ?, due_at = ?, expires_at = ? WHERE id = ? AND sent_at IS NULL AND tries = ?`,
			hash, letter.Tries, stamp(letter.DueAt), stamp(letter.ExpiresAt), letter.ID, letter.Tries-1)
		mine = n == 1
		return err
	})
	return mine, err
}

// SentLetter notes that a letter is sent; of an invitation, also that the person
// has a temporary password until the letter expires, if they have not chosen one yet.
func (s *Store) SentLetter(ctx context.Context, letter lab.Letter, at time.Time, audit lab.Audit) error {
	return s.update(ctx, "note a letter", func(tx session) error {
		if _, err := tx.exec(ctx, `UPDATE mail_links SET sent_at = ? WHERE id = ?`, stamp(at), letter.ID); err != nil {
			return err
		}
		if letter.Kind == lab.LetterInvitation {
			if _, err := tx.exec(ctx, `UPDATE users SET password = 'temporary', password_until = ?, revision = revision + 1, updated_at = ?
				WHERE id = ? AND password <> 'own'`, stamp(letter.ExpiresAt), stamp(at), letter.UserID); err != nil {
				return err
			}
		}
		return record(ctx, tx, audit)
	})
}

// DropLetter forgets a letter that nobody needs any more.
func (s *Store) DropLetter(ctx context.Context, id string) error {
	return s.update(ctx, "drop a letter", func(tx session) error {
		_, err := tx.exec(ctx, `DELETE FROM mail_links WHERE id = ?`, id)
		return err
	})
}

// ResetLink gives the letter whose link has the hash; CodeNotFound unless it is
// good at the moment.
func (s *Store) ResetLink(ctx context.Context, hash string, now time.Time) (lab.Letter, error) {
	var row letterRow
	err := s.reader().find(ctx, "link", "", &row, selectLetters+`WHERE hash = ? AND hash <> '' AND kind = 'reset' AND used_at IS NULL AND expires_at > ?`, hash, stamp(now))
	if err != nil {
		return lab.Letter{}, s.failed(ctx, "look for a link", err)
	}
	return row.letter(), nil
}

// UseLink uses a link up; CodeNotFound when it was used already. Without a moment
// it is good again.
func (s *Store) UseLink(ctx context.Context, id string, at time.Time) error {
	return s.update(ctx, "use a link", func(tx session) error {
		query := `UPDATE mail_links SET used_at = ? WHERE id = ? AND used_at IS NULL`
		if at.IsZero() {
			query = `UPDATE mail_links SET used_at = ? WHERE id = ?`
		}
		n, err := tx.exec(ctx, query, stamp(at), id)
		if err == nil && n == 0 {
			err = lab.NotFound("link", "")
		}
		return err
	})
}
