package registrar_test

import (
	"strings"
	"testing"

	"github.com/bothylabs/bothy/service/lab"
	"github.com/bothylabs/bothy/service/registrar"
	"github.com/bothylabs/bothy/service/roster"
)

func TestACohortGetsAKeyFromItsName(t *testing.T) {
	t.Parallel()
	o := open(t)
	for name, test := range map[string]struct {
		in   registrar.CohortInput
		name string
		key  string
	}{
		"from the name":     {registrar.CohortInput{Name: "  Fall 26 "}, "Fall 26", "fall-26"},
		"its own":           {registrar.CohortInput{Name: "Frühjahr", Key: "spring-27"}, "Frühjahr", "spring-27"},
		"from another text": {registrar.CohortInput{Name: "Žofie's 2. class / B"}, "Žofie's 2. class / B", ""},
	} {
		got, err := o.CreateCohort(t.Context(), o.intent, test.in)
		o.must(err)
		if got.Name != test.name || test.key != "" && got.Key != test.key || got.Key == "" {
			t.Errorf("%s: got %+v", name, got)
		}
		for _, ref := range []string{got.ID, got.Key} {
			stored, err := o.Cohort(t.Context(), ref)
			o.must(err)
			wantEqual(t, stored, got)
		}
	}
	o.refused(lab.CodeConflict, func() error {
		return second(o.CreateCohort(t.Context(), o.intent, registrar.CohortInput{Name: "FALL  26"}))
	})
}

func TestWrongInputIsRefusedWithAllOfItsProblems(t *testing.T) {
	t.Parallel()
	o := open(t)
	ctx := t.Context()
	o.class("Ada")
	long := strings.Repeat("x", 201)
	name := func(s string) *string { return &s }
	for title, test := range map[string]struct {
		act    func() error
		fields []string
	}{
		"a cohort": {
			func() error {
				return second(o.CreateCohort(ctx, o.intent, registrar.CohortInput{Name: " ", Key: "Not A Key"}))
			},
			[]string{"name", "key"},
		},
		"a cohort with a long key": {
			func() error {
				return second(o.CreateCohort(ctx, o.intent, registrar.CohortInput{Name: "ok", Key: strings.Repeat("k", 64)}))
			},
			[]string{"key"},
		},
		"a student": {
			func() error {
				return second(o.EnrollStudent(ctx, o.intent, "fall-26", registrar.StudentInput{Name: "A${x}", Email: "nobody"}))
			},
			[]string{"name", "email"},
		},
		"a student with a display name for an address": {
			func() error {
				return second(o.EnrollStudent(ctx, o.intent, "fall-26", registrar.StudentInput{Name: long, Email: "Ada <ada@example.org>"}))
			},
			[]string{"name", "email"},
		},
		"a student with a long address": {
			func() error {
				return second(o.EnrollStudent(ctx, o.intent, "fall-26", registrar.StudentInput{Name: "a\x00b", Email: long + long + "@example.org"}))
			},
			[]string{"name", "email"},
		},
		"a roster": {
			func() error {
				return second(o.ImportRoster(ctx, o.intent, "fall-26", rosterOf(
					roster.Row{Name: "Ada", Email: "ada@example.org"}, roster.Row{Name: "{{ Bob", Email: "bob@example.org"},
					roster.Row{Name: "Eve", Email: "ADA@example.org"},
				)))
			},
			[]string{"rows[1].name", "rows[2].email"},
		},
		"a course": {
			func() error {
				return second(o.CreateCourse(ctx, o.intent, registrar.CourseInput{Name: "%{if}", Key: "-", Template: "none"}))
			},
			[]string{"name", "key", "template"},
		},
		"a course's parameters": {
			func() error {
				return second(o.CreateCourse(ctx, o.intent, registrar.CourseInput{Name: "ok", Template: "editor", Parameters: map[string]any{
					"cpu": "many", "extensions": []any{"go", "${x}"}, "slug": "mine", "unknown": 1.0,
				}}))
			},
			[]string{"parameters.cpu", "parameters.extensions", "parameters.slug", "parameters.unknown"},
		},
		"a parameter that the template refuses": {
			func() error {
				return second(o.CreateCourse(ctx, o.intent, registrar.CourseInput{
					Name: "ok", Template: "editor", Parameters: map[string]any{"cpu": 50.0},
				}))
			},
			[]string{"parameters.cpu"},
		},
		"a change of a course": {
			func() error {
				return second(o.UpdateCourse(ctx, o.intent, "py101", registrar.CoursePatch{
					Name: name(long), Parameters: &map[string]any{"cpu": true},
				}))
			},
			[]string{"name", "parameters.cpu"},
		},
		"a class": {
			func() error {
				return second(o.CreateClass(ctx, o.intent, registrar.ClassInput{
					Cohort: "", Course: "Go 201", Template: "editor", Parameters: map[string]any{"cpu": "x"},
					Students: []registrar.StudentInput{person("Ada", 1), {Name: "", Email: "x"}, person("Bob", 1)},
				}))
			},
			[]string{"cohort", "parameters.cpu", "students[1].name", "students[1].email", "students[2].email"},
		},
		"a class of a course that is not there": {
			func() error {
				return second(o.CreateClass(ctx, o.intent, registrar.ClassInput{Cohort: "fall-26", Course: "Go 201"}))
			},
			[]string{"course"},
		},
		"a class of a template that is not there": {
			func() error {
				return second(o.CreateClass(ctx, o.intent, registrar.ClassInput{Cohort: "Spring 27", Course: "Go 201", Template: "none"}))
			},
			[]string{"template"},
		},
		"an act": {
			func() error { return second(o.ActOnClass(ctx, o.intent, "fall-26/py101", "explode")) }, []string{"act"},
		},
		"a launch of a workspace": {
			func() error { return second(o.ActOnWorkspace(ctx, o.intent, "any", registrar.ActLaunch)) }, []string{"act"},
		},
	} {
		t.Run(title, func(t *testing.T) {
			wantFields(t, o.refused(lab.CodeInvalid, test.act), test.fields...)
		})
	}
}

