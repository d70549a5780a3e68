package door_test

import (
	"context"
	"log/slog"
	"net/http"
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
)

// shelf is a store in memory; the real one is tested where it is.
type shelf struct {
	mu        sync.Mutex
	workspace lab.WorkspaceDetail
	tickets   map[string]lab.Ticket
	passes    map[string]lab.Pass
	audits    []lab.Audit
	// gone are the users who may not any more, out the sessions that ended.
	gone, out []string
	err       error
}

func (s *shelf) AddTicket(_ context.Context, t lab.Ticket) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.tickets[t.Hash] = t
	return s.err
}

func (s *shelf) RedeemTicket(
	_ context.Context, hash string, at lab.Slug, host lab.DoorHost, now time.Time, pass func(lab.Ticket) (lab.Pass, lab.Audit),
) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	t, ok := s.tickets[hash]
	if s.err != nil {
		return s.err
	}
	if !ok || at != s.workspace.Slug || host != t.Host || !now.Before(t.ExpiresAt) {
		return lab.Errorf(lab.CodeUnauthenticated, "no")
	}
	delete(s.tickets, hash)
	made, audit := pass(t)
	s.passes[made.Hash] = made
	if made.LooksIn {
		s.audits = append(s.audits, audit)
	}
	return nil
}

func (s *shelf) Admission(_ context.Context, hashes []string, at lab.Slug, host lab.DoorHost, now, _ time.Time) (lab.Admission, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, hash := range hashes {
		if p, ok := s.passes[hash]; ok && at == s.workspace.Slug && host == p.Host {
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

func (*shelf) CleanDoor(context.Context, time.Time) error { return nil }

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
		tickets: map[string]lab.Ticket{}, passes: map[string]lab.Pass{},
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
		Sweeps: func() bool { return false }, Wake: func() {}, Logger: slog.New(slog.DiscardHandler),
		NewID: func() string { return "id" }, Now: func() time.Time { return b.now },
	}
	for _, c := range change {
		c(&cfg)
	}
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
}

// request asks one of the two handlers; header are pairs.
func (b *bench) request(handler http.Handler, at string, header ...string) answer {
	b.Helper()
	r := httptest.NewRequest(http.MethodGet, at, nil)
	for i := 0; i+1 < len(header); i += 2 {
		r.Header.Add(header[i], header[i+1])
	}
	w := httptest.NewRecorder()
	handler.ServeHTTP(w, r)
	got := w.Result()
	return answer{status: got.StatusCode, location: got.Header.Get("Location"), body: w.Body.String(), cookies: got.Cookies()}
}

func (b *bench) open(at string, header ...string) answer {
	b.Helper()
	who := func(*http.Request) (lab.Caller, string, error) { return b.caller, "192.0.2.7", b.whoErr }
	return b.request(b.Console(who), console+at, header...)
}

func (b *bench) want(r answer, status int, location string) {
	b.Helper()
	if r.status != status || r.location != location {
		b.Fatalf("%d to %q, want %d to %q", r.status, r.location, status, location)
	}
}

// come opens a workspace from the console as far as its cookie.
func (b *bench) come(to string) (*http.Cookie, answer) {
	b.Helper()
	r := b.open("/open/" + slug + "?to=" + to)
	if r.status != http.StatusSeeOther {
		b.Fatalf("not opened: %d", r.status)
	}
	r = b.request(b.Labs(), r.location)
	if len(r.cookies) != 1 {
		b.Fatalf("no cookie: %d", r.status)
	}
	return r.cookies[0], r
}

func (b *bench) check(host string, c *http.Cookie) int {
	b.Helper()
	return b.request(b.Labs(), "http://10.0.0.1/-/door/check/"+host+"/"+slug, "X-Bothy-Pass", "tossed,"+c.Value+",").status
}

func TestWhoMayNotOpenAWorkspaceIsWrittenDown(t *testing.T) {
	b := newBench(t)
	bob := lab.Caller{Name: "user:bob", UserID: "u-bob", Role: lab.RoleStudent, SessionID: "s-bob", Scope: lab.Scope{Students: []string{"bob"}}}
	b.caller = bob
	foreign, none := b.open("/open/"+slug), b.open("/open/fall-py-nobody")
	if foreign.status != http.StatusNotFound || foreign.body != none.body {
		t.Errorf("%d; a foreign one and none are told apart", foreign.status)
	}
	b.caller = student()
	b.open("/open/" + slug)
	want := []refusal{{lab.Actor{Name: "user:bob", UserID: "u-bob", Role: lab.RoleStudent, Remote: "192.0.2.7"}, "openWorkspace", slug}}
	if !slices.Equal(b.refused, want) {
		t.Errorf("written down: %+v", b.refused)
	}
}

func TestAStudentComesInByTheSharedHost(t *testing.T) {
	b := newBench(t)
	cookie, r := b.come("/folder/a%2Fb?x=y&z=%20&to=/q")
	b.want(r, 303, "/"+slug+"/folder/a%2Fb?x=y&z=%20&to=/q")
	if cookie.Name != "bothy_pass" || cookie.Path != "/"+slug+"/" || !cookie.HttpOnly || !cookie.Secure || cookie.SameSite != http.SameSiteLaxMode || cookie.Domain != "" {
		t.Errorf("the cookie is %v", cookie)
	}
	for host, want := range map[string]int{"shared": 204, "own": 401, "other": 404} {
		if got := b.check(host, cookie); got != want {
			t.Errorf("on %s: %d, want %d", host, got, want)
		}
	}
	if len(b.shelf.audits) > 0 {
		t.Error("their own student is no look-in")
	}
}

func TestWhoLooksInComesByTheOwnHostAndIsWrittenDown(t *testing.T) {
	b := newBench(t)
	b.caller = teacher()
	cookie, r := b.come("/folder")
	b.want(r, 303, "/folder")
	if cookie.Name != "__Host-bothy_pass" || cookie.Path != "/" || !cookie.Secure || cookie.Domain != "" {
		t.Errorf("the cookie is %v", cookie)
	}
	if got := []int{b.check("own", cookie), b.check("shared", cookie)}; !slices.Equal(got, []int{204, 401}) {
		t.Errorf("%v", got)
	}
	want := lab.Actor{Name: "user:t", UserID: "u-t", Role: lab.RoleInstructor, Remote: "192.0.2.7"}
	if len(b.shelf.audits) != 1 || b.shelf.audits[0].Actor != want || b.shelf.audits[0].Action != "workspace.look_in" {
		t.Errorf("%+v", b.shelf.audits)
	}
}

func TestLookingInIsOffWithoutHostsOfTheirOwn(t *testing.T) {
	b := newBench(t, func(c *door.Config) { c.OwnHosts = false })
	b.caller = teacher()
	b.want(b.open("/open/"+slug), 409, "")
	b = newBench(t, func(c *door.Config) { c.OwnHosts, c.LookInShared = false, true })
	b.caller = teacher()
	cookie, _ := b.come("/")
	if cookie.Path != "/"+slug+"/" || len(b.shelf.audits) != 1 {
		t.Errorf("%v, %v", cookie, b.shelf.audits)
	}
}

func TestNobodyElseComesIn(t *testing.T) {
	b := newBench(t)
	stranger := lab.Caller{UserID: "u-x", Role: lab.RoleStudent, SessionID: "s-x", Scope: lab.Scope{Students: []string{"bob"}}}
	b.caller = stranger
	var pages []string
	for _, at := range []string{"/open/" + slug, "/open/no-such-slug", "/open/No%20slug", "/open/"} {
		r := b.open(at)
		b.want(r, 404, "")
		pages = append(pages, r.body)
	}
	if len(slices.Compact(pages)) != 1 {
		t.Error("a foreign workspace looks different from one that there is not")
	}
	b.whoErr = lab.Errorf(lab.CodeUnauthenticated, "nobody")
	b.want(b.open("/open/"+slug+"?to=/a?b=c"), 303, "/sign-in?to="+url.QueryEscape("/open/"+slug+"?to=/a?b=c"))
	b.whoErr = nil
	b.caller = student()
	for _, header := range [][]string{
		{"Sec-Fetch-Mode", "no-cors", "Sec-Fetch-Dest", "image"}, {"Sec-Fetch-Mode", "navigate", "Sec-Fetch-Dest", "iframe"},
	} {
		b.want(b.open("/open/"+slug, header...), 403, "")
	}
	reader := teacher()
	reader.Token = lab.TokenRead
	if _, err := b.Link(t.Context(), reader, "", slug, lab.AsAllowed, ""); lab.CodeOf(err) != lab.CodeForbidden {
		t.Errorf("a token that reads: %v", err)
	}
}

func TestALinkForTheOperatorsToken(t *testing.T) {
	b := newBench(t)
	for _, tc := range []struct {
		caller lab.Caller
		as     lab.EntryAs
		begins string
		code   lab.Code
	}{
		{operator(), lab.AsAllowed, "https://" + slug + ".labs.example.org/-/enter?ticket=", ""},
		{operator(), lab.AsLookerIn, "https://" + slug + ".labs.example.org/-/enter?ticket=", ""},
		{operator(), lab.AsStudent, labs + "/" + slug + "/-/enter?ticket=", ""},
		{student(), lab.AsStudent, labs + "/" + slug + "/-/enter?ticket=", ""},
		{student(), lab.AsLookerIn, "", lab.CodeForbidden},
		{teacher(), lab.AsStudent, "", lab.CodeForbidden},
	} {
		link, err := b.Link(t.Context(), tc.caller, "", slug, tc.as, "//evil.example")
		if lab.CodeOf(err) != tc.code || !strings.HasPrefix(link.URL, tc.begins) {
			t.Errorf("%s as %q: %v, %v", tc.caller.Name, tc.as, link, err)
		}
		if err == nil && !strings.HasSuffix(link.URL, "&to=/") {
			t.Errorf("it leads astray: %s", link.URL)
		}
	}
	b.caller = operator()
	cookie, _ := b.come("/")
	b.now = b.now.Add(2 * time.Hour)
	if got := b.check("own", cookie); got != 401 {
		t.Errorf("two hours later: %d", got)
	}
}

func TestATicketIsGoodOnceAndForAMinute(t *testing.T) {
	b := newBench(t)
	at := b.open("/open/" + slug).location
	b.want(b.request(b.Labs(), at, "Sec-Fetch-Mode", "no-cors"), 403, "")
	first := b.request(b.Labs(), at)
	b.want(first, 303, "/"+slug+"/")
	b.want(b.request(b.Labs(), at), 401, "")
	// Who has the pass already, as after a step back in the history, goes on.
	b.want(b.request(b.Labs(), at, "Cookie", first.cookies[0].String()), 303, "/"+slug+"/")
	late := b.open("/open/" + slug).location
	b.now = b.now.Add(time.Minute)
	b.want(b.request(b.Labs(), late), 401, "")
}

func TestAPassThatEndsIsNoMore(t *testing.T) {
	b := newBench(t)
	cookie, _ := b.come("/")
	b.shelf.out = []string{"s-ada"}
	if got := b.check("shared", cookie); got != 401 {
		t.Errorf("signed out: %d", got)
	}
	b.shelf.out, b.shelf.gone = nil, []string{"u-ada"}
	if got := b.check("shared", cookie); got != 403 {
		t.Errorf("withdrawn: %d", got)
	}
	b.shelf.gone, b.shelf.err = nil, lab.Errorf(lab.CodeUnavailable, "the database is away")
	if got := b.check("shared", cookie); got != 503 {
		t.Errorf("the database is away: %d", got)
	}
}

func TestAVisitStartsAStoppedWorkspace(t *testing.T) {
	b := newBench(t)
	cookie, _ := b.come("/")
	pass := cookie.Name + "=" + cookie.Value
	page := []string{"Cookie", pass, "Sec-Fetch-Mode", "navigate", "Sec-Fetch-Dest", "document"}
	b.shelf.workspace.Desired, b.shelf.workspace.Status = lab.DesiredStopped, lab.Status{Phase: lab.PhaseStopped, Reason: "Nothing runs."}

	for what, header := range map[string][]string{
		"a reconnect": {"Cookie", pass, "Upgrade", "websocket", "Sec-Fetch-Mode", "websocket", "Sec-Fetch-Dest", "websocket"},
		"an asset":    {"Cookie", pass, "Sec-Fetch-Mode", "no-cors", "Sec-Fetch-Dest", "script"},
		"a fetch":     {"Cookie", pass, "Accept", "*/*"},
	} {
		if r := b.request(b.Labs(), labs+"/"+slug+"/x", header...); r.status != http.StatusServiceUnavailable || len(b.started) > 0 {
			t.Errorf("%s: %d, started %d", what, r.status, len(b.started))
		}
	}
	// A waiting page that is left open asks at the entrance, which starts nothing.
	r := b.request(b.Labs(), labs+"/"+slug+"/-/enter?to=/x", page...)
	if text := r.body; r.status != http.StatusServiceUnavailable || len(b.started) > 0 || strings.Contains(text, "refresh") || !strings.Contains(text, `href="/`+slug+`/x"`) {
		t.Errorf("the entrance: %d, started %d\n%s", r.status, len(b.started), text)
	}
	r = b.request(b.Labs(), labs+"/"+slug+"/x?y=z", page...)
	text := r.body
	if r.status != http.StatusServiceUnavailable || len(b.started) != 1 || b.started[0].Actor.Name != "user:ada" {
		t.Errorf("a visit: %d, started %+v", r.status, b.started)
	}
	if !strings.Contains(text, `content="2; url=/`+slug+`/-/enter?to=/x?y=z"`) || strings.Contains(text, "<script") {
		t.Errorf("the waiting page does not move on by itself:\n%s", text)
	}
	b.shelf.workspace.Desired, b.shelf.workspace.Status = lab.DesiredRunning, lab.Status{Phase: lab.PhasePlacing, Reason: "memory exhausted <on> 3 nodes"}
	text = b.request(b.Labs(), labs+"/"+slug+"/", page...).body
	if len(b.started) != 1 || !strings.Contains(text, "placing") || !strings.Contains(text, "memory exhausted &lt;on&gt; 3 nodes") {
		t.Errorf("started %d\n%s", len(b.started), text)
	}
	// Through the workspace's own NGINX, the entrance leads in.
	b.want(b.request(b.Labs(), "http://10.0.0.1/-/door/enter/shared/"+slug+"?to=/x?y=z", "X-Bothy-Pass", cookie.Value), 303, "/"+slug+"/x?y=z")
}

func TestWithoutAPassEverySlugLooksTheSame(t *testing.T) {
	b := newBench(t)
	page := []string{"Accept", "text/html,*/*"}
	for _, s := range []string{slug, "no-such-slug"} {
		b.want(b.request(b.Labs(), labs+"/"+s+"/a?b=c", page...), 303, console+"/open/"+s+"?to=/a?b=c")
		b.want(b.request(b.Labs(), "https://"+s+".labs.example.org/a?b=c", page...), 303, console+"/open/"+s+"?to=/a?b=c")
		b.want(b.request(b.Labs(), labs+"/"+s+"?b=c", page...), 307, "/"+s+"/?b=c")
		b.want(b.request(b.Labs(), labs+"/"+s+"/a", "Accept", "*/*"), 401, "")
	}
	for _, at := range []string{labs + "/", labs + "/favicon.ico", "https://bothy.example.org/v1/status", "https://a.b.labs.example.org/", "http://10.0.0.1/"} {
		b.want(b.request(b.Labs(), at, page...), 404, "")
	}
}
