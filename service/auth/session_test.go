package auth_test

import (
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/bothylabs/bothy/service/auth"
	"github.com/bothylabs/bothy/service/lab"
)

func TestWhoSignsInIsKnownByTheCookie(t *testing.T) {
	s := newSite(t)
	ada, b := s.user("Ada@example.org", lab.RoleStudent, lab.PasswordOwn), s.browser()
	_, err := b.visitor()
	s.wantCode(err, lab.CodeUnauthenticated)
	due, err := b.signIn("ada@EXAMPLE.org ", right)
	s.must(err)
	v := b.mustVisitor()
	if due || v.User.ID != ada.ID || v.Name != "user:Ada@example.org" || v.SessionID == "" || v.Token != "" || v.Role != lab.RoleStudent {
		t.Errorf("got %+v", v)
	}
	if got := s.actions(); got != "user.create session.create" {
		t.Error(got)
	}
}

func TestCookiesAreForTheServerAlone(t *testing.T) {
	s := newSite(t)
	s.user("ada@example.org", lab.RoleStudent, lab.PasswordOwn)
	for secure, prefix := range map[bool]string{false: "", true: "__Host-"} {
		s.Secure = secure
		cookies, _, err := s.SignInWithPassword(t.Context(), s.browser().visit(), "ada@example.org", right)
		s.must(err)
		for i, name := range []string{"bothy_session", "bothy_device"} {
			c := cookies[i]
			if c.Name != prefix+name || c.Secure != secure || !c.HttpOnly || c.SameSite != http.SameSiteLaxMode || c.Path != "/" || c.Domain != "" || len(c.Value) < 43 {
				t.Errorf("got %v", c)
			}
		}
	}
}

func TestATokenIsReplacedAndTheOneBeforeIsGoodForAMinute(t *testing.T) {
	s := newSite(t)
	s.user("ada@example.org", lab.RoleStudent, lab.PasswordOwn)
	b := s.browser()
	_, err := b.signIn("ada@example.org", right)
	s.must(err)
	first := b.cookies["bothy_session"]
	s.pass(15*time.Minute - time.Second)
	b.mustVisitor()
	if b.cookies["bothy_session"] != first {
		t.Error("it was replaced too early")
	}
	s.pass(time.Second)
	late := &browser{s: s, cookies: map[string]string{"bothy_session": first}}
	b.mustVisitor()
	if b.cookies["bothy_session"] == first {
		t.Fatal("it was not replaced")
	}
	b.mustVisitor() // the next one has arrived
	s.pass(time.Minute - time.Second)
	late.mustVisitor()
	if late.cookies["bothy_session"] != first {
		t.Error("the old token was replaced once more")
	}
	b.mustVisitor()
	s.pass(time.Second)
	_, err = late.visitor()
	s.wantCode(err, lab.CodeUnauthenticated)
}

func TestAnAnswerThatIsLostEndsNothing(t *testing.T) {
	s := newSite(t)
	s.user("ada@example.org", lab.RoleStudent, lab.PasswordOwn)
	b := s.browser()
	_, err := b.signIn("ada@example.org", right)
	s.must(err)
	first := b.cookies["bothy_session"]
	loses := func() string {
		s.pass(15 * time.Minute)
		answer := http.Header{}
		_, err := s.Visitor(t.Context(), b.request(), b.remote, answer)
		s.must(err)
		return (&http.Response{Header: answer}).Cookies()[0].Value
	}
	lost := []string{loses(), loses()}
	s.pass(14 * time.Minute)
	b.mustVisitor()
	if b.cookies["bothy_session"] != first {
		t.Error("it was replaced again too early")
	}
	s.pass(time.Minute)
	b.mustVisitor()
	if b.cookies["bothy_session"] == first {
		t.Fatal("it was not replaced again")
	}
	b.mustVisitor() // with the next one, and what was before counts no more
	s.pass(time.Minute)
	for _, old := range append(lost, first) {
		late := &browser{s: s, cookies: map[string]string{"bothy_session": old}}
		_, err = late.visitor()
		s.wantCode(err, lab.CodeUnauthenticated)
	}
	_, err = b.visitor()
	s.wantCode(err, lab.CodeUnauthenticated)
	if got := strings.Count(s.actions(), "session.reuse"); got != 1 {
		t.Errorf("it is recorded %d times", got)
	}
}

