package registrar_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/bothylabs/bothy/service/lab"
	"github.com/bothylabs/bothy/service/registrar"
	"github.com/bothylabs/bothy/service/roster"
)

func TestAClassMakesWhatIsMissing(t *testing.T) {
	t.Parallel()
	o := open(t)
	ctx := t.Context()
	class, err := o.CreateClass(ctx, o.intent, registrar.ClassInput{
		Cohort: "Fall 26", Course: "Python 101", Template: "editor", Parameters: map[string]any{"cpu": 800.0},
		Students: []registrar.StudentInput{person("Ada", 1), person("Bob", 2)},
	})
	o.must(err)
	wantEqual(t, class.Key(), "fall-26/python-101")
	course, err := o.Course(ctx, "python-101")
	o.must(err)
	wantEqual(t, []any{course.Name, course.Template, course.Parameters}, []any{"Python 101", "editor", map[string]any{"cpu": 800.0}})
	students, err := o.Students(ctx, "fall-26")
	o.must(err)
	wantEqual(t, len(students), 2)

	// Another class takes what is there: by key, by name, by id; a changed student is taken over.
	for i, in := range []registrar.ClassInput{
		{Cohort: "fall-26", Course: "Go 201", Template: "editor", Students: []registrar.StudentInput{person("Ada Lovelace", 1), person("Eve", 3)}},
		{Cohort: "Spring 27", Course: "Python 101"},
		{Cohort: "fall 26", Course: "go-301", Template: "editor"},
		{Cohort: class.CohortID, Course: "go-401", Template: "editor"},
		{Cohort: "Spring 28", Course: course.ID, Template: "editor", Parameters: map[string]any{"cpu": 800.0}},
	} {
		if _, err := o.CreateClass(ctx, o.intent, in); err != nil {
			t.Errorf("class %d: %v", i, err)
		}
	}
	cohorts, err := o.Cohorts(ctx)
	o.must(err)
	wantEqual(t, len(cohorts), 3)
	students, err = o.Students(ctx, "fall-26")
	o.must(err)
	wantEqual(t, []string{students[0].Name, students[1].Name, students[2].Name}, []string{"Ada Lovelace", "Bob", "Eve"})
}

func TestAClassDoesNotTakeSomethingForWhatItIsNot(t *testing.T) {
	t.Parallel()
	o := open(t)
	ctx := t.Context()
	o.class("Ada")
	o.must(second(o.CreateCohort(ctx, o.intent, registrar.CohortInput{Name: "C++"})))
	for name, test := range map[string]struct {
		in     registrar.ClassInput
		fields []string
	}{
		"twice the same":          {registrar.ClassInput{Cohort: "fall-26", Course: "py101"}, []string{"course"}},
		"another template":        {registrar.ClassInput{Cohort: "new", Course: "py101", Template: "other"}, []string{"template"}},
		"other parameters":        {registrar.ClassInput{Cohort: "new", Course: "py101", Parameters: map[string]any{"cpu": 1.0}}, []string{"parameters"}},
		"a cohort of another key": {registrar.ClassInput{Cohort: "Fall-26!", Course: "py101"}, []string{"cohort"}},
		"a course of another key": {registrar.ClassInput{Cohort: "new", Course: "PY 101", Template: "editor"}, nil},
		"a course like another":   {registrar.ClassInput{Cohort: "new", Course: "py101!", Template: "editor"}, []string{"course"}},
	} {
		t.Run(name, func(t *testing.T) {
			if test.fields == nil {
				o.must(second(o.CreateClass(ctx, o.intent, test.in)))
				return
			}
			wantFields(t, o.refused(lab.CodeConflict, func() error { return second(o.CreateClass(ctx, o.intent, test.in)) }), test.fields...)
		})
	}
}