func TestWhatIsNotThereIsNotFound(t *testing.T) {
	t.Parallel()
	o := open(t)
	ctx := t.Context()
	for name, act := range map[string]func() error{
		"cohort":           func() error { return second(o.Cohort(ctx, "none")) },
		"delete cohort":    func() error { return o.DeleteCohort(ctx, o.intent, "none") },
		"students":         func() error { return second(o.Students(ctx, "none")) },
		"enroll":           func() error { return second(o.EnrollStudent(ctx, o.intent, "none", person("Ada", 1))) },
		"import":           func() error { return second(o.ImportRoster(ctx, o.intent, "none", rosterOf())) },
		"student":          func() error { return second(o.Student(ctx, "none")) },
		"withdraw":         func() error { return second(o.WithdrawStudent(ctx, o.intent, "none")) },
		"course":           func() error { return second(o.Course(ctx, "none")) },
		"update course":    func() error { return second(o.UpdateCourse(ctx, o.intent, "none", registrar.CoursePatch{})) },
		"delete course":    func() error { return o.DeleteCourse(ctx, o.intent, "none") },
		"class":            func() error { return second(o.Class(ctx, "none/none")) },
		"update class":     func() error { return second(o.UpdateClass(ctx, o.intent, "none", nil)) },
		"versions":         func() error { return second(o.TemplateVersions(ctx, "none", lab.Page{})) },
		"a version":        func() error { return second(o.Template(ctx, "editor", 9)) },
		"delete class":     func() error { return second(o.DeleteClass(ctx, o.intent, "none", false)) },
		"act on class":     func() error { return second(o.ActOnClass(ctx, o.intent, "none", registrar.ActStop)) },
		"workspace":        func() error { return second(o.Workspace(ctx, "none")) },
		"act on workspace": func() error { return second(o.ActOnWorkspace(ctx, o.intent, "none", registrar.ActStop)) },
		"delete workspace": func() error { return second(o.DeleteWorkspace(ctx, o.intent, "none", false)) },
		"of a class":       func() error { return second(o.Workspaces(ctx, registrar.WorkspaceFilter{Class: "none/none"})) },
		"of a cohort":      func() error { return second(o.Workspaces(ctx, registrar.WorkspaceFilter{Cohort: "none"})) },
		"template":         func() error { return second(o.Template(ctx, "none", 0)) },
	} {
		t.Run(name, func(t *testing.T) { wantCode(t, act(), lab.CodeNotFound) })
	}
}

