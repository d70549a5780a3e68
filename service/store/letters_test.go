package store_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/bothylabs/bothy/service/lab"
)

func (f *fixture) newLetter(u lab.User) lab.Letter {
	return lab.Letter{ID: f.id("letter"), UserID: u.ID, Kind: lab.LetterReset, AskedAt: f.now, DueAt: f.now, ExpiresAt: f.now.Add(time.Hour)}
}

func (f *fixture) due() []lab.Letter {
	f.t.Helper()
	letters, err := f.DueLetters(f.t.Context(), f.now, 100)
	f.must(err)
	return letters
}

func (f *fixture) invite(limit int) int {
	f.t.Helper()
	n, err := f.WantInvitations(f.t.Context(), func() string { return f.id("letter") }, f.now, limit)
	f.must(err)
	return n
}

func TestWhoHasNoPasswordIsInvitedOnce(t *testing.T) {
	t.Parallel()
	onEach(t, func(t *testing.T, f *fixture) {
		ctx := t.Context()
		ada := f.user("ada@example.org", lab.RoleStudent)
		noMail, gone, elsewhere := f.newUser("nobody", lab.RoleStudent), f.newUser("gone@example.org", lab.RoleStudent), f.newUser("sso@example.org", lab.RoleStudent)
		noMail.Email, gone.DisabledAt, elsewhere.Issuer, elsewhere.Subject = "", &f.now, "https://id.example.org", "sso"
		for _, u := range []lab.User{noMail, gone, elsewhere} {
			f.must(f.CreateUser(ctx, somebody(), u, f.audit("user.create", u.ID)))
		}
		wantEqual(t, f.invite(10), 1)
		wantEqual(t, f.invite(10), 0)
		letters := f.due()
		wantEqual(t, len(letters), 1)
		letter := letters[0]
		wantEqual(t, []any{letter.UserID, letter.Kind, letter.Tries}, []any{ada.ID, lab.LetterInvitation, 0})

		letter.Tries, letter.DueAt = 1, f.now.Add(time.Minute)
		mine, err := f.TryLetter(ctx, letter, "")
		f.must(err)
		wantEqual(t, mine, true)
		mine, err = f.TryLetter(ctx, letter, "") // another instance, which saw it at the same time
		f.must(err)
		wantEqual(t, mine, false)
		wantEqual(t, f.due(), []lab.Letter{})

		f.must(f.SentLetter(ctx, letter, f.now, f.audit("user.invite", ada.ID)))
		got, err := f.User(ctx, ada.ID)
		f.must(err)
		wantEqual(t, got.Password, lab.PasswordTemporary)
		f.now = f.now.Add(time.Hour)
		wantEqual(t, len(f.due())+f.invite(10), 0)
	})
}

func TestInvitationsAreWantedAFewAtATime(t *testing.T) {
	t.Parallel()
	onEach(t, func(t *testing.T, f *fixture) {
		for i := range 5 {
			f.user(fmt.Sprintf("s%d@example.org", i), lab.RoleStudent)
		}
		wantEqual(t, []int{f.invite(3), f.invite(3), f.invite(3)}, []int{3, 2, 0})
	})
}

func TestALinkIsGoodOnceAndForAWhile(t *testing.T) {
	t.Parallel()
	onEach(t, func(t *testing.T, f *fixture) {
		ctx, ada := t.Context(), f.user("ada@example.org", lab.RoleStudent)
		letter := f.newLetter(ada)
		f.must(f.AskLetter(ctx, letter, f.audit("password.ask", ada.ID)))
		good := func() error {
			_, err := f.ResetLink(ctx, "hash", f.now)
			return err
		}
		wantCode(t, good(), lab.CodeNotFound)
		letter.Tries = 1
		f.must(second(f.TryLetter(ctx, letter, "hash")))
		f.must(good())
		_, err := f.ResetLink(ctx, "", f.now)
		wantCode(t, err, lab.CodeNotFound)
		f.must(f.UseLink(ctx, letter.ID, f.now))
		wantCode(t, good(), lab.CodeNotFound)
		wantCode(t, f.UseLink(ctx, letter.ID, f.now), lab.CodeNotFound)
		f.must(f.UseLink(ctx, letter.ID, time.Time{}))
		f.must(good())
		f.now = letter.ExpiresAt
		wantCode(t, good(), lab.CodeNotFound)
		f.must(f.DropLetter(ctx, letter.ID))
		wantEqual(t, len(f.dump()["mail_links"]), 0)
	})
}
