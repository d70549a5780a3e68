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

func TestALaunchGivesEveryStudentARunningWorkspace(t *testing.T) {
	t.Parallel()
	o := open(t)
	ctx := t.Context()
	class := o.class("Ada Lovelace", "Ada Lovelace", "李")
	result, err := o.ActOnClass(ctx, o.intent, "fall-26/py101", registrar.ActLaunch)
	o.must(err)
	wantEqual(t, result.Operation, lab.Operation{
		ID: result.ID, Kind: lab.OperationLaunch, ClassID: class.ID, ClassKey: "fall-26/py101", Actor: "token:teacher",
		State: lab.OperationRunning, Counts: lab.OperationCounts{Total: 3, Pending: 3}, Affected: 3, CreatedAt: result.CreatedAt,
	})
	wantEqual(t, second(o.Operation(ctx, result.ID)), nil)
	workspaces, err := o.Workspaces(ctx, registrar.WorkspaceFilter{})
	o.must(err)
	for _, view := range workspaces {
		w := view.Workspace
		wantEqual(t, view.URL, "http://labs.localhost:9999/"+w.Slug.String()+"/")
		wantEqual(t, view.CohortKey+"/"+view.CourseKey, class.Key())
		wantEqual(t, []any{w.Desired, w.Status.Phase, w.Submitted}, []any{lab.DesiredRunning, lab.PhaseUnknown, lab.Submission{}})
	}
	wantEqual(t, []lab.Slug{workspaces[0].Slug, workspaces[1].Slug}, []lab.Slug{"fall-26-py101-ada-lovelace", "fall-26-py101-ada-lovelace-2"})
	wantEqual(t, o.lastAct(), lab.Audit{
		ID: o.lastAct().ID, At: result.CreatedAt, Actor: o.intent.Actor, Action: "class.launch", Target: class.ID,
		Detail: map[string]any{"key": "fall-26/py101", "affected": 3.0, "new": 3.0, "operation": result.ID},
		Before: map[string]any{"running": 0.0}, After: map[string]any{"running": 3.0}, Result: lab.AuditDone,
	})

	// Once more changes nothing; a newcomer gets what is missing, a stopped one runs again.
	again, err := o.ActOnClass(ctx, o.intent, class.ID, registrar.ActLaunch)
	o.must(err)
	wantEqual(t, []int{again.Affected, again.Counts.Total}, []int{0, 3})
	wantEqual(t, again.Class, result.Class)
	o.must(second(o.EnrollStudent(ctx, o.intent, "fall-26", person("Eve", 9))))
	o.must(second(o.ActOnWorkspace(ctx, o.intent, "fall-26-py101-ada-lovelace", registrar.ActStop)))
	more, err := o.ActOnClass(ctx, o.intent, class.ID, registrar.ActLaunch)
	o.must(err)
	wantEqual(t, []int{more.Affected, more.Counts.Total}, []int{2, 4})
}

func TestTheClusterIsAskedBeforeAnythingIsWritten(t *testing.T) {
	t.Parallel()
	o := open(t)
	ctx := t.Context()
	class := o.class("Ada", "Bob")
	full := lab.Errorf(lab.CodeUnplaceable, "no node has so much memory")
	act := func(act registrar.Act) func() error {
		return func() error { return second(o.ActOnClass(ctx, o.intent, class.ID, act)) }
	}
	actOne := func(act registrar.Act) func() error {
		return func() error { return second(o.ActOnWorkspace(ctx, o.intent, "fall-26-py101-ada", act)) }
	}
	expect := func(asked int, do func() error, err error) {
		t.Helper()
		before := o.cluster.asked()
		o.cluster.err = err
		if err != nil {
			o.refused(lab.CodeUnplaceable, do)
		} else {
			o.must(do())
		}
		wantEqual(t, o.cluster.asked()-before, asked)
	}
	expect(1, act(registrar.ActLaunch), full)
	wantEqual(t, o.state(), map[lab.Slug]lab.Desired{})
	expect(1, act(registrar.ActLaunch), nil)
	if job := o.cluster.jobs[1]; !strings.Contains(job, `"fall-26-py101-ada"`) || strings.Contains(job, "Ada") {
		t.Errorf("the cluster was not asked about a student's job: %s", job)
	}
	// What changes nothing is not worth a question; stopping never is.
	expect(0, act(registrar.ActLaunch), nil)
	expect(0, act(registrar.ActStart), nil)
	expect(0, actOne(registrar.ActStart), nil)
	expect(0, act(registrar.ActStop), nil)
	expect(1, act(registrar.ActStart), full)
	expect(1, actOne(registrar.ActStart), full)
	expect(1, actOne(registrar.ActStart), nil)
	expect(1, actOne(registrar.ActRestart), full)
	expect(1, act(registrar.ActRestart), full)
	expect(1, act(registrar.ActRestart), nil)
	expect(1, actOne(registrar.ActReset), full)
	expect(1, act(registrar.ActReset), full)
	expect(1, act(registrar.ActReset), nil)
	expect(0, actOne(registrar.ActStop), nil)
	expect(0, actOne(registrar.ActReset), nil) // it stays stopped
}