func TestASessionEndsWhenItIsNotUsedAndWhenItIsOld(t *testing.T) {
	s := newSite(t)
	s.user("ada@example.org", lab.RoleStudent, lab.PasswordOwn)
	b := s.browser()
	_, err := b.signIn("ada@example.org", right)
	s.must(err)
	for range 14 { // it is used, for as long as sessions live
		s.pass(12*time.Hour - time.Minute)
		b.mustVisitor()
	}
	s.pass(14 * time.Minute)
	_, err = b.visitor()
	s.wantCode(err, lab.CodeUnauthenticated)

	_, err = b.signIn("ada@example.org", right)
	s.must(err)
	s.pass(12 * time.Hour)
	_, err = b.visitor()
	s.wantCode(err, lab.CodeUnauthenticated)
}

func TestWhoMayNotSignInAnyMoreIsNobodyAtOnce(t *testing.T) {
	s := newSite(t)
	ada, b := s.user("ada@example.org", lab.RoleInstructor, lab.PasswordOwn), s.browser()
	_, err := b.signIn("ada@example.org", right)
	s.must(err)
	v := b.mustVisitor()
	_, text, err := s.MakeToken(t.Context(), v, b.visit(), lab.Intent{}, auth.TokenInput{Name: "ci"}, right)
	s.must(err)
	byToken, err := byBearer(t, s.People, text)
	s.must(err)
	_, err = s.store.ChangeUser(t.Context(), lab.Intent{}, ada.ID, func(u lab.User) (lab.User, lab.Audit, error) {
		at := s.clock()
		u.DisabledAt = &at
		return u, lab.Audit{ID: s.id(), At: at, Action: "user.disable", Target: u.ID}, nil
	})
	s.must(err)
	_, err = b.visitor()
	s.wantCode(err, lab.CodeUnauthenticated)
	_, err = byBearer(t, s.People, text)
	s.wantCode(err, lab.CodeUnauthenticated)
	for _, caller := range []lab.Caller{v.Caller, byToken} {
		_, err = s.Again(t.Context(), caller)
		s.wantCode(err, lab.CodeUnauthenticated)
	}
	_, err = b.signIn("ada@example.org", right)
	s.wantCode(err, lab.CodeUnauthenticated)
	_, err = s.SignIn(t.Context(), lab.User{ID: ada.ID, DisabledAt: &s.now}, b.visit())
	s.wantCode(err, lab.CodeForbidden)
}

