package pages_test

import (
	"context"
	"crypto/sha256"
	"fmt"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/bothylabs/bothy/service/lab"
	"github.com/bothylabs/bothy/service/look"
	"github.com/bothylabs/bothy/service/pages"
)

func TestAFirstVisit(t *testing.T) {
	s := newSite(t)
	b := s.browser()
	b.get("/").goes(t, "/sign-in")
	b.get("/sessions?x=1").goes(t, "/sign-in?to=%2Fsessions%3Fx%3D1")
	b.get("/sign-in?to=/sessions").says(t, 200, `name="to" value="/sessions"`, "I don't know my password")
	b.post("/sign-in", "login", ada, "password", temporary, "to", "/sessions").goes(t, "/password?to=%2Fsessions")

	// A temporary password opens nothing else.
	b.get("/sign-in?to=/open/fall-26-py101-ada").goes(t, "/password?to=%2Fopen%2Ffall-26-py101-ada")
	for _, path := range []string{"/", "/sessions", "/tokens"} {
		b.get(path).goes(t, "/password")
	}
	b.post("/workspaces/fall-26-go102-ada/start").goes(t, "/password")
	// What sends whoever is not signed in here gets them no further than to choose another.
	b.get("/sign-in?to=%2Fopen%2Ffall-26-py101-ada").goes(t, "/password?to=%2Fopen%2Ffall-26-py101-ada")
	b.get("/sign-in?to=%2Fopen%2Ffall-26-go102-ada%3Fto%3D%2Fa%253Fb").goes(t, "/password?to=%2Fopen%2Ffall-26-go102-ada%3Fto%3D%2Fa%253Fb")
	b.get("/password?to=/sessions").says(t, 200, "Choose a password", "temporary password")
	b.post("/password", "password", own, "again", "another").says(t, 400, "Is not the same")
	b.post("/password", "password", "short", "again", "short").says(t, 400, "Has fewer than 10 characters")
	b.post("/password", "password", temporary, "again", temporary).says(t, 400, "Is the temporary one")
	b.post("/password", "password", own, "again", own, "to", "/sessions").goes(t, "/sessions")
	b.get("/sessions").says(t, 200, "This one", "Where you are signed in")
	b.get("/sign-in?to=/tokens").goes(t, "/tokens")
}

func TestAWrongPasswordAndAnUnknownLoginLookTheSame(t *testing.T) {
	s := newSite(t)
	known := s.browser().post("/sign-in", "login", ada, "password", "wrong-wrong")
	unknown := s.browser().post("/sign-in", "login", "eve@example.org", "password", "wrong-wrong")
	known.says(t, 403, "The login or the password is wrong")
	if got := strings.ReplaceAll(unknown.body, "eve@example.org", ada); got != known.body || unknown.status != known.status {
		t.Errorf("they differ:\n%s\n%s", known.body, unknown.body)
	}
	if len(known.header) != len(unknown.header) {
		t.Errorf("they differ: %v, %v", known.header, unknown.header)
	}
}

func TestTooManyTriesSayWhenToComeBack(t *testing.T) {
	s := newSite(t)
	b := s.browser()
	for range 10 {
		b.post("/sign-in", "login", ada, "password", "wrong-wrong")
	}
	got := b.post("/sign-in", "login", ada, "password", temporary)
	got.says(t, 429, "This was tried too often", "16 minutes", "have a link mailed")
	if got.header.Get("Retry-After") == "" {
		t.Error("no Retry-After")
	}
}

func TestOneGoesOnWithinTheOriginAlone(t *testing.T) {
	s := newSite(t)
	s.in()
	for to, want := range map[string]string{
		"/tokens": "/tokens", "/open/fall-26-py101-ada?to=/fall-26-py101-ada/": "/open/fall-26-py101-ada?to=/fall-26-py101-ada/",
		"https://evil.example/": "/", "//evil.example/": "/", `/\evil.example/`: "/", "javascript:alert(1)": "/", "tokens": "/", "": "/",
		"/%2f/evil.example": "/", "/sign-out": "/", "/sign-in": "/", "/a\r\nSet-Cookie: x=y": "/", "http:evil": "/", "/\t/evil.example": "/",
	} {
		s.browser().post("/sign-in", "login", ada, "password", own, "to", to).goes(t, want)
	}
}

