package lab

import (
	"slices"
	"time"
)

// Role is what somebody is to an installation. Written by the registrar.
type Role string

// The roles, the most powerful first.
const (
	// RoleAdmin may do everything.
	RoleAdmin Role = "admin"
	// RoleInstructor has cohorts, courses and the classes made of them.
	RoleInstructor Role = "instructor"
	// RoleAssistant is given classes: sees them, starts, stops and looks in.
	RoleAssistant Role = "assistant"
	// RoleStudent has workspaces.
	RoleStudent Role = "student"
)

// Roles are all roles, the most powerful first.
func Roles() []Role { return []Role{RoleAdmin, RoleInstructor, RoleAssistant, RoleStudent} }

// Known says whether the role is one of Roles.
func (r Role) Known() bool { return slices.Contains(Roles(), r) }

// Password says how far somebody is with a password of their own; the password
// itself is Vault's. Written by whoever sets it there, after Vault has it.
type Password string

// The states of a password.
const (
	// PasswordNone: there is none; the person signs in elsewhere, or not yet at all.
	PasswordNone Password = "none"
	// PasswordTemporary: it was mailed, and opens nothing but the page to choose another.
	PasswordTemporary Password = "temporary"
	// PasswordOwn: the person chose it.
	PasswordOwn Password = "own"
)

// User is a person who may sign in. Written by the registrar.
type User struct {
	ID string
	// Login is what the person signs in with, mostly the e-mail address; unique, compared case-folded.
	Login string
	Name  string
	// Email is where mail goes; "" for none.
	Email string
	Role  Role
	// Password is written where passwords are set.
	Password Password
	// PasswordUntil is when a temporary password stops being good; nil for any other.
	PasswordUntil *time.Time
	// Issuer and Subject are who the person is to an OpenID provider; "" for nobody there.
	Issuer  string
	Subject string
	// RoleByProvider: the provider's claims decide the role, at each sign-in. A role
	// that somebody gives by hand ends that.
	RoleByProvider bool
	// DisabledAt is since when the person may not sign in any more.
	DisabledAt *time.Time
	// Revision is 1 at first; every write raises it.
	Revision  int64
	CreatedAt time.Time
	UpdatedAt time.Time
}

// Active says whether the person may sign in.
func (u User) Active() bool { return u.DisabledAt == nil }

// Lapsed says whether the person has a temporary password that is not good any more.
func (u User) Lapsed(now time.Time) bool {
	return u.Password == PasswordTemporary && u.PasswordUntil != nil && !now.Before(*u.PasswordUntil)
}

// Invitable says whether an invitation, with a temporary password, is anything for the
// person: nil, or CodeConflict with the reason.
func (u User) Invitable() error {
	switch {
	case !u.Active():
		return Errorf(CodeConflict, "%s may not sign in", u.Login).WithHint("enable the user first")
	case u.Password == PasswordOwn:
		return Errorf(CodeConflict, "%s has chosen a password", u.Login).WithHint("who has forgotten theirs has a link mailed from the sign-in page")
	case u.Subject != "":
		return Errorf(CodeConflict, "%s signs in elsewhere, by an OpenID provider", u.Login)
	case u.Email == "":
		return Errorf(CodeConflict, "%s has no address for mail", u.Login).WithHint("give the user one first")
	default:
		return nil
	}
}

// Invitees chooses who is invited: a user, or those who are enrolled in a cohort.
type Invitees struct {
	UserID   string
	CohortID string
	// StudentID is one of the cohort's alone; "" for all.
	StudentID string
}

// One says that one person is meant.
func (i Invitees) One() bool { return i.UserID != "" || i.StudentID != "" }

// Invited counts who is invited, and who is not because an invitation is nothing for
// them. Revision is that of the user or cohort.
type Invited struct {
	Invited, PassedOver int
	Revision            int64
}

// UserFilter chooses users; the zero value all.
type UserFilter struct {
	// Search is a text that the login, name or address has in it, in whatever case.
	Search string
	// Role is "" for any.
	Role Role
	// Disabled, where it is not nil, wants those alone who are, or are not.
	Disabled *bool
}

// PersonalData is all that is kept of a person.
type PersonalData struct {
	// StudentIDs are the person's memberships in cohorts, UserIDs who they are as users.
	StudentIDs []string
	UserIDs    []string
	// Records are the rows about the person by the names of tables and columns.
	// Credentials' hashes are not among them.
	Records map[string][]map[string]any
}

// Trust is what is given to users: a cohort or a course to instructors, a class to assistants.
type Trust string