func TestActsSuitWhatIsWantedNow(t *testing.T) {
	t.Parallel()
	const conflict = lab.CodeConflict
	for _, test := range []struct {
		desired lab.Desired
		act     registrar.Act
		want    lab.Desired
		code    lab.Code
	}{
		{lab.DesiredRunning, registrar.ActStart, lab.DesiredRunning, ""},
		{lab.DesiredRunning, registrar.ActStop, lab.DesiredStopped, ""},
		{lab.DesiredRunning, registrar.ActRestart, lab.DesiredRunning, ""},
		{lab.DesiredRunning, registrar.ActReset, lab.DesiredRunning, ""},
		{lab.DesiredStopped, registrar.ActReset, lab.DesiredStopped, ""},
		{lab.DesiredDeleted, registrar.ActReset, "", conflict},
		{lab.DesiredStopped, registrar.ActStart, lab.DesiredRunning, ""},
		{lab.DesiredStopped, registrar.ActStop, lab.DesiredStopped, ""},
		{lab.DesiredStopped, registrar.ActRestart, "", conflict},
		{lab.DesiredDeleted, registrar.ActStart, "", conflict},
		{lab.DesiredDeleted, registrar.ActStop, "", conflict},
		{lab.DesiredDeleted, registrar.ActRestart, "", conflict},
	} {
		t.Run(string(test.desired)+" "+string(test.act), func(t *testing.T) {
			t.Parallel()
			o := open(t)
			ctx := t.Context()
			o.launched("Ada")
			const ref = "fall-26-py101-ada"
			switch test.desired {
			case lab.DesiredStopped:
				o.must(second(o.ActOnWorkspace(ctx, o.intent, ref, registrar.ActStop)))
			case lab.DesiredDeleted:
				o.must(second(o.DeleteWorkspace(ctx, o.intent, ref, false)))
			case lab.DesiredRunning:
			}
			before, err := o.Workspace(ctx, ref)
			o.must(err)
			if test.code != "" {
				if e := o.refused(test.code, func() error { return second(o.ActOnWorkspace(ctx, o.intent, ref, test.act)) }); e.Hint == "" {
					t.Errorf("%v does not say what to do", e)
				}
				return
			}
			after, err := o.ActOnWorkspace(ctx, o.intent, ref, test.act)
			o.must(err)
			want := before
			want.Desired = test.want
			switch test.act {
			case registrar.ActRestart:
				want.RestartsWanted++
			case registrar.ActReset:
				want.ResetsWanted++
			default:
			}
			if test.desired != test.want || test.act == registrar.ActRestart || test.act == registrar.ActReset {
				want.Revision, want.Version = want.Revision+1, want.Version+1
			}
			wantEqual(t, after, want)
			wantEqual(t, o.lastAct().Action, "workspace."+string(test.act))
		})
	}
}