func TestThePortalShowsOnesOwnWorkspacesInWords(t *testing.T) {
	s := newSite(t)
	b := s.in()
	page := b.get("/")
	page.says(t, 200, "py101", "Ready", `href="/open/fall-26-py101-ada"`, "Stopped", `action="/workspaces/fall-26-go102-ada/start"`, "Starting",
		"It could not be started", "Grace Hopper", "<td>terminal</td>", "1 September 2026, 09:05 UTC")
	if strings.Contains(page.body, "bob") || strings.Contains(page.body, `/workspaces/fall-26-py101-ada/start`) {
		t.Errorf("the page shows too much\n%s", page.body)
	}
	b.post("/workspaces/fall-26-go102-ada/start").goes(t, "/?done=start")
	b.post("/workspaces/fall-26-py101-ada/stop").goes(t, "/?done=stop")
	b.post("/workspaces/fall-26-py101-bob/stop").says(t, 404, "There is nothing here")
	b.post("/workspaces/fall-26-py101-ada/delete").says(t, 404)
	b.get("/workspaces/fall-26-py101-ada/stop").says(t, 405)
	if got := strings.Join(s.workspaces.acts, ", "); got != "user:"+ada+" start id-fall-26-go102-ada, user:"+ada+" stop id-fall-26-py101-ada" {
		t.Error(got)
	}
}

func TestWhatSomebodyHasNoRightToIsWrittenDown(t *testing.T) {
	var refused []string
	s := newSite(t, func(cfg *pages.Config) {
		cfg.Refused = func(_ context.Context, actor lab.Actor, operation, target string) error {
			refused = append(refused, fmt.Sprintf("%s as %s: %s %s", actor.Name, actor.Role, operation, target))
			return nil
		}
	})
	b := s.in()
	b.post("/workspaces/fall-26-py101-bob/stop").says(t, 404, "There is nothing here")
	b.post("/workspaces/fall-26-py101-nobody/stop").says(t, 404, "There is nothing here")
	if got := strings.Join(refused, ", "); got != "user:"+ada+" as student: stopWorkspace fall-26-py101-bob" {
		t.Errorf("written down: %s", got)
	}
}

func TestWhatAnotherOriginSendsIsRefused(t *testing.T) {
	s := newSite(t)
	b := s.in()
	for _, site := range []string{"cross-site", "same-site"} {
		b.headers["Sec-Fetch-Site"] = site
		b.post("/workspaces/fall-26-py101-ada/stop").says(t, 403, "Another page has sent this")
		b.post("/sign-out").says(t, 403)
		b.post("/sign-in", "login", ada, "password", own).says(t, 403)
	}
	delete(b.headers, "Sec-Fetch-Site")
	b.headers["Origin"] = "http://labs.localhost:9999"
	b.post("/sign-out").says(t, 403)
	if len(s.workspaces.acts) != 0 {
		t.Error(s.workspaces.acts)
	}
	b.headers["Origin"] = "http://bothy.localhost:8080"
	b.post("/sign-out").goes(t, "/sign-in?done=out")
}

func TestOneSignsOutHereElsewhereAndEverywhere(t *testing.T) {
	s := newSite(t)
	here := s.in()
	sign := func() *browser {
		b := s.browser()
		b.post("/sign-in", "login", ada, "password", own).goes(t, "/")
		return b
	}
	there := sign()
	ids := regexp.MustCompile(`/sessions/end/([^"]+)`).FindStringSubmatch(here.get("/sessions").body)
	if len(ids) != 2 {
		t.Fatal("no other session is shown")
	}
	here.post("/sessions/end/"+ids[1]).goes(t, "/sessions?done=end")
	there.get("/").goes(t, "/sign-in")
	here.get("/").says(t, 200)

	third := sign()
	third.post("/sign-out").goes(t, "/sign-in?done=out")
	if third.cookies["bothy_session"] != "" || third.cookies["bothy_device"] == "" {
		t.Error(third.cookies)
	}
	fourth := sign()
	here.post("/sessions/end-all").goes(t, "/sign-in?done=out")
	for _, b := range []*browser{here, fourth} {
		b.get("/").goes(t, "/sign-in")
	}
}

