package api_test

import (
	"context"
	"strings"
	"sync"
	"time"

	"github.com/bothylabs/bothy/service/api"
	"github.com/bothylabs/bothy/service/auth"
	"github.com/bothylabs/bothy/service/jobspec"
	"github.com/bothylabs/bothy/service/lab"
	"github.com/bothylabs/bothy/service/placement"
	"github.com/bothylabs/bothy/service/registrar"
)

const token = "a-token-that-is-long-enough"

var noon = time.Date(2026, 9, 1, 12, 0, 0, 0, time.UTC)

// The real registrar is what the API needs.
var _ api.Registrar = (*registrar.Registrar)(nil)

// call is one call of the registrar: its method, who made it, and its other arguments.
type call struct {
	Method string
	lab.Intent
	Args []any
}

// fakeRegistrar has one of everything, or one error for everything.
type fakeRegistrar struct {
	err   error
	panic any
	// before, where set, is called with each call before it is answered.
	before func(call)

	mu    sync.Mutex
	calls []call
	// refused is what was written down of forbidden acts.
	refused [][]any
}

func (f *fakeRegistrar) note(method string, intent lab.Intent, args ...any) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.calls = append(f.calls, call{method, intent, args})
	if f.before != nil {
		f.before(f.calls[len(f.calls)-1])
	}
	if f.panic != nil {
		panic(f.panic)
	}
	return f.err
}

func (f *fakeRegistrar) called() []call {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.calls
}

// fakeDoor opens what the registrar has.
type fakeDoor struct{ *fakeRegistrar }

func (f fakeDoor) Link(_ context.Context, caller lab.Caller, remote, ref string, as lab.EntryAs, to string) (lab.DoorLink, error) {
	intent := lab.Intent{Actor: lab.Actor{Name: caller.Name, Role: caller.Role, Remote: remote}}
	return lab.DoorLink{URL: "http://labs.example.edu/-/enter?ticket=T&to=" + to, ExpiresAt: noon, LooksIn: true}, f.note("Link", intent, ref, as, to)
}

// answers forgets the earlier calls and sets the error of those to come.
func (f *fakeRegistrar) answers(err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.calls, f.err = nil, err
}

