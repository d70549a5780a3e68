package door_test

import (
	"context"
	"html"
	"log/slog"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/bothylabs/bothy/service/auth"
	"github.com/bothylabs/bothy/service/door"
	"github.com/bothylabs/bothy/service/lab"
)

const (
	console = "http://bothy.example.org"
	labs    = "https://labs.example.org"
	slug    = "fall-py-ada"
	own     = "https://" + slug + ".labs.example.org"
)

// shelf is a store in memory; the real one is tested where it is.
type shelf struct {
	mu        sync.Mutex
	workspace lab.WorkspaceDetail
	tickets   map[string]lab.Ticket
	passes    map[string]lab.Pass
	// browsers are whose they are, by their hashes.
	browsers map[string]string
	audits   []lab.Audit
	// gone are the users who may not any more, out the sessions that ended.
	gone, out []string
	// cleanings is how often old rows were to be removed.
	cleanings int
	err       error
}

func (s *shelf) AddTicket(_ context.Context, t lab.Ticket) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.tickets[t.Hash] = t
	return s.err
}

func (s *shelf) Offer(_ context.Context, hash string, at lab.Slug, host lab.DoorHost, browser string, now time.Time) (lab.Offer, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	t, ok := s.tickets[hash]
	if s.err != nil {
		return lab.Offer{}, s.err
	}
	if !ok || at != s.workspace.Slug || host != t.Host || !now.Before(t.ExpiresAt) {
		return lab.Offer{}, lab.Errorf(lab.CodeUnauthenticated, "no")
	}
	offer := lab.Offer{Ticket: t, Login: t.Actor}
	if owner := s.browsers[browser]; owner != t.Holder() {
		offer.Owner = owner
	}
	return offer, nil
}

func (s *shelf) RedeemTicket(
	_ context.Context, hash string, at lab.Slug, host lab.DoorHost, browser string, now time.Time, pass func(lab.Ticket) (lab.Pass, lab.Audit),
) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	t, ok := s.tickets[hash]
	if s.err != nil {
		return s.err
	}
	if !ok || at != s.workspace.Slug || host != t.Host || !now.Before(t.ExpiresAt) || t.Browser != "" && t.Browser != browser {
		return lab.Errorf(lab.CodeUnauthenticated, "no")
	}
	made, audit := pass(t)
	if owner, known := s.browsers[made.Browser]; known && owner != made.Holder() {
		return lab.Errorf(lab.CodeConflict, "somebody else's")
	}
	delete(s.tickets, hash)
	s.browsers[made.Browser] = made.Holder()
	s.passes[made.Hash] = made
	if made.LooksIn {
		s.audits = append(s.audits, audit)
	}
	return nil
}

func (s *shelf) Admission(
	_ context.Context, hashes []string, at lab.Slug, host lab.DoorHost, browser string, now, _ time.Time,
) (lab.Admission, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, hash := range hashes {
		if p, ok := s.passes[hash]; ok && at == s.workspace.Slug && host == p.Host && browser == p.Browser {
			return lab.Admission{
				Pass: p, Lives: now.Before(p.ExpiresAt) && !slices.Contains(s.out, p.SessionID), May: !slices.Contains(s.gone, p.UserID),
			}, s.err
		}
	}
	if s.err != nil {
		return lab.Admission{}, s.err
	}
	return lab.Admission{}, lab.NotFound("pass", "")
}

func (*shelf) TouchSessions(context.Context, map[string]time.Time) error { return nil }

func (*shelf) EndPasses(context.Context, time.Time, time.Time, time.Time) (int, error) { return 0, nil }

func (*shelf) AskPresence(context.Context, time.Time, time.Time, time.Time, time.Time) (int, error) {
	return 0, nil
}

func (s *shelf) CleanDoor(context.Context, time.Time, time.Time) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.cleanings++
	return s.err
}

func (s *shelf) Workspace(_ context.Context, ref string) (lab.WorkspaceDetail, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if ref != string(s.workspace.Slug) {
		return lab.WorkspaceDetail{}, lab.NotFound("workspace", ref)
	}
	return s.workspace, s.err
}

