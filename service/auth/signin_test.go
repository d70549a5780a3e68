package auth_test

import (
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus/testutil"

	"github.com/bothylabs/bothy/service/lab"
)

func TestAWrongPasswordAndAnUnknownLoginAreRefusedAlike(t *testing.T) {
	s := newSite(t)
	ada := s.user("ada@example.org", lab.RoleStudent, lab.PasswordOwn)
	gone := s.user("gone@example.org", lab.RoleStudent, lab.PasswordOwn)
	_, err := s.store.ChangeUser(t.Context(), lab.Intent{}, gone.ID, func(u lab.User) (lab.User, lab.Audit, error) {
		at := s.clock()
		u.DisabledAt = &at
		return u, lab.Audit{ID: s.id(), At: at, Action: "user.disable", Target: u.ID}, nil
	})
	s.must(err)
	asked := 0
	for login, password := range map[string]string{"ada@example.org": "wrong", "eve@example.org": "wrong", "gone@example.org": right, ada.ID: "wrong"} {
		s.waited = nil
		_, err := s.browser().signIn(login, password)
		got := s.wantCode(err, lab.CodeUnauthenticated)
		if got.Message != "the login or the password is wrong" || len(s.waited) != 1 || s.waited[0] != 500*time.Millisecond {
			t.Errorf("%s: %q after %v", login, got.Message, s.waited)
		}
		asked++
	}
	total := 0
	for id, n := range s.passwords.checked {
		total += n
		if id == gone.ID {
			t.Error("the password of somebody disabled was looked at")
		}
	}
	if total != asked {
		t.Errorf("%d sign-ins asked for a password %d times", asked, total)
	}
	if got := s.actions(); strings.Count(got, "session.refuse") != 4 {
		t.Error(got)
	}
	rows, err := s.store.Audits(t.Context(), lab.AuditFilter{}, lab.Page{Limit: 10})
	s.must(err)
	if text := fmt.Sprint(rows); strings.Contains(text, "eve@") || strings.Contains(text, "wrong") {
		t.Errorf("the record has what was typed: %s", text)
	}
}

func TestNothingAtAllIsNoAttempt(t *testing.T) {
	s := newSite(t)
	for _, typed := range [][2]string{{"", "x"}, {"x", ""}, {strings.Repeat("x", 400), "x"}} {
		_, err := s.browser().signIn(typed[0], typed[1])
		s.wantCode(err, lab.CodeUnauthenticated)
	}
	if len(s.passwords.checked) != 0 {
		t.Error("a password was looked at")
	}
}

// Vault would lock somebody out after 50 failures.
func TestAnAttackerLocksNobodyOutWhoHasSignedInBefore(t *testing.T) {
	s := newSite(t)
	ada := s.user("ada@example.org", lab.RoleStudent, lab.PasswordOwn)
	b, attacker := s.browser(), s.browser()
	_, err := b.signIn("ada@example.org", right)
	s.must(err)
	attacker.remote = "198.51.100.7"
	refused := 0
	for range 100 {
		if _, err := attacker.signIn("ada@example.org", "guess"); lab.CodeOf(err) == lab.CodeTooMany {
			refused++
		}
	}
	if got := s.passwords.checked[ada.ID]; got != 1+10 || refused != 90 {
		t.Errorf("Vault was asked %d times, %d were refused", got, refused)
	}
	_, err = s.browser().signIn("ada@example.org", right) // from a browser that nobody knows
	if got := s.wantCode(err, lab.CodeTooMany); got.RetryAfter != 16*time.Minute {
		t.Errorf("come back after %s", got.RetryAfter)
	}
	for range 19 {
		_, err = b.signIn("ada@example.org", "mistyped")
		s.wantCode(err, lab.CodeUnauthenticated)
	}
	_, err = b.signIn("ada@example.org", right)
	s.must(err)
	_, err = s.browser().signIn("ada@example.org", right) // failures are forgotten
	s.must(err)
	if got := testutil.ToFloat64(counter(t, s, "limited")); got != 91 {
		t.Errorf("%v were counted as limited", got)
	}
}

func TestAnotherPersonsBrowserIsAStrangers(t *testing.T) {
	s := newSite(t)
	s.user("ada@example.org", lab.RoleStudent, lab.PasswordOwn)
	s.user("mal@example.org", lab.RoleStudent, lab.PasswordOwn)
	b := s.browser()
	_, err := b.signIn("mal@example.org", right)
	s.must(err)
	for range 10 {
		_, err = b.signIn("ada@example.org", "guess")
		s.wantCode(err, lab.CodeUnauthenticated)
	}
	_, err = b.signIn("ada@example.org", "guess")
	s.wantCode(err, lab.CodeTooMany)
}