func TestAnAddressBelongsToOneStudentOfACohort(t *testing.T) {
	t.Parallel()
	o := open(t)
	ctx := t.Context()
	o.must(second(o.CreateCohort(ctx, o.intent, registrar.CohortInput{Name: "Fall 26"})))
	o.must(second(o.CreateCohort(ctx, o.intent, registrar.CohortInput{Name: "Spring 27"})))
	ada, err := o.EnrollStudent(ctx, o.intent, "fall-26", registrar.StudentInput{Name: " Ada ", Email: " ada@example.org "})
	o.must(err)
	wantEqual(t, []string{ada.Name, ada.Email}, []string{"Ada", "ada@example.org"})
	wantFields(t, o.refused(lab.CodeConflict, func() error {
		return second(o.EnrollStudent(ctx, o.intent, "fall-26", registrar.StudentInput{Name: "Other", Email: "ADA@example.org"}))
	}), "email")
	o.must(second(o.EnrollStudent(ctx, o.intent, "spring-27", registrar.StudentInput{Name: "Ada", Email: "ada@example.org"})))
}

func TestACourseIsChangedAsAWhole(t *testing.T) {
	t.Parallel()
	o := open(t)
	ctx := t.Context()
	course, err := o.CreateCourse(ctx, o.intent, registrar.CourseInput{
		Name: "Python 101", Key: "py101", Template: "editor", Parameters: map[string]any{"cpu": 800.0},
	})
	o.must(err)
	name, other := "Python", "other"
	changed, err := o.UpdateCourse(ctx, o.intent, "py101", registrar.CoursePatch{
		Name: &name, Template: &other, Parameters: &map[string]any{"extensions": []any{"go"}},
	})
	o.must(err)
	want := course
	want.Name, want.Template, want.Parameters, want.Revision = name, other, map[string]any{"extensions": []any{"go"}}, 2
	wantEqual(t, changed, want)
	stored, err := o.Course(ctx, course.ID)
	o.must(err)
	wantEqual(t, stored, want)
	o.must(o.DeleteCourse(ctx, o.intent, "py101"))
	wantCode(t, second(o.Course(ctx, "py101")), lab.CodeNotFound)
}

func TestListsAreInTheOrderOfTheirKeys(t *testing.T) {
	t.Parallel()
	o := open(t)
	ctx := t.Context()
	for _, name := range []string{"c", "a", "b"} {
		o.must(second(o.CreateCohort(ctx, o.intent, registrar.CohortInput{Name: name})))
		o.must(second(o.CreateClass(ctx, o.intent, registrar.ClassInput{Cohort: name, Course: "course " + name, Template: "editor"})))
	}
	cohorts, err := o.Cohorts(ctx)
	o.must(err)
	courses, err := o.Courses(ctx)
	o.must(err)
	classes, err := o.Classes(ctx)
	o.must(err)
	var got []string
	for i := range cohorts {
		got = append(got, cohorts[i].Key, courses[i].Key, classes[i].Key())
	}
	wantEqual(t, got, []string{"a", "course-a", "a/course-a", "b", "course-b", "b/course-b", "c", "course-c", "c/course-c"})
}
