package registrar_test

import (
	"strings"
	"testing"

	"github.com/bothylabs/bothy/service/lab"
	"github.com/bothylabs/bothy/service/registrar"
)

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