func TestOneAddressHasSoManyTriesOverAllAccounts(t *testing.T) {
	s := newSite(t)
	s.user("ada@example.org", lab.RoleStudent, lab.PasswordOwn)
	b := s.browser()
	_, err := b.signIn("ada@example.org", right)
	s.must(err)
	for i := range 200 {
		stranger := s.browser()
		stranger.remote = fmt.Sprintf("2001:db8:1:2::%x", i) // one network
		_, err := stranger.signIn(fmt.Sprintf("s%d@example.org", i), "guess")
		s.wantCode(err, lab.CodeUnauthenticated)
	}
	stranger := s.browser()
	stranger.remote, b.remote = "2001:db8:1:2:ffff::1", "2001:db8:1:2::1"
	_, err = stranger.signIn("ada@example.org", right)
	s.wantCode(err, lab.CodeTooMany)
	_, err = b.signIn("ada@example.org", right) // a browser that is known
	s.must(err)
	stranger.remote = "2001:db8:1:3::1"
	_, err = stranger.signIn("ada@example.org", right)
	s.must(err)
}

func TestOfManyTriesAtOnceNoMoreReachVaultThanThereIsRoomFor(t *testing.T) {
	s := newSite(t)
	ada := s.user("ada@example.org", lab.RoleStudent, lab.PasswordOwn)
	s.passwords.hold = make(chan struct{})
	var all sync.WaitGroup
	results := make(chan lab.Code, 16)
	for range 16 {
		all.Go(func() {
			_, err := s.browser().signIn("ada@example.org", "guess")
			results <- lab.CodeOf(err)
		})
	}
	for range 6 { // these are refused while the others are looked at
		if code := <-results; code != lab.CodeTooMany {
			t.Errorf("got %s", code)
		}
	}
	close(s.passwords.hold)
	all.Wait()
	if got := s.passwords.checked[ada.ID]; got != 10 {
		t.Errorf("Vault was asked %d times", got)
	}
}

func TestWhileVaultIsAwayNothingCounts(t *testing.T) {
	s := newSite(t)
	s.user("ada@example.org", lab.RoleStudent, lab.PasswordOwn)
	s.passwords.err = lab.Errorf(lab.CodeUnavailable, "Vault is sealed")
	for range 30 {
		_, err := s.browser().signIn("ada@example.org", right)
		s.wantCode(err, lab.CodeUnavailable)
	}
	s.passwords.err = nil
	_, err := s.browser().signIn("ada@example.org", right)
	s.must(err)
}

func TestWhoIsLockedOutAtVaultLearnsNothingOfIt(t *testing.T) {
	s := newSite(t)
	s.user("ada@example.org", lab.RoleStudent, lab.PasswordOwn)
	s.passwords.err = lab.Errorf(lab.CodeForbidden, "locked")
	_, err := s.browser().signIn("ada@example.org", right)
	if got := s.wantCode(err, lab.CodeUnauthenticated); errors.Is(got, s.passwords.err) {
		t.Error(got)
	}
}

func TestAResetByMailWorksWhateverWasTried(t *testing.T) {
	s := newSite(t)
	ctx := t.Context()
	ada := s.user("ada@example.org", lab.RoleStudent, lab.PasswordOwn)
	for range 12 {
		_, _ = s.browser().signIn("ada@example.org", "guess")
	}
	elsewhere := s.browser()
	for _, login := range []string{"ada@example.org", "eve@example.org", ""} {
		s.waited = nil
		s.must(s.AskReset(ctx, elsewhere.visit(), login))
		if len(s.waited) != 1 || s.waited[0] != 500*time.Millisecond {
			t.Errorf("%q: after %v", login, s.waited)
		}
	}
	m := &mailer{}
	s.must(s.letters(m).Once(ctx))
	mails := m.all()
	if len(mails) != 1 || mails[0].To != "ada@example.org" {
		t.Fatalf("got %v", mails)
	}
	link := linkIn(t, mails[0])
	s.must(s.CheckLink(ctx, link))
	s.wantCode(s.CheckLink(ctx, link+"x"), lab.CodeNotFound)
	_, err := s.ResetPassword(ctx, elsewhere.visit(), link, "short")
	s.wantCode(err, lab.CodeInvalid)
	s.passwords.err = lab.Errorf(lab.CodeUnavailable, "Vault is sealed")
	_, err = s.ResetPassword(ctx, elsewhere.visit(), link, "a new long password")
	s.wantCode(err, lab.CodeUnavailable)
	s.passwords.err = nil
	cookies, err := s.ResetPassword(ctx, elsewhere.visit(), link, "a new long password")
	s.must(err)
	elsewhere.take(cookies...)
	if v := elsewhere.mustVisitor(); v.UserID != ada.ID || v.Session.PasswordDue {
		t.Errorf("got %+v", v)
	}
	_, err = s.ResetPassword(ctx, elsewhere.visit(), link, "another long password")
	s.wantCode(err, lab.CodeNotFound)
	_, err = s.browser().signIn("ada@example.org", "a new long password") // failures are forgotten
	s.must(err)
}

func TestSoManyLinksAreMailedToOnePersonAndFromOneAddress(t *testing.T) {
	s := newSite(t)
	s.user("ada@example.org", lab.RoleStudent, lab.PasswordOwn)
	for i := range 50 {
		s.must(s.AskReset(t.Context(), s.browser().visit(), "ada@example.org"))
		due, err := s.store.DueLetters(t.Context(), s.clock(), 10)
		s.must(err)
		if len(due) != min(3, i+1) {
			t.Fatalf("%d letters after %d", len(due), i+1)
		}
	}
	s.wantCode(s.AskReset(t.Context(), s.browser().visit(), "eve@example.org"), lab.CodeTooMany)
}