func TestPeopleEndTheirOwnSessionsAndAdminsAnybodys(t *testing.T) {
	s := newSite(t)
	ctx := t.Context()
	s.user("ada@example.org", lab.RoleInstructor, lab.PasswordOwn)
	s.user("bob@example.org", lab.RoleInstructor, lab.PasswordOwn)
	s.user("root@example.org", lab.RoleAdmin, lab.PasswordOwn)
	in := func(login string) (*browser, auth.Visitor) {
		b := s.browser()
		_, err := b.signIn(login, right)
		s.must(err)
		return b, b.mustVisitor()
	}
	adas, ada := in("ada@example.org")
	_, elsewhere := in("ada@example.org")
	bobs, bob := in("bob@example.org")
	_, root := in("root@example.org")

	mine, err := s.Sessions(ctx, ada.Caller, "", lab.Page{Limit: 10})
	s.must(err)
	if len(mine.Items) != 2 {
		t.Errorf("got %v", mine)
	}
	_, err = s.Sessions(ctx, ada.Caller, "bob@example.org", lab.Page{Limit: 10})
	s.wantCode(err, lab.CodeNotFound)
	all, err := s.Sessions(ctx, root.Caller, "bob@example.org", lab.Page{Limit: 10})
	s.must(err)
	if len(all.Items) != 1 || all.Items[0].ID != bob.SessionID {
		t.Errorf("got %v", all)
	}

	s.wantCode(s.EndSession(ctx, bob.Caller, lab.Intent{}, ada.SessionID), lab.CodeNotFound)
	s.must(s.EndSession(ctx, ada.Caller, lab.Intent{}, elsewhere.SessionID))
	adas.mustVisitor()
	s.must(s.EndSessions(ctx, ada.Caller, lab.Intent{}, "", false))
	_, err = adas.visitor()
	s.wantCode(err, lab.CodeUnauthenticated)
	_, err = s.Again(ctx, ada.Caller)
	s.wantCode(err, lab.CodeUnauthenticated)
	bobs.mustVisitor()
	s.must(s.EndSession(ctx, root.Caller, lab.Intent{}, bob.SessionID))
	_, err = bobs.visitor()
	s.wantCode(err, lab.CodeUnauthenticated)

	operator, err := byBearer(t, s.People, token)
	s.must(err)
	s.wantCode(s.EndSessions(ctx, operator, lab.Intent{}, "", false), lab.CodeInvalid)
	s.must(s.EndSessions(ctx, operator, lab.Intent{}, "root@example.org", false))
}

func TestANeighboursCookieDoesNotHideOnesOwn(t *testing.T) {
	s := newSite(t)
	s.user("ada@example.org", lab.RoleStudent, lab.PasswordOwn)
	b := s.browser()
	_, err := b.signIn("ada@example.org", right)
	s.must(err)
	r := s.browser().request()
	r.Header.Set("Cookie", "bothy_session=planted; bothy_session="+b.cookies["bothy_session"])
	if _, err := s.Visitor(t.Context(), r, b.remote, http.Header{}); err != nil {
		t.Error(err)
	}
	r.Header.Set("Cookie", strings.Repeat("bothy_session=planted; ", 50)+"bothy_session="+b.cookies["bothy_session"])
	_, err = s.Visitor(t.Context(), r, b.remote, http.Header{})
	s.wantCode(err, lab.CodeUnauthenticated)
}

func TestOfTwoPeoplesSessionsNeitherCounts(t *testing.T) {
	s := newSite(t)
	s.user("ada@example.org", lab.RoleStudent, lab.PasswordOwn)
	s.user("eve@example.org", lab.RoleStudent, lab.PasswordOwn)
	ada, eve, elsewhere := s.browser(), s.browser(), s.browser()
	for b, login := range map[*browser]string{ada: "ada@example.org", eve: "eve@example.org", elsewhere: "ada@example.org"} {
		_, err := b.signIn(login, right)
		s.must(err)
	}
	s.pass(20 * time.Minute) // the tokens are due to be replaced
	sends := func(cookies ...string) (auth.Visitor, http.Header, error) {
		r := s.browser().request()
		r.Host, r.URL.Path = "bothy.lab.example.org:8080", "/open/x"
		for _, c := range cookies {
			r.AddCookie(&http.Cookie{Name: "bothy_session", Value: c})
		}
		answer := http.Header{}
		v, err := s.Visitor(t.Context(), r, ada.remote, answer)
		return v, answer, err
	}
	// What a neighbour has planted comes first: its path is longer, or it is older.
	planted, own := eve.cookies["bothy_session"], ada.cookies["bothy_session"]
	_, answer, err := sends(planted, own)
	s.wantCode(err, lab.CodeUnauthenticated)
	removed := map[string]bool{}
	for _, c := range (&http.Response{Header: answer}).Cookies() {
		if c.Domain == "" || c.MaxAge >= 0 || c.Value != "" {
			t.Errorf("a cookie of the host's own is set: %v", c)
		}
		removed[c.Name+" "+c.Domain+c.Path] = true
	}
	for _, name := range []string{"bothy_session", "bothy_device"} {
		for _, domain := range []string{"lab.example.org", "example.org"} {
			for _, path := range []string{"/", "/open", "/open/", "/open/x"} {
				if want := name + " " + domain + path; !removed[want] {
					t.Errorf("%s is not removed", want)
				}
			}
		}
	}
	// What nobody has is as none, and so is another of the same person's.
	for _, other := range []string{"planted", elsewhere.cookies["bothy_session"]} {
		if v, _, err := sends(other, own); err != nil || v.User.Login != "ada@example.org" {
			t.Errorf("%v, %v", v.User, err)
		}
	}
	if v, answer, err := sends(eve.cookies["bothy_session"]); err != nil || v.User.Login != "eve@example.org" || len(answer) == 0 {
		t.Errorf("%v, %v, %v", v.User, answer, err)
	}
	// Over https browsers take no such cookie from a neighbour.
	s.Secure = true
	r := s.browser().request()
	r.Header.Set("Cookie", "bothy_session="+own+"; bothy_session="+planted)
	_, err = s.Visitor(t.Context(), r, ada.remote, http.Header{})
	s.wantCode(err, lab.CodeUnauthenticated)
}

