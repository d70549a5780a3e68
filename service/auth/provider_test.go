package auth_test

import (
	"context"
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
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

func (c *campus) last() lab.Audit {
	c.t.Helper()
	rows, err := c.store.Audits(c.t.Context(), lab.AuditFilter{}, lab.Page{Limit: 1, Sort: "-id"})
	c.must(err)
	return rows.Items[0]
}

func TestWhoHasAClaimIsMadeEnrolledAndSignedIn(t *testing.T) {
	c := newCampus(t)
	c.person("1", "ada@example.org", "cs101", "something else")
	b := c.browser()
	to, err := c.finish(b, c.begin(b, "/open/fall-26-py101-ada"))
	c.must(err)
	v := b.mustVisitor()
	if to != "/open/fall-26-py101-ada" || v.User.Login != "ada@example.org" || v.User.Name != "Ada Lovelace" || v.Role != lab.RoleStudent || len(v.Scope.Students) != 1 {
		t.Errorf("%s: %+v", to, v)
	}
	if v.User.Password != lab.PasswordNone || v.User.Subject != "1" || !v.User.RoleByProvider || v.Session.PasswordDue {
		t.Errorf("got %+v", v.User)
	}
	if got := c.actions(); got != "cohort.create user.create student.enroll session.create" {
		t.Error(got)
	}
	if b.cookies["bothy_provider"] == "" || c.count("ok") != 1 {
		t.Errorf("cookies %v, metric %v", b.cookies, c.count("ok"))
	}
	c.signsIn()
	if got := c.actions(); got != "cohort.create user.create student.enroll session.create session.create" {
		t.Error(got)
	}
	n, err := c.store.WantInvitations(t.Context(), c.id, c.clock(), 10)
	if err != nil || n != 0 {
		t.Errorf("%d temporary passwords would be mailed, %v", n, err)
	}
}

func TestTheMostPowerfulRoleCountsAndFollowsTheClaims(t *testing.T) {
	c := newCampus(t)
	c.person("1", "ada@example.org", "helpers", "teachers")
	ada := c.signsIn()
	if ada.Role != lab.RoleInstructor {
		t.Errorf("got %s", ada.Role)
	}
	c.person("1", "ada@example.org", "helpers")
	if got := c.signsIn().Role; got != lab.RoleAssistant {
		t.Errorf("got %s", got)
	}
	changed := slices.IndexFunc(c.record(), func(a lab.Audit) bool { return a.Action == "user.update" })
	row := c.record()[changed]
	if row.Actor.Name != "provider:ada@example.org" || row.Actor.UserID != ada.UserID || row.Target != ada.UserID || row.Detail["by"] != "provider" {
		t.Errorf("got %+v", row)
	}
	c.person("1", "ada@example.org", "cs101")
	if v := c.signsIn(); v.Role != lab.RoleStudent || len(v.Scope.Students) != 1 {
		t.Errorf("got %+v", v)
	}

	// Who has no claim any more is a student, and stays outside.
	c.person("1", "ada@example.org", "teachers")
	c.signsIn()
	c.person("1", "ada@example.org")
	c.refused("without a claim", "there is no account here for ada@example.org")
	if got, err := c.store.User(t.Context(), "ada@example.org"); err != nil || got.Role != lab.RoleStudent {
		t.Errorf("got %+v, %v", got, err)
	}
	if row := c.last(); row.Action != "session.refuse" || row.Target != ada.UserID || row.Detail["reason"] != "no_claim" || row.Detail["login"] != nil {
		t.Errorf("got %+v", row)
	}
}

func TestARoleGivenByHandIsNotTheProvidersToChange(t *testing.T) {
	c := newCampus(t)
	bob := c.user("bob@example.org", lab.RoleStudent, lab.PasswordOwn)
	c.person("2", "bob@example.org", "teachers", "root")
	if v := c.signsIn(); v.UserID != bob.ID || v.Role != lab.RoleStudent {
		t.Errorf("a student became %s", v.Role)
	}
	c.person("1", "ada@example.org", "teachers")
	ada := c.signsIn()
	_, err := c.store.ChangeUser(t.Context(), lab.Intent{}, ada.UserID, func(u lab.User) (lab.User, lab.Audit, error) {
		u.Role, u.RoleByProvider = lab.RoleStudent, false // as the registrar does
		return u, lab.Audit{ID: c.id(), At: c.now, Action: "user.update", Target: u.ID}, nil
	})
	c.must(err)
	if v := c.signsIn(); v.Role != lab.RoleStudent {
		t.Errorf("who was lowered by hand became %s", v.Role)
	}
}

func TestTheLastAdminStaysOne(t *testing.T) {
	c := newCampus(t)
	c.person("1", "ada@example.org", "root")
	c.signsIn()
	c.person("1", "ada@example.org", "helpers")
	if v := c.signsIn(); v.Role != lab.RoleAdmin {
		t.Errorf("the last admin became %s", v.Role)
	}
	c.user("root@example.org", lab.RoleAdmin, lab.PasswordOwn)
	if v := c.signsIn(); v.Role != lab.RoleAssistant {
		t.Errorf("one of two admins stayed %s", v.Role)
	}
}

func TestWhoIsNotMeantIsRefusedAndToldWhatToAskFor(t *testing.T) {
	c := newCampus(t)
	c.person("1", "eve@example.org", "something else")
	c.refused("no claim", "there is no account here for eve@example.org")
	row := c.last()
	if row.Action != "session.refuse" || row.Target != "" || row.Detail["reason"] != "no_claim" || row.Detail["subject"] != "1" || row.Detail["login"] != "eve@example.org" {
		t.Errorf("got %+v", row)
	}
	if _, err := c.store.User(t.Context(), "eve@example.org"); lab.CodeOf(err) != lab.CodeNotFound {
		t.Errorf("somebody was made: %v", err)
	}
	c.person("1", "eve@example.org", "cs102")
	c.refused("a cohort that there is not", "there is no account here")
	c.school.Person(map[string]any{"sub": "1", "email": "eve@example.org", "groups": []any{"cs101"}})
	c.refused("an address that may be anybody's", "has not verified your e-mail address")
	c.school.Person(map[string]any{"sub": "1", "email": "eve@example.org", "email_verified": "false", "groups": []any{"cs101"}})
	c.refused("an address that is not verified", "has not verified your e-mail address")
	c.school.Person(map[string]any{"sub": "1", "groups": []any{"cs101"}})
	c.refused("no address", "neither your e-mail address nor another login")
	c.school.Person(map[string]any{"sub": "1", "email": "chief@example.org", "email_verified": false})
	c.refused("an address that is not verified, as a claim", "there is no account here")
	if got := c.count("refused"); got != 6 {
		t.Errorf("%v were counted", got)
	}
}

func TestAnAccountIsLinkedByAVerifiedAddressOnce(t *testing.T) {
	c := newCampus(t)
	ada := c.user("Ada@Example.org", lab.RoleStudent, lab.PasswordNone)
	c.person("1", "ada@example.org")
	if v := c.signsIn(); v.UserID != ada.ID {
		t.Errorf("got %+v", v)
	}
	if got := c.actions(); got != "cohort.create user.create user.link session.create" {
		t.Error(got)
	}
	c.person("1", "married@example.org")
	if v := c.signsIn(); v.UserID != ada.ID {
		t.Errorf("with another address it is %+v", v)
	}
	// The school gives the address to somebody else.
	c.person("2", "ada@example.org", "teachers")
	c.refused("a recycled address", "belongs to somebody else at The school")
	c.school.Person(map[string]any{"sub": "3", "email": "ada@example.org", "email_verified": false, "groups": []any{"teachers"}})
	c.refused("an address that anybody can claim", "has not verified")
}

func TestAdminsAreNotTakenOverByAnAddress(t *testing.T) {
	for policy, want := range map[auth.LinkPolicy]map[lab.Role]bool{
		auth.LinkNobody:    {},
		auth.LinkNoAdmins:  {lab.RoleStudent: true, lab.RoleAssistant: true, lab.RoleInstructor: true},
		auth.LinkEverybody: {lab.RoleStudent: true, lab.RoleAssistant: true, lab.RoleInstructor: true, lab.RoleAdmin: true},
	} {
		c := newCampus(t, func(r *auth.ProviderRules) { r.Link = policy })
		for i, role := range lab.Roles() {
			login := string(role) + "@example.org"
			c.user(login, role, lab.PasswordOwn)
			c.person(fmt.Sprint(i), login, "root")
			err := c.signIn(c.browser())
			if (err == nil) != want[role] || err != nil && lab.CodeOf(err) != lab.CodeForbidden {
				t.Errorf("link %s, %s: %v", policy, role, err)
			}
		}
	}
}

func TestWhoIsDisabledIsRefused(t *testing.T) {
	c := newCampus(t)
	c.person("1", "ada@example.org", "cs101")
	ada := c.signsIn()
	disable := func(at *time.Time) {
		_, err := c.store.ChangeUser(t.Context(), lab.Intent{}, ada.UserID, func(u lab.User) (lab.User, lab.Audit, error) {
			u.DisabledAt = at
			return u, lab.Audit{ID: c.id(), At: c.now, Action: "user.disable", Target: u.ID}, nil
		})
		c.must(err)
	}
	disable(&c.now)
	c.refused("disabled", "you may not sign in here any more")
	disable(nil)
	c.signsIn()

	// Whoever was withdrawn stays withdrawn, whatever the claims say.
	at := c.clock()
	post, err := c.store.Post(t.Context(), ada.UserID)
	c.must(err)
	_, err = c.store.Withdraw(t.Context(), lab.Intent{}, post.Students[0], at, lab.Audit{ID: c.id(), At: at, Action: "student.withdraw", Target: "x", Detail: map[string]any{}})
	c.must(err)
	c.refused("withdrawn", "you may not sign in here any more")

	// The next term's cohort brings them back.
	spring := lab.Cohort{ID: c.id(), Key: "spring-27", Name: "Spring 27", Revision: 1, CreatedAt: at, UpdatedAt: at}
	c.must(c.store.CreateCohort(t.Context(), lab.Intent{}, spring, lab.Audit{ID: c.id(), At: at, Action: "cohort.create", Target: spring.ID}))
	c.person("1", "ada@example.org", "cs101", "cs102")
	if v := c.signsIn(); len(v.Scope.Students) != 1 || v.UserID != ada.UserID {
		t.Errorf("got %+v", v)
	}
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

func TestAnotherLoginThanTheAddress(t *testing.T) {
	c := newCampus(t, func(r *auth.ProviderRules) {
		r.LoginClaim = "preferred_username"
		r.Roles = append(r.Roles, auth.RoleRule{ClaimRule: auth.ClaimRule{Claim: "realm_access.roles", Values: []string{"teach"}}, Role: lab.RoleInstructor})
	})
	c.school.Person(map[string]any{
		"sub": "1", "preferred_username": "ada", "email": "ada@example.org", "email_verified": true, "groups": "cs101",
		"realm_access": map[string]any{"roles": []any{"teach"}}, "name": "${evil}",
	})
	v := c.signsIn()
	if v.User.Login != "ada" || v.User.Email != "ada@example.org" || v.Role != lab.RoleInstructor || len(v.Scope.Students) != 1 || v.User.Name != "ada" {
		t.Errorf("got %+v", v)
	}
	// A name that people choose is no proof.
	c.user("bob", lab.RoleInstructor, lab.PasswordOwn)
	c.school.Person(map[string]any{"sub": "2", "preferred_username": "bob", "groups": "cs101"})
	c.refused("a taken name", "belongs to somebody else")
}

func TestWhoIsUninvitedGetsNoLinkEither(t *testing.T) {
	c := newCampus(t)
	c.user("ada@example.org", lab.RoleStudent, lab.PasswordNone)
	c.Uninvited = true
	c.must(c.AskReset(t.Context(), c.browser().visit(), "ada@example.org"))
	if got := c.actions(); strings.Contains(got, "password.ask") {
		t.Error(got)
	}
}

// record is the record of changes, the oldest first.
func (c *campus) record() []lab.Audit {
	c.t.Helper()
	rows, err := c.store.Audits(c.t.Context(), lab.AuditFilter{}, lab.Page{Limit: 100, Sort: "id"})
	c.must(err)
	return rows.Items
}
