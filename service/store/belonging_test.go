package store_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/bothylabs/bothy/service/lab"
)

// school is two cohorts that take one course each, with one student each; the first
// and its course are the teacher's, its class the helper's.
type school struct {
	*fixture
	teacher, helper, pupil lab.User
	cohorts                [2]lab.Cohort
	courses                [2]lab.Course
	classes                [2]lab.Class
	students               [2]lab.Student
	workspaces             [2]lab.Workspace
	operations             [2]lab.Operation
}

func newSchool(f *fixture) school {
	s := school{fixture: f, teacher: f.user("t@example.org", lab.RoleInstructor), helper: f.user("h@example.org", lab.RoleAssistant)}
	s.pupil = f.user("p@example.org", lab.RoleStudent)
	for i, key := range []string{"fall", "spring"} {
		s.cohorts[i], s.courses[i] = f.cohort(key), f.course(key+"-py")
		s.classes[i] = f.class(s.cohorts[i], s.courses[i])
		s.students[i] = f.newStudent(s.cohorts[i], "Pia", key+"@example.org")
		if i == 0 {
			s.students[i].Email = s.pupil.Login
			s.students[i].UserID = s.pupil.ID
		}
		f.must(f.enroll(s.cohorts[i], s.students[i]))
		s.workspaces[i] = f.workspace(s.classes[i], s.students[i], lab.Slug(key+"-py-pia"))
		s.operations[i] = f.acted(s.classes[i], lab.OperationRestart)
	}
	for to, id := range map[lab.Trust]string{lab.TrustCohort: s.cohorts[0].ID, lab.TrustCourse: s.courses[0].ID} {
		f.must(second(f.Appoint(f.t.Context(), somebody(), to, id, []string{s.teacher.ID}, f.audit("appoint", id))))
	}
	f.must(second(f.Appoint(f.t.Context(), somebody(), lab.TrustClass, s.classes[0].ID, []string{s.helper.ID}, f.audit("appoint", s.classes[0].ID))))
	return s
}

func TestEverythingBelongsToSomebody(t *testing.T) {
	t.Parallel()
	onEach(t, func(t *testing.T, f *fixture) {
		s := newSchool(f)
		cohort, course, class, student := s.cohorts[0].ID, s.courses[0].ID, s.classes[0].ID, s.students[0].ID
		for name, c := range map[string]struct {
			kind string
			refs []string
			want lab.Belonging
		}{
			"a cohort":    {"cohort", []string{cohort, "fall"}, lab.Belonging{CohortID: cohort}},
			"a course":    {"course", []string{course, "fall-py"}, lab.Belonging{CourseID: course}},
			"a class":     {"class", []string{class, "fall/fall-py"}, lab.Belonging{ClassID: class, CohortID: cohort, CourseID: course}},
			"a student":   {"student", []string{student}, lab.Belonging{CohortID: cohort, StudentID: student}},
			"operation":   {"operation", []string{s.operations[0].ID}, lab.Belonging{ClassID: class, CohortID: cohort}},
			"a workspace": {"workspace", []string{s.workspaces[0].ID, "fall-py-pia"}, lab.Belonging{ClassID: class, CohortID: cohort, CourseID: course, StudentID: student}},
		} {
			for _, ref := range c.refs {
				got, err := f.Belonging(t.Context(), c.kind, ref)
				if diff := cmp.Diff(c.want, got); err != nil || diff != "" {
					t.Errorf("%s %s: %v %s", name, ref, err, diff)
				}
			}
			_, err := f.Belonging(t.Context(), c.kind, "none")
			if coded := wantCode(t, err, lab.CodeNotFound); coded.Message != lab.NotFound(c.kind, "none").Message {
				t.Errorf("%s: %v", name, err)
			}
		}
		if _, err := f.Belonging(t.Context(), "moon", "m"); lab.CodeOf(err) != lab.CodeInternal {
			t.Errorf("got %v", err)
		}
	})
}

