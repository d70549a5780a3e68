package registrar

import (
	"context"
	"fmt"
	"net/mail"
	"strings"

	"github.com/bothylabs/bothy/service/lab"
)

// UserInput is a user to be made. Without an Email, mail goes to a login that is an address.
type UserInput struct {
	Login string
	Name  string
	Email string
	Role  lab.Role
}

// UserPatch changes what is not nil of a user.
type UserPatch struct {
	Name     *string
	Email    *string
	Role     *lab.Role
	Disabled *bool
	// Linked is false to forget who they are to the provider of single sign-on.
	Linked *bool
}

// CreateUser makes somebody who may sign in; CodeConflict when the login is taken.
func (r *Registrar) CreateUser(ctx context.Context, intent lab.Intent, in UserInput) (lab.User, error) {
	var p problems
	now := r.now()
	user := lab.User{
		ID: r.NewID(), Login: p.login(in.Login), Name: p.name("name", in.Name), Role: p.role(in.Role),
		Password: lab.PasswordNone, Revision: 1, CreatedAt: now, UpdatedAt: now,
	}
	switch {
	case in.Email != "":
		user.Email = p.email("email", in.Email)
	case isAddress(user.Login):
		user.Email = user.Login
	}
	if err := p.err("the user can't be made"); err != nil {
		return lab.User{}, err
	}
	audit := r.audit(intent, "user.create", user.ID, map[string]any{"login": user.Login, "after": told(user)})
	if err := r.done(intent, r.Store.CreateUser(ctx, intent, user, audit)); err != nil {
		return lab.User{}, err
	}
	return user, nil
}

// told is what the record of changes says of a user.
func told(u lab.User) map[string]any {
	return map[string]any{"name": u.Name, "email": u.Email, "role": u.Role, "disabled": !u.Active(), "linked": u.Subject != ""}
}

// login checks what somebody signs in with, and gives it without surrounding space.
func (p *problems) login(value string) string {
	value = strings.TrimSpace(value)
	switch {
	case value == "":
		p.add("login", "is empty", "give an e-mail address, or another name to sign in with")
	case len(value) > MaxEmail:
		p.add("login", fmt.Sprintf("is longer than %d bytes", MaxEmail), "use a shorter one")
	case strings.ContainsAny(value, " /\t\n"):
		p.add("login", "has a space or a slash in it", "leave it out")
	default:
		p.text("login", value)
	}
	return value
}

func (p *problems) role(role lab.Role) lab.Role {
	if !role.Known() {
		p.add("role", fmt.Sprintf("%.20q is no role", role), "use admin, instructor, assistant or student")
	}
	return role
}

func isAddress(text string) bool {
	parsed, err := mail.ParseAddress(text)
	return err == nil && parsed.Address == text
}

// Users gives a page of the users that a filter chooses, by login where no other sort
// is asked for: name, role, created_at, updated_at.
func (r *Registrar) Users(ctx context.Context, filter lab.UserFilter, page lab.Page) (lab.List[lab.User], error) {
	page, err := checkList(filter.Search, page)
	if err != nil {
		return lab.List[lab.User]{}, err
	}
	return r.Store.Users(ctx, filter, page)
}

// User gives the user with an id or a login.
func (r *Registrar) User(ctx context.Context, ref string) (lab.User, error) {
	return r.Store.User(ctx, ref)
}

// UpdateUser changes a user; with another role, what was given in the old one is
// taken. CodeForbidden for one's own role and disabling oneself, CodeConflict for the
// last active admin.
func (r *Registrar) UpdateUser(ctx context.Context, intent lab.Intent, ref string, patch UserPatch) (lab.User, error) {
	user, err := r.Store.User(ctx, ref)
	if err != nil {
		return lab.User{}, err
	}
	user, err = r.Store.ChangeUser(ctx, intent, user.ID, func(before lab.User) (lab.User, lab.Audit, error) {
		after, err := r.patchUser(intent.Actor, before, patch)
		if err != nil || after == before {
			return before, lab.Audit{}, err
		}
		after.UpdatedAt = r.now()
		return after, r.audit(intent, userAct(before, after), after.ID, map[string]any{
			"login": after.Login, "before": told(before), "after": told(after),
		}), nil
	})
	return user, r.done(intent, err)
}

// patchUser is the user with a patch applied and checked.
func (r *Registrar) patchUser(actor lab.Actor, user lab.User, patch UserPatch) (lab.User, error) {
	var p problems
	role := user.Role
	if patch.Name != nil {
		user.Name = p.name("name", *patch.Name)
	}
	if patch.Email != nil {
		user.Email = p.email("email", *patch.Email)
	}
	if patch.Role != nil {
		if user.Role = p.role(*patch.Role); user.Role != role {
			user.RoleByProvider = false
		}
	}
	if patch.Linked != nil && *patch.Linked && user.Subject == "" {
		p.add("linked", "can't be made true", "have them sign in by the provider: that links them")
	}
	if patch.Linked != nil && !*patch.Linked {
		user.Issuer, user.Subject, user.RoleByProvider = "", "", false
	}
	disables := patch.Disabled != nil && *patch.Disabled && user.Active()
	if actor.UserID == user.ID && (user.Role != role || disables) {
		return user, lab.Errorf(lab.CodeForbidden, "nobody changes their own role or disables themselves").WithHint("ask another admin")
	}
	switch {
	case disables:
		now := r.now()
		user.DisabledAt = &now
	case patch.Disabled != nil && !*patch.Disabled:
		user.DisabledAt = nil
	}
	return user, p.err("the user can't be changed so")
}