var (
	aCohort  = lab.Cohort{ID: "id-cohort", Key: "fall-26", Name: "Fall 26", Students: 24, Withdrawn: 1, Revision: 3, CreatedAt: noon, UpdatedAt: noon}
	aStudent = lab.Student{ID: "id-student", CohortID: "id-cohort", UserID: "id-ada", Name: "Ada Lovelace", Email: "ada@example.edu", Revision: 4, CreatedAt: noon, UpdatedAt: noon}
	aUser    = lab.User{
		ID: "id-user", Login: "grace@example.edu", Name: "Grace Hopper", Email: "grace@example.edu",
		Role: lab.RoleInstructor, Password: lab.PasswordOwn, Revision: 9, CreatedAt: noon, UpdatedAt: noon,
	}
	aCourse = lab.Course{ID: "id-course", Key: "py101", Name: "Python 101", Template: "code-server", TemplateVersion: 2, Revision: 5, CreatedAt: noon, UpdatedAt: noon}
	aClass  = lab.Class{
		ID: "id-class", CohortID: "id-cohort", CourseID: "id-course", CohortKey: "fall-26", CourseKey: "py101", Revision: 6, CreatedAt: noon, UpdatedAt: noon,
	}
	aWorkspace = registrar.WorkspaceView{
		Workspace: lab.Workspace{
			ID: "id-workspace", ClassID: "id-class", StudentID: "id-student", Slug: "fall-26-py101-ada-lovelace",
			Desired: lab.DesiredRunning, CreatedAt: noon, UpdatedAt: noon,
			Status: lab.Status{Phase: lab.PhaseReady, Reason: "It runs.", NodeName: "lab-1", Since: noon},
		},
		StudentName: "Ada Lovelace", StudentEmail: "ada@example.edu", CohortKey: "fall-26", CourseKey: "py101", Version: 7,
		URL: "http://labs.localhost:9999/fall-26-py101-ada-lovelace/",
	}
	anOperation = lab.Operation{
		ID: "id-operation", Kind: lab.OperationLaunch, ClassID: "id-class", ClassKey: "fall-26/py101", Actor: "token:test",
		State: lab.OperationRunning, Counts: lab.OperationCounts{Total: 2, Pending: 1, Done: 1}, Affected: 1, CreatedAt: noon,
	}
	anAudit = lab.Audit{
		ID: "id-audit", At: noon, Actor: lab.Actor{Name: "token:test", Role: lab.RoleAdmin, Remote: "192.0.2.1"}, Action: "workspace.stop",
		Target: "id-workspace", Detail: map[string]any{"slug": "=HYPERLINK()"}, Before: map[string]any{"desired": "running"},
		After: map[string]any{"desired": "stopped"}, Result: lab.AuditDone,
	}
	aPlan = placement.Plan{
		Create: 1, Unplaceable: 1, Needs: placement.Amounts{CPU: 100, Memory: 100}, SampledAt: noon, Warnings: []string{"Nomad may know better."},
		Reasons: []placement.Reason{{Text: "memory exhausted on 1 node", Count: 1, Workspaces: []string{"fall-26-py101-bob"}}},
		Nodes:   []placement.NodePlan{{Node: placement.Node{ID: "n1", Name: "lab-1", Room: 1, Lacks: []string{"memory exhausted"}}, Places: 1, Waits: 1}},
	}
	aJobPlan = placement.JobPlan{
		Type: "edited", Replaces: 1, Text: "+/- Job", JobModifyIndex: 7,
		Changes: []placement.Change{{Path: "Priority", Type: "edited", Old: "50", New: "60", Forces: "in-place update"}},
	}
	aTemplate = registrar.TemplateView{
		TemplateVersion: lab.TemplateVersion{
			ID: "id-version", Name: "code-server", Version: 2, Description: "An editor.", Digest: "abc", Source: "job \"x\" {}",
			Origin: lab.TemplateOrigin{Kind: lab.OriginGit, URL: "https://git.example.edu/labs.git", Path: "code-server.nomad.hcl", Revision: "5f0c", Dirty: true},
			Author: lab.Author{Name: "Ada", Email: "ada@example.edu"}, RegisteredBy: "token:test", Message: "New.", CreatedAt: noon,
		},
		Variables: []jobspec.Variable{{Name: "memory", Type: "number", Description: "In MB.", Default: 1024}},
	}
)

// listOf has a second page, which is like the first.
func listOf[T any](page lab.Page, items ...T) lab.List[T] {
	if page.Cursor == "" {
		return lab.List[T]{Items: items, Next: "next"}
	}
	return lab.List[T]{Items: items}
}

func (f *fakeRegistrar) CreateCohort(_ context.Context, intent lab.Intent, in registrar.CohortInput) (lab.Cohort, error) {
	return aCohort, f.note("CreateCohort", intent, in)
}

func (f *fakeRegistrar) Cohorts(_ context.Context, filter lab.CohortFilter, page lab.Page) (lab.List[lab.Cohort], error) {
	return listOf(page, aCohort), f.note("Cohorts", lab.Intent{}, filter, page)
}

func (f *fakeRegistrar) Cohort(_ context.Context, ref string) (lab.Cohort, error) {
	return aCohort, f.note("Cohort", lab.Intent{}, ref)
}

func (f *fakeRegistrar) DeleteCohort(_ context.Context, intent lab.Intent, ref string) error {
	return f.note("DeleteCohort", intent, ref)
}

func (f *fakeRegistrar) EnrollStudent(_ context.Context, intent lab.Intent, cohort string, in registrar.StudentInput) (lab.Student, error) {
	return aStudent, f.note("EnrollStudent", intent, cohort, in)
}