func TestAClassTellsNothingOfWhatItsMakerMayNotSee(t *testing.T) {
	t.Parallel()
	o := open(t)
	ctx := t.Context()
	o.class("Ada") // of the cohort "Fall 26" and the course "py101", which are somebody else's
	own, err := o.CreateCohort(ctx, o.intent, registrar.CohortInput{Name: "Mine"})
	o.must(err)
	admits := func(b lab.Belonging) error {
		if b == (lab.Belonging{CohortID: own.ID}) {
			return nil
		}
		return lab.NotFound("thing", "of this name")
	}
	for name, in := range map[string]registrar.ClassInput{
		"a course with another template":  {Cohort: "mine", Course: "py101", Template: "other"},
		"a course with other parameters":  {Cohort: "mine", Course: "py101", Parameters: map[string]any{"cpu": 1.0}},
		"a course of the same key":        {Cohort: "mine", Course: "py101!", Template: "editor"},
		"a cohort of the same key":        {Cohort: "Fall-26!", Course: "new", Template: "editor"},
		"a cohort and whatever is beside": {Cohort: "fall-26", Course: "py101", Template: "other"},
	} {
		t.Run(name, func(t *testing.T) {
			in.Admits = admits
			told := o.refused(lab.CodeNotFound, func() error { return second(o.CreateClass(ctx, o.intent, in)) })
			said := lab.NotFound("course", in.Course)
			if in.Cohort != "mine" {
				said = lab.NotFound("cohort", in.Cohort)
			}
			if told.Message != said.Message || told.Hint != "" || len(told.Fields) != 0 || !lab.IsRefusal(told) {
				t.Errorf("told %+v", told)
			}
		})
	}
}

func TestAWithdrawnStudentComesBackWithAnotherSlug(t *testing.T) {
	t.Parallel()
	o := open(t)
	ctx := t.Context()
	class := o.launched("Ada", "Bob")
	students, err := o.Students(ctx, "fall-26")
	o.must(err)
	withdrawn, err := o.WithdrawStudent(ctx, o.intent, students[0].ID)
	o.must(err)
	if withdrawn.WithdrawnAt == nil {
		t.Fatal("the student is not withdrawn")
	}
	wantEqual(t, o.state(), map[lab.Slug]lab.Desired{"fall-26-py101-ada": "deleted", "fall-26-py101-bob": "running"})
	w, err := o.Workspace(ctx, "fall-26-py101-ada")
	o.must(err)
	wantEqual(t, w.ReleaseHome, false)

	back, err := o.EnrollStudent(ctx, o.intent, "fall-26", registrar.StudentInput{Name: "Ada", Email: students[0].Email})
	o.must(err)
	if back.ID == withdrawn.ID {
		t.Error("the student was not enrolled anew")
	}
	o.must(second(o.ActOnClass(ctx, o.intent, class.ID, registrar.ActLaunch)))
	wantEqual(t, o.state(), map[lab.Slug]lab.Desired{
		"fall-26-py101-ada": "deleted", "fall-26-py101-ada-2": "running", "fall-26-py101-bob": "running",
	})
}

func TestADeletedWorkspaceIsReleasedByTheReconciler(t *testing.T) {
	t.Parallel()
	o := open(t)
	ctx := t.Context()
	o.launched("Ada", "Bob")
	remove := func(ref string, releaseHome bool) registrar.WorkspaceView {
		t.Helper()
		w, err := o.DeleteWorkspace(ctx, o.intent, ref, releaseHome)
		o.must(err)
		return w
	}
	w := remove("fall-26-py101-ada", false)
	wantEqual(t, []any{w.Desired, w.ReleaseHome, w.DeletedAt == nil}, []any{lab.DesiredDeleted, false, true})
	// While it goes, its home can still be given up, and is then not taken back.
	wantEqual(t, remove("fall-26-py101-ada", true).ReleaseHome, true)
	wantEqual(t, remove("fall-26-py101-ada", false).ReleaseHome, true)
	o.release("fall-26-py101-ada")
	remove("fall-26-py101-ada", true)

	remove("fall-26-py101-bob", false)
	o.release("fall-26-py101-bob")
	remove("fall-26-py101-bob", false)
	e := o.refused(lab.CodeConflict, func() error { return second(o.DeleteWorkspace(ctx, o.intent, "fall-26-py101-bob", true)) })
	if !strings.Contains(e.Hint, "home-fall-26-py101-bob") {
		t.Errorf("%v does not say where the home is", e)
	}
	open, err := o.Workspaces(ctx, registrar.WorkspaceFilter{Class: "fall-26/py101", Cohort: "fall-26"})
	o.must(err)
	wantEqual(t, len(open), 0)
}

