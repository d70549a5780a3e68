package auth_test

import (
	"context"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/bothylabs/bothy/service/auth"
	"github.com/bothylabs/bothy/service/lab"
	"github.com/bothylabs/bothy/service/oidc"
	"github.com/bothylabs/bothy/service/oidc/oidctest"
)

const callback = "http://bothy.localhost:8080/sign-in/provider/callback"

// campus is a Bothy whose people sign in by their school.
type campus struct {
	*site
	school   *oidctest.Provider
	provider *auth.Provider
	cohort   lab.Cohort
}

func newCampus(t *testing.T, change ...func(*auth.ProviderRules)) *campus {
	t.Helper()
	c := &campus{site: newSite(t)}
	c.school = oidctest.New(t, c.clock)
	asked, err := oidc.New(oidc.Config{
		Issuer: c.school.URL, ClientID: oidctest.ClientID, ClientSecret: func() (string, error) { return oidctest.ClientSecret, nil },
		Scopes: []string{"openid", "email", "groups"}, RedirectURL: callback, Name: "The school", Now: c.clock,
	})
	c.must(err)
	c.cohort = lab.Cohort{ID: c.id(), Key: "fall-26", Name: "Fall 26", Revision: 1, CreatedAt: c.now, UpdatedAt: c.now}
	c.must(c.store.CreateCohort(t.Context(), lab.Intent{}, c.cohort, lab.Audit{ID: c.id(), At: c.now, Action: "cohort.create", Target: c.cohort.ID}))
	rule := func(value string) auth.ClaimRule { return auth.ClaimRule{Claim: "groups", Values: []string{value}} }
	rules := auth.ProviderRules{
		LoginClaim: "email", NameClaim: "name", Link: auth.LinkNoAdmins,
		Roles: []auth.RoleRule{
			{ClaimRule: rule("helpers"), Role: lab.RoleAssistant},
			{ClaimRule: rule("teachers"), Role: lab.RoleInstructor},
			{ClaimRule: rule("root"), Role: lab.RoleAdmin},
			{ClaimRule: auth.ClaimRule{Claim: "email", Values: []string{"chief@example.org"}}, Role: lab.RoleAdmin},
		},
		Cohorts: []auth.CohortRule{{ClaimRule: rule("cs101"), Cohort: "fall-26"}, {ClaimRule: rule("cs102"), Cohort: "spring-27"}},
	}
	for _, f := range change {
		f(&rules)
	}
	c.provider, err = auth.NewProvider(auth.ProviderConfig{
		People: c.People, Store: c.store, Asked: asked, Issuer: c.school.URL, Name: "The school", Rules: rules, Enroll: c.enroll,
	})
	c.must(err)
	return c
}

// enroll stands for the registrar's enrolment, which is this and its checks.
func (c *campus) enroll(ctx context.Context, actor lab.Actor, cohortID string, user lab.User) error {
	at := c.clock()
	s := lab.Student{ID: c.id(), UserID: user.ID, CohortID: cohortID, Name: user.Name, Email: user.Email, Revision: 1, CreatedAt: at, UpdatedAt: at}
	_, err := c.store.Enroll(ctx, lab.Intent{Actor: actor}, cohortID, func([]lab.Student) ([]lab.Student, lab.Audit, error) {
		return []lab.Student{s}, lab.Audit{ID: c.id(), At: at, Actor: actor, Action: "student.enroll", Target: s.ID}, nil
	})
	return err
}

func (c *campus) person(subject, email string, groups ...any) {
	c.school.Person(map[string]any{"sub": subject, "email": email, "email_verified": true, "name": "Ada Lovelace", "groups": groups})
}

// begin goes to the provider and comes back, with what the browser is to ask Bothy then.
func (c *campus) begin(b *browser, to string) *url.URL {
	c.t.Helper()
	at, cookie, err := c.provider.Begin(c.t.Context(), b.request(), to)
	c.must(err)
	b.take(cookie)
	return c.school.SignsIn(at)
}