// refusal is one row of what was refused.
type refusal struct {
	actor             lab.Actor
	operation, target string
}

// bench is a door with all that it needs.
type bench struct {
	*testing.T
	*door.Door
	shelf   *shelf
	now     time.Time
	started []lab.Intent
	refused []refusal
	caller  lab.Caller
	whoErr  error
	// jar is the browser's.
	jar *cookiejar.Jar
}

func student() lab.Caller {
	return lab.Caller{Name: "user:ada", UserID: "u-ada", Role: lab.RoleStudent, SessionID: "s-ada", Scope: lab.Scope{Students: []string{"ada"}}}
}

func teacher() lab.Caller {
	return lab.Caller{Name: "user:t", UserID: "u-t", Role: lab.RoleInstructor, SessionID: "s-t", Scope: lab.Scope{Classes: []string{"class"}}}
}

func operator() lab.Caller {
	return lab.Caller{Name: "token:operator", Role: lab.RoleAdmin, Scope: lab.Scope{All: true}, Token: lab.TokenWrite}
}

func newBench(t *testing.T, change ...func(*door.Config)) *bench {
	t.Helper()
	b := &bench{T: t, now: time.Date(2026, 9, 1, 12, 0, 0, 0, time.UTC), caller: student(), shelf: &shelf{
		tickets: map[string]lab.Ticket{}, passes: map[string]lab.Pass{}, browsers: map[string]string{},
		workspace: lab.WorkspaceDetail{Workspace: lab.Workspace{
			ID: "w", ClassID: "class", StudentID: "ada", Slug: slug, Desired: lab.DesiredRunning,
			Status: lab.Status{Phase: lab.PhaseStarting, Reason: "Its image is being pulled."},
		}},
	}}
	cfg := door.Config{
		Store: b.shelf, Allows: auth.Allows, ConsoleURL: console, LabsURL: labs, OwnHosts: true, Idle: time.Hour,
		Start: func(_ context.Context, intent lab.Intent, _ lab.Slug) error {
			b.started = append(b.started, intent)
			return nil
		},
		Refused: func(_ context.Context, actor lab.Actor, operation, target string) error {
			b.refused = append(b.refused, refusal{actor, operation, target})
			return nil
		},
		Remote: func(r *http.Request) string { return "from " + r.Header.Get("X-Forwarded-For") },
		Sweeps: func() bool { return false }, Wake: func() {}, Logger: slog.New(slog.DiscardHandler),
		NewID: func() string { return "id" }, Now: func() time.Time { return b.now },
	}
	for _, c := range change {
		c(&cfg)
	}
	b.anotherBrowser()
	var err error
	if b.Door, err = door.New(cfg); err != nil {
		t.Fatal(err)
	}
	return b
}

// answer is what a browser gets.
type answer struct {
	status         int
	location, body string
	cookies        []*http.Cookie
	header         http.Header
	// at is where it came from, to where it sends, as a whole.
	at, to string
}

// request asks one of the two handlers, without the browser's cookies; header are pairs.
func (b *bench) request(handler http.Handler, at string, header ...string) answer {
	b.Helper()
	return b.send(handler, http.MethodGet, at, header...)
}

func (b *bench) send(handler http.Handler, method, at string, header ...string) answer {
	b.Helper()
	r := httptest.NewRequest(method, at, nil)
	for i := 0; i+1 < len(header); i += 2 {
		r.Header.Add(header[i], header[i+1])
	}
	w := httptest.NewRecorder()
	handler.ServeHTTP(w, r)
	got := w.Result()
	return answer{
		status: got.StatusCode, location: got.Header.Get("Location"), body: w.Body.String(), cookies: got.Cookies(), header: got.Header,
	}
}

// anotherBrowser has no cookies.
func (b *bench) anotherBrowser() {
	b.Helper()
	var err error
	if b.jar, err = cookiejar.New(nil); err != nil {
		b.Fatal(err)
	}
}

func (b *bench) handler(at string) http.Handler {
	if strings.HasPrefix(at, console) {
		return b.Console(func(*http.Request, http.Header) (lab.Caller, string, error) { return b.caller, "192.0.2.7", b.whoErr })
	}
	return b.Labs()
}

