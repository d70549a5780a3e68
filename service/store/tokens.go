package store

import (
	"context"
	"slices"
	"time"

	"github.com/bothylabs/bothy/service/lab"
)

const (
	selectTokens = //nolint:gosec // G101: a statement
	`SELECT t.id, t.user_id, t.parent_id, u.login, t.name, t.scope, t.created_at, t.expires_at, t.used_at, t.revoked_at
		FROM api_tokens t JOIN users u ON u.id = t.user_id `
	insertToken = //nolint:gosec // G101: a statement
	`INSERT INTO api_tokens (id, hash, user_id, parent_id, name, scope, created_at, expires_at)
		VALUES (:id, :hash, :user_id, :parent_id, :name, :scope, :created_at, :expires_at)`
)

type tokenRow struct {
	ID        string `db:"id"`
	Hash      string `db:"hash"`
	UserID    string `db:"user_id"`
	ParentID  string `db:"parent_id"`
	Login     string `db:"login"`
	Name      string `db:"name"`
	Scope     string `db:"scope"`
	CreatedAt stamp  `db:"created_at"`
	ExpiresAt stamp  `db:"expires_at"`
	UsedAt    stamp  `db:"used_at"`
	RevokedAt stamp  `db:"revoked_at"`
}

func (r tokenRow) token() lab.APIToken {
	return lab.APIToken{
		ID: r.ID, UserID: r.UserID, ParentID: r.ParentID, Login: r.Login, Name: r.Name, Scope: lab.TokenScope(r.Scope), CreatedAt: time.Time(r.CreatedAt),
		ExpiresAt: time.Time(r.ExpiresAt), UsedAt: r.UsedAt.pointer(), RevokedAt: r.RevokedAt.pointer(),
	}
}

// CreateToken writes a new API token under the hash of its text, for a caller.
// CodeUnauthenticated when what they came with is not good any more, CodeConflict for
// a token of somebody who is disabled.
func (s *Store) CreateToken(ctx context.Context, intent lab.Intent, caller lab.Caller, token lab.APIToken, hash string, audit lab.Audit) error {
	return s.act(ctx, intent, "create a token", func(tx session) (lab.Audit, error) {
		if err := holdMaker(ctx, tx, caller, token); err != nil {
			return lab.Audit{}, err
		}
		return audit, insert(ctx, tx, insertToken, tokenRow{
			ID: token.ID, Hash: hash, UserID: token.UserID, ParentID: token.ParentID, Name: token.Name, Scope: string(token.Scope),
			CreatedAt: stamp(token.CreatedAt), ExpiresAt: stamp(token.ExpiresAt),
		})
	})
}

// holdMaker holds the user who gets a token, and who makes it with what they came
// with, so that whatever ends that ends the token too, or comes first.
func holdMaker(ctx context.Context, tx session, caller lab.Caller, token lab.APIToken) error {
	rows, err := in[userRow](ctx, tx, selectUsers+`WHERE id IN (?) ORDER BY id`+tx.locks.own, slices.Compact(slices.Sorted(slices.Values([]string{caller.UserID, token.UserID}))))
	if err != nil {
		return err
	}
	for _, row := range rows {
		if user := row.user(); user.ID == token.UserID && !user.Active() {
			return lab.Errorf(lab.CodeConflict, "%s is disabled", user.Login).WithHint("enable the user first")
		}
	}
	var held string
	switch at := stamp(token.CreatedAt); {
	case caller.TokenID != "":
		err = tx.find(ctx, "token", caller.TokenID, &held, `SELECT id FROM api_tokens WHERE id = ? AND revoked_at IS NULL AND expires_at > ?`+tx.locks.own, caller.TokenID, at)
	case caller.SessionID != "":
		err = tx.find(ctx, "session", caller.SessionID, &held, `SELECT id FROM sessions WHERE id = ? AND ended_at IS NULL AND expires_at > ?`+tx.locks.own, caller.SessionID, at)
	}
	if lab.CodeOf(err) == lab.CodeNotFound {
		err = lab.Errorf(lab.CodeUnauthenticated, "what you came with is not good any more: a session that ended, or a token").WithHint("sign in again, or use another token")
	}
	return err
}