// finish has a browser ask for what the provider has sent it to.
func (c *campus) finish(b *browser, back *url.URL) (string, error) {
	c.t.Helper()
	r := httptest.NewRequest(http.MethodGet, back.RequestURI(), nil)
	for name, value := range b.cookies {
		r.AddCookie(&http.Cookie{Name: name, Value: value})
	}
	cookies, to, err := c.provider.Finish(c.t.Context(), r, b.visit())
	b.take(cookies...)
	return to, err
}

// signIn goes all the way.
func (c *campus) signIn(b *browser) error {
	c.t.Helper()
	_, err := c.finish(b, c.begin(b, "/"))
	return err
}

// signsIn wants it to succeed, and gives who it is.
func (c *campus) signsIn() auth.Visitor {
	c.t.Helper()
	b := c.browser()
	c.must(c.signIn(b))
	return b.mustVisitor()
}

func (c *campus) refused(what, says string) {
	c.t.Helper()
	b := c.browser()
	known := c.wantCode(c.signIn(b), lab.CodeForbidden)
	if !strings.Contains(known.Message, says) || known.Hint == "" {
		c.t.Errorf("%s: got %q, %q", what, known.Message, known.Hint)
	}
	if _, err := b.visitor(); lab.CodeOf(err) != lab.CodeUnauthenticated {
		c.t.Errorf("%s: somebody is signed in: %v", what, err)
	}
}

func (c *campus) count(outcome string) float64 {
	c.t.Helper()
	families, err := c.registry.Gather()
	c.must(err)
	for _, f := range families {
		for _, m := range f.GetMetric() {
			labels := map[string]string{}
			for _, l := range m.GetLabel() {
				labels[l.GetName()] = l.GetValue()
			}
			if f.GetName() == "bothy_sign_ins_total" && maps.Equal(labels, map[string]string{"by": "provider", "outcome": outcome}) {
				return m.GetCounter().GetValue()
			}
		}
	}
	return 0
}

func TestASignInIsOfTheBrowserThatBeganItAndOnce(t *testing.T) {
	c := newCampus(t)
	c.person("1", "ada@example.org", "cs101")
	b, other := c.browser(), c.browser()
	back := c.begin(b, "/")

	// An attacker has the victim finish what the attacker began.
	_, err := c.finish(other, back)
	c.wantCode(err, lab.CodeUnauthenticated)
	c.begin(other, "/")
	_, err = c.finish(other, back)
	c.wantCode(err, lab.CodeUnauthenticated)

	changed := *back
	q := back.Query()
	q.Set("state", q.Get("state")[:len(q.Get("state"))-1]+"_")
	changed.RawQuery = q.Encode()
	_, err = c.finish(b, &changed)
	c.wantCode(err, lab.CodeUnauthenticated)
	q = back.Query()
	q.Del("state")
	changed.RawQuery = q.Encode()
	_, err = c.finish(b, &changed)
	c.wantCode(err, lab.CodeUnauthenticated)
	q = back.Query()
	q.Set("iss", "https://another.example.org")
	changed.RawQuery = q.Encode()
	_, err = c.finish(b, &changed)
	c.wantCode(err, lab.CodeUnauthenticated)

	_, err = c.finish(b, back)
	c.must(err)
	_, err = c.finish(b, back)
	if known := c.wantCode(err, lab.CodeUnauthenticated); !strings.Contains(known.Message, "finished before") {
		t.Errorf("got %v", known)
	}
	if n := c.school.Asked("/token"); n != 1 {
		t.Errorf("the provider was asked for %d tokens", n)
	}
	if c.count("wrong") != 6 {
		t.Errorf("%v were counted", c.count("wrong"))
	}
}

func TestACodeOfAnotherSignInIsNotBelieved(t *testing.T) {
	c := newCampus(t)
	c.person("1", "eve@example.org", "cs101")
	eves := c.begin(c.browser(), "/")
	victim := c.browser()
	back := c.begin(victim, "/")
	q := back.Query()
	q.Set("code", eves.Query().Get("code")) // injected
	back.RawQuery = q.Encode()
	_, err := c.finish(victim, back)
	c.wantCode(err, lab.CodeUnauthenticated)
}

