// Package registrar holds the acts of people: it checks what they ask for, and
// writes what should be. It submits nothing: the reconciler makes what is like
// what should be.
//
// Every act is one transaction with a row of the audit in it, on the conditions
// of the intent: CodeStale where its Match does not suit, an error that wraps
// lab.ErrDone where its Key is used, and a dry run that changes nothing. Input that is
// wrong is lab.CodeInvalid with all of its problems at once, named as the API
// names the values, and changes nothing. A ref is an id or the name for people:
// a cohort's or course's key, "cohort/course" for a class, a slug for a workspace.
package registrar

import (
	"context"
	"time"

	"github.com/bothylabs/bothy/service/jobspec"
	"github.com/bothylabs/bothy/service/lab"
	"github.com/bothylabs/bothy/service/placement"
)

// Store keeps what should be. Its writes are transactions; what the functions
// handed to them decide is written as a whole or not at all, on the conditions of
// the intent, and for a dry run not at all.
type Store interface {
	Cohorts(ctx context.Context, filter lab.CohortFilter, page lab.Page) (lab.List[lab.Cohort], error)
	Cohort(ctx context.Context, ref string) (lab.Cohort, error)
	CreateCohort(ctx context.Context, intent lab.Intent, cohort lab.Cohort, audit lab.Audit) error
	DeleteCohort(ctx context.Context, intent lab.Intent, id string, audit lab.Audit) error

	Students(ctx context.Context, cohortID string, filter lab.StudentFilter, page lab.Page) (lab.List[lab.Student], error)
	EnrolledStudents(ctx context.Context, cohortID string) ([]lab.Student, error)
	Student(ctx context.Context, id string) (lab.Student, error)
	Enroll(ctx context.Context, intent lab.Intent, cohortID string,
		decide func(enrolled []lab.Student) ([]lab.Student, lab.Audit, error)) (lab.Cohort, error)
	Withdraw(ctx context.Context, intent lab.Intent, id string, at time.Time, audit lab.Audit) (lab.Student, error)
	ImportRoster(ctx context.Context, intent lab.Intent, cohortID string,
		decide func(enrolled []lab.Student) (lab.RosterChange, error)) (lab.Cohort, error)

	Courses(ctx context.Context, filter lab.CourseFilter, page lab.Page) (lab.List[lab.Course], error)
	Course(ctx context.Context, ref string) (lab.Course, error)
	CreateCourse(ctx context.Context, intent lab.Intent, course lab.Course, audit lab.Audit) error
	ChangeCourse(ctx context.Context, intent lab.Intent, id string,
		decide func(lab.CourseState) (lab.Course, lab.Audit, error)) (lab.Course, error)
	DeleteCourse(ctx context.Context, intent lab.Intent, id string, audit lab.Audit) error

	Classes(ctx context.Context, filter lab.ClassFilter, page lab.Page) (lab.List[lab.Class], error)
	Class(ctx context.Context, ref string) (lab.Class, error)
	ClassProgress(ctx context.Context, ids []string) (map[string]lab.ClassProgress, error)
	CreateClass(ctx context.Context, intent lab.Intent, class lab.NewClass,
		decide func(enrolled []lab.Student) ([]lab.Student, error)) error
	SetClassParameters(ctx context.Context, intent lab.Intent, id string,
		decide func(lab.Class, lab.CourseState) (lab.Class, lab.Audit, error)) (lab.Class, error)
	ChangeClass(ctx context.Context, intent lab.Intent, id string,
		decide func(lab.ClassState) (lab.ClassChange, error)) (lab.Class, error)

	Users(ctx context.Context, filter lab.UserFilter, page lab.Page) (lab.List[lab.User], error)
	User(ctx context.Context, ref string) (lab.User, error)
	CreateUser(ctx context.Context, intent lab.Intent, user lab.User, audit lab.Audit) error
	Invite(ctx context.Context, intent lab.Intent, whom lab.Invitees, newID func() string, at time.Time, audit func(lab.Invited) lab.Audit) (lab.Invited, error)
	ChangeUser(ctx context.Context, intent lab.Intent, id string,
		decide func(lab.User) (lab.User, lab.Audit, error)) (lab.User, error)
	Appointed(ctx context.Context, to lab.Trust, id string) (lab.Appointment, error)
	Appoint(ctx context.Context, intent lab.Intent, to lab.Trust, id string, users []string, audit lab.Audit) (lab.Appointment, error)

	Operations(ctx context.Context, filter lab.OperationFilter, page lab.Page) (lab.List[lab.Operation], error)
	Operation(ctx context.Context, id string) (lab.Operation, error)
	OperationItems(ctx context.Context, id string, outcome lab.Outcome, page lab.Page) (lab.List[lab.OperationItem], error)

	Workspaces(ctx context.Context, filter lab.WorkspaceFilter, page lab.Page) (lab.List[lab.WorkspaceDetail], error)
	WorkspacesOfClass(ctx context.Context, classID string) ([]lab.Workspace, error)
	Workspace(ctx context.Context, ref string) (lab.WorkspaceDetail, error)
	ChangeWorkspace(ctx context.Context, intent lab.Intent, id string,
		decide func(lab.Workspace) (lab.Workspace, lab.Audit, error)) (lab.WorkspaceDetail, error)

	Personal(ctx context.Context, studentID string) (lab.PersonalData, error)
	Erase(ctx context.Context, intent lab.Intent, studentID string, at time.Time, decide func(lab.Student) (lab.Audit, error)) (lab.Student, map[string]int64, error)
	PersonalOfUser(ctx context.Context, userID string) (lab.PersonalData, error)
	EraseUser(ctx context.Context, intent lab.Intent, userID string, at time.Time, decide func(lab.User) (lab.Audit, error)) (lab.User, map[string]int64, error)

	Audits(ctx context.Context, filter lab.AuditFilter, page lab.Page) (lab.List[lab.Audit], error)
	Secrets(ctx context.Context, owner lab.SecretOwner, page lab.Page) (lab.List[lab.Secret], error)
	BeginSecret(ctx context.Context, intent lab.Intent, owner lab.SecretOwner, secret lab.Secret) (revision int64, err error)
	KeepSecret(ctx context.Context, intent lab.Intent, owner lab.SecretOwner, secret lab.Secret, audit lab.Audit) error
	DropSecret(ctx context.Context, owner lab.SecretOwner, name, version string) error
	DeleteSecret(ctx context.Context, intent lab.Intent, owner lab.SecretOwner, name string, audit lab.Audit) error

	// Record writes down an act that changes nothing else.
	Record(ctx context.Context, audit lab.Audit) error
	// RecordLookIn writes down an act, and that its actor was in a workspace by it.
	RecordLookIn(ctx context.Context, workspaceID string, how lab.LookInHow, audit lab.Audit) error

	TemplateVersions(ctx context.Context, name string, page lab.Page) (lab.List[lab.TemplateVersion], error)
	TemplateVersion(ctx context.Context, name string, version int64) (lab.TemplateVersion, error)
	Templates(ctx context.Context, filter lab.TemplateFilter, page lab.Page) (lab.List[lab.TemplateVersion], error)
	RegisterTemplate(ctx context.Context, intent lab.Intent, name, digest string,
		decide func(lab.TemplateState) (*lab.TemplateVersion, lab.Audit, error)) error
}

