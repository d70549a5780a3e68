package store_test

import (
	"slices"
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
	f.must(f.CreateToken(f.t.Context(), somebody(), lab.Caller{}, token, "hash of "+token.ID, f.audit("token.create", token.ID)))
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

func TestATokenIsMadeWithWhatIsGoodStill(t *testing.T) {
	t.Parallel()
	onEach(t, func(t *testing.T, f *fixture) {
		ctx := t.Context()
		ada, bob, root := f.user("ada@example.org", lab.RoleInstructor), f.user("bob@example.org", lab.RoleStudent), f.user("root@example.org", lab.RoleAdmin)
		makes := func(caller lab.Caller, of lab.User) error {
			token := f.newToken(of)
			return f.CreateToken(ctx, somebody(), caller, token, token.ID, f.audit("token.create", token.ID))
		}
		byToken := func() lab.Caller { return lab.Caller{UserID: ada.ID, TokenID: f.apiToken(ada).ID} }
		session := f.session(ada, "ada's")
		bySession := lab.Caller{UserID: ada.ID, SessionID: session.ID}
		one, two, old := byToken(), byToken(), byToken()
		for _, caller := range []lab.Caller{one, two, bySession} {
			f.must(makes(caller, ada))
		}

		f.must(f.RevokeToken(ctx, somebody(), "", one.TokenID, f.now, f.audit("token.revoke", one.TokenID)))
		wantCode(t, makes(one, ada), lab.CodeUnauthenticated)
		f.must(f.EndSessions(ctx, somebody(), ada.ID, true, f.now, f.audit("session.end_all", ada.ID)))
		for _, caller := range []lab.Caller{two, bySession} {
			wantCode(t, makes(caller, ada), lab.CodeUnauthenticated)
		}
		f.now = f.now.Add(time.Hour)
		wantCode(t, makes(old, ada), lab.CodeUnauthenticated)
		list, err := f.Tokens(ctx, ada.ID, lab.Page{Limit: 9})
		f.must(err)
		wantEqual(t, len(list.Items), 0)

		admin := lab.Caller{UserID: root.ID, TokenID: f.apiToken(root).ID}
		f.must(makes(admin, bob))
		f.setUser(bob.ID, func(u *lab.User) { u.DisabledAt = &f.now })
		wantCode(t, makes(admin, bob), lab.CodeConflict)
	})
}

func TestATokenGoesWithTheOneThatItWasMadeWith(t *testing.T) {
	t.Parallel()
	onEach(t, func(t *testing.T, f *fixture) {
		ctx, root, ada := t.Context(), f.user("root@example.org", lab.RoleAdmin), f.user("ada@example.org", lab.RoleInstructor)
		f.user("another@example.org", lab.RoleAdmin)
		with := func(parent lab.APIToken, of lab.User) lab.APIToken {
			t.Helper()
			token := f.newToken(of)
			token.ParentID = parent.ID
			caller := lab.Caller{UserID: parent.UserID, TokenID: parent.ID}
			f.must(f.CreateToken(ctx, somebody(), caller, token, token.ID, f.audit("token.create", token.ID)))
			got, err := f.Token(ctx, token.ID)
			f.must(err)
			wantEqual(t, got, token)
			return token
		}
		for name, end := range map[string]func(lab.APIToken) error{
			"revoked": func(parent lab.APIToken) error {
				return f.RevokeToken(ctx, somebody(), "", parent.ID, f.now, f.audit("token.revoke", parent.ID))
			},
			"with all of its user's": func(lab.APIToken) error {
				return f.EndSessions(ctx, somebody(), root.ID, true, f.now, f.audit("session.end_all", root.ID))
			},
		} {
			parent, own := f.apiToken(root), f.apiToken(ada)
			child := with(parent, ada)
			grandchild := with(child, ada)
			f.must(end(parent))
			left, err := f.Tokens(ctx, "", lab.Page{Limit: 9})
			f.must(err)
			if len(left.Items) != 1 || left.Items[0].ID != own.ID {
				t.Errorf("%s: left are %+v", name, left.Items)
			}
			newest, err := f.Audits(ctx, 1)
			f.must(err)
			revoked, _ := newest[0].Detail["revoked_tokens"].([]any)
			if !slices.Contains(revoked, any(child.ID)) || !slices.Contains(revoked, any(grandchild.ID)) {
				t.Errorf("%s: the record has %v", name, revoked)
			}
			f.must(f.RevokeToken(ctx, somebody(), "", own.ID, f.now, f.audit("token.revoke", own.ID)))
		}
	})
}

func TestNoTokenIsMadeBesideTheEndOfAll(t *testing.T) {
	t.Parallel()
	onEach(t, func(t *testing.T, f *fixture) {
		ctx, ada, instances := t.Context(), f.user("ada@example.org", lab.RoleInstructor), f.instances()
		for range 10 {
			caller, next := lab.Caller{UserID: ada.ID, TokenID: f.apiToken(ada).ID}, f.newToken(ada)
			made, ended := f.audit("token.create", next.ID), f.audit("session.end_all", ada.ID)
			errs := together(2, func(i int) error {
				if i == 0 {
					return instances[0].CreateToken(ctx, somebody(), caller, next, next.ID, made)
				}
				return instances[1].EndSessions(ctx, somebody(), ada.ID, true, f.now, ended)
			})
			f.must(errs[1])
			if errs[0] != nil {
				wantCode(t, errs[0], lab.CodeUnauthenticated)
			}
			list, err := f.Tokens(ctx, ada.ID, lab.Page{Limit: 9})
			f.must(err)
			wantEqual(t, len(list.Items), 0)
		}
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
