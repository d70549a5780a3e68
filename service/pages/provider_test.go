package pages_test

import (
	"context"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/bothylabs/bothy/service/auth"
	"github.com/bothylabs/bothy/service/lab"
	"github.com/bothylabs/bothy/service/pages"
)

// school is a provider that answers what it is told to.
type school struct {
	err error
	to  string
	ask []string
}

func (s *school) Begin(_ context.Context, _ *http.Request, to string) (string, *http.Cookie, error) {
	s.ask = append(s.ask, to)
	return "https://sso.example.org/authorize?state=x", &http.Cookie{Name: "bothy_provider", Value: "secret", HttpOnly: true}, s.err
}

func (s *school) Finish(context.Context, *http.Request, auth.Visit) ([]*http.Cookie, string, error) {
	return []*http.Cookie{{Name: "bothy_session", Value: "begun"}}, s.to, s.err
}

func TestSomebodySignsInByTheProvider(t *testing.T) {
	sso := &school{}
	s := newSite(t, func(c *pages.Config) { c.Provider, c.ProviderName = sso, "The <school>" })
	b := s.browser()
	page := b.do(http.MethodGet, "/sign-in?to=/sessions", nil)
	if !strings.Contains(page.body, `<a class="button other" href="/sign-in/provider?to=%2fsessions">Sign in with The &lt;school&gt;</a>`) &&
		!strings.Contains(page.body, `href="/sign-in/provider?to=%2Fsessions">Sign in with The &lt;school&gt;</a>`) {
		t.Errorf("the button is not there:\n%s", page.body)
	}
	b.headers = map[string]string{"Sec-Fetch-Site": "cross-site"}
	begun := b.do(http.MethodGet, "/sign-in/provider?to=%2Fsessions", nil)
	if begun.status != http.StatusSeeOther || begun.header.Get("Location") != "https://sso.example.org/authorize?state=x" || !strings.Contains(begun.header.Get("Set-Cookie"), "bothy_provider=secret") {
		t.Errorf("got %d, %v", begun.status, begun.header)
	}
	for _, elsewhere := range []string{"https://evil.example", "//evil.example", "/\\evil.example", "/sign-in/provider", "/sign-out", "javascript:alert(1)", "/%0d%0aLocation:x", ""} {
		b.do(http.MethodGet, "/sign-in/provider?"+url.Values{"to": {elsewhere}}.Encode(), nil)
		if got := sso.ask[len(sso.ask)-1]; got != "/" && !strings.HasPrefix(got, "/%0d") {
			t.Errorf("%s: %q would be gone to", elsewhere, got)
		}
		sso.to = elsewhere
		back := b.do(http.MethodGet, "/sign-in/provider/callback?code=c&state=s", nil)
		if at := back.header.Get("Location"); at != "/" && !strings.HasPrefix(at, "/%0d") {
			t.Errorf("%s: the browser is sent to %q", elsewhere, at)
		}
	}
	sso.to = "/open/fall-26-py101-ada"
	back := b.do(http.MethodGet, "/sign-in/provider/callback?code=c&state=s", nil)
	if back.status != http.StatusSeeOther || back.header.Get("Location") != sso.to || !strings.Contains(back.header.Get("Set-Cookie"), "bothy_session=begun") {
		t.Errorf("got %d, %v", back.status, back.header)
	}
	for status, err := range map[int]error{
		http.StatusServiceUnavailable: lab.Errorf(lab.CodeUnavailable, "The school does not answer").WithHint("sign in with your password"),
		http.StatusForbidden:          lab.Errorf(lab.CodeForbidden, "there is no account here for eve@example.org").WithHint("ask your instructor"),
	} {
		sso.err = err
		for _, path := range []string{"/sign-in/provider", "/sign-in/provider/callback?code=secret-code&state=s"} {
			page := b.do(http.MethodGet, path, nil)
			if page.status != status || page.header.Get("Set-Cookie") != "" || strings.Contains(page.body, "secret-code") ||
				!strings.Contains(page.body, "/sign-in") || page.header.Get("Referrer-Policy") != "same-origin" {
				t.Errorf("%s: %d %v\n%s", path, page.status, page.header, page.body)
			}
		}
	}
	if page := b.do(http.MethodPost, "/sign-in/provider/callback", url.Values{"code": {"c"}}); page.status != http.StatusForbidden {
		t.Errorf("a form of another origin: %d", page.status)
	}
}

func TestWithoutAProviderThereIsNoWayToOne(t *testing.T) {
	s := newSite(t)
	b := s.browser()
	if page := b.do(http.MethodGet, "/sign-in/provider", nil); page.status != http.StatusNotFound {
		t.Errorf("got %d", page.status)
	}
	if page := b.do(http.MethodGet, "/sign-in", nil); strings.Contains(page.body, "provider") {
		t.Error("there is a button")
	}
}
