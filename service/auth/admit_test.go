package auth_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/bothylabs/bothy/service/auth"
	"github.com/bothylabs/bothy/service/lab"
)

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

func TestNobodyTakesTheLoginOfWhoIsEnrolledLater(t *testing.T) {
	c := newCampus(t, func(r *auth.ProviderRules) { r.LoginClaim = "preferred_username" })
	for name, person := range map[string]map[string]any{
		"another's address": {"sub": "1", "preferred_username": "ana@example.org", "email": "eve@example.org", "email_verified": true, "groups": "cs101"},
		"no address":        {"sub": "2", "preferred_username": "ana@example.org", "groups": "cs101"},
	} {
		c.school.Person(person)
		c.refused(name, "nor another login")
	}
	c.school.Person(map[string]any{"sub": "3", "preferred_username": "ana@example.org", "email": "ana@example.org", "groups": "cs101"})
	c.refused("an address that is not verified", "not verified")

	c.school.Person(map[string]any{"sub": "4", "preferred_username": "ana@example.org", "email": "Ana@example.org", "email_verified": true, "groups": "cs101"})
	if v := c.signsIn(); v.User.Login != "ana@example.org" || v.User.Subject != "4" {
		t.Errorf("got %+v", v.User)
	}
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

func (c *campus) last() lab.Audit {
	c.t.Helper()
	rows, err := c.store.Audits(c.t.Context(), lab.AuditFilter{}, lab.Page{Limit: 1, Sort: "-id"})
	c.must(err)
	return rows.Items[0]
}

// record is the record of changes, the oldest first.
func (c *campus) record() []lab.Audit {
	c.t.Helper()
	rows, err := c.store.Audits(c.t.Context(), lab.AuditFilter{}, lab.Page{Limit: 100, Sort: "id"})
	c.must(err)
	return rows.Items
}