func (f *fakeRegistrar) ImportRoster(
	_ context.Context, intent lab.Intent, cohort string, in registrar.RosterInput,
) (registrar.RosterReport, error) {
	return registrar.RosterReport{
		Cohort: aCohort,
		Counts: registrar.RosterCounts{New: 1, Changed: 1, Withdrawn: 1, Wrong: 1},
		Rows: []registrar.RosterRow{
			{Line: 2, Name: "Ada", Email: "ada@example.edu", Outcome: registrar.RosterNew, StudentID: "id-student"},
			{
				Line: 3, Name: "Bob", Email: "bob@example.edu", Outcome: registrar.RosterChanged, StudentID: "id-bob",
				Changes: []registrar.RosterChange{{Name: "name", From: "Robert", To: "Bob"}},
			},
			{Line: 4, Email: "x", Outcome: registrar.RosterWrong, Fields: []lab.Field{{Name: "email", Problem: "is odd", Remedy: "even it out"}}},
			{Name: "Eve", Email: "eve@example.edu", Outcome: registrar.RosterWithdrawn, StudentID: "id-eve"},
		},
		Ignored: []string{"Section"},
	}, f.note("ImportRoster", intent, cohort, in)
}

func (f *fakeRegistrar) Students(_ context.Context, cohort string, filter lab.StudentFilter, page lab.Page) (lab.List[lab.Student], error) {
	gone := aStudent
	gone.WithdrawnAt = &noon
	return listOf(page, aStudent, gone), f.note("Students", lab.Intent{}, cohort, filter, page)
}

func (f *fakeRegistrar) Student(_ context.Context, id string) (lab.Student, error) {
	return aStudent, f.note("Student", lab.Intent{}, id)
}

func (f *fakeRegistrar) WithdrawStudent(_ context.Context, intent lab.Intent, id string) (lab.Student, error) {
	return aStudent, f.note("WithdrawStudent", intent, id)
}

func (f *fakeRegistrar) CreateCourse(_ context.Context, intent lab.Intent, in registrar.CourseInput) (lab.Course, error) {
	return aCourse, f.note("CreateCourse", intent, in)
}

func (f *fakeRegistrar) Courses(_ context.Context, filter lab.CourseFilter, page lab.Page) (lab.List[lab.Course], error) {
	return listOf(page, aCourse), f.note("Courses", lab.Intent{}, filter, page)
}

func (f *fakeRegistrar) Course(_ context.Context, ref string) (lab.Course, error) {
	return aCourse, f.note("Course", lab.Intent{}, ref)
}

func (f *fakeRegistrar) UpdateCourse(_ context.Context, intent lab.Intent, ref string, patch registrar.CoursePatch) (lab.Course, error) {
	return aCourse, f.note("UpdateCourse", intent, ref, patch)
}

func (f *fakeRegistrar) DeleteCourse(_ context.Context, intent lab.Intent, ref string) error {
	return f.note("DeleteCourse", intent, ref)
}

func (f *fakeRegistrar) Secrets(_ context.Context, kind lab.SecretKind, ref string, page lab.Page) (lab.List[lab.Secret], error) {
	return lab.List[lab.Secret]{Items: []lab.Secret{aSecret()}}, f.note("Secrets", lab.Intent{}, kind, ref, page)
}

func (f *fakeRegistrar) SetSecret(_ context.Context, intent lab.Intent, kind lab.SecretKind, ref, name, value string) (lab.Secret, error) {
	return aSecret(), f.note("SetSecret", intent, kind, ref, name, value)
}

func (f *fakeRegistrar) DeleteSecret(_ context.Context, intent lab.Intent, kind lab.SecretKind, ref, name string) error {
	return f.note("DeleteSecret", intent, kind, ref, name)
}

func aSecret() lab.Secret {
	return lab.Secret{Name: "TOKEN", Bytes: 9, SetAt: noon, SetBy: "operator", Revision: 7}
}

func (f *fakeRegistrar) CreateClass(_ context.Context, intent lab.Intent, in registrar.ClassInput) (lab.Class, error) {
	return aClass, f.note("CreateClass", intent, in)
}

func (f *fakeRegistrar) Classes(_ context.Context, filter registrar.ClassFilter, page lab.Page) (lab.List[lab.Class], error) {
	return listOf(page, aClass), f.note("Classes", lab.Intent{}, filter, page)
}

func (f *fakeRegistrar) Class(_ context.Context, ref string) (lab.Class, error) {
	return aClass, f.note("Class", lab.Intent{}, ref)
}