// browse asks with the browser's cookies, and keeps those that come back.
func (b *bench) browse(method, at string, header ...string) answer {
	b.Helper()
	u, err := url.Parse(at)
	if err != nil {
		b.Fatal(err)
	}
	for _, c := range b.jar.Cookies(u) {
		header = append(header, "Cookie", c.Name+"="+c.Value)
	}
	got := b.send(b.handler(at), method, at, header...)
	b.jar.SetCookies(u, got.cookies)
	if got.location != "" {
		to, err := u.Parse(got.location)
		if err != nil {
			b.Fatal(err)
		}
		got.to = to.String()
	}
	got.at = at
	return got
}

// follow asks with the browser's cookies, and goes on where it is sent within Bothy.
func (b *bench) follow(method, at string, header ...string) answer {
	b.Helper()
	for range 10 {
		got := b.browse(method, at, header...)
		if got.status != http.StatusSeeOther || !strings.Contains(got.to, "/-/enter?") && !strings.HasPrefix(got.to, console+"/open/") {
			return got
		}
		method, at = http.MethodGet, got.to
		if i := slices.Index(header, "Sec-Fetch-Site"); i >= 0 && header[i+1] != "none" {
			header = slices.Clone(header)
			header[i+1] = "cross-site" // as soon as one address on the way is another site's
		}
	}
	b.Fatalf("a loop: %s", at)
	return answer{}
}

// press sends the form of a page.
func (b *bench) press(on answer, header ...string) answer {
	b.Helper()
	_, rest, ok := strings.Cut(on.body, `<form method="post" action="`)
	action, _, _ := strings.Cut(rest, `"`)
	if !ok {
		b.Fatalf("%d is no page with a form: %s", on.status, on.body)
	}
	u, err := url.Parse(on.at)
	if err != nil {
		b.Fatal(err)
	}
	to, err := u.Parse(html.UnescapeString(action))
	if err != nil {
		b.Fatal(err)
	}
	return b.follow(http.MethodPost, to.String(), append(header, "Sec-Fetch-Site", "same-origin", "Sec-Fetch-Mode", "navigate", "Sec-Fetch-Dest", "document")...)
}

// open asks the console once, with no cookies.
func (b *bench) open(at string, header ...string) answer {
	b.Helper()
	return b.request(b.handler(console), console+at, header...)
}

func (b *bench) want(r answer, status int, location string) {
	b.Helper()
	if r.status != status || r.location != location {
		b.Fatalf("%d to %q, want %d to %q", r.status, r.location, status, location)
	}
}

func (b *bench) shows(r answer, status int, texts ...string) {
	b.Helper()
	for _, text := range texts {
		if r.status != status || !strings.Contains(r.body, text) {
			b.Fatalf("%d %s, want %d with %q", r.status, r.body, status, text)
		}
	}
}

// come opens a workspace from the console as far as its cookie.
func (b *bench) come(to string) (*http.Cookie, answer) {
	b.Helper()
	r := b.follow(http.MethodGet, console+"/open/"+slug+"?to="+to)
	if r.status != http.StatusSeeOther || len(r.cookies) != 1 {
		b.Fatalf("not opened: %d, %v", r.status, r.cookies)
	}
	return r.cookies[0], r
}

// cookie gives one of the browser's cookies at an address.
func (b *bench) cookie(at, name string) string {
	b.Helper()
	u, err := url.Parse(at)
	if err != nil {
		b.Fatal(err)
	}
	for _, c := range b.jar.Cookies(u) {
		if c.Name == name {
			return c.Value
		}
	}
	return ""
}

const browserCookie = "__Host-bothy_browser"

// check asks as NGINX does.
func (b *bench) check(host string, c *http.Cookie) int {
	b.Helper()
	at := labs
	if host == "own" {
		at = own
	}
	return b.request(b.Labs(), "http://10.0.0.1/-/door/check/"+host+"/"+slug, "X-Bothy-Pass", "tossed,"+c.Value+",",
		"X-Bothy-Browser", b.cookie(at, browserCookie)).status
}