// Preflight asks the cluster whether it would take and could ever run a job:
// CodeRefused when it would not, CodeUnplaceable when no node ever could,
// CodeUnavailable when it does not answer. It changes nothing.
type Preflight interface {
	Check(ctx context.Context, jobHCL []byte) error
}

// Cluster tells what Nomad would do. It changes nothing. CodeRefused when Nomad would
// not take a job, CodeUnavailable when it does not answer.
type Cluster interface {
	// Survey looks at the room that there is for the workspaces of a class.
	Survey(ctx context.Context, question placement.Question) (placement.Cluster, error)
	// PlanJob compares a job file with the job that there is.
	PlanJob(ctx context.Context, jobHCL []byte) (placement.JobPlan, error)
}

// Vault takes the values of secrets, and is never asked for one here.
type Vault interface {
	// PutSecret writes one version of a secret's value beside the others.
	PutSecret(ctx context.Context, owner lab.SecretOwner, name, version, value string) error
}

// Config is what a Registrar works with; all of it is needed.
type Config struct {
	Store     Store
	Library   *Library
	Parser    TemplateParser
	Preflight Preflight
	Cluster   Cluster
	// Vault is only needed where secrets are set.
	Vault Vault
	// Mails says that people are written to.
	Mails bool
	// Settings are what the deployment puts into every job.
	Settings jobspec.Settings
	// NewID makes ids that sort in the order in which they were made (UUIDv7).
	NewID func() string
	Now   func() time.Time
	// Notify wakes the reconciler; it is called after a change is written, and must not block.
	Notify func()
}

// Registrar does what people ask for. Its methods may be called at the same time.
type Registrar struct {
	Config
	refusals *refusals
}

// New makes a Registrar.
func New(cfg Config) *Registrar {
	return &Registrar{Config: cfg, refusals: newRefusals()}
}

// now is the time at the precision that is stored, so that what an act gives
// back is what a later reading gives.
func (r *Registrar) now() time.Time { return r.Now().UTC().Truncate(time.Microsecond) }

func (r *Registrar) audit(intent lab.Intent, action, target string, detail map[string]any) lab.Audit {
	return lab.Audit{
		ID: r.NewID(), At: r.now(), Actor: intent.Actor, Action: action, Target: target, Detail: detail, Result: lab.AuditDone,
	}
}

// done wakes the reconciler when an act was written.
func (r *Registrar) done(intent lab.Intent, err error) error {
	if err == nil && !intent.DryRun {
		r.Notify()
	}
	return err
}