func userAct(before, after lab.User) string {
	switch {
	case before.Active() && !after.Active():
		return "user.disable"
	case !before.Active() && after.Active():
		return "user.enable"
	default:
		return "user.update"
	}
}

// InviteUser has an invitation with a new temporary password mailed to a user.
// CodeConflict for whom that is nothing, and where no mail is sent.
func (r *Registrar) InviteUser(ctx context.Context, intent lab.Intent, ref string) (lab.Invited, error) {
	user, err := r.Store.User(ctx, ref)
	if err != nil {
		return lab.Invited{}, err
	}
	return r.invite(ctx, intent, lab.Invitees{UserID: user.ID}, r.audit(intent, "user.invite", user.ID, map[string]any{"login": user.Login}))
}

// InviteCohort does the same for everybody enrolled in a cohort who has chosen no
// password yet, and passes others over; or for one student of it alone, by id.
func (r *Registrar) InviteCohort(ctx context.Context, intent lab.Intent, ref, student string) (lab.Invited, error) {
	cohort, err := r.Store.Cohort(ctx, ref)
	if err != nil {
		return lab.Invited{}, err
	}
	detail := map[string]any{"key": cohort.Key}
	if student != "" {
		detail["student"] = student
	}
	return r.invite(ctx, intent, lab.Invitees{CohortID: cohort.ID, StudentID: student}, r.audit(intent, "cohort.invite", cohort.ID, detail))
}

func (r *Registrar) invite(ctx context.Context, intent lab.Intent, whom lab.Invitees, audit lab.Audit) (lab.Invited, error) {
	if !r.Mails {
		return lab.Invited{}, lab.Errorf(lab.CodeConflict, "this Bothy sends no mail").WithHint("set mail.address, as docs/sign-in.md says")
	}
	counts, err := r.Store.Invite(ctx, intent, whom, r.NewID, audit.At, func(counts lab.Invited) lab.Audit {
		audit.Detail["invited"] = counts.Invited
		return audit
	})
	return counts, r.done(intent, err)
}

// Appointed gives who has a cohort, a course or a class.
func (r *Registrar) Appointed(ctx context.Context, to lab.Trust, ref string) (lab.Appointment, error) {
	id, _, err := r.trusted(ctx, to, ref)
	if err != nil {
		return lab.Appointment{}, err
	}
	return r.Store.Appointed(ctx, to, id)
}

// Appoint gives a cohort or a course to exactly the instructors that ids or logins
// name, or a class to exactly these assistants.
func (r *Registrar) Appoint(ctx context.Context, intent lab.Intent, to lab.Trust, ref string, users []string) (lab.Appointment, error) {
	id, key, err := r.trusted(ctx, to, ref)
	if err != nil {
		return lab.Appointment{}, err
	}
	role := lab.RoleInstructor
	if to == lab.TrustClass {
		role = lab.RoleAssistant
	}
	var p problems
	ids := make([]string, 0, len(users))
	for i, ref := range users {
		user, err := r.Store.User(ctx, ref)
		if err != nil && lab.CodeOf(err) != lab.CodeNotFound {
			return lab.Appointment{}, err
		}
		if err != nil || user.Role != role { // whoever appoints need not know who else there is
			p.add(fmt.Sprintf("users[%d]", i), fmt.Sprintf("%.40q is no %s", ref, role), fmt.Sprintf("name a user with the role %s by id or login", role))
			continue
		}
		ids = append(ids, user.ID)
	}
	if err := p.err(fmt.Sprintf("the %s can't be given so", to)); err != nil {
		return lab.Appointment{}, err
	}
	audit := r.audit(intent, string(to)+".appoint", id, map[string]any{"key": key})
	now, err := r.Store.Appoint(ctx, intent, to, id, ids, audit)
	return now, r.done(intent, err)
}

// trusted gives the id and the key of what a ref names.
func (r *Registrar) trusted(ctx context.Context, to lab.Trust, ref string) (id, key string, err error) {
	switch to {
	case lab.TrustCohort:
		cohort, err := r.Store.Cohort(ctx, ref)
		return cohort.ID, cohort.Key, err
	case lab.TrustCourse:
		course, err := r.Store.Course(ctx, ref)
		return course.ID, course.Key, err
	case lab.TrustClass:
		class, err := r.Store.Class(ctx, ref)
		return class.ID, class.Key(), err
	default:
		return "", "", fmt.Errorf("nobody is appointed to a %q", to)
	}
}
