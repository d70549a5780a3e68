package registrar_test

import (
	"context"
	"testing"

	"github.com/bothylabs/bothy/service/lab"
	"github.com/bothylabs/bothy/service/registrar"
)

func (o *office) user(login string, role lab.Role) lab.User {
	o.t.Helper()
	u, err := o.CreateUser(context.Background(), o.intent, registrar.UserInput{Login: login, Name: "N. N.", Role: role})
	o.must(err)
	return u
}

func TestAUserIsMadeWithAnAddressToWriteTo(t *testing.T) {
	t.Parallel()
	o := open(t)
	u := o.user(" Grace@example.edu ", lab.RoleInstructor)
	got, err := o.User(t.Context(), "grace@EXAMPLE.edu")
	o.must(err)
	wantEqual(t, got, u)
	wantEqual(t, []string{u.Login, u.Email, string(u.Password)}, []string{"Grace@example.edu", "Grace@example.edu", "none"})
	act := o.lastAct()
	wantEqual(t, []any{act.Action, act.Detail["after"]}, []any{"user.create", map[string]any{"name": "N. N.", "email": "Grace@example.edu", "role": "instructor", "disabled": false, "linked": false}})
	if o.user("root", lab.RoleAdmin).Email != "" {
		t.Error("a login that is no address became one")
	}
	wrong := o.refused(lab.CodeInvalid, func() error {
		return second(o.CreateUser(t.Context(), o.intent, registrar.UserInput{Login: "a b", Email: "x", Role: "king"}))
	})
	wantFields(t, wrong, "login", "name", "role", "email")
	o.refused(lab.CodeConflict, func() error {
		return second(o.CreateUser(t.Context(), o.intent, registrar.UserInput{Login: "GRACE@example.edu", Name: "G", Role: lab.RoleAdmin}))
	})
}

func TestAUserIsChangedDisabledAndEnabled(t *testing.T) {
	t.Parallel()
	o := open(t)
	u := o.user("grace@example.edu", lab.RoleInstructor)
	name, email, role, yes, no := "Grace", "g@example.edu", lab.RoleAssistant, true, false
	changed, err := o.UpdateUser(t.Context(), o.intent, u.Login, registrar.UserPatch{Name: &name, Email: &email, Role: &role})
	o.must(err)
	wantEqual(t, []any{changed.Name, changed.Email, changed.Role, changed.Revision}, []any{name, email, role, int64(2)})
	act := o.lastAct()
	wantEqual(t, act.Action, "user.update")
	wantEqual(t, act.Detail["before"], any(map[string]any{"name": "N. N.", "email": "grace@example.edu", "role": "instructor", "disabled": false, "linked": false}))

	for _, step := range []struct {
		disabled *bool
		action   string
		revision int64
	}{{&yes, "user.disable", 3}, {&yes, "user.disable", 3}, {&no, "user.enable", 4}, {&no, "user.enable", 4}} {
		got, err := o.UpdateUser(t.Context(), o.intent, u.ID, registrar.UserPatch{Disabled: step.disabled})
		o.must(err)
		wantEqual(t, []any{got.Active(), got.Revision, o.lastAct().Action}, []any{!*step.disabled, step.revision, step.action})
	}
	king := lab.Role("king")
	wantFields(t, o.refused(lab.CodeInvalid, func() error {
		return second(o.UpdateUser(t.Context(), o.intent, u.ID, registrar.UserPatch{Role: &king}))
	}), "role")
}

func TestNobodyRaisesOrDisablesThemselvesAndAnAdminStays(t *testing.T) {
	t.Parallel()
	o := open(t)
	admin := o.user("root@example.edu", lab.RoleAdmin)
	role, yes, name := lab.RoleInstructor, true, "Root"
	own := o.intent
	own.Actor.UserID = admin.ID
	for _, patch := range []registrar.UserPatch{{Role: &role}, {Disabled: &yes}} {
		o.refused(lab.CodeForbidden, func() error { return second(o.UpdateUser(t.Context(), own, admin.ID, patch)) })
		o.refused(lab.CodeConflict, func() error { return second(o.UpdateUser(t.Context(), o.intent, admin.ID, patch)) })
	}
	o.must(second(o.UpdateUser(t.Context(), own, admin.ID, registrar.UserPatch{Name: &name})))
}

func TestCohortsCoursesAndClassesAreGiven(t *testing.T) {
	t.Parallel()
	o := open(t)
	class := o.class("Ada")
	teacher, helper := o.user("t@example.edu", lab.RoleInstructor), o.user("h@example.edu", lab.RoleAssistant)
	for to, ref := range map[lab.Trust]string{lab.TrustCohort: "fall-26", lab.TrustCourse: "py101", lab.TrustClass: "fall-26/py101"} {
		who, other := teacher, helper
		if to == lab.TrustClass {
			who, other = helper, teacher
		}
		now, err := o.Appoint(t.Context(), o.intent, to, ref, []string{who.Login})
		o.must(err)
		wantEqual(t, now.Users, []lab.User{who})
		found, err := o.Appointed(t.Context(), to, ref)
		o.must(err)
		wantEqual(t, found, now)
		act := o.lastAct()
		wantEqual(t, []any{act.Action, act.Detail["key"], act.Detail["after"]}, []any{string(to) + ".appoint", ref, []any{who.Login}})
		wantFields(t, o.refused(lab.CodeInvalid, func() error {
			return second(o.Appoint(t.Context(), o.intent, to, ref, []string{who.ID, other.ID, "nobody"}))
		}), "users[1]", "users[2]")
		o.refused(lab.CodeNotFound, func() error { return second(o.Appoint(t.Context(), o.intent, to, "none", nil)) })
	}
	post, err := o.store.Post(t.Context(), teacher.ID)
	o.must(err)
	wantEqual(t, post.Classes, []string{class.ID})
}

