package api_test

import (
	"context"
	"sync"
	"time"

	"github.com/bothylabs/bothy/service/api"
	"github.com/bothylabs/bothy/service/jobspec"
	"github.com/bothylabs/bothy/service/lab"
	"github.com/bothylabs/bothy/service/registrar"
	"github.com/bothylabs/bothy/service/roster"
)

const token = "a-token-that-is-long-enough"

var noon = time.Date(2026, 9, 1, 12, 0, 0, 0, time.UTC)

// The real registrar is what the API needs.
var _ api.Registrar = (*registrar.Registrar)(nil)

// call is one call of the registrar: its method, who made it, and its other arguments.
type call struct {
	Method string
	Actor  lab.Actor
	Args   []any
}

// fakeRegistrar has one of everything, or one error for everything.
type fakeRegistrar struct {
	err   error
	panic any

	mu    sync.Mutex
	calls []call
}

func (f *fakeRegistrar) note(method string, actor lab.Actor, args ...any) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.calls = append(f.calls, call{method, actor, args})
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

// answers forgets the earlier calls and sets the error of those to come.
func (f *fakeRegistrar) answers(err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.calls, f.err = nil, err
}

var (
	aCohort  = lab.Cohort{ID: "id-cohort", Key: "fall-26", Name: "Fall 26", CreatedAt: noon, UpdatedAt: noon}
	aStudent = lab.Student{ID: "id-student", CohortID: "id-cohort", Name: "Ada Lovelace", Email: "ada@example.edu", CreatedAt: noon, UpdatedAt: noon}
	aCourse  = lab.Course{ID: "id-course", Key: "py101", Name: "Python 101", Template: "code-server", CreatedAt: noon, UpdatedAt: noon}
	aClass   = lab.Class{
		ID: "id-class", CohortID: "id-cohort", CourseID: "id-course", CohortKey: "fall-26", CourseKey: "py101", CreatedAt: noon, UpdatedAt: noon,
	}
	aWorkspace = registrar.WorkspaceView{
		Workspace: lab.Workspace{
			ID: "id-workspace", ClassID: "id-class", StudentID: "id-student", Slug: "fall-26-py101-ada-lovelace",
			Desired: lab.DesiredRunning, CreatedAt: noon, UpdatedAt: noon,
			Status: lab.Status{Phase: lab.PhaseReady, Reason: "It runs.", NodeName: "lab-1", Since: noon},
		},
		StudentName: "Ada Lovelace", StudentEmail: "ada@example.edu", CohortKey: "fall-26", CourseKey: "py101",
		URL: "http://labs.localhost:9999/fall-26-py101-ada-lovelace/",
	}
	aTemplate = registrar.TemplateView{
		Name: "code-server", Description: "An editor.", Digest: "abc", Source: "job \"x\" {}",
		Variables: []jobspec.Variable{{Name: "memory", Type: "number", Description: "In MB.", Default: 1024}},
	}
)

func (f *fakeRegistrar) CreateCohort(_ context.Context, intent lab.Intent, in registrar.CohortInput) (lab.Cohort, error) {
	return aCohort, f.note("CreateCohort", intent.Actor, in)
}

func (f *fakeRegistrar) Cohorts(context.Context) ([]lab.Cohort, error) {
	return []lab.Cohort{aCohort}, f.note("Cohorts", lab.Actor{})
}

func (f *fakeRegistrar) Cohort(_ context.Context, ref string) (lab.Cohort, error) {
	return aCohort, f.note("Cohort", lab.Actor{}, ref)
}

func (f *fakeRegistrar) DeleteCohort(_ context.Context, intent lab.Intent, ref string) error {
	return f.note("DeleteCohort", intent.Actor, ref)
}

func (f *fakeRegistrar) EnrollStudent(_ context.Context, intent lab.Intent, cohort string, in registrar.StudentInput) (lab.Student, error) {
	return aStudent, f.note("EnrollStudent", intent.Actor, cohort, in)
}

func (f *fakeRegistrar) ImportRoster(_ context.Context, intent lab.Intent, cohort string, rows []roster.Row) (registrar.RosterReport, error) {
	return registrar.RosterReport{New: []lab.Student{aStudent}}, f.note("ImportRoster", intent.Actor, cohort, rows)
}