func (f *fakeRegistrar) UpdateClass(_ context.Context, intent lab.Intent, ref string, parameters map[string]any) (lab.Class, error) {
	return aClass, f.note("UpdateClass", intent, ref, parameters)
}

func (f *fakeRegistrar) DeleteClass(_ context.Context, intent lab.Intent, ref string, releaseHomes bool) (registrar.Started, error) {
	return registrar.Started{Operation: anOperation, Class: aClass}, f.note("DeleteClass", intent, ref, releaseHomes)
}

func (f *fakeRegistrar) ActOnClass(_ context.Context, intent lab.Intent, ref string, act registrar.Act) (registrar.Started, error) {
	return registrar.Started{Operation: anOperation, Class: aClass}, f.note("ActOnClass", intent, ref, act)
}

func (f *fakeRegistrar) PlanClass(_ context.Context, ref string, act registrar.Act) (registrar.ClassPlan, error) {
	return registrar.ClassPlan{Class: aClass, Act: act, Plan: aPlan}, f.note("PlanClass", lab.Intent{}, ref, act)
}

func (f *fakeRegistrar) PlanWorkspace(_ context.Context, ref string) (registrar.WorkspacePlan, error) {
	return registrar.WorkspacePlan{Slug: aWorkspace.Slug, JobPlan: aJobPlan}, f.note("PlanWorkspace", lab.Intent{}, ref)
}

func (f *fakeRegistrar) Operations(_ context.Context, filter lab.OperationFilter, page lab.Page) (lab.List[lab.Operation], error) {
	ended := anOperation
	ended.State, ended.EndedAt = lab.OperationDone, &noon
	return listOf(page, anOperation, ended), f.note("Operations", lab.Intent{}, filter, page)
}

func (f *fakeRegistrar) Operation(_ context.Context, id string) (lab.Operation, error) {
	return anOperation, f.note("Operation", lab.Intent{}, id)
}

func (f *fakeRegistrar) OperationItems(
	_ context.Context, id string, outcome lab.Outcome, page lab.Page,
) (lab.List[lab.OperationItem], error) {
	return listOf(page,
		lab.OperationItem{OperationID: id, WorkspaceID: "id-workspace", Slug: aWorkspace.Slug, Outcome: lab.OutcomeDone, Reason: "It runs.", EndedAt: &noon},
		lab.OperationItem{OperationID: id, WorkspaceID: "id-other", Slug: "fall-26-py101-bob", Outcome: lab.OutcomePending, Reason: "It starts."},
	), f.note("OperationItems", lab.Intent{}, id, outcome, page)
}

func (f *fakeRegistrar) Workspaces(
	_ context.Context, filter registrar.WorkspaceFilter, page lab.Page,
) (lab.List[registrar.WorkspaceView], error) {
	unseen := aWorkspace
	unseen.Status = lab.Status{}
	return listOf(page, aWorkspace, unseen), f.note("Workspaces", lab.Intent{}, filter, page)
}

func (f *fakeRegistrar) Workspace(_ context.Context, ref string) (registrar.WorkspaceView, error) {
	return aWorkspace, f.note("Workspace", lab.Intent{}, ref)
}

func (f *fakeRegistrar) ActOnWorkspace(_ context.Context, intent lab.Intent, ref string, act registrar.Act) (registrar.WorkspaceView, error) {
	return aWorkspace, f.note("ActOnWorkspace", intent, ref, act)
}

func (f *fakeRegistrar) DeleteWorkspace(_ context.Context, intent lab.Intent, ref string, releaseHome bool) (registrar.WorkspaceView, error) {
	return aWorkspace, f.note("DeleteWorkspace", intent, ref, releaseHome)
}

func (f *fakeRegistrar) Audits(_ context.Context, filter lab.AuditFilter, page lab.Page) (lab.List[lab.Audit], error) {
	return listOf(page, anAudit), f.note("Audits", lab.Intent{}, filter, page)
}

func (f *fakeRegistrar) ExportStudent(_ context.Context, intent lab.Intent, id string) (registrar.PersonalExport, error) {
	return registrar.PersonalExport{At: noon, PersonalData: lab.PersonalData{
		StudentIDs: []string{"id-student"}, Records: map[string][]map[string]any{"students": {{"name": "Ada Lovelace"}}, "users": {}},
	}}, f.note("ExportStudent", intent, id)
}

