package store_test

import (
	"cmp"
	"context"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/bothylabs/bothy/service/lab"
	"github.com/bothylabs/bothy/service/store"
)

// The lists whole, in the order of their ids, for tests that are about something else.

func (f *fixture) Cohorts(ctx context.Context) ([]lab.Cohort, error) {
	return whole(func(p lab.Page) (lab.List[lab.Cohort], error) { return f.Store.Cohorts(ctx, lab.CohortFilter{}, p) },
		func(c lab.Cohort) string { return c.ID })
}

func (f *fixture) Courses(ctx context.Context) ([]lab.Course, error) {
	return whole(func(p lab.Page) (lab.List[lab.Course], error) { return f.Store.Courses(ctx, lab.CourseFilter{}, p) },
		func(c lab.Course) string { return c.ID })
}

func (f *fixture) Classes(ctx context.Context) ([]lab.Class, error) {
	return whole(func(p lab.Page) (lab.List[lab.Class], error) { return f.Store.Classes(ctx, lab.ClassFilter{}, p) },
		func(c lab.Class) string { return c.ID })
}

func (f *fixture) Students(ctx context.Context, cohortID string) ([]lab.Student, error) {
	return studentsOf(ctx, f.Store, cohortID)
}

func studentsOf(ctx context.Context, s *store.Store, cohortID string) ([]lab.Student, error) {
	return whole(func(p lab.Page) (lab.List[lab.Student], error) {
		return s.Students(ctx, cohortID, lab.StudentFilter{}, p)
	},
		func(s lab.Student) string { return s.ID })
}

func (f *fixture) Workspaces(ctx context.Context, classID, cohortID string, released bool) ([]lab.WorkspaceDetail, error) {
	return whole(func(p lab.Page) (lab.List[lab.WorkspaceDetail], error) {
		return f.Store.Workspaces(ctx, lab.WorkspaceFilter{ClassID: classID, CohortID: cohortID, Released: released}, p)
	}, func(w lab.WorkspaceDetail) string { return w.ID })
}

func whole[T any](read func(lab.Page) (lab.List[T], error), id func(T) string) ([]T, error) {
	all := []T{}
	for p := (lab.Page{Limit: 100}); ; {
		list, err := read(p)
		if err != nil {
			return nil, err
		}
		all = append(all, list.Items...)
		if p.Cursor = list.Next; p.Cursor == "" {
			slices.SortFunc(all, func(a, b T) int { return cmp.Compare(id(a), id(b)) })
			return all, nil
		}
	}
}

func yes() *bool { b := true; return &b }

func no() *bool { return new(bool) }

// ofItems are what names say of the items of a list.
func ofItems[T any](f *fixture, name func(T) string) func(lab.List[T], error) string {
	return func(list lab.List[T], err error) string {
		f.t.Helper()
		f.must(err)
		return strings.Join(convert(list.Items, name), " ")
	}
}

func convert[A, B any](all []A, one func(A) B) []B {
	var out []B
	for _, a := range all {
		out = append(out, one(a))
	}
	return out
}

