package auth_test

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"slices"
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
	s.disable(gone)
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
func TestAPasswordThatIsReplacedWhileItIsLookedAtSignsNobodyIn(t *testing.T) {
	s := newSite(t)
	s.user("ada@example.org", lab.RoleStudent, lab.PasswordOwn)
	ada, thief := s.browser(), s.browser()
	_, err := ada.signIn("ada@example.org", right)
	s.must(err)
	s.passwords.answered = func() {
		s.passwords.answered = nil // her own is not overtaken
		s.must(s.ChangePassword(t.Context(), ada.mustVisitor(), ada.visit(), right, chosen, true))
	}
	_, err = thief.signIn("ada@example.org", right)
	s.wantCode(err, lab.CodeConflict)
	if n := testutil.ToFloat64(counter(t, s, "refused")); n != 1 || !strings.HasSuffix(s.actions(), "password.change session.refuse") {
		t.Errorf("%v are counted as refused, the record has %s", n, s.actions())
	}
	_, err = thief.visitor()
	s.wantCode(err, lab.CodeUnauthenticated)
	_, err = ada.signIn("ada@example.org", chosen)
	s.must(err)
}

func TestAChangeOfPasswordIsNotMadeBySomebodyWhoIsShutOutMeanwhile(t *testing.T) {
	for name, shutOut := range map[string]func(*site, *browser){
		"by another password": func(s *site, ada *browser) {
			s.must(s.ChangePassword(t.Context(), ada.mustVisitor(), ada.visit(), right, chosen, false))
		},
		"by signing out everywhere": func(s *site, ada *browser) {
			s.must(s.EndSessions(t.Context(), ada.mustVisitor().Caller, lab.Intent{}, "", false))
		},
		"by being disabled": func(s *site, ada *browser) { s.disable(ada.mustVisitor().User) },
	} {
		t.Run(name, func(t *testing.T) {
			s := newSite(t)
			user := s.user("ada@example.org", lab.RoleStudent, lab.PasswordOwn)
			ada, thief := s.browser(), s.browser()
			s.must(second(ada.signIn("ada@example.org", right)))
			s.must(second(thief.signIn("ada@example.org", right)))
			visitor := thief.mustVisitor()
			s.passwords.answered = func() {
				s.passwords.answered = nil // what shuts them out is not overtaken
				shutOut(s, ada)
			}
			const thiefs = "a password of the thief"
			s.wantCode(s.ChangePassword(t.Context(), visitor, thief.visit(), right, thiefs, true), lab.CodeUnauthenticated)
			if s.passwords.of[user.ID] == thiefs {
				t.Error("Vault has the thief's password")
			}
		})
	}
}

func TestALinkGivesNobodyAPasswordWhoIsDisabledMeanwhile(t *testing.T) {
	s := newSite(t)
	ada := s.user("ada@example.org", lab.RoleStudent, lab.PasswordOwn)
	link := s.resetLink("ada@example.org")
	s.held(ada)
	waits, over, done := make(chan struct{}, 1), make(chan time.Time), make(chan error, 1)
	s.pause = func() <-chan time.Time {
		waits <- struct{}{}
		return over
	}
	go func() {
		done <- second(s.ResetPassword(t.Context(), s.browser().visit(), link, chosen))
	}()
	<-waits
	s.disable(ada)
	s.pass(time.Minute) // and the other hold is over
	close(over)
	s.wantCode(<-done, lab.CodeForbidden)
	if got := s.passwords.of[ada.ID]; got != right {
		t.Errorf("Vault has %q", got)
	}
}

// secrets are random, and something happens as the first is made.
type secrets struct{ happens func() }

func (s *secrets) Read(p []byte) (int, error) {
	happens := s.happens
	s.happens = func() {}
	happens()
	return rand.Read(p)
}

func TestALinkSignsNobodyInWhosePasswordIsReplacedAtThatMoment(t *testing.T) {
	s := newSite(t)
	ada := s.user("ada@example.org", lab.RoleStudent, lab.PasswordOwn)
	link := s.resetLink("ada@example.org")
	s.Random = &secrets{func() {
		hold := lab.PasswordHold{ID: s.id(), UserID: ada.ID, Until: s.clock().Add(time.Minute)}
		s.must(s.store.HoldPassword(t.Context(), hold, s.clock()))
		audit := lab.Audit{ID: s.id(), At: s.clock(), Action: "password.reset", Target: ada.ID}
		s.must(second(s.store.PasswordSet(t.Context(), hold, lab.PasswordOwn, "", true, s.clock(), audit)))
	}}
	s.wantCode(second(s.ResetPassword(t.Context(), s.browser().visit(), link, chosen)), lab.CodeConflict)
}

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