func TestASignInTakesTenMinutesAtMost(t *testing.T) {
	c := newCampus(t)
	c.person("1", "ada@example.org", "cs101")
	b := c.browser()
	back := c.begin(b, "/")
	c.pass(10*time.Minute - time.Second)
	late := c.begin(b, "/sessions")
	_, err := c.finish(b, back)
	c.must(err)
	c.pass(10 * time.Minute)
	_, err = c.finish(b, late)
	c.wantCode(err, lab.CodeUnauthenticated)
}

func TestTabsSignInBesideEachOther(t *testing.T) {
	c := newCampus(t)
	c.person("1", "ada@example.org", "cs101")
	b := c.browser()
	one, two := c.begin(b, "/one"), c.begin(b, "/two")
	for want, back := range map[string]*url.URL{"/one": one, "/two": two} {
		if to, err := c.finish(b, back); err != nil || to != want {
			t.Errorf("%s: %s, %v", want, to, err)
		}
	}
	// What a neighbouring host has planted beside it does no harm.
	back := c.begin(b, "/")
	r := httptest.NewRequest(http.MethodGet, back.RequestURI(), nil)
	r.AddCookie(&http.Cookie{Name: "bothy_provider", Value: strings.Repeat("x", 43)})
	r.AddCookie(&http.Cookie{Name: "bothy_provider", Value: b.cookies["bothy_provider"]})
	_, _, err := c.provider.Finish(t.Context(), r, b.visit())
	c.must(err)
}

func TestTheCookieIsForTheServerAlone(t *testing.T) {
	c := newCampus(t)
	for secure, name := range map[bool]string{false: "bothy_provider", true: "__Host-bothy_provider"} {
		c.Secure = secure
		_, cookie, err := c.provider.Begin(t.Context(), c.browser().request(), "/")
		c.must(err)
		if cookie.Name != name || cookie.Secure != secure || !cookie.HttpOnly || cookie.SameSite != http.SameSiteLaxMode || cookie.MaxAge != 600 || cookie.Path != "/" || cookie.Domain != "" {
			t.Errorf("got %v", cookie)
		}
	}
}

func TestWhatTheProviderAnswersInsteadIsToldInBothysWords(t *testing.T) {
	c := newCampus(t)
	for code, want := range map[string]lab.Code{
		"access_denied": lab.CodeForbidden, "temporarily_unavailable": lab.CodeUnavailable, "login_required": lab.CodeUnauthenticated,
		"invalid_scope": lab.CodeRefused, "<script>": lab.CodeRefused,
	} {
		b := c.browser()
		back := c.begin(b, "/")
		back.RawQuery = url.Values{"state": {back.Query().Get("state")}, "error": {code}, "error_description": {"call 0900-12345"}}.Encode()
		_, err := c.finish(b, back)
		if known := c.wantCode(err, want); strings.Contains(known.Message+known.Hint, "0900") || strings.Contains(known.Message, "script") {
			t.Errorf("got %v", known)
		}
	}
	back := &url.URL{Path: "/sign-in/provider/callback", RawQuery: "error=access_denied"}
	_, err := c.finish(c.browser(), back)
	c.wantCode(err, lab.CodeUnauthenticated)
}

func TestPasswordsWorkWhileTheProviderIsAway(t *testing.T) {
	c := newCampus(t)
	c.user("ada@example.org", lab.RoleStudent, lab.PasswordOwn)
	c.school.Away(true)
	_, _, err := c.provider.Begin(t.Context(), c.browser().request(), "/")
	if known := c.wantCode(err, lab.CodeUnavailable); !strings.Contains(known.Hint, "password") || !strings.Contains(known.Message, "The school") {
		t.Errorf("got %v", known)
	}
	b := c.browser()
	_, err = b.signIn("ada@example.org", right)
	c.must(err)
	b.mustVisitor()
	c.school.Away(false)
	c.pass(time.Minute)
	c.person("1", "ada@example.org")
	c.signsIn()
}
