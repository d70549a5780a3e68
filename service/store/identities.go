package store

import (
	"context"

	"github.com/bothylabs/bothy/service/lab"
)

// Meet writes what decide makes of somebody whom an OpenID provider names: a new
// user, a changed one, or none where that is the same or has no id. Whom the
// identity is not linked with is looked for by login, unless that is "". CodeConflict
// when the login or the identity has become somebody else's meanwhile.
func (s *Store) Meet(
	ctx context.Context, who lab.Identity, login string, decide func(lab.Acquaintance) (lab.User, lab.Audit, error),
) (lab.User, error) {
	var met lab.User
	err := s.act(ctx, lab.Intent{}, "meet somebody", func(tx session) (lab.Audit, error) {
		known, err := acquaintance(ctx, tx, who, login)
		if err != nil {
			return lab.Audit{}, err
		}
		after, audit, err := decide(known)
		met = after
		switch {
		case err != nil || after.ID == "":
			return audit, err
		case known.User == nil:
			return audit, insert(ctx, tx, insertUser, rowOfUser(after))
		case after == *known.User:
			return audit, nil
		}
		var ended access
		met, ended, err = writeUser(ctx, tx, *known.User, after)
		return ended.with(audit), err
	})
	return met, err
}

// acquaintance finds who somebody of a provider's is, and holds the user.
func acquaintance(ctx context.Context, tx session, who lab.Identity, login string) (lab.Acquaintance, error) {
	known, row := lab.Acquaintance{Linked: true}, userRow{}
	err := tx.find(ctx, "user", who.Subject, &row, selectUsers+`WHERE issuer = ? AND subject = ? AND subject <> ''`+tx.locks.own, who.Issuer, who.Subject)
	if lab.CodeOf(err) == lab.CodeNotFound {
		known.Linked = false
		err = tx.find(ctx, "user", login, &row, selectUsers+`WHERE login_key = ? AND login_key <> ''`+tx.locks.own, emailKey(login))
	}
	if lab.CodeOf(err) == lab.CodeNotFound {
		return lab.Acquaintance{}, nil
	}
	if err != nil {
		return lab.Acquaintance{}, err
	}
	user := row.user()
	known.User = &user
	if err := tx.get(ctx, &known.Lapsed, `SELECT lapsed FROM users WHERE id = ?`, user.ID); err != nil {
		return lab.Acquaintance{}, err
	}
	switch err := keepAnAdmin(ctx, tx, user, lab.User{}); {
	case lab.CodeOf(err) == lab.CodeConflict:
		known.LastAdmin = true
	case err != nil:
		return lab.Acquaintance{}, err
	}
	err = tx.list(ctx, &known.Cohorts, `SELECT DISTINCT cohort_id FROM students WHERE user_id = ? ORDER BY 1`, user.ID)
	return known, err
}
