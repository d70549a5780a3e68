package door_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/base64"
	"log/slog"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/bothylabs/bothy/service/door"
	"github.com/bothylabs/bothy/service/lab"
	"github.com/bothylabs/bothy/service/look"
)

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
	if b.cookie(own, browserCookie) != "" || b.cookie("https://bothy.example.org/", browserCookie) != "" {
		t.Error("the browser's cookie is for more than its host")
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
	link, err := b.Link(t.Context(), operator(), "", slug, lab.AsStudent, "/")
	if err != nil {
		t.Fatal(err)
	}
	r := b.press(b.follow(http.MethodGet, link.URL))
	b.want(r, 303, "/"+slug+"/")
	b.now = b.now.Add(time.Hour - time.Second)
	for _, want := range []int{204, 401} {
		if got := b.check("shared", r.cookies[0]); got != want {
			t.Errorf("at %s: %d, want %d", b.now, got, want)
		}
		b.now = b.now.Add(time.Second)
	}
}

// ticket opens a workspace as far as its ticket.
func (b *bench) ticket() string {
	b.Helper()
	at := console + "/open/" + slug
	for range 3 {
		at = b.browse(http.MethodGet, at).to
	}
	if !strings.Contains(at, "ticket=") {
		b.Fatalf("there is no ticket: %s", at)
	}
	return at
}

func TestATicketIsGoodOnceAndForAMinute(t *testing.T) {
	b := newBench(t)
	at := b.ticket()
	for _, header := range [][]string{
		{"Sec-Fetch-Mode", "no-cors", "Sec-Fetch-Dest", "image"}, {"Sec-Fetch-Mode", "navigate", "Sec-Fetch-Dest", "iframe"},
	} {
		b.want(b.browse(http.MethodGet, at, header...), 403, "")
	}
	b.want(b.browse(http.MethodHead, at), 401, "") // which does not use it up
	b.want(b.browse(http.MethodGet, at), 303, "/"+slug+"/")
	b.want(b.request(b.Labs(), at), 401, "")
	// Who has the pass already, as after a step back in the history, goes on.
	b.want(b.browse(http.MethodGet, at), 303, "/"+slug+"/")
	late := b.ticket()
	b.now = b.now.Add(time.Minute)
	b.anotherBrowser()
	b.want(b.browse(http.MethodGet, late), 401, "")
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
	browser := b.cookie(labs, browserCookie)
	pass := cookie.Name + "=" + cookie.Value + "; " + browserCookie + "=" + browser
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
	r = b.request(b.Labs(), labs+"/"+slug+"/x?y=z", append(page, "X-Forwarded-For", "192.0.2.8")...)
	text := r.body
	who := lab.Actor{Name: "user:ada", UserID: "u-ada", Role: lab.RoleStudent, Remote: "from 192.0.2.8"}
	if r.status != http.StatusServiceUnavailable || len(b.started) != 1 || b.started[0].Actor != who {
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
	b.want(b.request(b.Labs(), "http://10.0.0.1/-/door/enter/shared/"+slug+"?to=/x?y=z", "X-Bothy-Pass", cookie.Value, "X-Bothy-Browser", browser), 303, "/"+slug+"/x?y=z")
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

// What is old is removed once a day; where that fails the log says so, and it is tried again.
func TestThatOldRowsStayIsLogged(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var log bytes.Buffer
		b := newBench(t, func(c *door.Config) {
			c.Sweeps = func() bool { return true }
			c.Now, c.Logger = time.Now, slog.New(slog.NewTextHandler(&log, nil))
		})
		b.shelf.err = lab.Errorf(lab.CodeUnavailable, "the disk is full")
		ctx, cancel := context.WithTimeout(t.Context(), 9*time.Second)
		defer cancel()
		if err := b.Door.Run(ctx); err != nil || !strings.Contains(log.String(), "the disk is full") {
			t.Errorf("%v, %q", err, &log)
		}
		log.Reset()
		b.shelf.err = nil
		ctx, cancel = context.WithTimeout(t.Context(), 23*time.Hour)
		defer cancel()
		if err := b.Door.Run(ctx); err != nil || b.shelf.cleanings != 2 || log.Len() > 0 {
			t.Errorf("%v, %d times, %q", err, b.shelf.cleanings, &log)
		}
	})
}

// What NGINX asks is told what the browser has sent; a page that leads a browser there
// by the labs origin would have it be somebody new, whose it was forgotten.
func TestWhatNGINXAsksIsNoPathOfVisitors(t *testing.T) {
	b := newBench(t)
	b.come("/")
	for _, host := range []string{labs, "https://LABS.example.org:8443", own} {
		for _, path := range []string{"/-/door/enter/shared/" + slug + "?open=&to=/", "/-/door/check/shared/" + slug, "/-/door/health"} {
			if r := b.browse(http.MethodGet, host+path); r.status != 404 && r.status != 401 || len(r.cookies) > 0 {
				t.Errorf("%s%s: %d, %v", host, path, r.status, r.cookies)
			}
		}
	}
}

// The pages look like all others of Bothy's, and are whole: what they load is themselves.
func TestAPageLooksLikeTheOthersAndNeedsNothingElse(t *testing.T) {
	b := newBench(t)
	for at, got := range map[string]answer{"at the labs": b.request(b.Labs(), labs+"/", page...), "at the console": b.open("/open/none")} {
		head, rest, _ := strings.Cut(got.body, "<style>")
		style, after, _ := strings.Cut(rest, "</style>")
		if !strings.HasPrefix(style, look.Style()) || !strings.Contains(after, look.Mark()) || !strings.Contains(after, `href="`+console+`/"`) {
			t.Errorf("%s does not look like Bothy's\n%s", at, got.body)
		}
		sum := sha256.Sum256([]byte(style))
		want := "default-src 'none'; style-src 'sha256-" + base64.StdEncoding.EncodeToString(sum[:]) + "'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
		if policy := got.header.Get("Content-Security-Policy"); policy != want {
			t.Errorf("%s: the policy is %s, not %s", at, policy, want)
		}
		for _, no := range []string{"<script", "<link", "<img", " src=", " style=", "ZgotmplZ"} {
			if strings.Contains(head+after, no) {
				t.Errorf("%s has %q", at, no)
			}
		}
	}
}
