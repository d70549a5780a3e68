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

func TestLinksAreDueBeforeInvitations(t *testing.T) {
	t.Parallel()
	onEach(t, func(t *testing.T, f *fixture) {
		ctx := t.Context()
		f.user("ada@example.org", lab.RoleStudent)
		wantEqual(t, f.invite(10), 1)
		f.now = f.now.Add(time.Minute)
		bob := f.newLetter(f.user("bob@example.org", lab.RoleStudent))
		f.must(f.AskLetter(ctx, bob, f.audit("password.ask", bob.UserID)))
		f.now = f.now.Add(time.Minute)
		eve := f.newLetter(f.user("eve@example.org", lab.RoleStudent))
		f.must(f.AskLetter(ctx, eve, f.audit("password.ask", eve.UserID)))

		var users []string
		for _, letter := range f.due() {
			users = append(users, letter.UserID)
		}
		ada, err := f.User(ctx, "ada@example.org")
		f.must(err)
		wantEqual(t, users, []string{bob.UserID, eve.UserID, ada.ID})
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

func TestWhoHasChosenNoPasswordIsInvitedAgain(t *testing.T) {
	t.Parallel()
	onEach(t, func(t *testing.T, f *fixture) {
		ctx, cohort := t.Context(), f.cohort("fall")
		ada, bob := f.student(cohort, "Ada", "ada@example.org"), f.student(cohort, "Bob", "bob@example.org")
		eve := f.student(cohort, "Eve", "eve@example.org")
		for _, s := range []lab.Student{ada, bob, eve} {
			_, err := f.User(ctx, s.Email)
			f.must(err)
		}
		of := func(email string) lab.User {
			u, err := f.User(ctx, email)
			f.must(err)
			return u
		}
		f.must(second(f.PasswordSet(ctx, f.hold(of("bob@example.org").ID), lab.PasswordOwn, "", false, f.now, f.audit("password.change", bob.ID))))
		_, err := f.Withdraw(ctx, somebody(), eve.ID, f.now, f.audit("student.withdraw", eve.ID))
		f.must(err)
		invite := func(whom lab.Invitees) (lab.Invited, error) {
			return f.Invite(ctx, somebody(), whom, func() string { return f.id("letter") }, f.now, func(lab.Invited) lab.Audit {
				return f.audit("cohort.invite", cohort.ID)
			})
		}
		before, err := f.Cohort(ctx, cohort.ID)
		f.must(err)
		done, err := invite(lab.Invitees{CohortID: cohort.ID})
		f.must(err)
		wantEqual(t, done, lab.Invited{Invited: 1, PassedOver: 1, Revision: before.Revision + 1})
		after, err := f.Cohort(ctx, cohort.ID)
		f.must(err)
		wantEqual(t, after.Revision, done.Revision)

		// It is sent, and lapses; another is wanted, and one alone, however often it is asked.
		send := func() {
			letters := f.due()
			wantEqual(t, len(letters), 1)
			letter := letters[0]
			letter.Tries++
			letter.ExpiresAt = f.now.Add(time.Hour)
			_, err := f.TryLetter(ctx, letter, "")
			f.must(err)
			f.must(f.SentLetter(ctx, letter, f.now, f.audit("mail.invitation", ada.ID)))
			u := of("ada@example.org")
			wantEqual(t, []any{u.Password, u.PasswordUntil.Equal(letter.ExpiresAt)}, []any{lab.PasswordTemporary, true})
		}
		send()
		f.now = f.now.Add(2 * time.Hour)
		if !of("ada@example.org").Lapsed(f.now) {
			t.Error("the temporary password has no end")
		}
		for range 2 {
			_, err = invite(lab.Invitees{CohortID: cohort.ID, StudentID: ada.ID})
			f.must(err)
		}
		send()
		if of("ada@example.org").Lapsed(f.now) {
			t.Error("the new one has lapsed, too")
		}

		// What failed and waits for its time is tried at once.
		_, err = invite(lab.Invitees{UserID: of("ada@example.org").ID})
		f.must(err)
		letter := f.due()[0]
		letter.Tries, letter.DueAt = 1, f.now.Add(6*time.Hour)
		_, err = f.TryLetter(ctx, letter, "")
		f.must(err)
		wantEqual(t, len(f.due()), 0)
		_, err = invite(lab.Invitees{UserID: of("ada@example.org").ID})
		f.must(err)
		wantEqual(t, len(f.due()), 1)

		// Somebody's own password ends it.
		f.must(second(f.PasswordSet(ctx, f.hold(of("ada@example.org").ID), lab.PasswordOwn, "", false, f.now, f.audit("password.change", ada.ID))))
		wantEqual(t, of("ada@example.org").PasswordUntil == nil, true)
		for _, whom := range []lab.Invitees{{UserID: of("ada@example.org").ID}, {CohortID: cohort.ID, StudentID: bob.ID}, {UserID: of("eve@example.org").ID}} {
			_, err = invite(whom)
			wantCode(t, err, lab.CodeConflict)
		}
		_, err = invite(lab.Invitees{CohortID: cohort.ID, StudentID: eve.ID})
		wantCode(t, err, lab.CodeNotFound)
		done, err = invite(lab.Invitees{CohortID: cohort.ID})
		f.must(err)
		wantEqual(t, []int{done.Invited, done.PassedOver}, []int{0, 2})
	})
}
