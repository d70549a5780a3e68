package store_test

import (
	"testing"
	"time"

	"github.com/bothylabs/bothy/service/lab"
)

func (f *fixture) newToken(u lab.User) lab.APIToken {
	return lab.APIToken{
		ID: f.id("token"), UserID: u.ID, Login: u.Login, Name: "ci", Scope: lab.TokenOperate, CreatedAt: f.now, ExpiresAt: f.now.Add(time.Hour),
	}
}

func (f *fixture) apiToken(u lab.User) lab.APIToken {
	f.t.Helper()
	token := f.newToken(u)
	f.must(f.CreateToken(f.t.Context(), somebody(), token, "hash of "+token.ID, f.audit("token.create", token.ID)))
	return token
}

func TestATokenIsFoundByItsHashAndRevokedOnce(t *testing.T) {
	t.Parallel()
	onEach(t, func(t *testing.T, f *fixture) {
		ctx, ada, bob := t.Context(), f.user("ada@example.org", lab.RoleInstructor), f.user("bob@example.org", lab.RoleInstructor)
		token := f.apiToken(ada)
		got, err := f.TokenOf(ctx, "hash of "+token.ID)
		f.must(err)
		wantEqual(t, got, token)
		_, err = f.TokenOf(ctx, token.ID)
		wantCode(t, err, lab.CodeNotFound)

		used := f.now.Add(time.Minute)
		f.must(f.UseToken(ctx, token.ID, used))
		f.must(f.UseToken(ctx, token.ID, f.now)) // a clock that is behind
		token.UsedAt = &used
		got, err = f.Token(ctx, token.ID)
		f.must(err)
		wantEqual(t, got, token)

		revoke := func(userID string) error {
			return f.RevokeToken(ctx, somebody(), userID, token.ID, f.now, f.audit("token.revoke", token.ID))
		}
		wantCode(t, revoke(bob.ID), lab.CodeNotFound)
		f.must(revoke(ada.ID))
		wantCode(t, revoke(""), lab.CodeNotFound)
		got, err = f.Token(ctx, token.ID)
		f.must(err)
		wantEqual(t, *got.RevokedAt, f.now)
	})
}

func TestTokensAreListedTheNewestFirst(t *testing.T) {
	t.Parallel()
	onEach(t, func(t *testing.T, f *fixture) {
		ctx, ada, bob := t.Context(), f.user("ada@example.org", lab.RoleInstructor), f.user("bob@example.org", lab.RoleInstructor)
		var want []lab.APIToken
		for range 3 {
			f.now = f.now.Add(time.Second)
			want = append([]lab.APIToken{f.apiToken(ada)}, want...)
		}
		gone := f.apiToken(ada)
		f.must(f.RevokeToken(ctx, somebody(), "", gone.ID, f.now, f.audit("token.revoke", gone.ID)))
		f.apiToken(bob)
		var got []lab.APIToken
		page := lab.Page{Limit: 2}
		for {
			list, err := f.Tokens(ctx, ada.ID, page)
			f.must(err)
			got = append(got, list.Items...)
			if page.Cursor = list.Next; list.Next == "" {
				break
			}
		}
		wantEqual(t, got, want)
		all, err := f.Tokens(ctx, "", lab.Page{Limit: 10})
		f.must(err)
		wantEqual(t, len(all.Items), 4)
	})
}