func TestATokenIsShownOnce(t *testing.T) {
	s := newSite(t)
	b := s.in()
	b.post("/tokens", "name", "", "scope", "read", "days", "90", "present", own).says(t, 400, "say in 1 to 100 characters")
	b.post("/tokens", "name", "laptop", "scope", "read", "days", "90").says(t, 400, "Is not your present password", `value="laptop"`)
	if strings.Contains(b.get("/password").body+b.get("/sessions").body, "Revoke my") {
		t.Error("tokens are offered to be revoked that there are not")
	}
	made := b.post("/tokens", "name", "my <b>laptop</b>", "scope", "operate", "days", "30", "present", own)
	made.says(t, 201, "Copy it now", "my &lt;b&gt;laptop&lt;/b&gt;", "operate", "never used")
	text := regexp.MustCompile(`bothy_[A-Za-z0-9_-]{43}`).FindString(made.body)
	if text == "" {
		t.Fatal("the token is not shown")
	}
	again := b.get("/tokens")
	if again.says(t, 200, "laptop"); strings.Contains(again.body, text) {
		t.Error("it is shown again")
	}
	id := regexp.MustCompile(`/tokens/revoke/([^"]+)`).FindStringSubmatch(again.body)[1]
	b.post("/tokens/revoke/"+id).goes(t, "/tokens?done=revoke")
	if strings.Contains(b.get("/tokens").body, "laptop") {
		t.Error("it is still there")
	}
}

func TestTokensAreOfferedToGoWithAPasswordAndWithSessions(t *testing.T) {
	s := newSite(t)
	b := s.in()
	makes := func() {
		b.post("/tokens", "name", "laptop", "scope", "read", "days", "7", "present", own).says(t, 201, "laptop")
	}
	makes()
	b.get("/sessions").says(t, 200, "Revoke my API token too")
	makes()
	b.get("/password").says(t, 200, "Revoke my 2 API tokens too")
	b.post("/password", "present", own, "password", own+"!", "again", own+"!", "tokens", "revoke").goes(t, "/?done=password")
	if strings.Contains(b.get("/tokens").body, "laptop") {
		t.Error("they are still there")
	}
}

func TestAResetDoesNotSayWhetherTheLoginExists(t *testing.T) {
	s := newSite(t)
	known, unknown := s.browser().post("/reset", "login", ada), s.browser().post("/reset", "login", "eve@example.org")
	known.says(t, 200, "If <strong>"+ada)
	if got := strings.ReplaceAll(unknown.body, "eve@example.org", ada); got != known.body {
		t.Errorf("they differ:\n%s\n%s", known.body, unknown.body)
	}
	due, err := s.store.DueLetters(t.Context(), time.Now().Add(time.Hour), 10)
	s.must(err)
	if len(due) != 1 {
		t.Errorf("%d letters are due", len(due))
	}
	s.browser().get("/reset/choose?link=nothing").says(t, 404, "not good any more")
	s.browser().post("/reset/choose", "link", "nothing", "password", own, "again", own).says(t, 404, "not good any more")
}

