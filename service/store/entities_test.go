package store_test

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/bothylabs/bothy/service/lab"
)

func TestEntitiesReadBackAsTheyWereWritten(t *testing.T) {
	t.Parallel()
	onEach(t, func(t *testing.T, f *fixture) {
		ctx := t.Context()
		cohort, course := f.cohort("fall-26"), f.course("py101")
		student := f.student(cohort, "Žofie Ångström 李", "Zofie@Example.org")
		cohort.Revision, cohort.Students = 2, 1
		class := f.class(cohort, course)
		workspace := f.workspace(class, student, "fall-26-py101-zofie")
		class.Revision = 2

		for _, ref := range []string{cohort.ID, "fall-26"} {
			got, err := f.Cohort(ctx, ref)
			f.must(err)
			wantEqual(t, got, cohort)
		}
		for _, ref := range []string{course.ID, "py101"} {
			got, err := f.Course(ctx, ref)
			f.must(err)
			wantEqual(t, got, course)
		}
		for _, ref := range []string{class.ID, "fall-26/py101"} {
			got, err := f.Class(ctx, ref)
			f.must(err)
			wantEqual(t, got, class)
		}
		gotStudent, err := f.Student(ctx, student.ID)
		f.must(err)
		wantEqual(t, gotStudent, student)
		want := lab.WorkspaceDetail{
			Workspace: workspace, StudentName: student.Name, StudentEmail: student.Email, StudentRevision: 1,
			CohortKey: "fall-26", CourseKey: "py101",
		}
		for _, ref := range []string{workspace.ID, "fall-26-py101-zofie"} {
			got, err := f.Workspace(ctx, ref)
			f.must(err)
			wantEqual(t, got, want)
		}
		items, err := f.ReconcileList(ctx)
		f.must(err)
		wantEqual(t, items, []lab.WorkItem{{
			Workspace: workspace, CohortKey: "fall-26", CourseKey: "py101",
			Template: course.Template, TemplateVersion: 1, Parameters: course.Parameters,
		}})
	})
}

func TestWhatDoesNotExistIsNotFound(t *testing.T) {
	t.Parallel()
	onEach(t, func(t *testing.T, f *fixture) {
		ctx := t.Context()
		audit := f.audit("x", "x")
		for name, call := range map[string]func() error{
			"cohort":         func() error { _, err := f.Cohort(ctx, "none"); return err },
			"course":         func() error { _, err := f.Course(ctx, "none"); return err },
			"student":        func() error { _, err := f.Student(ctx, "none"); return err },
			"class":          func() error { _, err := f.Class(ctx, "none"); return err },
			"class by key":   func() error { _, err := f.Class(ctx, "none/none"); return err },
			"workspace":      func() error { _, err := f.Workspace(ctx, "none"); return err },
			"delete cohort":  func() error { return f.DeleteCohort(ctx, somebody(), "none", audit) },
			"delete course":  func() error { return f.DeleteCourse(ctx, somebody(), "none", audit) },
			"enroll":         func() error { return f.enroll(lab.Cohort{ID: "none"}) },
			"withdraw":       func() error { _, err := f.Withdraw(ctx, somebody(), "none", f.now, audit); return err },
			"change a class": func() error { return f.change(lab.Class{ID: "none"}, lab.ClassChange{}) },
			"record nothing": func() error { return f.RecordSubmission(ctx, f.epoch(), "none", lab.Submission{}) },
			"class of nobody": func() error {
				return f.CreateClass(ctx, somebody(), f.newClass(lab.Cohort{ID: "none"}, f.course("c")), nobody)
			},
		} {
			t.Run(name, func(t *testing.T) { wantCode(t, call(), lab.CodeNotFound) })
		}
	})
}

func TestTheDatabaseHoldsUniqueness(t *testing.T) {
	t.Parallel()
	onEach(t, func(t *testing.T, f *fixture) {
		ctx := t.Context()
		cohort, course := f.cohort("fall-26"), f.course("py101")
		ada := f.student(cohort, "Ada", "ada@example.org")
		bob := f.student(cohort, "Bob", "bob@example.org")
		class := f.class(cohort, course)
		f.workspace(class, ada, "fall-26-py101-ada")

		for name, test := range map[string]struct {
			call  func() error
			field string
		}{
			"a cohort's key": {func() error { return f.CreateCohort(ctx, somebody(), f.newCohort("fall-26"), f.audit("x", "x")) }, "key"},
			"a course's key": {func() error { return f.CreateCourse(ctx, somebody(), f.newCourse("py101"), f.audit("x", "x")) }, "key"},
			"an address in a cohort, in any case": {
				func() error { return f.enroll(cohort, f.newStudent(cohort, "Other", "ADA@example.ORG")) }, "email",
			},
			"a course of a cohort": {func() error { return f.CreateClass(ctx, somebody(), f.newClass(cohort, course), nobody) }, "course"},
			"a slug": {
				func() error {
					return f.change(class, lab.ClassChange{Add: []lab.Workspace{f.newWorkspace(class, bob, "fall-26-py101-ada")}})
				}, "",
			},
			"a student's workspace in a class": {
				func() error {
					return f.change(class, lab.ClassChange{Add: []lab.Workspace{f.newWorkspace(class, ada, "fall-26-py101-ada-2")}})
				}, "",
			},
			"a course that is not there": {
				func() error {
					return f.CreateClass(ctx, somebody(), f.newClass(cohort, lab.Course{ID: "none"}), nobody)
				}, "",
			},
		} {
			t.Run(name, func(t *testing.T) {
				before := f.everything()
				coded := wantCode(t, test.call(), lab.CodeConflict)
				if coded.Message == "" || coded.Hint == "" && len(coded.Fields) == 0 {
					t.Errorf("%+v says too little", coded)
				}
				if test.field != "" && (len(coded.Fields) != 1 || coded.Fields[0].Name != test.field) {
					t.Errorf("fields are %v, want %q", coded.Fields, test.field)
				}
				wantEqual(t, f.everything(), before)
			})
		}
	})
}

