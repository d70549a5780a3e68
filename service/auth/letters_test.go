package auth_test

import (
	"context"
	"errors"
	"log/slog"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"

	"github.com/bothylabs/bothy/service/auth"
	"github.com/bothylabs/bothy/service/lab"
)

// mailer keeps what is sent, or fails.
type mailer struct {
	mu   sync.Mutex
	sent []lab.Mail
	err  error
	// sending, where set, is called before each.
	sending func(lab.Mail)
}

func (m *mailer) Send(_ context.Context, mail lab.Mail) error {
	if m.sending != nil {
		m.sending(mail)
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.err == nil {
		m.sent = append(m.sent, mail)
	}
	return m.err
}

func (m *mailer) all() []lab.Mail {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.sent
}

func (s *site) letters(m *mailer) *auth.Letters {
	s.t.Helper()
	l, err := auth.NewLetters(auth.LettersConfig{
		Store: s.store, Passwords: s.passwords, Mailer: m, ConsoleURL: "https://bothy.example.org", PerMinute: 60, Lifetime: 7 * 24 * time.Hour, Registry: prometheus.NewRegistry(),
		Log: slog.New(slog.DiscardHandler), NewID: s.id, Now: s.clock, After: s.after,
	})
	s.must(err)
	return l
}

// counter gives how often a sign-in by password had an outcome.
func counter(t *testing.T, s *site, outcome string) prometheus.Collector {
	t.Helper()
	c, err := s.SignIns().GetMetricWithLabelValues("password", outcome)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// resetLink is what somebody gets who asks for another password.
func (s *site) resetLink(login string) string {
	s.t.Helper()
	m := &mailer{}
	s.must(s.AskReset(s.t.Context(), s.browser().visit(), login))
	s.must(s.letters(m).Once(s.t.Context()))
	return linkIn(s.t, m.all()[0])
}

func linkIn(t *testing.T, mail lab.Mail) string {
	t.Helper()
	found := regexp.MustCompile(`https://bothy\.example\.org/reset/choose\?link=(\S+)`).FindStringSubmatch(mail.Text)
	if found == nil {
		t.Fatalf("no link in %s", mail.Text)
	}
	return found[1]
}

func TestWhoHasNoPasswordGetsATemporaryOneByMail(t *testing.T) {
	s := newSite(t)
	ada := s.user("ada@example.org", lab.RoleStudent, lab.PasswordNone)
	s.user("bob@example.org", lab.RoleStudent, lab.PasswordOwn)
	m := &mailer{}
	letters := s.letters(m)
	s.must(letters.Once(t.Context()))
	s.must(letters.Once(t.Context()))
	mails := m.all()
	if len(mails) != 1 || mails[0].To != "ada@example.org" || mails[0].Name != "N. N." {
		t.Fatalf("got %v", mails)
	}
	password := regexp.MustCompile(`Temporary password:\s+(\S+)`).FindStringSubmatch(mails[0].Text)[1]
	if !regexp.MustCompile(`^([0-9a-z]{4}-){3}[0-9a-z]{4}$`).MatchString(password) || !strings.Contains(mails[0].Text, "https://bothy.example.org/sign-in") {
		t.Errorf("got %s", mails[0].Text)
	}
	user, err := s.store.User(t.Context(), ada.ID)
	s.must(err)
	if user.Password != lab.PasswordTemporary {
		t.Errorf("the state is %s", user.Password)
	}
	due, err := s.browser().signIn("ada@example.org", password)
	s.must(err)
	if !due {
		t.Error("no other password is due")
	}
	if got := s.actions(); !strings.Contains(got, "mail.invitation") {
		t.Error(got)
	}
}

func TestALetterThatFailsIsTriedAgainLater(t *testing.T) {
	s := newSite(t)
	s.user("ada@example.org", lab.RoleStudent, lab.PasswordNone)
	m := &mailer{err: errors.New("no route to host")}
	letters := s.letters(m)
	s.must(letters.Once(t.Context()))
	first := s.passwords.of
	for _, wait := range []time.Duration{2 * time.Minute, 4 * time.Minute, 8 * time.Minute} {
		s.pass(wait - time.Second)
		checked := len(s.waited)
		s.must(letters.Once(t.Context()))
		if len(s.waited) != checked {
			t.Errorf("it was tried before %s", wait)
		}
		s.pass(time.Second)
		s.must(letters.Once(t.Context()))
	}
	m.err = nil
	s.pass(16 * time.Minute)
	s.must(letters.Once(t.Context()))
	if len(m.all()) != 1 || len(first) != 1 {
		t.Errorf("got %v", m.all())
	}
}

func TestWhoHasChosenAPasswordMeanwhileIsNotInvited(t *testing.T) {
	s := newSite(t)
	ada := s.user("ada@example.org", lab.RoleStudent, lab.PasswordNone)
	m := &mailer{err: errors.New("no route to host")}
	letters := s.letters(m)
	s.must(letters.Once(t.Context()))
	hold := lab.PasswordHold{ID: s.id(), UserID: ada.ID, Until: s.clock().Add(time.Minute)}
	s.must(s.store.HoldPassword(t.Context(), hold, s.clock()))
	_, err := s.store.PasswordSet(t.Context(), hold, lab.PasswordOwn, "", false, s.clock(), lab.Audit{ID: s.id(), At: s.clock(), Action: "password.reset", Target: ada.ID})
	s.must(err)
	m.err = nil
	s.pass(time.Hour)
	s.must(letters.Once(t.Context()))
	if len(m.all()) != 0 {
		t.Errorf("got %v", m.all())
	}
}

func TestALinkNobodyWaitsForAnyMoreIsNotMailed(t *testing.T) {
	s := newSite(t)
	s.user("ada@example.org", lab.RoleStudent, lab.PasswordOwn)
	s.must(s.AskReset(t.Context(), s.browser().visit(), "ada@example.org"))
	s.pass(time.Hour)
	m := &mailer{}
	s.must(s.letters(m).Once(t.Context()))
	if len(m.all()) != 0 {
		t.Errorf("got %v", m.all())
	}
}

func TestLettersGoOutAtABoundedSpeedUntilTheEnd(t *testing.T) {
	s := newSite(t)
	for _, login := range []string{"a@example.org", "b@example.org", "c@example.org"} {
		s.user(login, lab.RoleStudent, lab.PasswordNone)
	}
	m := &mailer{}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error)
	go func() { done <- s.letters(m).Run(ctx) }()
	for len(m.all()) < 3 {
		select {
		case <-t.Context().Done():
			t.Fatal("they were not sent")
		case <-time.After(time.Millisecond):
		}
	}
	cancel()
	s.must(<-done)
	s.mu.Lock()
	defer s.mu.Unlock()
	seconds := 0
	for _, d := range s.waited {
		if d == time.Second {
			seconds++
		}
	}
	if seconds < 2 {
		t.Errorf("waited for %v", s.waited[:min(10, len(s.waited))])
	}
}

func TestALinkIsMailedBeforeTheInvitationsThatWait(t *testing.T) {
	s := newSite(t)
	for _, login := range []string{"a@example.org", "b@example.org", "c@example.org"} {
		s.user(login, lab.RoleStudent, lab.PasswordNone)
	}
	s.user("eve@example.org", lab.RoleStudent, lab.PasswordOwn)
	m := &mailer{}
	m.sending = func(lab.Mail) {
		m.sending = nil
		s.pass(time.Second)
		s.must(s.AskReset(t.Context(), s.browser().visit(), "eve@example.org"))
	}
	s.must(s.letters(m).Once(t.Context()))
	mails := m.all()
	if len(mails) != 4 || mails[1].To != "eve@example.org" {
		t.Fatalf("got %v", mails)
	}
	linkIn(t, mails[1])
}

func TestTheTimeThatSendingTakesIsPartOfThePause(t *testing.T) {
	s := newSite(t)
	s.user("ada@example.org", lab.RoleStudent, lab.PasswordNone)
	m := &mailer{sending: func(lab.Mail) {
		if !slices.Contains(s.waited, time.Second) {
			t.Error("the pause begins after a letter is sent")
		}
	}}
	s.must(s.letters(m).Once(t.Context()))
	if len(m.all()) != 1 {
		t.Errorf("got %v", m.all())
	}
}

func TestATemporaryPasswordIsGoodForAWhile(t *testing.T) {
	s := newSite(t)
	ada := s.user("ada@example.org", lab.RoleStudent, lab.PasswordNone)
	m := &mailer{}
	letters := s.letters(m)
	s.must(letters.Once(t.Context()))
	password := regexp.MustCompile(`Temporary password:\s+(\S+)`).FindStringSubmatch(m.all()[0].Text)[1]
	if until := "Tuesday, 8 September 2026, 08:00 UTC"; !strings.Contains(m.all()[0].Text, until) || !strings.Contains(m.all()[0].Text, "https://bothy.example.org/reset\n") {
		t.Errorf("it does not say until when, and what then:\n%s", m.all()[0].Text)
	}
	s.pass(7*24*time.Hour - time.Minute)
	due, err := s.browser().signIn("ada@example.org", password)
	s.must(err)
	if !due {
		t.Error("no other password is due")
	}

	s.pass(time.Minute)
	_, err = s.browser().signIn("ada@example.org", password)
	if s.wantCode(err, lab.CodeForbidden); !errors.Is(err, auth.ErrPasswordLapsed) {
		t.Errorf("got %v", err)
	}
	if n := testutil.ToFloat64(counter(t, s, "expired")); n != 1 {
		t.Errorf("%v sign-ins with an old password are counted", n)
	}
	if got := s.actions(); !strings.HasSuffix(got, "session.refuse") {
		t.Error(got)
	}
	// Whoever does not have it learns nothing.
	_, err = s.browser().signIn("ada@example.org", "something else")
	s.wantCode(err, lab.CodeUnauthenticated)

	// They help themselves by a link …
	s.must(s.AskReset(t.Context(), s.browser().visit(), "ada@example.org"))
	s.must(letters.Once(t.Context()))
	if len(m.all()) != 2 || linkIn(t, m.all()[1]) == "" {
		t.Fatalf("got %v", m.all())
	}
	// … or are invited again.
	_, err = s.store.Invite(t.Context(), lab.Intent{}, lab.Invitees{UserID: ada.ID}, s.id, s.clock(), func(lab.Invited) lab.Audit {
		return lab.Audit{ID: s.id(), At: s.clock(), Action: "user.invite", Target: ada.ID}
	})
	s.must(err)
	s.must(letters.Once(t.Context()))
	again := regexp.MustCompile(`Temporary password:\s+(\S+)`).FindStringSubmatch(m.all()[2].Text)[1]
	_, err = s.browser().signIn("ada@example.org", password)
	s.wantCode(err, lab.CodeUnauthenticated)
	due, err = s.browser().signIn("ada@example.org", again)
	s.must(err)
	if !due {
		t.Error("no other password is due")
	}
}
