package registrar_test

import (
	"strings"
	"testing"

	"github.com/bothylabs/bothy/service/lab"
	"github.com/bothylabs/bothy/service/registrar"
)

func ptr[T any](value T) *T { return &value }

// narrow is the editor whose cpu must be below 2000 and which has no extensions any more.
func narrow() string {
	source := strings.Replace(editor, "condition     = var.cpu >= 100", "condition     = var.cpu >= 100 && var.cpu < 2000", 1)
	return strings.Replace(source, "variable \"extensions\" {\n  type    = list(string)\n  default = []\n}\n", "", 1)
}

func TestACourseStaysWithItsVersionUntilItIsMoved(t *testing.T) {
	t.Parallel()
	o := open(t)
	ctx := t.Context()
	o.push(thicker(700))
	newest, err := o.CreateCourse(ctx, o.intent, registrar.CourseInput{Name: "py101", Template: "editor"})
	o.must(err)
	first, err := o.CreateCourse(ctx, o.intent, registrar.CourseInput{Name: "old", Template: "editor", TemplateVersion: 1})
	o.must(err)
	wantEqual(t, []int64{newest.TemplateVersion, first.TemplateVersion}, []int64{2, 1})

	o.push(thicker(900))
	o.takeUp(map[string]string{"editor": thicker(950)})
	for ref, want := range map[string]int64{"py101": 2, "old": 1} {
		stored, err := o.Course(ctx, ref)
		o.must(err)
		wantEqual(t, stored.TemplateVersion, want)
	}
	for title, test := range map[string]struct {
		patch registrar.CoursePatch
		want  int64
	}{
		"other parameters":         {registrar.CoursePatch{Parameters: &map[string]any{"cpu": 200.0}}, 2},
		"the same template again":  {registrar.CoursePatch{Template: ptr("editor")}, 2},
		"another version":          {registrar.CoursePatch{TemplateVersion: ptr(int64(3))}, 3},
		"another template":         {registrar.CoursePatch{Template: ptr("other")}, 1},
		"a version of another one": {registrar.CoursePatch{Template: ptr("other"), TemplateVersion: ptr(int64(1))}, 1},
	} {
		changed, err := o.UpdateCourse(ctx, o.intent, "py101", test.patch)
		o.must(err)
		if changed.TemplateVersion != test.want {
			t.Errorf("%s: got version %d", title, changed.TemplateVersion)
		}
		_, err = o.UpdateCourse(ctx, o.intent, "py101", registrar.CoursePatch{Template: ptr("editor"), TemplateVersion: ptr(int64(2))})
		o.must(err)
	}
	for title, patch := range map[string]registrar.CoursePatch{
		"template_version": {TemplateVersion: ptr(int64(9))},
		"template":         {Template: ptr("none")},
	} {
		wantFields(t, o.refused(lab.CodeInvalid, func() error { return second(o.UpdateCourse(ctx, o.intent, "py101", patch)) }), title)
	}
	wantFields(t, o.refused(lab.CodeInvalid, func() error {
		return second(o.CreateCourse(ctx, o.intent, registrar.CourseInput{Name: "x", Template: "editor", TemplateVersion: 9}))
	}), "template_version")
}

func TestAJobIsRenderedFromItsCoursesVersionAndItsClassesParameters(t *testing.T) {
	t.Parallel()
	o := open(t)
	class := o.class("Ada")
	o.push(thicker(700))
	launch := func() string {
		o.t.Helper()
		_, err := o.ActOnClass(t.Context(), o.intent, class.ID, registrar.ActLaunch)
		o.must(err)
		return o.cluster.jobs[len(o.cluster.jobs)-1]
	}
	wantCPU := func(want string) {
		t.Helper()
		if job := launch(); !strings.Contains(job, want) {
			t.Errorf("the job lacks %q:\n%s", want, job)
		}
		o.must(second(o.ActOnClass(t.Context(), o.intent, class.ID, registrar.ActStop)))
	}
	wantCPU("default     = 500")
	_, err := o.UpdateCourse(t.Context(), o.intent, "py101", registrar.CoursePatch{TemplateVersion: ptr(int64(2))})
	o.must(err)
	wantCPU("default     = 700")
	changed, err := o.UpdateClass(t.Context(), o.intent, "fall-26/py101", map[string]any{"cpu": 900.0})
	o.must(err)
	wantEqual(t, changed.Parameters, map[string]any{"cpu": 900.0})
	wantEqual(t, o.lastAct().Detail, map[string]any{"key": "fall-26/py101", "parameters": map[string]any{"cpu": 900.0}})
	wantCPU("default     = 900")
	items, err := o.store.ReconcileList(t.Context())
	o.must(err)
	wantEqual(t, []any{items[0].TemplateVersion, items[0].Parameters}, []any{int64(2), map[string]any{"cpu": 900.0}})
}