// everything is all that the store can be asked for.
func (f *fixture) everything() map[string]any {
	f.t.Helper()
	ctx := f.t.Context()
	cohorts, err := f.Cohorts(ctx)
	f.must(err)
	courses, err := f.Courses(ctx)
	f.must(err)
	classes, err := f.Classes(ctx)
	f.must(err)
	workspaces, err := f.Workspaces(ctx, "", "", true)
	f.must(err)
	audits, err := f.Audits(ctx, 1000)
	f.must(err)
	templates, err := f.Templates(ctx, lab.TemplateFilter{}, lab.Page{Limit: 1000})
	f.must(err)
	all := map[string]any{"cohorts": cohorts, "courses": courses, "classes": classes, "workspaces": workspaces, "audits": audits, "templates": templates}
	for _, t := range templates.Items {
		versions, err := f.TemplateVersions(ctx, t.Name, lab.Page{Limit: 1000})
		f.must(err)
		for _, v := range versions.Items {
			whole, err := f.TemplateVersion(ctx, v.Name, v.Version)
			f.must(err)
			all[fmt.Sprintf("template %s %d", v.Name, v.Version)] = whole
		}
	}
	operations, err := f.Operations(ctx, lab.OperationFilter{}, lab.Page{Limit: 1000})
	f.must(err)
	for _, o := range operations.Items {
		items, err := f.OperationItems(ctx, o.ID, "", lab.Page{Limit: 100_000})
		f.must(err)
		all["operation "+o.ID] = []any{o, items.Items}
	}
	for _, c := range cohorts {
		students, err := f.Students(ctx, c.ID)
		f.must(err)
		all["students of "+c.ID] = students
	}
	return all
}

func TestAnActIsRecordedWithWhatItChanged(t *testing.T) {
	t.Parallel()
	onEach(t, func(t *testing.T, f *fixture) {
		cohort := f.newCohort("fall-26")
		want := f.audit("cohort.create", cohort.ID)
		f.must(f.CreateCohort(t.Context(), somebody(), cohort, want))
		got, err := f.Audits(t.Context(), 10)
		f.must(err)
		wantEqual(t, got, []lab.Audit{want})
	})
}

func TestADecisionAgainstAChangeChangesNothing(t *testing.T) {
	t.Parallel()
	onEach(t, func(t *testing.T, f *fixture) {
		ctx := t.Context()
		cohort, course := f.cohort("fall-26"), f.course("py101")
		ada := f.student(cohort, "Ada", "ada@example.org")
		class := f.class(cohort, course)
		workspace := f.workspace(class, ada, "fall-26-py101-ada")
		before := f.everything()
		no := errors.New("no")

		spring, other := f.newCohort("spring-27"), f.newCourse("go201")
		created := f.newClass(spring, other)
		created.Cohort, created.Course = &spring, &other
		for name, err := range map[string]error{
			"enroll": enrollIn(ctx, f.Store, cohort.ID, func([]lab.Student) ([]lab.Student, lab.Audit, error) { return nil, lab.Audit{}, no }),
			"create a class": f.CreateClass(ctx, somebody(), created,
				func([]lab.Student) ([]lab.Student, error) { return nil, no }),
			"change a class": changeClass(ctx, f.Store, class.ID,
				func(lab.ClassState) (lab.ClassChange, error) {
					return lab.ClassChange{}, no
				}),
			"change a workspace": second(f.ChangeWorkspace(ctx, somebody(), workspace.ID,
				func(lab.Workspace) (lab.Workspace, lab.Audit, error) { return lab.Workspace{}, lab.Audit{}, no })),
			"change a course": second(f.ChangeCourse(ctx, somebody(), course.ID,
				func(lab.CourseState) (lab.Course, lab.Audit, error) { return lab.Course{}, lab.Audit{}, no })),
		} {
			if !errors.Is(err, no) {
				t.Errorf("%s: got %v, want the decision's own error", name, err)
			}
		}
		wantEqual(t, f.everything(), before)
	})
}

func second[T any](_ T, err error) error { return err }