func TestListsAreFilteredSearchedAndSorted(t *testing.T) {
	t.Parallel()
	onEach(t, func(t *testing.T, f *fixture) {
		ctx := t.Context()
		fall, spring := f.cohort("fall-26"), f.cohort("spring-27")
		py, goCourse := f.course("py101"), f.newCourse("go201")
		goCourse.Template, goCourse.Name = "shell", "STRASSE 100%_\\ off"
		f.must(f.CreateCourse(ctx, somebody(), goCourse, f.audit("course.create", goCourse.ID)))
		zoe, bob, gone := f.student(fall, "Zoë Ångström", "ZOE@example.org"), f.student(spring, "bob", "bob@example.org"), f.student(fall, "Ada", "ada@example.org")
		first, second, third := f.class(fall, py), f.class(fall, goCourse), f.class(spring, py)
		a := f.workspace(first, zoe, "fall-26-py101-zoe")
		f.now = f.now.Add(time.Minute)
		b := f.workspace(second, zoe, "fall-26-go201-zoe")
		c := f.workspace(third, bob, "spring-27-py101-bob")
		epoch := f.epoch()
		f.must(f.RecordStatuses(ctx, epoch, map[string]lab.Status{
			a.ID: {Phase: lab.PhaseReady, Since: f.now, Outdated: true}, c.ID: {Phase: lab.PhaseFailed, Drifted: true, Since: f.now.Add(-time.Hour)},
		}))
		_, err := f.Withdraw(ctx, somebody(), gone.ID, f.now, f.audit("student.withdraw", gone.ID))
		f.must(err)
		f.remove(b, false)
		f.must(f.RecordDeleted(ctx, epoch, b.ID, f.now))
		f.must(f.change(third, lab.ClassChange{Delete: true}))

		many := func(sort string) lab.Page { return lab.Page{Limit: 10, Sort: sort} }
		cohorts := ofItems(f, func(c lab.Cohort) string { return c.Key })
		courses := ofItems(f, func(c lab.Course) string { return c.Key })
		classes := ofItems(f, func(c lab.Class) string { return c.Key() })
		students := ofItems(f, func(s lab.Student) string { return s.Email })
		workspaces := ofItems(f, func(w lab.WorkspaceDetail) string { return string(w.Slug) })
		wsFilter := func(filter lab.WorkspaceFilter, sort string) string {
			return workspaces(f.Store.Workspaces(ctx, filter, many(sort)))
		}
		for name, test := range map[string][2]string{
			"cohorts":                        {cohorts(f.Store.Cohorts(ctx, lab.CohortFilter{}, many(""))), "fall-26 spring-27"},
			"cohorts, backwards":             {cohorts(f.Store.Cohorts(ctx, lab.CohortFilter{}, many("-key"))), "spring-27 fall-26"},
			"cohorts by a part of the name":  {cohorts(f.Store.Cohorts(ctx, lab.CohortFilter{Search: "COHORT SPR"}, many(""))), "spring-27"},
			"courses by template":            {courses(f.Store.Courses(ctx, lab.CourseFilter{Template: "shell"}, many(""))), "go201"},
			"courses, ß and ss are alike":    {courses(f.Store.Courses(ctx, lab.CourseFilter{Search: "straße"}, many(""))), "go201"},
			"courses, % is a character":      {courses(f.Store.Courses(ctx, lab.CourseFilter{Search: "0%_\\"}, many(""))), "go201"},
			"courses, % is no wildcard":      {courses(f.Store.Courses(ctx, lab.CourseFilter{Search: "p%1"}, many(""))), ""},
			"courses, _ is no wildcard":      {courses(f.Store.Courses(ctx, lab.CourseFilter{Search: "py_01"}, many(""))), ""},
			"classes":                        {classes(f.Store.Classes(ctx, lab.ClassFilter{}, many(""))), "fall-26/go201 fall-26/py101 spring-27/py101"},
			"classes by course":              {classes(f.Store.Classes(ctx, lab.ClassFilter{}, many("-course"))), "spring-27/py101 fall-26/py101 fall-26/go201"},
			"classes of a course":            {classes(f.Store.Classes(ctx, lab.ClassFilter{CourseID: py.ID}, many(""))), "fall-26/py101 spring-27/py101"},
			"classes of a cohort and course": {classes(f.Store.Classes(ctx, lab.ClassFilter{CohortID: fall.ID, CourseID: py.ID}, many(""))), "fall-26/py101"},
			"classes that go":                {classes(f.Store.Classes(ctx, lab.ClassFilter{Deleting: yes()}, many(""))), "spring-27/py101"},
			"classes that stay":              {classes(f.Store.Classes(ctx, lab.ClassFilter{Deleting: no()}, many(""))), "fall-26/go201 fall-26/py101"},
			"classes by a part of the key":   {classes(f.Store.Classes(ctx, lab.ClassFilter{Search: "26/PY"}, many(""))), "fall-26/py101"},
			"classes by a cohort's name":     {classes(f.Store.Classes(ctx, lab.ClassFilter{Search: "cohort fall"}, many(""))), "fall-26/go201 fall-26/py101"},
			"students":                       {students(f.studentList(ctx, fall, lab.StudentFilter{}, many(""))), "ZOE@example.org ada@example.org"},
			"students by name":               {students(f.studentList(ctx, fall, lab.StudentFilter{}, many("name"))), "ada@example.org ZOE@example.org"},
			"students by address":            {students(f.studentList(ctx, fall, lab.StudentFilter{}, many("email"))), "ada@example.org ZOE@example.org"},
			"students who are withdrawn":     {students(f.studentList(ctx, fall, lab.StudentFilter{Withdrawn: yes()}, many(""))), "ada@example.org"},
			"students who are not":           {students(f.studentList(ctx, fall, lab.StudentFilter{Withdrawn: no()}, many(""))), "ZOE@example.org"},
			"students in another case":       {students(f.studentList(ctx, fall, lab.StudentFilter{Search: "ZOË å"}, many(""))), "ZOE@example.org"},
			"students, written otherwise":    {students(f.studentList(ctx, fall, lab.StudentFilter{Search: "zoe\u0308"}, many(""))), "ZOE@example.org"},
			"students by address in a case":  {students(f.studentList(ctx, fall, lab.StudentFilter{Search: "zoe@EX"}, many(""))), "ZOE@example.org"},
			"workspaces":                     {wsFilter(lab.WorkspaceFilter{}, ""), "fall-26-py101-zoe spring-27-py101-bob"},
			"workspaces, the released too":   {wsFilter(lab.WorkspaceFilter{Released: true}, ""), "fall-26-go201-zoe fall-26-py101-zoe spring-27-py101-bob"},
			"workspaces of a student":        {wsFilter(lab.WorkspaceFilter{StudentID: bob.ID}, ""), "spring-27-py101-bob"},
			"workspaces of a course":         {wsFilter(lab.WorkspaceFilter{CourseID: goCourse.ID, Released: true}, ""), "fall-26-go201-zoe"},
			"workspaces by phase":            {wsFilter(lab.WorkspaceFilter{Phases: []lab.Phase{lab.PhaseReady, lab.PhaseFailed}}, "phase"), "spring-27-py101-bob fall-26-py101-zoe"},
			"workspaces of a phase":          {wsFilter(lab.WorkspaceFilter{Phases: []lab.Phase{lab.PhaseReady}}, ""), "fall-26-py101-zoe"},
			"workspaces that are deleted":    {wsFilter(lab.WorkspaceFilter{Desired: lab.DesiredDeleted, Released: true}, ""), "fall-26-go201-zoe"},
			"workspaces that drifted":        {wsFilter(lab.WorkspaceFilter{Drifted: yes()}, ""), "spring-27-py101-bob"},
			"workspaces that did not":        {wsFilter(lab.WorkspaceFilter{Drifted: no()}, ""), "fall-26-py101-zoe"},
			"workspaces that are outdated":   {wsFilter(lab.WorkspaceFilter{Outdated: yes()}, ""), "fall-26-py101-zoe"},
			"workspaces by student":          {wsFilter(lab.WorkspaceFilter{}, "student"), "fall-26-py101-zoe spring-27-py101-bob"},
			"workspaces, the newest phase":   {wsFilter(lab.WorkspaceFilter{}, "-since"), "fall-26-py101-zoe spring-27-py101-bob"},
			"workspaces, the newest":         {wsFilter(lab.WorkspaceFilter{}, "-created_at"), "spring-27-py101-bob fall-26-py101-zoe"},
			"workspaces by a slug":           {wsFilter(lab.WorkspaceFilter{Search: "PY101-Z"}, ""), "fall-26-py101-zoe"},
			"workspaces by a student's name": {wsFilter(lab.WorkspaceFilter{Search: "ångström"}, ""), "fall-26-py101-zoe"},
		} {
			if test[0] != test[1] {
				t.Errorf("%s: got %q, want %q", name, test[0], test[1])
			}
		}
	})
}