func TestASessionIsNotForWhatAnotherPageAsks(t *testing.T) {
	s := newSite(t)
	s.user("ada@example.org", lab.RoleStudent, lab.PasswordOwn)
	b := s.browser()
	_, err := b.signIn("ada@example.org", right)
	s.must(err)
	for want, headers := range map[lab.Code][]string{
		"":                      {" ", "same-origin cors", "none navigate", "cross-site navigate", "same-site navigate"},
		lab.CodeUnauthenticated: {"same-site cors", "cross-site cors", "same-site no-cors", "cross-site websocket", "same-site "},
	} {
		for _, header := range headers {
			r := b.request()
			site, mode, _ := strings.Cut(header, " ")
			r.Header.Set("Sec-Fetch-Site", site)
			r.Header.Set("Sec-Fetch-Mode", mode)
			if _, err := s.Authenticate(t.Context(), r, b.remote, http.Header{}); lab.CodeOf(err) != want {
				t.Errorf("%s: %v", header, err)
			}
		}
	}
}

func TestABrowserFullOfANeighboursCookiesComesBack(t *testing.T) {
	served := 0
	h := auth.BoundCookies(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { served++ }), false)
	ask := func(host, cookies string) *httptest.ResponseRecorder {
		r := httptest.NewRequest(http.MethodGet, "http://"+host+"/tokens", nil)
		r.Header.Set("Cookie", cookies)
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		return w
	}
	if ask("bothy.example.org", "__Host-bothy_session=x; theme=dark"); served != 1 {
		t.Error("who sends little is not served")
	}
	var cookies []string
	for i := range 40 {
		cookies = append(cookies, "bomb("+strconv.Itoa(i)+"="+strings.Repeat("x", 4000))
	}
	w := ask("bothy.example.org:8080", "theme=dark; "+strings.Join(cookies, "; ")+"; __Host-bothy_session=x")
	if served != 1 || w.Code != http.StatusRequestHeaderFieldsTooLarge {
		t.Errorf("status %d, served %d", w.Code, served)
	}
	all := strings.Join(w.Header().Values("Set-Cookie"), "\n")
	if n := strings.Count(all, "Path=/tokens; Domain=example.org; Max-Age=0"); n < 39 || strings.Contains(all, "theme") || strings.Contains(all, "bothy") || strings.Contains(all, "Domain=bothy.example.org") {
		t.Errorf("%d are removed:\n%.2000s", n, all)
	}
	if w := ask("127.0.0.1:8080", strings.Join(cookies, "; ")); len(w.Header().Values("Set-Cookie")) != 0 {
		t.Error("there is no domain above an address")
	}
}