func TestWhoChoosesAPasswordWhileAnotherIsSetTriesAgain(t *testing.T) {
	s := newSite(t)
	in := s.in()
	s.browser().post("/reset", "login", ada)
	due, err := s.store.DueLetters(t.Context(), time.Now().Add(time.Hour), 1)
	s.must(err)
	letter := due[0]
	letter.Tries, letter.ExpiresAt = 1, time.Now().Add(time.Hour)
	_, err = s.store.TryLetter(t.Context(), letter, fmt.Sprintf("%x", sha256.Sum256([]byte("the-link"))))
	s.must(err)
	hold := lab.PasswordHold{ID: "another", UserID: s.user.ID, Until: time.Now().Add(time.Hour)}
	s.must(s.store.HoldPassword(t.Context(), hold, time.Now()))

	change := []string{"present", own, "password", own + "!", "again", own + "!"}
	choose := []string{"link", "the-link", "password", own + "?", "again", own + "?"}
	const says, form = "Another password is being set at this moment", `name="again"`
	in.post("/password", change...).says(t, 409, says, form)
	s.browser().post("/reset/choose", choose...).says(t, 409, says, form, "the-link")

	_, err = s.store.ReleasePassword(t.Context(), hold)
	s.must(err)
	in.post("/password", change...).goes(t, "/?done=password")
}

func TestEveryPageKeepsThePolicyAndHasNoScript(t *testing.T) {
	s := newSite(t)
	in, out := s.in(), s.browser()
	for path, b := range map[string]*browser{
		"/": in, "/sessions": in, "/tokens": in, "/password": in, "/nothing": in, "/sign-in": out, "/reset": out, "/reset/choose": out,
	} {
		got := b.get(path)
		for name, want := range map[string]string{
			"Content-Security-Policy": "default-src 'none'; style-src 'self'; img-src 'self'; form-action 'self' http://labs.localhost:9999 http://*.labs.localhost:9999; base-uri 'none'; frame-ancestors 'none'",
			"X-Frame-Options":         "DENY", "X-Content-Type-Options": "nosniff", "Referrer-Policy": "same-origin", "Cache-Control": "no-store",
			"Content-Type": "text/html; charset=utf-8",
		} {
			if got.header.Get(name) != want {
				t.Errorf("%s: %s: %s", path, name, got.header.Get(name))
			}
		}
		for _, no := range []string{"<script", "style=", " on", "<style", "ZgotmplZ"} {
			if no == " on" {
				if regexp.MustCompile(`<[^>]* on[a-z]+=`).MatchString(got.body) {
					t.Errorf("%s has an event handler", path)
				}
			} else if strings.Contains(got.body, no) {
				t.Errorf("%s has %q", path, no)
			}
		}
		if strings.Count(got.body, "<h1>") != 1 || !strings.Contains(got.body, `<html lang="en">`) || !strings.Contains(got.body, "<main") {
			t.Errorf("%s is not a whole page", path)
		}
	}
	for file, want := range map[string]struct{ kind, begins string }{
		"bothy.css": {"text/css; charset=utf-8", look.Style()}, "bothy.svg": {"image/svg+xml", look.Mark()},
	} {
		if got := out.get("/assets/" + file); got.status != 200 || got.header.Get("Content-Type") != want.kind || !strings.HasPrefix(got.body, want.begins) {
			t.Errorf("%s: %d, %v", file, got.status, got.header)
		}
	}
	out.get("/assets/layout.html").says(t, 404)
}

func TestAnOldTemporaryPasswordSaysWhatToDo(t *testing.T) {
	for mail, want := range map[bool]string{true: "a mailed link lets you choose one of your own", false: "Ask your instructor for a new invitation"} {
		s := newSite(t, func(c *pages.Config) { c.Mail = mail })
		_, err := s.store.ChangeUser(t.Context(), lab.Intent{}, s.user.ID, func(u lab.User) (lab.User, lab.Audit, error) {
			past := u.CreatedAt.Add(-time.Hour)
			u.PasswordUntil = &past
			return u, lab.Audit{ID: "audit", At: u.CreatedAt, Action: "x", Target: "x"}, nil
		})
		s.must(err)
		b := s.browser()
		b.post("/sign-in", "login", ada, "password", temporary).says(t, 403, "This temporary password is too old", want)
		b.get("/").goes(t, "/sign-in")
		b.post("/sign-in", "login", ada, "password", "wrong-wrong").says(t, 403, "The login or the password is wrong")
	}
}