func TestWhoIsLinkedWithAProviderIsAdminsToChange(t *testing.T) {
	t.Parallel()
	o := open(t)
	who := lab.Identity{Issuer: "https://sso.example.org", Subject: "1"}
	u := lab.User{
		ID: "linked", Login: "ada", Name: "Ada", Role: lab.RoleInstructor, Password: lab.PasswordNone, Issuer: who.Issuer, Subject: who.Subject,
		RoleByProvider: true, Revision: 1, CreatedAt: o.now, UpdatedAt: o.now,
	}
	_, err := o.store.Meet(t.Context(), who, "", func(lab.Acquaintance) (lab.User, lab.Audit, error) { return u, lab.Audit{}, nil })
	o.must(err)
	role, yes, no := lab.RoleAssistant, true, false
	changed, err := o.UpdateUser(t.Context(), o.intent, "ada", registrar.UserPatch{Linked: &yes})
	o.must(err)
	if changed.Subject == "" || !changed.RoleByProvider {
		t.Errorf("who is linked stays linked: %+v", changed)
	}
	changed, err = o.UpdateUser(t.Context(), o.intent, "ada", registrar.UserPatch{Role: &role})
	o.must(err)
	if changed.RoleByProvider || changed.Subject == "" {
		t.Errorf("a role that is given by hand is %+v", changed)
	}
	changed, err = o.UpdateUser(t.Context(), o.intent, "ada", registrar.UserPatch{Linked: &no})
	o.must(err)
	if changed.Subject != "" || changed.Issuer != "" {
		t.Errorf("unlinked is %+v", changed)
	}
	wantFields(t, o.refused(lab.CodeInvalid, func() error {
		return second(o.UpdateUser(t.Context(), o.intent, "ada", registrar.UserPatch{Linked: &yes}))
	}), "linked")
}

func TestAMembershipIsGivenToAUserWhoseLoginIsNoAddress(t *testing.T) {
	t.Parallel()
	o := open(t)
	_, err := o.CreateCohort(t.Context(), o.intent, registrar.CohortInput{Name: "Fall 26"})
	o.must(err)
	u := o.user("ada", lab.RoleStudent)
	student, err := o.EnrollStudent(t.Context(), o.intent, "fall-26", registrar.StudentInput{Name: "Ada", Email: "ada@example.edu", UserID: u.ID})
	o.must(err)
	if student.UserID != u.ID {
		t.Errorf("got %+v", student)
	}
	_, err = o.User(t.Context(), "ada@example.edu")
	if lab.CodeOf(err) != lab.CodeNotFound {
		t.Errorf("another user was made: %v", err)
	}
}

func TestPeopleAreInvitedAgain(t *testing.T) {
	t.Parallel()
	o := open(t)
	ctx := t.Context()
	grace := o.user("grace@example.edu", lab.RoleInstructor)
	done, err := o.InviteUser(ctx, o.intent, "GRACE@example.edu")
	o.must(err)
	wantEqual(t, done, lab.Invited{Invited: 1, Revision: 2})
	act := o.lastAct()
	wantEqual(t, []any{act.Action, act.Target, act.Detail["login"]}, []any{"user.invite", grace.ID, "grace@example.edu"})

	o.class("Ada", "Bo")
	students, err := o.Students(ctx, "fall-26")
	o.must(err)
	done, err = o.InviteCohort(ctx, o.intent, "fall-26", "")
	o.must(err)
	wantEqual(t, []int{done.Invited, done.PassedOver}, []int{2, 0})
	act = o.lastAct()
	wantEqual(t, []any{act.Action, act.Detail["invited"]}, []any{"cohort.invite", 2.0})
	done, err = o.InviteCohort(ctx, o.intent, "fall-26", students[0].ID)
	o.must(err)
	wantEqual(t, done.Invited, 1)
	wantEqual(t, o.lastAct().Detail["student"], any(students[0].ID))
	o.refused(lab.CodeNotFound, func() error { return second(o.InviteCohort(ctx, o.intent, "fall-26", "nobody")) })
	o.refused(lab.CodeNotFound, func() error { return second(o.InviteCohort(ctx, o.intent, "nowhere", "")) })
	o.refused(lab.CodeNotFound, func() error { return second(o.InviteUser(ctx, o.intent, "nobody")) })

	silent := registrar.New(o.Config)
	silent.Mails = false
	o.refused(lab.CodeConflict, func() error { return second(silent.InviteUser(ctx, o.intent, grace.ID)) })
}