// studentList is the store's list itself.
func (f *fixture) studentList(ctx context.Context, cohort lab.Cohort, filter lab.StudentFilter, p lab.Page) (lab.List[lab.Student], error) {
	return f.Store.Students(ctx, cohort.ID, filter, p)
}

func TestACursorIsGoodForItsOwnListAlone(t *testing.T) {
	t.Parallel()
	onEach(t, func(t *testing.T, f *fixture) {
		ctx := t.Context()
		for _, key := range []string{"a", "b", "c"} {
			f.cohort(key)
			f.course(key)
		}
		first, err := f.Store.Cohorts(ctx, lab.CohortFilter{}, lab.Page{Limit: 1})
		f.must(err)
		after := func(sort string) lab.Page { return lab.Page{Limit: 1, Cursor: first.Next, Sort: sort} }
		for _, sort := range []string{"", "key"} { // the same
			second, err := f.Store.Cohorts(ctx, lab.CohortFilter{}, after(sort))
			f.must(err)
			wantEqual(t, second.Items[0].Key, "b")
		}
		for name, read := range map[string]func() error{
			"of another sort":   func() error { return ignored(f.Store.Cohorts(ctx, lab.CohortFilter{}, after("name"))) },
			"the other way":     func() error { return ignored(f.Store.Cohorts(ctx, lab.CohortFilter{}, after("-key"))) },
			"of another filter": func() error { return ignored(f.Store.Cohorts(ctx, lab.CohortFilter{Search: "a"}, after(""))) },
			"of another list":   func() error { return ignored(f.Store.Courses(ctx, lab.CourseFilter{}, after(""))) },
			"nonsense": func() error {
				return ignored(f.Store.Cohorts(ctx, lab.CohortFilter{}, lab.Page{Limit: 1, Cursor: "x"}))
			},
		} {
			if coded := wantCode(t, read(), lab.CodeInvalid); len(coded.Fields) != 1 || coded.Fields[0].Name != "cursor" {
				t.Errorf("%s: got %+v", name, coded)
			}
		}
		_, err = f.Store.Cohorts(ctx, lab.CohortFilter{}, lab.Page{Limit: 1, Sort: "colour"})
		if coded := wantCode(t, err, lab.CodeInvalid); len(coded.Fields) != 1 || coded.Fields[0].Name != "sort" {
			t.Errorf("got %+v", coded)
		}
	})
}