func TestWithATemporaryPasswordNothingOpensButTheChange(t *testing.T) {
	s := newSite(t)
	ctx := t.Context()
	s.user("ada@example.org", lab.RoleStudent, lab.PasswordTemporary)
	b, elsewhere := s.browser(), s.browser()
	for _, browser := range []*browser{b, elsewhere} {
		due, err := browser.signIn("ada@example.org", right)
		s.must(err)
		if !due {
			t.Error("nothing is due")
		}
		_, err = s.Authenticate(ctx, browser.request(), browser.remote, http.Header{})
		s.wantCode(err, lab.CodeForbidden)
	}
	v := b.mustVisitor()
	for _, bad := range []string{right, "short", "aaaaaaaaaaaaa", "my name is ada? n. n.", strings.Repeat("ä1b2", 20)} {
		s.wantCode(s.ChangePassword(ctx, v, b.visit(), "", bad, false), lab.CodeInvalid)
	}
	s.must(s.ChangePassword(ctx, v, b.visit(), "", "a new long password", false))
	caller, err := s.Authenticate(ctx, b.request(), b.remote, http.Header{})
	s.must(err)
	if caller.Name != "user:ada@example.org" {
		t.Errorf("got %+v", caller)
	}
	_, err = elsewhere.visitor()
	s.wantCode(err, lab.CodeUnauthenticated)

	// From now on the present password is wanted.
	v = b.mustVisitor()
	s.wantCode(s.ChangePassword(ctx, v, b.visit(), right, "another long password", false), lab.CodeInvalid)
	s.must(s.ChangePassword(ctx, v, b.visit(), "a new long password", "another long password", false))
	due, err := elsewhere.signIn("ada@example.org", "another long password")
	s.must(err)
	if due {
		t.Error("a password is due")
	}
}

func TestWhoComesWithAReplacedTokenEndsTheSession(t *testing.T) {
	s := newSite(t)
	s.user("ada@example.org", lab.RoleStudent, lab.PasswordOwn)
	b := s.browser()
	_, err := b.signIn("ada@example.org", right)
	s.must(err)
	elsewhere := s.browser()
	_, err = elsewhere.signIn("ada@example.org", right)
	s.must(err)
	thief := s.browser()
	thief.remote = "198.51.100.7"
	for name, value := range b.cookies {
		thief.cookies[name] = value
	}
	// The thief uses it first, and for long.
	for range 3 {
		s.pass(20 * time.Minute)
		thief.mustVisitor()
	}
	_, err = b.visitor()
	s.wantCode(err, lab.CodeUnauthenticated)
	_, err = thief.visitor()
	s.wantCode(err, lab.CodeUnauthenticated)
	elsewhere.mustVisitor()
	_, err = b.visitor() // is recorded once
	s.wantCode(err, lab.CodeUnauthenticated)
	rows, err := s.store.Audits(t.Context(), lab.AuditFilter{Action: "session.reuse"}, lab.Page{Limit: 9})
	s.must(err)
	if len(rows.Items) != 1 || rows.Items[0].Actor.Remote != b.remote {
		t.Errorf("the record has %+v", rows.Items)
	}
}

func TestARequestOnItsWayIsNoTheft(t *testing.T) {
	s := newSite(t)
	s.user("ada@example.org", lab.RoleStudent, lab.PasswordOwn)
	b := s.browser()
	_, err := b.signIn("ada@example.org", right)
	s.must(err)
	late := s.browser()
	late.cookies["bothy_session"] = b.cookies["bothy_session"]
	s.pass(20 * time.Minute)
	b.mustVisitor()
	s.pass(59 * time.Second)
	late.mustVisitor()
	b.mustVisitor()
	r := s.browser()
	r.cookies["bothy_session"] = "made up"
	_, err = r.visitor()
	s.wantCode(err, lab.CodeUnauthenticated)
	b.mustVisitor()
}