func TestAClassIsMadeWithItsCohortCourseAndStudents(t *testing.T) {
	t.Parallel()
	onEach(t, func(t *testing.T, f *fixture) {
		cohort, course := f.newCohort("fall-26"), f.newCourse("py101")
		class := f.newClass(cohort, course)
		class.Cohort, class.Course = &cohort, &course
		ada := f.newStudent(cohort, "Ada", "ada@example.org")
		f.must(f.CreateClass(t.Context(), somebody(), class, func(enrolled []lab.Student) ([]lab.Student, error) {
			wantEqual(t, enrolled, []lab.Student{})
			return []lab.Student{ada}, nil
		}))
		want := f.everything()
		cohort.Students, cohort.Revision = 1, 2 // it was made, and then got a student
		ada.UserID = ada.ID                     // who became a user by that
		wantEqual(t, want["cohorts"], []lab.Cohort{cohort})
		wantEqual(t, want["courses"], []lab.Course{course})
		wantEqual(t, want["classes"], []lab.Class{class.Class})
		wantEqual(t, want["students of "+cohort.ID], []lab.Student{ada})
	})
}

func TestCohortsAndCoursesStayWhileTheyHaveClasses(t *testing.T) {
	t.Parallel()
	onEach(t, func(t *testing.T, f *fixture) {
		ctx := t.Context()
		cohort, course := f.cohort("fall-26"), f.course("py101")
		f.student(cohort, "Ada", "ada@example.org")
		class := f.class(cohort, course)
		wantCode(t, f.DeleteCohort(ctx, somebody(), cohort.ID, f.audit("x", "x")), lab.CodeConflict)
		wantCode(t, f.DeleteCourse(ctx, somebody(), course.ID, f.audit("x", "x")), lab.CodeConflict)

		f.must(f.change(class, lab.ClassChange{Delete: true}))
		f.must(f.DeleteCohort(ctx, somebody(), cohort.ID, f.audit("cohort.delete", cohort.ID)))
		f.must(f.DeleteCourse(ctx, somebody(), course.ID, f.audit("course.delete", course.ID)))
		// The keys are free again.
		f.cohort("fall-26")
		f.course("py101")
	})
}

func TestACourseKeepsWhatADecisionLeaves(t *testing.T) {
	t.Parallel()
	onEach(t, func(t *testing.T, f *fixture) {
		course := f.course("py101")
		later := f.now.Add(time.Hour)
		changed, err := f.ChangeCourse(t.Context(), somebody(), course.ID, func(state lab.CourseState) (lab.Course, lab.Audit, error) {
			c := state.Course
			c.Name, c.Parameters, c.UpdatedAt = "Python", map[string]any{"cpu": 1000.0}, later
			return c, f.audit("course.update", c.ID), nil
		})
		f.must(err)
		want := course
		want.Name, want.Parameters, want.Revision, want.UpdatedAt = "Python", map[string]any{"cpu": 1000.0}, 2, later
		wantEqual(t, changed, want)
		stored, err := f.Course(t.Context(), course.ID)
		f.must(err)
		wantEqual(t, stored, want)
	})
}

func TestAStudentIsChangedInPlace(t *testing.T) {
	t.Parallel()
	onEach(t, func(t *testing.T, f *fixture) {
		cohort := f.cohort("fall-26")
		ada := f.student(cohort, "Ada", "ada@example.org")
		changed := ada
		changed.Name, changed.Email, changed.UpdatedAt = "Ada Lovelace", "Ada@example.org", f.now.Add(time.Hour)
		f.must(f.enroll(cohort, changed))
		changed.Revision = 2
		got, err := f.Students(t.Context(), cohort.ID)
		f.must(err)
		wantEqual(t, got, []lab.Student{changed})
	})
}

func TestAWithdrawnStudentLosesTheWorkspacesAndMayComeBack(t *testing.T) {
	t.Parallel()
	onEach(t, func(t *testing.T, f *fixture) {
		ctx := t.Context()
		cohort := f.cohort("fall-26")
		ada := f.student(cohort, "Ada", "ada@example.org")
		bob := f.student(cohort, "Bob", "bob@example.org")
		class := f.class(cohort, f.course("py101"))
		of := f.workspace(class, ada, "fall-26-py101-ada")
		other := f.workspace(class, bob, "fall-26-py101-bob")

		at := f.now.Add(time.Hour)
		withdrawn, err := f.Withdraw(ctx, somebody(), ada.ID, at, f.audit("student.withdraw", ada.ID))
		f.must(err)
		want := ada
		want.WithdrawnAt, want.Revision, want.UpdatedAt = &at, 2, at
		wantEqual(t, withdrawn, want)
		// Once more changes nothing.
		again, err := f.Withdraw(ctx, somebody(), ada.ID, at.Add(time.Hour), f.audit("student.withdraw", ada.ID))
		f.must(err)
		wantEqual(t, again, want)

		of.Desired, of.Revision, of.UpdatedAt = lab.DesiredDeleted, 2, at
		wantEqual(t, f.stored(of), of)
		wantEqual(t, f.stored(other), other)

		back := f.student(cohort, "Ada", "ada@example.org")
		back.UserID = ada.UserID
		got, err := f.Students(ctx, cohort.ID)
		f.must(err)
		wantEqual(t, got, []lab.Student{want, bob, back})
	})
}