func TestActsOnAClassLeaveWhatTheyDoNotSuit(t *testing.T) {
	t.Parallel()
	o := open(t)
	ctx := t.Context()
	class := o.launched("Ada", "Bob", "Eve")
	o.must(second(o.ActOnWorkspace(ctx, o.intent, "fall-26-py101-bob", registrar.ActStop)))
	o.must(second(o.DeleteWorkspace(ctx, o.intent, "fall-26-py101-eve", false)))
	for _, test := range []struct {
		act      registrar.Act
		affected int
		suits    int
		want     map[lab.Slug]lab.Desired
	}{
		{registrar.ActRestart, 1, 1, map[lab.Slug]lab.Desired{"fall-26-py101-ada": "running", "fall-26-py101-bob": "stopped", "fall-26-py101-eve": "deleted"}},
		{registrar.ActReset, 2, 2, map[lab.Slug]lab.Desired{"fall-26-py101-ada": "running", "fall-26-py101-bob": "stopped", "fall-26-py101-eve": "deleted"}},
		{registrar.ActStart, 1, 2, map[lab.Slug]lab.Desired{"fall-26-py101-ada": "running", "fall-26-py101-bob": "running", "fall-26-py101-eve": "deleted"}},
		{registrar.ActStop, 2, 2, map[lab.Slug]lab.Desired{"fall-26-py101-ada": "stopped", "fall-26-py101-bob": "stopped", "fall-26-py101-eve": "deleted"}},
		{registrar.ActStop, 0, 2, map[lab.Slug]lab.Desired{"fall-26-py101-ada": "stopped", "fall-26-py101-bob": "stopped", "fall-26-py101-eve": "deleted"}},
		{registrar.ActLaunch, 3, 3, map[lab.Slug]lab.Desired{
			"fall-26-py101-ada": "running", "fall-26-py101-bob": "running", "fall-26-py101-eve": "deleted", "fall-26-py101-eve-2": "running",
		}},
	} {
		result, err := o.ActOnClass(ctx, o.intent, class.ID, test.act)
		o.must(err)
		wantEqual(t, []int{result.Affected, result.Counts.Total}, []int{test.affected, test.suits})
		wantEqual(t, o.state(), test.want)
	}
	ada, err := o.Workspace(ctx, "fall-26-py101-ada")
	o.must(err)
	wantEqual(t, []int64{ada.RestartsWanted, ada.ResetsWanted}, []int64{1, 1})
}

func TestAnActWithNothingToDoItOnSaysWhatToDo(t *testing.T) {
	t.Parallel()
	o := open(t)
	ctx := t.Context()
	class := o.class()
	for _, act := range []registrar.Act{registrar.ActLaunch, registrar.ActStart, registrar.ActRestart, registrar.ActReset} {
		if e := o.refused(lab.CodeConflict, func() error { return second(o.ActOnClass(ctx, o.intent, class.ID, act)) }); e.Hint == "" {
			t.Errorf("%s: %v does not say what to do", act, e)
		}
	}
	o.must(second(o.ActOnClass(ctx, o.intent, class.ID, registrar.ActStop)))
	wantEqual(t, o.cluster.asked(), 0)
}

func TestACourseThatNoLongerSuitsItsTemplateCannotStart(t *testing.T) {
	t.Parallel()
	o := open(t)
	class, err := o.CreateClass(t.Context(), o.intent, registrar.ClassInput{
		Cohort: "Fall 26", Course: "py101", Template: "editor", Parameters: map[string]any{"cpu": 500.0},
		Students: []registrar.StudentInput{person("Ada", 1)},
	})
	o.must(err)
	o.push(strings.Replace(editor, "var.cpu >= 100", "var.cpu >= 1000", 1))
	// As a course that is older than versions may: its version came with a later template.
	_, err = o.store.ChangeCourse(t.Context(), o.intent, class.CourseID, func(state lab.CourseState) (lab.Course, lab.Audit, error) {
		course := state.Course
		course.TemplateVersion = 2
		return course, lab.Audit{ID: o.NewID(), At: o.now, Action: "x"}, nil
	})
	o.must(err)
	wantFields(t, o.refused(lab.CodeConflict, func() error {
		return second(o.ActOnClass(t.Context(), o.intent, class.ID, registrar.ActLaunch))
	}), "parameters.cpu")
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