func ignored[T any](_ T, err error) error { return err }

func TestRowsOfAnOlderVersionAreFound(t *testing.T) {
	t.Parallel()
	onEach(t, func(t *testing.T, f *fixture) {
		cohort := f.cohort("fall-26")
		f.course("py101")
		f.student(cohort, "Žofie", "zofie@example.org")
		raw, err := f.db.open(f.where)
		f.must(err)
		defer func() { _ = raw.Close() }()
		for _, table := range []string{"cohorts", "courses", "students"} {
			_, err := raw.ExecContext(t.Context(), `UPDATE `+table+` SET search = ''`)
			f.must(err)
		}
		if f.db.driver == store.Postgres {
			_, err := raw.ExecContext(t.Context(), `ALTER TABLE students ALTER COLUMN name TYPE TEXT COLLATE "en-US-x-icu", ALTER COLUMN id TYPE TEXT COLLATE "default"`)
			f.must(err)
		}
		s := f.reopen()
		for name, found := range map[string]func() (int, error){
			"cohort": func() (int, error) {
				list, err := s.Cohorts(t.Context(), lab.CohortFilter{Search: "FALL"}, lab.Page{Limit: 1})
				return len(list.Items), err
			},
			"course": func() (int, error) {
				list, err := s.Courses(t.Context(), lab.CourseFilter{Search: "PY"}, lab.Page{Limit: 1})
				return len(list.Items), err
			},
			"student": func() (int, error) {
				list, err := s.Students(t.Context(), cohort.ID, lab.StudentFilter{Search: "žOFIE"}, lab.Page{Limit: 1})
				return len(list.Items), err
			},
		} {
			if n, err := found(); err != nil || n != 1 {
				t.Errorf("%s: found %d, %v", name, n, err)
			}
		}
	})
}

func TestHowFarClassesAreIsCountedForManyAtOnce(t *testing.T) {
	t.Parallel()
	onEach(t, func(t *testing.T, f *fixture) {
		ctx, cohort := t.Context(), f.cohort("fall-26")
		begun, stopped, empty, other := f.class(cohort, f.course("py101")), f.class(cohort, f.course("go102")), f.class(cohort, f.course("db103")), f.class(cohort, f.course("sh104"))
		all, epoch := f.workspacesOf(begun, cohort, 7), f.epoch()
		f.see(epoch, lab.PhaseReady, all[0], all[1], all[5], all[6])
		f.see(epoch, lab.PhaseFailed, all[2])
		f.see(epoch, lab.PhaseLost, all[3])
		all[5].Desired, all[6].Desired = lab.DesiredStopped, lab.DesiredDeleted // and seen ready just before
		f.must(f.change(begun, lab.ClassChange{Update: all[5:]}))
		w := f.workspacesOf(stopped, cohort, 1)
		w[0].Desired = lab.DesiredStopped
		f.must(f.change(stopped, lab.ClassChange{Update: w}))
		f.workspacesOf(other, cohort, 2)

		got, err := f.ClassProgress(ctx, []string{begun.ID, stopped.ID, empty.ID, "none"})
		f.must(err)
		wantEqual(t, got, map[string]lab.ClassProgress{
			begun.ID:   {Workspaces: 6, Running: 5, Ready: 2, Failed: 2},
			stopped.ID: {Workspaces: 1},
		})
		got, err = f.ClassProgress(ctx, nil)
		f.must(err)
		wantEqual(t, got, map[string]lab.ClassProgress{})
	})
}