func (f *fakeRegistrar) Students(_ context.Context, cohort string) ([]lab.Student, error) {
	gone := aStudent
	gone.WithdrawnAt = &noon
	return []lab.Student{aStudent, gone}, f.note("Students", lab.Actor{}, cohort)
}

func (f *fakeRegistrar) Student(_ context.Context, id string) (lab.Student, error) {
	return aStudent, f.note("Student", lab.Actor{}, id)
}

func (f *fakeRegistrar) WithdrawStudent(_ context.Context, intent lab.Intent, id string) (lab.Student, error) {
	return aStudent, f.note("WithdrawStudent", intent.Actor, id)
}

func (f *fakeRegistrar) CreateCourse(_ context.Context, intent lab.Intent, in registrar.CourseInput) (lab.Course, error) {
	return aCourse, f.note("CreateCourse", intent.Actor, in)
}

func (f *fakeRegistrar) Courses(context.Context) ([]lab.Course, error) {
	return []lab.Course{aCourse}, f.note("Courses", lab.Actor{})
}

func (f *fakeRegistrar) Course(_ context.Context, ref string) (lab.Course, error) {
	return aCourse, f.note("Course", lab.Actor{}, ref)
}

func (f *fakeRegistrar) UpdateCourse(_ context.Context, intent lab.Intent, ref string, patch registrar.CoursePatch) (lab.Course, error) {
	return aCourse, f.note("UpdateCourse", intent.Actor, ref, patch)
}

func (f *fakeRegistrar) DeleteCourse(_ context.Context, intent lab.Intent, ref string) error {
	return f.note("DeleteCourse", intent.Actor, ref)
}

func (f *fakeRegistrar) CreateClass(_ context.Context, intent lab.Intent, in registrar.ClassInput) (lab.Class, error) {
	return aClass, f.note("CreateClass", intent.Actor, in)
}

func (f *fakeRegistrar) Classes(context.Context) ([]lab.Class, error) {
	return []lab.Class{aClass}, f.note("Classes", lab.Actor{})
}

func (f *fakeRegistrar) Class(_ context.Context, ref string) (lab.Class, error) {
	return aClass, f.note("Class", lab.Actor{}, ref)
}

func (f *fakeRegistrar) DeleteClass(_ context.Context, intent lab.Intent, ref string, releaseHomes bool) (lab.Class, error) {
	return aClass, f.note("DeleteClass", intent.Actor, ref, releaseHomes)
}

func (f *fakeRegistrar) ActOnClass(_ context.Context, intent lab.Intent, ref string, act registrar.Act) (registrar.ActResult, error) {
	return registrar.ActResult{Affected: 1, Workspaces: []lab.Workspace{aWorkspace.Workspace}}, f.note("ActOnClass", intent.Actor, ref, act)
}

func (f *fakeRegistrar) Workspaces(_ context.Context, filter registrar.WorkspaceFilter) ([]registrar.WorkspaceView, error) {
	unseen := aWorkspace
	unseen.Status = lab.Status{}
	return []registrar.WorkspaceView{aWorkspace, unseen}, f.note("Workspaces", lab.Actor{}, filter)
}

func (f *fakeRegistrar) Workspace(_ context.Context, ref string) (registrar.WorkspaceView, error) {
	return aWorkspace, f.note("Workspace", lab.Actor{}, ref)
}

func (f *fakeRegistrar) ActOnWorkspace(_ context.Context, intent lab.Intent, ref string, act registrar.Act) (registrar.WorkspaceView, error) {
	return aWorkspace, f.note("ActOnWorkspace", intent.Actor, ref, act)
}

func (f *fakeRegistrar) DeleteWorkspace(_ context.Context, intent lab.Intent, ref string, releaseHome bool) (registrar.WorkspaceView, error) {
	return aWorkspace, f.note("DeleteWorkspace", intent.Actor, ref, releaseHome)
}

func (f *fakeRegistrar) RecordExec(_ context.Context, intent lab.Intent, w registrar.WorkspaceView, exec lab.ExecRequest) error {
	return f.note("RecordExec", intent.Actor, w.ID, exec.Task, exec.Command[0])
}

func (f *fakeRegistrar) Templates(context.Context) []registrar.TemplateView {
	_ = f.note("Templates", lab.Actor{})
	return []registrar.TemplateView{aTemplate}
}

func (f *fakeRegistrar) Template(_ context.Context, name string) (registrar.TemplateView, error) {
	return aTemplate, f.note("Template", lab.Actor{}, name)
}