func TestAClassSetsOnlyWhatItsTemplateTakes(t *testing.T) {
	t.Parallel()
	o := open(t)
	o.class("Ada")
	wantFields(t, o.refused(lab.CodeInvalid, func() error {
		return second(o.UpdateClass(t.Context(), o.intent, "fall-26/py101", map[string]any{"cpu": 5.0, "slug": "mine", "unknown": 1.0}))
	}), "parameters.slug", "parameters.unknown", "parameters.cpu")
	o.must(second(o.DeleteClass(t.Context(), o.intent, "fall-26/py101", false)))
	o.launched("Ada")
	o.must(second(o.DeleteClass(t.Context(), o.intent, "fall-26/py101", false)))
	o.refused(lab.CodeConflict, func() error {
		return second(o.UpdateClass(t.Context(), o.intent, "fall-26/py101", map[string]any{"cpu": 900.0}))
	})
}

func TestAMoveSuitsTheCourseAndItsClassesOrDoesNotHappen(t *testing.T) {
	t.Parallel()
	o := open(t)
	ctx := t.Context()
	o.class("Ada")
	o.must(second(o.CreateClass(ctx, o.intent, registrar.ClassInput{Cohort: "Spring 27", Course: "py101"})))
	o.must(second(o.UpdateCourse(ctx, o.intent, "py101", registrar.CoursePatch{Parameters: &map[string]any{"extensions": []any{"go"}}})))
	o.must(second(o.UpdateClass(ctx, o.intent, "fall-26/py101", map[string]any{"cpu": 4000.0, "extensions": []any{"rust"}})))
	o.push(narrow())

	move := func(parameters map[string]any) error {
		return second(o.UpdateCourse(ctx, o.intent, "py101", registrar.CoursePatch{TemplateVersion: ptr(int64(2)), Parameters: &parameters}))
	}
	wantFields(t, o.refused(lab.CodeInvalid, func() error { return move(map[string]any{"extensions": []any{"go"}}) }),
		"parameters.extensions", "classes[fall-26/py101].parameters.extensions", "classes[fall-26/py101].parameters.cpu")
	wantFields(t, o.refused(lab.CodeInvalid, func() error { return move(nil) }),
		"classes[fall-26/py101].parameters.extensions", "classes[fall-26/py101].parameters.cpu")
	o.must(second(o.UpdateClass(ctx, o.intent, "fall-26/py101", map[string]any{"cpu": 1000.0})))
	o.must(move(nil))
}

// A course that is older than versions, whose file was gone when they came.
func TestACourseWhoseTemplateWasNeverRegistered(t *testing.T) {
	t.Parallel()
	o := open(t)
	ctx := t.Context()
	class := o.class("Ada")
	_, err := o.store.ChangeCourse(ctx, o.intent, class.CourseID, func(state lab.CourseState) (lab.Course, lab.Audit, error) {
		course := state.Course
		course.Template = "gone"
		return course, lab.Audit{ID: o.NewID(), At: o.now, Action: "x"}, nil
	})
	o.must(err)
	for title, act := range map[string]func() error{
		"launch": func() error { return second(o.ActOnClass(ctx, o.intent, class.ID, registrar.ActLaunch)) },
		"class":  func() error { return second(o.UpdateClass(ctx, o.intent, class.ID, map[string]any{"cpu": 900.0})) },
	} {
		if coded := o.refused(lab.CodeConflict, act); coded.Hint == "" {
			t.Errorf("%s: got %v", title, coded)
		}
	}
	o.takeUp(map[string]string{"gone": editor}) // the file is back
	o.must(second(o.ActOnClass(ctx, o.intent, class.ID, registrar.ActLaunch)))
}