func (f *fakeRegistrar) EraseStudent(_ context.Context, intent lab.Intent, id, email string) (registrar.Erasure, error) {
	return registrar.Erasure{
		StudentID: id, Revision: 5, At: noon, Erased: []registrar.Erased{{Table: "students", Rows: 1}}, Kept: []registrar.Kept{{What: "ids", Why: "needed"}},
	}, f.note("EraseStudent", intent, id, email)
}

func (f *fakeRegistrar) ExportUser(_ context.Context, intent lab.Intent, id string) (registrar.PersonalExport, error) {
	return registrar.PersonalExport{At: noon, PersonalData: lab.PersonalData{
		StudentIDs: []string{"id-student"}, Records: map[string][]map[string]any{"students": {{"name": "Ada Lovelace"}}, "users": {}},
	}}, f.note("ExportUser", intent, id)
}

func (f *fakeRegistrar) EraseUser(_ context.Context, intent lab.Intent, id, login string) (registrar.Erasure, error) {
	return registrar.Erasure{
		UserID: id, Revision: 5, At: noon, Erased: []registrar.Erased{{Table: "students", Rows: 1}}, Kept: []registrar.Kept{{What: "ids", Why: "needed"}},
	}, f.note("EraseUser", intent, id, login)
}

func (f *fakeRegistrar) RecordRefused(_ context.Context, actor lab.Actor, operation, target string) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.refused = append(f.refused, []any{actor, operation, target})
	return nil
}

func (f *fakeRegistrar) RecordExec(_ context.Context, intent lab.Intent, w registrar.WorkspaceView, exec lab.ExecRequest) error {
	return f.note("RecordExec", intent, w.ID, exec.Task, exec.Command[0])
}

func (f *fakeRegistrar) CreateUser(_ context.Context, intent lab.Intent, in registrar.UserInput) (lab.User, error) {
	return aUser, f.note("CreateUser", intent, in)
}

func (f *fakeRegistrar) InviteUser(_ context.Context, intent lab.Intent, ref string) (lab.Invited, error) {
	return lab.Invited{Invited: 1, Revision: 7}, f.note("InviteUser", intent, ref)
}

func (f *fakeRegistrar) InviteCohort(_ context.Context, intent lab.Intent, ref, student string) (lab.Invited, error) {
	return lab.Invited{Invited: 12, PassedOver: 300, Revision: 7}, f.note("InviteCohort", intent, ref, student)
}

func (f *fakeRegistrar) Users(_ context.Context, filter lab.UserFilter, page lab.Page) (lab.List[lab.User], error) {
	gone := aUser
	gone.DisabledAt = &noon
	return listOf(page, aUser, gone), f.note("Users", lab.Intent{}, filter, page)
}

func (f *fakeRegistrar) User(_ context.Context, ref string) (lab.User, error) {
	return aUser, f.note("User", lab.Intent{}, ref)
}

func (f *fakeRegistrar) UpdateUser(_ context.Context, intent lab.Intent, ref string, patch registrar.UserPatch) (lab.User, error) {
	return aUser, f.note("UpdateUser", intent, ref, patch)
}

func (f *fakeRegistrar) Appointed(_ context.Context, to lab.Trust, ref string) (lab.Appointment, error) {
	return lab.Appointment{Users: []lab.User{aUser}, Revision: 3}, f.note("Appointed", lab.Intent{}, to, ref)
}

func (f *fakeRegistrar) Appoint(_ context.Context, intent lab.Intent, to lab.Trust, ref string, users []string) (lab.Appointment, error) {
	return lab.Appointment{Users: []lab.User{aUser}, Revision: 4}, f.note("Appoint", intent, to, ref, users)
}

func (f *fakeRegistrar) Templates(
	_ context.Context, filter lab.TemplateFilter, page lab.Page,
) (lab.List[lab.TemplateVersion], error) {
	return listOf(page, aTemplate.TemplateVersion), f.note("Templates", lab.Intent{}, filter, page)
}