func TestListsHaveWhatTheirReaderSees(t *testing.T) {
	t.Parallel()
	onEach(t, func(t *testing.T, f *fixture) {
		s := newSchool(f)
		ctx, page := t.Context(), lab.Page{Limit: 10}
		lists := func(v lab.Viewer) map[string]string {
			return map[string]string{
				"cohorts":    ofItems(f, func(c lab.Cohort) string { return c.Key })(f.Store.Cohorts(ctx, lab.CohortFilter{For: v}, page)),
				"courses":    ofItems(f, func(c lab.Course) string { return c.Key })(f.Store.Courses(ctx, lab.CourseFilter{For: v}, page)),
				"classes":    ofItems(f, func(c lab.Class) string { return c.CohortKey })(f.Store.Classes(ctx, lab.ClassFilter{For: v}, page)),
				"workspaces": ofItems(f, func(w lab.WorkspaceDetail) string { return w.CohortKey })(f.Store.Workspaces(ctx, lab.WorkspaceFilter{For: v}, page)),
				"operations": ofItems(f, func(o lab.Operation) string { return o.ClassKey })(f.Operations(ctx, lab.OperationFilter{For: v}, page)),
			}
		}
		first, second := s.operations[0].ClassKey, s.operations[1].ClassKey
		all := map[string]string{"cohorts": "fall spring", "courses": "fall-py spring-py", "classes": "fall spring", "workspaces": "fall spring", "operations": second + " " + first}
		none := map[string]string{"cohorts": "", "courses": "", "classes": "", "workspaces": "", "operations": ""}
		given := map[string]string{"cohorts": "", "courses": "", "classes": "fall", "workspaces": "fall", "operations": first}
		for name, c := range map[string]struct {
			viewer lab.Viewer
			want   map[string]string
		}{
			"Bothy itself":                {lab.Viewer{}, all},
			"an admin":                    {lab.Viewer{UserID: s.pupil.ID, Role: lab.RoleAdmin}, all},
			"the operator's token":        {lab.Viewer{Role: lab.RoleAdmin}, all},
			"an instructor":               {lab.Viewer{UserID: s.teacher.ID, Role: lab.RoleInstructor}, map[string]string{"cohorts": "fall", "courses": "fall-py", "classes": "fall", "workspaces": "fall", "operations": first}},
			"an assistant":                {lab.Viewer{UserID: s.helper.ID, Role: lab.RoleAssistant}, given},
			"a student":                   {lab.Viewer{UserID: s.pupil.ID, Role: lab.RoleStudent}, map[string]string{"cohorts": "", "courses": "", "classes": "", "workspaces": "fall", "operations": ""}},
			"an assistant who learns":     {lab.Viewer{UserID: s.pupil.ID, Role: lab.RoleAssistant}, map[string]string{"cohorts": "", "courses": "", "classes": "", "workspaces": "fall", "operations": ""}},
			"an instructor with nothing":  {lab.Viewer{UserID: "nobody", Role: lab.RoleInstructor}, none},
			"an instructor without an id": {lab.Viewer{Role: lab.RoleInstructor}, none},
			"a student without an id":     {lab.Viewer{Role: lab.RoleStudent}, none},
			"a role that there is not":    {lab.Viewer{UserID: s.teacher.ID, Role: "king"}, none},
			"somebody without a role":     {lab.Caller{UserID: s.teacher.ID}.Viewer(), none},
			"nobody at all":               {lab.Caller{}.Viewer(), none},
		} {
			if diff := cmp.Diff(c.want, lists(c.viewer)); diff != "" {
				t.Errorf("%s: %s", name, diff)
			}
		}
		one := lab.Page{Limit: 1}
		got, err := f.Store.Cohorts(ctx, lab.CohortFilter{}, one)
		f.must(err)
		one.Cursor = got.Next
		_, err = f.Store.Cohorts(ctx, lab.CohortFilter{For: lab.Viewer{UserID: s.teacher.ID, Role: lab.RoleInstructor}}, one)
		wantCode(t, err, lab.CodeInvalid) // a cursor is its reader's own
	})
}

func TestAnInstructorHasWhatTheyMake(t *testing.T) {
	t.Parallel()
	onEach(t, func(t *testing.T, f *fixture) {
		teacher, helper := f.user("t@example.org", lab.RoleInstructor), f.user("h@example.org", lab.RoleAssistant)
		as := func(u lab.User) lab.Intent {
			return lab.Intent{Actor: lab.Actor{Name: "user:" + u.Login, UserID: u.ID, Role: lab.RoleInstructor}}
		}
		cohort, course := f.newCohort("fall"), f.newCourse("py")
		f.must(f.CreateCohort(t.Context(), as(teacher), cohort, f.audit("cohort.create", cohort.ID)))
		f.must(f.CreateCourse(t.Context(), as(teacher), course, f.audit("course.create", course.ID)))
		newCohort, newCourse := f.newCohort("spring"), f.newCourse("go")
		class := f.newClass(newCohort, newCourse)
		class.Cohort, class.Course = &newCohort, &newCourse
		f.must(f.CreateClass(t.Context(), as(teacher), class, nobody))
		tried := as(teacher)
		tried.DryRun = true
		dry := f.newCohort("dry")
		f.must(f.CreateCohort(t.Context(), tried, dry, f.audit("cohort.create", dry.ID)))
		mine := f.newCohort("theirs") // of one who was an instructor when the request began
		f.must(f.CreateCohort(t.Context(), as(helper), mine, f.audit("cohort.create", mine.ID)))

		got, err := f.Post(t.Context(), teacher.ID)
		want := lab.Post{UserID: teacher.ID, Cohorts: []string{cohort.ID, newCohort.ID}, Courses: []string{course.ID, newCourse.ID}, Classes: []string{class.ID}}
		if diff := cmp.Diff(want, got); err != nil || diff != "" {
			t.Errorf("%v %s", err, diff)
		}
		got, err = f.Post(t.Context(), helper.ID)
		if diff := cmp.Diff(lab.Post{UserID: helper.ID}, got); err != nil || diff != "" {
			t.Errorf("%v %s", err, diff)
		}
	})
}

func TestAnOperationStaysItsCohortsWhenItsClassIsGone(t *testing.T) {
	t.Parallel()
	onEach(t, func(t *testing.T, f *fixture) {
		s := newSchool(f)
		f.must(f.change(s.classes[0], lab.ClassChange{Delete: true}))
		f.remove(s.workspaces[0], false)
		f.must(f.RecordDeleted(t.Context(), f.epoch(), s.workspaces[0].ID, f.now))
		_, err := f.Class(t.Context(), s.classes[0].ID)
		wantCode(t, err, lab.CodeNotFound)
		got, err := f.Belonging(t.Context(), "operation", s.operations[0].ID)
		if want := (lab.Belonging{ClassID: s.classes[0].ID, CohortID: s.cohorts[0].ID}); err != nil || got != want {
			t.Errorf("got %+v, %v", got, err)
		}
	})
}