// A school has one address, and the first lesson no browser that is known.
func TestNobodyLocksOutWhoeverElseIsBehindTheirAddress(t *testing.T) {
	s := newSite(t)
	ada := s.user("ada@example.org", lab.RoleStudent, lab.PasswordTemporary)
	bob := s.user("bob@example.org", lab.RoleStudent, lab.PasswordOwn)
	b := s.browser()
	_, err := b.signIn("bob@example.org", right)
	s.must(err)
	for i := range 300 {
		stranger := s.browser()
		stranger.remote = fmt.Sprintf("2001:db8:1:2::%x", i) // one network
		_, err := stranger.signIn(fmt.Sprintf("made-up-%d@example.org", i), "guess")
		s.wantCode(err, lab.CodeUnauthenticated)
		s.must(s.AskReset(t.Context(), stranger.visit(), fmt.Sprintf("made-up-%d@example.org", i)))
	}
	tried := func(remote string, from *browser, login, password string) time.Duration {
		t.Helper()
		s.waited, from.remote = nil, remote
		_, err := from.signIn(login, password)
		if password == right {
			s.must(err)
		} else {
			s.wantCode(err, lab.CodeUnauthenticated)
		}
		return slices.Max(s.waited)
	}
	const here, elsewhere = "2001:db8:1:2:ffff::1", "2001:db8:1:3::1"
	// Who is there and who is not wait for the same, and are answered after the same.
	for _, login := range []string{"ada@example.org", "nobody@example.org"} {
		if got := tried(here, s.browser(), login, "wrong"); got != 5500*time.Millisecond {
			t.Errorf("%s: answered after %s", login, got)
		}
	}
	asked := s.passwords.checked[ada.ID]
	for _, test := range []struct {
		remote, login string
		from          *browser
	}{{here, "ada@example.org", s.browser()}, {here, "bob@example.org", b}, {elsewhere, "ada@example.org", s.browser()}} {
		slow := tried(test.remote, test.from, test.login, right) > 500*time.Millisecond
		if want := test.remote == here && test.from != b; slow != want {
			t.Errorf("%s from %s waits: %v", test.login, test.remote, slow)
		}
	}
	if s.passwords.checked[ada.ID] != asked+2 || s.passwords.checked[bob.ID] != 2 {
		t.Errorf("Vault was asked %v", s.passwords.checked)
	}
	total := 0
	for _, n := range s.passwords.checked {
		total += n
	}
	// As many made-up logins as keep nobody waiting, and one more; ada's three, bob's two.
	if total != 201+3+2 {
		t.Errorf("Vault was asked %d times", total)
	}
	rows, err := s.store.Audits(t.Context(), lab.AuditFilter{Action: "session.refuse"}, lab.Page{Limit: 1000})
	s.must(err)
	if n := len(rows.Items); n != 201+1 {
		t.Errorf("%d refusals are recorded", n)
	}
	// A link works whatever was asked for from the address.
	for _, login := range []string{"ada@example.org", "bob@example.org"} {
		s.must(s.AskReset(t.Context(), s.browser().visit(), login))
	}
	due, err := s.store.DueLetters(t.Context(), s.clock(), 10)
	s.must(err)
	if len(due) != 2 {
		t.Errorf("%d letters are due", len(due))
	}
}

func TestWhoLeavesWhileWaitingHasNotTried(t *testing.T) {
	s := newSite(t)
	ada := s.user("ada@example.org", lab.RoleStudent, lab.PasswordOwn)
	for i := range 250 {
		_, _ = s.browser().signIn(fmt.Sprintf("made-up-%d@example.org", i), "guess")
	}
	for range 20 {
		ctx, leave := context.WithCancel(t.Context())
		s.whileWaiting = leave
		_, _, err := s.SignInWithPassword(ctx, s.browser().visit(), "ada@example.org", "guess")
		if !errors.Is(err, context.Canceled) {
			t.Fatalf("got %v", err)
		}
	}
	if s.passwords.checked[ada.ID] != 0 {
		t.Error("a password was looked at before its time")
	}
	s.whileWaiting = nil
	_, err := s.browser().signIn("ada@example.org", right)
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
	ask := func(login string, want int) {
		t.Helper()
		s.must(s.AskReset(t.Context(), s.browser().visit(), login))
		due, err := s.store.DueLetters(t.Context(), s.clock(), 500)
		s.must(err)
		if len(due) != want {
			t.Fatalf("%s: %d letters are due, not %d", login, len(due), want)
		}
	}
	s.user("ada@example.org", lab.RoleStudent, lab.PasswordOwn)
	for i := range 10 {
		ask("ada@example.org", min(3, i+1))
	}
	for i := range 60 {
		login := fmt.Sprintf("s%d@example.org", i)
		s.user(login, lab.RoleStudent, lab.PasswordOwn)
		ask(login, 3+i+1) // everybody has one
	}
	more := 3 + 60
	for i := range 30 { // and of further ones, the address has so many in all
		more = min(3+60+50-9, more+1)
		ask(fmt.Sprintf("s%d@example.org", i), more)
		more = min(3+60+50-9, more+1)
		ask(fmt.Sprintf("s%d@example.org", i), more)
	}
	s.pass(time.Hour)
	ask("ada@example.org", more+1)
}
