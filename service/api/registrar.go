package api

import (
	"context"
	"net/http"

	"github.com/bothylabs/bothy/service/lab"
	"github.com/bothylabs/bothy/service/registrar"
)

// Authenticator says who makes a request, by a bearer token or by the session of a
// browser. Nobody that is known is lab.CodeUnauthenticated.
type Authenticator interface {
	// Authenticate gives who makes a request from an address, and may give the browser a
	// new cookie by the answer's header.
	Authenticate(ctx context.Context, r *http.Request, remote string, answer http.Header) (lab.Caller, error)
	// Again gives who a caller is by now, for an answer that goes on for long.
	Again(ctx context.Context, caller lab.Caller) (lab.Caller, error)
}

// Registrar does what people ask for. Its errors are coded. A ref is an id or
// the name for people: a key, a slug, or "cohort/course" for a class.
type Registrar interface {
	CreateCohort(ctx context.Context, intent lab.Intent, in registrar.CohortInput) (lab.Cohort, error)
	Cohorts(ctx context.Context, filter lab.CohortFilter, page lab.Page) (lab.List[lab.Cohort], error)
	Cohort(ctx context.Context, ref string) (lab.Cohort, error)
	DeleteCohort(ctx context.Context, intent lab.Intent, ref string) error

	EnrollStudent(ctx context.Context, intent lab.Intent, cohort string, in registrar.StudentInput) (lab.Student, error)
	ImportRoster(ctx context.Context, intent lab.Intent, cohort string, in registrar.RosterInput) (registrar.RosterReport, error)
	Students(ctx context.Context, cohort string, filter lab.StudentFilter, page lab.Page) (lab.List[lab.Student], error)
	Student(ctx context.Context, id string) (lab.Student, error)
	ExportStudent(ctx context.Context, intent lab.Intent, id string) (registrar.PersonalExport, error)
	EraseStudent(ctx context.Context, intent lab.Intent, id, email string) (registrar.Erasure, error)
	ExportUser(ctx context.Context, intent lab.Intent, ref string) (registrar.PersonalExport, error)
	EraseUser(ctx context.Context, intent lab.Intent, ref, login string) (registrar.Erasure, error)
	WithdrawStudent(ctx context.Context, intent lab.Intent, id string) (lab.Student, error)

	CreateCourse(ctx context.Context, intent lab.Intent, in registrar.CourseInput) (lab.Course, error)
	Courses(ctx context.Context, filter lab.CourseFilter, page lab.Page) (lab.List[lab.Course], error)
	Course(ctx context.Context, ref string) (lab.Course, error)
	UpdateCourse(ctx context.Context, intent lab.Intent, ref string, patch registrar.CoursePatch) (lab.Course, error)
	DeleteCourse(ctx context.Context, intent lab.Intent, ref string) error

	Secrets(ctx context.Context, kind lab.SecretKind, ref string, page lab.Page) (lab.List[lab.Secret], error)
	SetSecret(ctx context.Context, intent lab.Intent, kind lab.SecretKind, ref, name, value string) (lab.Secret, error)
	DeleteSecret(ctx context.Context, intent lab.Intent, kind lab.SecretKind, ref, name string) error

	CreateClass(ctx context.Context, intent lab.Intent, in registrar.ClassInput) (lab.Class, error)
	Classes(ctx context.Context, filter registrar.ClassFilter, page lab.Page) (lab.List[lab.Class], error)
	Class(ctx context.Context, ref string) (lab.Class, error)
	UpdateClass(ctx context.Context, intent lab.Intent, ref string, parameters map[string]any) (lab.Class, error)
	DeleteClass(ctx context.Context, intent lab.Intent, ref string, releaseHomes bool) (registrar.Started, error)
	ActOnClass(ctx context.Context, intent lab.Intent, ref string, act registrar.Act) (registrar.Started, error)
	PlanClass(ctx context.Context, ref string, act registrar.Act) (registrar.ClassPlan, error)

	CreateUser(ctx context.Context, intent lab.Intent, in registrar.UserInput) (lab.User, error)
	Users(ctx context.Context, filter lab.UserFilter, page lab.Page) (lab.List[lab.User], error)
	User(ctx context.Context, ref string) (lab.User, error)
	UpdateUser(ctx context.Context, intent lab.Intent, ref string, patch registrar.UserPatch) (lab.User, error)
	InviteUser(ctx context.Context, intent lab.Intent, ref string) (lab.Invited, error)
	InviteCohort(ctx context.Context, intent lab.Intent, ref, student string) (lab.Invited, error)
	Appointed(ctx context.Context, to lab.Trust, ref string) (lab.Appointment, error)
	Appoint(ctx context.Context, intent lab.Intent, to lab.Trust, ref string, users []string) (lab.Appointment, error)

	Operations(ctx context.Context, filter lab.OperationFilter, page lab.Page) (lab.List[lab.Operation], error)
	Operation(ctx context.Context, id string) (lab.Operation, error)
	OperationItems(ctx context.Context, id string, outcome lab.Outcome, page lab.Page) (lab.List[lab.OperationItem], error)

	Workspaces(ctx context.Context, filter registrar.WorkspaceFilter, page lab.Page) (lab.List[registrar.WorkspaceView], error)
	Workspace(ctx context.Context, ref string) (registrar.WorkspaceView, error)
	ActOnWorkspace(ctx context.Context, intent lab.Intent, ref string, act registrar.Act) (registrar.WorkspaceView, error)
	DeleteWorkspace(ctx context.Context, intent lab.Intent, ref string, releaseHome bool) (registrar.WorkspaceView, error)
	PlanWorkspace(ctx context.Context, ref string) (registrar.WorkspacePlan, error)

	// Audits gives a page of the record of changes.
	Audits(ctx context.Context, filter lab.AuditFilter, page lab.Page) (lab.List[lab.Audit], error)
	// RecordRefused writes down that somebody asked for what they have no right to.
	RecordRefused(ctx context.Context, actor lab.Actor, operation, target string) error
	// RecordExec writes down that somebody runs a command inside a workspace.
	RecordExec(ctx context.Context, intent lab.Intent, workspace registrar.WorkspaceView, exec lab.ExecRequest) error

	Templates(ctx context.Context, filter lab.TemplateFilter, page lab.Page) (lab.List[lab.TemplateVersion], error)
	Template(ctx context.Context, name string, version int64) (registrar.TemplateView, error)
	TemplateVersions(ctx context.Context, name string, page lab.Page) (lab.List[lab.TemplateVersion], error)
	PushTemplate(ctx context.Context, intent lab.Intent, in registrar.TemplateInput) (registrar.RegisteredTemplate, error)
}