func TestAClassGoesWithItsLastWorkspace(t *testing.T) {
	t.Parallel()
	o := open(t)
	ctx := t.Context()
	class := o.launched("Ada", "Bob")
	o.must(second(o.DeleteWorkspace(ctx, o.intent, "fall-26-py101-ada", false)))
	going, err := o.DeleteClass(ctx, o.intent, "fall-26/py101", true)
	o.must(err)
	want := class
	want.Deleting, want.Revision = true, 3 // launched, and deleted
	wantEqual(t, going.Class, want)
	wantEqual(t, []any{going.Kind, going.ClassKey, going.Affected, going.Counts}, []any{
		lab.OperationDelete, class.Key(), 2, lab.OperationCounts{Total: 2, Pending: 2},
	})
	views, err := o.Workspaces(ctx, registrar.WorkspaceFilter{})
	o.must(err)
	for _, w := range views {
		wantEqual(t, []any{w.Desired, w.ReleaseHome}, []any{lab.DesiredDeleted, true})
	}
	for _, act := range []registrar.Act{registrar.ActLaunch, registrar.ActStart, registrar.ActStop, registrar.ActRestart, registrar.ActReset} {
		o.refused(lab.CodeConflict, func() error { return second(o.ActOnClass(ctx, o.intent, class.ID, act)) })
	}
	o.refused(lab.CodeConflict, func() error { return o.DeleteCohort(ctx, o.intent, "fall-26") })
	o.refused(lab.CodeConflict, func() error { return o.DeleteCourse(ctx, o.intent, "py101") })
	o.release("fall-26-py101-ada")
	o.must(second(o.Class(ctx, class.ID)))
	o.release("fall-26-py101-bob")
	wantCode(t, second(o.Class(ctx, class.ID)), lab.CodeNotFound)
	o.must(o.DeleteCohort(ctx, o.intent, "fall-26"))
	o.must(o.DeleteCourse(ctx, o.intent, "py101"))

	// Everything is made again under the same keys; only the slugs are others.
	again := o.launched("Ada")
	wantEqual(t, again.Key(), "fall-26/py101")
	wantEqual(t, o.state(), map[lab.Slug]lab.Desired{"fall-26-py101-ada-2": "running"})
	o.must(second(o.DeleteClass(ctx, o.intent, again.ID, false)))
	o.release("fall-26-py101-ada-2")
	empty := o.class()
	nothing, err := o.DeleteClass(ctx, o.intent, empty.ID, false)
	o.must(err)
	wantEqual(t, nothing.State, lab.OperationDone)
	wantCode(t, second(o.Class(ctx, empty.ID)), lab.CodeNotFound)

	// What was done is still told.
	ended, err := o.Operation(ctx, going.ID)
	o.must(err)
	wantEqual(t, []any{ended.State, ended.Counts}, []any{lab.OperationDone, lab.OperationCounts{Total: 2, Done: 2}})
}