func (f *fakeRegistrar) Template(_ context.Context, name string, version int64) (registrar.TemplateView, error) {
	return aTemplate, f.note("Template", lab.Intent{}, name, version)
}

func (f *fakeRegistrar) TemplateVersions(_ context.Context, name string, page lab.Page) (lab.List[lab.TemplateVersion], error) {
	return listOf(page, aTemplate.TemplateVersion), f.note("TemplateVersions", lab.Intent{}, name, page)
}

func (f *fakeRegistrar) PushTemplate(_ context.Context, intent lab.Intent, in registrar.TemplateInput) (registrar.RegisteredTemplate, error) {
	return registrar.RegisteredTemplate{TemplateView: aTemplate, New: !strings.Contains(in.Source, "known"), Unasked: "Nomad does not answer"},
		f.note("PushTemplate", intent, in)
}

// fakeBelongings knows whose things are by kind and ref: "class fall-26/py101".
type fakeBelongings map[string]lab.Belonging

func (f fakeBelongings) Belonging(_ context.Context, kind, ref string) (lab.Belonging, error) {
	b, ok := f[kind+" "+ref]
	if !ok {
		return b, lab.NotFound(kind, ref)
	}
	return b, nil
}

// fakeReceipts keeps receipts as the store does, for one actor.
type fakeReceipts struct {
	mu   sync.Mutex
	kept map[string]lab.Receipt
	err  error
}

func (f *fakeReceipts) Receipt(_ context.Context, intent lab.Intent) (lab.Receipt, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.err != nil {
		return lab.Receipt{}, f.err
	}
	receipt, ok := f.kept[intent.Key]
	if !ok {
		return lab.Receipt{}, lab.NotFound("key", intent.Key)
	}
	return receipt, nil
}

func (f *fakeReceipts) KeepAnswer(_ context.Context, intent lab.Intent, answer lab.Answer) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	receipt := f.kept[intent.Key]
	receipt.Answer = &answer
	f.put(intent.Key, receipt)
	return f.err
}

func (f *fakeReceipts) put(key string, receipt lab.Receipt) {
	if f.kept == nil {
		f.kept = map[string]lab.Receipt{}
	}
	f.kept[key] = receipt
}

var (
	aToken = lab.APIToken{
		ID: "id-token", UserID: "id-user", Login: "ada@example.edu", Name: "gradebook", Scope: lab.TokenRead, CreatedAt: noon, ExpiresAt: noon.AddDate(0, 0, 90),
	}
	aSession = lab.Session{
		ID: "id-session", UserID: "id-user", Remote: "192.0.2.1", Agent: "Browser", CreatedAt: noon, SeenAt: noon, ExpiresAt: noon.AddDate(0, 0, 7),
	}
)

func (f *fakeRegistrar) Tokens(_ context.Context, _ lab.Caller, user string, page lab.Page) (lab.List[lab.APIToken], error) {
	return listOf(page, aToken), f.note("Tokens", lab.Intent{}, user, page)
}

func (f *fakeRegistrar) Token(_ context.Context, _ lab.Caller, id string) (lab.APIToken, error) {
	return aToken, f.note("Token", lab.Intent{}, id)
}

func (f *fakeRegistrar) CreateToken(_ context.Context, _ lab.Caller, intent lab.Intent, in auth.TokenInput) (lab.APIToken, string, error) {
	return aToken, "bothy_the-text-of-a-token", f.note("CreateToken", intent, in)
}

func (f *fakeRegistrar) RevokeToken(_ context.Context, _ lab.Caller, intent lab.Intent, id string) error {
	return f.note("RevokeToken", intent, id)
}

func (f *fakeRegistrar) Sessions(_ context.Context, _ lab.Caller, user string, page lab.Page) (lab.List[lab.Session], error) {
	return listOf(page, aSession), f.note("Sessions", lab.Intent{}, user, page)
}

func (f *fakeRegistrar) EndSession(_ context.Context, _ lab.Caller, intent lab.Intent, id string) error {
	return f.note("EndSession", intent, id)
}

func (f *fakeRegistrar) EndSessions(_ context.Context, _ lab.Caller, intent lab.Intent, user string, tokens bool) error {
	return f.note("EndSessions", intent, user, tokens)
}