// What is given.
const (
	TrustCohort Trust = "cohort"
	TrustCourse Trust = "course"
	TrustClass  Trust = "class"
)

// Appointment is who has a cohort, a course or a class, by their logins, and its revision.
type Appointment struct {
	Users    []User
	Revision int64
}

// Post is what a user has been given: what is their own by the table of rights.
type Post struct {
	UserID string
	// Cohorts and Courses are ids of what an instructor has.
	Cohorts []string
	Courses []string
	// Classes are ids: an instructor's are those of their cohorts, an assistant's those that were given.
	Classes []string
	// Students are the ids of the person's memberships in cohorts, the withdrawn not among them.
	Students []string
}

// Scope gives what somebody with the role sees. Whoever teaches may be a student
// elsewhere, and sees what is theirs there too.
func (p Post) Scope(role Role) Scope {
	switch role {
	case RoleAdmin:
		return Scope{All: true, Students: p.Students}
	case RoleInstructor:
		return Scope{Classes: p.Classes, Cohorts: p.Cohorts, Courses: p.Courses, Students: p.Students}
	case RoleAssistant:
		return Scope{Classes: p.Classes, Students: p.Students}
	case RoleStudent:
		return Scope{Students: p.Students}
	default:
		return Scope{}
	}
}

// TokenScope is what an API token is good for, within its user's role.
type TokenScope string

// The scopes of tokens.
const (
	// TokenRead looks, and changes nothing.
	TokenRead TokenScope = "read"
	// TokenOperate also starts, stops, restarts and plans.
	TokenOperate TokenScope = "operate"
	// TokenWrite does all that its user may.
	TokenWrite TokenScope = "write"
)

// Within says whether a scope goes no further than another.
func (s TokenScope) Within(other TokenScope) bool {
	rank := TokenScopes()
	mine, theirs := slices.Index(rank, s), slices.Index(rank, other)
	return mine >= 0 && mine <= theirs
}

// TokenScopes are all scopes of tokens, the narrowest first.
func TokenScopes() []TokenScope { return []TokenScope{TokenRead, TokenOperate, TokenWrite} }

// Caller is who is behind a credential, and what they may see.
type Caller struct {
	// Name is the credential's name, as Actor has it.
	Name string
	// UserID is "" for the operator's token of the settings.
	UserID string
	Role   Role
	Scope  Scope
	// SessionID is "" for a token.
	SessionID string
	// Token is "" for a session, which is good for all that its user may.
	Token TokenScope
	// TokenID is the API token's, "" for a session and for the operator's token.
	TokenID string
}

// Operator says whether this is the operator's token of the settings, which is nobody's.
func (c Caller) Operator() bool { return c.UserID == "" && c.Role == RoleAdmin }

// Viewer gives for whom this caller's lists are read.
func (c Caller) Viewer() Viewer {
	if !c.Role.Known() {
		return Viewer{Role: "nobody"}
	}
	return Viewer{UserID: c.UserID, Role: c.Role}
}

// Viewer is for whom a list is read: it has what the person's role and posts let
// them see. The zero value is Bothy itself, who sees all; a role that is not known
// sees nothing.
type Viewer struct {
	UserID string
	Role   Role
}

// SeesAll says whether lists are read whole.
func (v Viewer) SeesAll() bool { return v == Viewer{} || v.Role == RoleAdmin }

// Scope is what somebody may see. The zero value sees nothing.
type Scope struct {
	// All sees everything, an admin does.
	All bool
	// Classes are ids of classes that are seen with their workspaces.
	Classes []string
	// Cohorts are ids of cohorts that are seen with their students.
	Cohorts []string
	// Courses are ids of courses that are seen.
	Courses []string
	// Students are ids of students who see what is theirs in any class: they themselves.
	Students []string
}

// Belonging says whose something is: the ids of what it belongs to or is, "" where there is none.
type Belonging struct {
	ClassID   string
	CohortID  string
	CourseID  string
	StudentID string
}

// Holds says whether something is within the scope: what belongs to a class by the
// class or its cohort, else by the cohort, else by the course; and to students what
// is their own.
func (s Scope) Holds(b Belonging) bool {
	switch {
	case s.All, b.StudentID != "" && slices.Contains(s.Students, b.StudentID):
		return true
	case b.ClassID != "":
		// The class may be younger than the scope, or gone.
		return slices.Contains(s.Classes, b.ClassID) || b.CohortID != "" && slices.Contains(s.Cohorts, b.CohortID)
	case b.CohortID != "":
		return slices.Contains(s.Cohorts, b.CohortID)
	default:
		return b.CourseID != "" && slices.Contains(s.Courses, b.CourseID)
	}
}