func TestEveryChangeIsRecordedAndWakesTheReconcilerAndADryRunDoesNeither(t *testing.T) {
	t.Parallel()
	o := open(t)
	ctx := t.Context()
	var student lab.Student
	name := "Python"
	o.must(second(o.CreateCohort(ctx, o.intent, registrar.CohortInput{Name: "Empty"})))
	o.must(second(o.CreateCourse(ctx, o.intent, registrar.CourseInput{Name: "Unused", Template: "editor"})))
	for _, step := range []struct {
		action string
		do     func(intent lab.Intent) error
	}{
		{"cohort.create", func(intent lab.Intent) error {
			return second(o.CreateCohort(ctx, intent, registrar.CohortInput{Name: "Fall 26"}))
		}},
		{"student.enroll", func(intent lab.Intent) (err error) {
			student, err = o.EnrollStudent(ctx, intent, "fall-26", person("Ada", 1))
			return err
		}},
		{"roster.import", func(intent lab.Intent) error {
			return second(o.ImportRoster(ctx, intent, "fall-26", rosterOf(roster.Row{Name: "Ada", Email: "S1@example.org"})))
		}},
		{"course.create", func(intent lab.Intent) error {
			return second(o.CreateCourse(ctx, intent, registrar.CourseInput{Name: "py101", Template: "editor"}))
		}},
		{"course.update", func(intent lab.Intent) error {
			return second(o.UpdateCourse(ctx, intent, "py101", registrar.CoursePatch{Name: &name}))
		}},
		{"class.create", func(intent lab.Intent) error {
			return second(o.CreateClass(ctx, intent, registrar.ClassInput{Cohort: "fall-26", Course: "py101"}))
		}},
		{"class.update", func(intent lab.Intent) error {
			return second(o.UpdateClass(ctx, intent, "fall-26/py101", map[string]any{"cpu": 900.0}))
		}},
		{"template.push", func(intent lab.Intent) error {
			return second(o.PushTemplate(ctx, intent, registrar.TemplateInput{Name: "editor", Source: thicker(700)}))
		}},
		{"class.launch", func(intent lab.Intent) error {
			return second(o.ActOnClass(ctx, intent, "fall-26/py101", registrar.ActLaunch))
		}},
		{"class.stop", func(intent lab.Intent) error {
			return second(o.ActOnClass(ctx, intent, "fall-26/py101", registrar.ActStop))
		}},
		{"class.reset", func(intent lab.Intent) error {
			return second(o.ActOnClass(ctx, intent, "fall-26/py101", registrar.ActReset))
		}},
		{"workspace.reset", func(intent lab.Intent) error {
			return second(o.ActOnWorkspace(ctx, intent, "fall-26-py101-ada", registrar.ActReset))
		}},
		{"workspace.start", func(intent lab.Intent) error {
			return second(o.ActOnWorkspace(ctx, intent, "fall-26-py101-ada", registrar.ActStart))
		}},
		{"student.withdraw", func(intent lab.Intent) error { return second(o.WithdrawStudent(ctx, intent, student.ID)) }},
		{"workspace.delete", func(intent lab.Intent) error {
			return second(o.DeleteWorkspace(ctx, intent, "fall-26-py101-ada", true))
		}},
		{"class.delete", func(intent lab.Intent) error { return second(o.DeleteClass(ctx, intent, "fall-26/py101", false)) }},
		{"cohort.delete", func(intent lab.Intent) error {
			return o.DeleteCohort(ctx, intent, "empty")
		}},
		{"course.delete", func(intent lab.Intent) error { return o.DeleteCourse(ctx, intent, "unused") }},
	} {
		before, notified := o.everything(), o.notified.Load()
		dry := o.intent
		dry.DryRun = true
		o.must(step.do(dry))
		wantEqual(t, o.everything(), before)
		wantEqual(t, o.notified.Load(), notified)

		o.must(step.do(o.intent))
		got := o.lastAct()
		wantEqual(t, []any{got.Action, got.Actor, len(got.Detail) > 0, got.Target != ""}, []any{step.action, o.intent.Actor, true, true})
		wantEqual(t, o.notified.Load()-notified, int64(1))
	}
}

func TestAFaultOfTheClusterIsPassedOnAsItIs(t *testing.T) {
	t.Parallel()
	o := open(t)
	class := o.class("Ada")
	down := lab.Wrap(lab.CodeUnavailable, errors.New("connection refused"), "Nomad does not answer")
	o.cluster.err = down
	o.refused(lab.CodeUnavailable, func() error {
		return second(o.ActOnClass(t.Context(), o.intent, class.ID, registrar.ActLaunch))
	})
}

func TestOperationsArePaged(t *testing.T) {
	t.Parallel()
	o := open(t)
	ctx := t.Context()
	class := o.launched("Ada", "Bob", "Eve")
	o.must(second(o.ActOnClass(ctx, o.intent, class.ID, registrar.ActStop)))
	var kinds []lab.OperationKind
	var operations []lab.Operation
	for page := (lab.Page{Limit: 1}); ; {
		some, err := o.Operations(ctx, lab.OperationFilter{Class: class.Key()}, page)
		o.must(err)
		operations = append(operations, some.Items...)
		kinds = append(kinds, some.Items[0].Kind)
		if page.Cursor = some.Next; some.Next == "" {
			break
		}
	}
	wantEqual(t, kinds, []lab.OperationKind{lab.OperationStop, lab.OperationLaunch})
	overtaken, err := o.OperationItems(ctx, operations[1].ID, lab.OutcomeSuperseded, lab.Page{Limit: 3})
	o.must(err)
	wantEqual(t, []any{len(overtaken.Items), overtaken.Next, overtaken.Items[0].Reason}, []any{3, "", "a later act stopped it"})

	_, err = o.Operations(ctx, lab.OperationFilter{}, lab.Page{Cursor: "?"})
	wantFields(t, wantCode(t, err, lab.CodeInvalid), "cursor")
	_, err = o.OperationItems(ctx, "none", "", lab.Page{})
	wantCode(t, err, lab.CodeNotFound)
}
