package auth_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/bothylabs/bothy/service/auth"
	"github.com/bothylabs/bothy/service/lab"
	"github.com/bothylabs/bothy/service/store"
)

const right = "correct horse battery"

// passwords stands for Vault, and counts what it is asked.
type passwords struct {
	mu      sync.Mutex
	of      map[string]string
	checked map[string]int
	// err, where set, is what everything ends with.
	err error
	// hold, where set, keeps a check until it is closed; begun is told of each before.
	hold  chan struct{}
	begun chan struct{}
	// setting and wrote, where set, are called before and after each that is set.
	setting, wrote func(password string)
	// answered, where set, is called when a check is over whose answer is on its way.
	answered func()
	// busy is how many are looked at, most how many were at a time.
	busy, most int
}

func (p *passwords) SetPassword(_ context.Context, userID, password string) error {
	if p.setting != nil {
		p.setting(password)
	}
	p.mu.Lock()
	err := p.err
	if err == nil {
		p.of[userID] = password
	}
	p.mu.Unlock()
	if p.wrote != nil {
		p.wrote(password)
	}
	return err
}

func (p *passwords) CheckPassword(_ context.Context, userID, password string) error {
	p.mu.Lock()
	p.busy++
	p.most = max(p.most, p.busy)
	p.mu.Unlock()
	if p.begun != nil {
		p.begun <- struct{}{}
	}
	if p.hold != nil {
		<-p.hold
	}
	err := p.compare(userID, password)
	if p.answered != nil {
		p.answered()
	}
	return err
}

func (p *passwords) compare(userID, password string) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.busy--
	p.checked[userID]++
	switch {
	case p.err != nil:
		return p.err
	case p.of[userID] == "" || p.of[userID] != password:
		return lab.Errorf(lab.CodeUnauthenticated, "wrong")
	}
	return nil
}

// site is a store with people, whose clock moves when it is told to.
type site struct {
	*auth.People
	t         *testing.T
	store     *store.Store
	passwords *passwords
	registry  *prometheus.Registry
	mu        sync.Mutex
	now       time.Time
	ids       int
	// waited are the times that were waited for; they pass at once, but for a turn
	// where everybody is patient. While there is something else to do, none passes.
	waited       []time.Duration
	patient      bool
	whileWaiting func()
	// pause, where set, is what there is until another act has set somebody's password.
	pause func() <-chan time.Time
}

func newSite(t *testing.T) *site {
	t.Helper()
	s := &site{
		t: t, now: time.Date(2026, 9, 1, 8, 0, 0, 0, time.UTC), registry: prometheus.NewRegistry(),
		passwords: &passwords{of: map[string]string{}, checked: map[string]int{}},
	}
	var err error
	s.store, err = store.Open(t.Context(), store.Config{Driver: store.SQLite, Path: filepath.Join(t.TempDir(), "bothy.db"), Now: s.clock})
	s.must(err)
	t.Cleanup(func() { s.must(s.store.Close()) })
	operator, err := auth.NewStatic("operator", token)
	s.must(err)
	s.People, err = auth.NewPeople(auth.Config{
		Store: s.store, Passwords: s.passwords, Idle: 12 * time.Hour, Lifetime: 7 * 24 * time.Hour, Operator: operator, Registry: s.registry,
		Log: slog.New(slog.DiscardHandler), NewID: s.id, Now: s.clock, After: s.after,
	})
	s.must(err)
	return s
}

func (s *site) clock() time.Time {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.now
}

func (s *site) pass(d time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.now = s.now.Add(d)
}

func (s *site) id() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.ids++
	return fmt.Sprintf("id-%04d", s.ids)
}

func (s *site) after(d time.Duration) <-chan time.Time {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.waited = append(s.waited, d)
	if s.patient && d == auth.TurnWait {
		return nil
	}
	if s.pause != nil && d == auth.GivePause {
		return s.pause()
	}
	if d == auth.GivePause {
		s.now = s.now.Add(d) // who waits looks at the clock
	}
	now := make(chan time.Time, 1)
	switch {
	case s.whileWaiting == nil:
		now <- s.now
	case d > time.Second:
		s.whileWaiting()
	}
	return now
}

func (s *site) must(err error) {
	s.t.Helper()
	if err != nil {
		s.t.Fatal(err)
	}
}

// user makes a person; with a state other than none, they have the right password.
func (s *site) user(login string, role lab.Role, state lab.Password) lab.User {
	s.t.Helper()
	u := lab.User{ID: s.id(), Login: login, Name: "N. N.", Email: login, Role: role, Password: state, Revision: 1, CreatedAt: s.clock(), UpdatedAt: s.clock()}
	s.must(s.store.CreateUser(s.t.Context(), lab.Intent{}, u, lab.Audit{ID: s.id(), At: s.clock(), Action: "user.create", Target: u.ID}))
	if state != lab.PasswordNone {
		s.passwords.of[u.ID] = right
	}
	return u
}

func (s *site) disable(user lab.User) {
	s.t.Helper()
	at := s.clock()
	_, err := s.store.ChangeUser(s.t.Context(), lab.Intent{}, user.ID, func(u lab.User) (lab.User, lab.Audit, error) {
		u.DisabledAt = &at
		return u, lab.Audit{ID: s.id(), At: at, Action: "user.disable", Target: u.ID}, nil
	})
	s.must(err)
}

// browser holds cookies as browsers do.
type browser struct {
	s       *site
	cookies map[string]string
	remote  string
}

func (s *site) browser() *browser {
	return &browser{s: s, cookies: map[string]string{}, remote: "192.0.2.1"}
}

func (b *browser) request() *http.Request {
	r := httptest.NewRequest(http.MethodGet, "/", nil)
	r.Header.Set("User-Agent", "Browser/1")
	for name, value := range b.cookies {
		r.AddCookie(&http.Cookie{Name: name, Value: value})
	}
	return r
}

func (b *browser) visit() auth.Visit { return b.s.VisitOf(b.request(), b.remote) }

func (b *browser) take(cookies ...*http.Cookie) {
	for _, c := range cookies {
		b.cookies[c.Name] = c.Value
	}
}

// signIn tries a password, and keeps what comes back.
func (b *browser) signIn(login, password string) (due bool, err error) {
	cookies, due, err := b.s.SignInWithPassword(b.s.t.Context(), b.visit(), login, password)
	b.take(cookies...)
	return due, err
}

// visitor asks who is signed in, and takes the cookie that comes with the answer.
func (b *browser) visitor() (auth.Visitor, error) {
	header := http.Header{}
	v, err := b.s.Visitor(b.s.t.Context(), b.request(), b.remote, header)
	b.take((&http.Response{Header: header}).Cookies()...)
	return v, err
}

func (b *browser) mustVisitor() auth.Visitor {
	b.s.t.Helper()
	v, err := b.visitor()
	b.s.must(err)
	return v
}

func (s *site) wantCode(err error, want lab.Code) *lab.Error {
	s.t.Helper()
	if lab.CodeOf(err) != want {
		s.t.Fatalf("got %v, want %s", err, want)
	}
	var known *lab.Error
	if errors.As(err, &known) {
		return known
	}
	return &lab.Error{}
}

// actions are what the record of changes has, the oldest first.
func (s *site) actions() string {
	s.t.Helper()
	rows, err := s.store.Audits(s.t.Context(), lab.AuditFilter{}, lab.Page{Limit: 100, Sort: "id"})
	s.must(err)
	var all []string
	for _, row := range rows.Items {
		all = append(all, row.Action)
	}
	return strings.Join(all, " ")
}