// Token gives the API token with an id, also a revoked one.
func (s *Store) Token(ctx context.Context, id string) (lab.APIToken, error) {
	var row tokenRow
	if err := s.reader().find(ctx, "token", id, &row, selectTokens+`WHERE t.id = ?`, id); err != nil {
		return lab.APIToken{}, s.failed(ctx, "read a token", err)
	}
	return row.token(), nil
}

// TokenOf gives the API token under the hash of its text; CodeNotFound without one.
func (s *Store) TokenOf(ctx context.Context, hash string) (lab.APIToken, error) {
	var row tokenRow
	if err := s.reader().find(ctx, "token", "", &row, selectTokens+`WHERE t.hash = ?`, hash); err != nil {
		return lab.APIToken{}, s.failed(ctx, "read a token", err)
	}
	return row.token(), nil
}

// Tokens gives a page of the API tokens that are not revoked, the newest first;
// those of one user, or of all for "".
func (s *Store) Tokens(ctx context.Context, userID string, p lab.Page) (lab.List[lab.APIToken], error) {
	var chosen conditions
	chosen.is("user", "t.user_id", userID)
	chosen.sql = append(chosen.sql, `t.revoked_at IS NULL`)
	return page(ctx, s, listing[tokenRow]{
		name: "tokens", from: selectTokens, standard: "-created_at",
		sorts: map[string]order[tokenRow]{
			"created_at": by(moment("t.created_at", func(r tokenRow) stamp { return r.CreatedAt })),
		},
		id: text("t.id", func(r tokenRow) string { return r.ID }),
	}, chosen, p, tokenRow.token)
}

// RevokeToken ends an API token and those that were made with it; CodeNotFound when it
// is not there, or revoked already. The user's alone where one is named.
func (s *Store) RevokeToken(ctx context.Context, intent lab.Intent, userID, id string, at time.Time, audit lab.Audit) error {
	return s.act(ctx, intent, "revoke a token", func(tx session) (lab.Audit, error) {
		n, err := tx.exec(ctx, `UPDATE api_tokens SET revoked_at = ? WHERE id = ? AND (user_id = ? OR ? = '') AND revoked_at IS NULL`, stamp(at), id, userID, userID)
		if err == nil && n == 0 {
			err = lab.NotFound("token", id)
		}
		if err != nil {
			return audit, err
		}
		made, err := revokeMade(ctx, tx, []string{id}, at)
		return access{tokens: made}.with(audit), err
	})
}

// revokeTokens ends all API tokens of users, and those that were made with them, and
// gives their ids.
func revokeTokens(ctx context.Context, tx session, users []string, at time.Time) ([]string, error) {
	ids, err := in[string](ctx, tx, `SELECT id FROM api_tokens WHERE revoked_at IS NULL AND user_id IN (?) ORDER BY id`+tx.locks.own, users)
	if err != nil {
		return nil, err
	}
	if err := eachBatch(ctx, tx, `UPDATE api_tokens SET revoked_at = ? WHERE id IN (?)`, []any{stamp(at)}, ids); err != nil {
		return nil, err
	}
	made, err := revokeMade(ctx, tx, ids, at)
	return append(ids, made...), err
}

// revokeMade ends the API tokens that were made with tokens, and with those in turn,
// whosever they are, and gives their ids.
func revokeMade(ctx context.Context, tx session, with []string, at time.Time) (all []string, err error) {
	for len(with) > 0 {
		with, err = in[string](ctx, tx, `SELECT id FROM api_tokens WHERE revoked_at IS NULL AND parent_id <> '' AND parent_id IN (?) ORDER BY id`+tx.locks.own, with)
		if err != nil {
			return nil, err
		}
		if err := eachBatch(ctx, tx, `UPDATE api_tokens SET revoked_at = ? WHERE id IN (?)`, []any{stamp(at)}, with); err != nil {
			return nil, err
		}
		all = append(all, with...)
	}
	return all, nil
}

// UseToken notes that an API token is used.
func (s *Store) UseToken(ctx context.Context, id string, at time.Time) error {
	return s.update(ctx, "use a token", func(tx session) error {
		_, err := tx.exec(ctx, `UPDATE api_tokens SET used_at = ? WHERE id = ? AND (used_at IS NULL OR used_at < ?)`, stamp(at), id, stamp(at))
		return err
	})
}
