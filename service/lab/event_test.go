package lab_test

import (
	"testing"

	"github.com/bothylabs/bothy/service/lab"
)

func TestAScopeSeesWhatIsItsOwn(t *testing.T) {
	workspace := lab.Event{Type: lab.EventWorkspaceChanged, SubjectID: "w", ClassID: "class", CohortID: "cohort", CourseID: "course", StudentID: "ada"}
	class := lab.Event{Type: lab.EventClassChanged, SubjectID: "class", ClassID: "class", CohortID: "cohort", CourseID: "course"}
	student := lab.Event{Type: lab.EventStudentChanged, SubjectID: "ada", CohortID: "cohort", StudentID: "ada"}
	cohort := lab.Event{Type: lab.EventCohortCreated, SubjectID: "cohort", CohortID: "cohort"}
	course := lab.Event{Type: lab.EventCourseChanged, SubjectID: "course", CourseID: "course"}
	other := lab.Event{Type: "installation.changed", SubjectID: "x"}
	all := []lab.Event{workspace, class, student, cohort, course, other}
	for name, c := range map[string]struct {
		scope lab.Scope
		sees  []lab.Event
	}{
		"nobody":                   {lab.Scope{}, nil},
		"an operator":              {lab.Scope{All: true}, all},
		"a class":                  {lab.Scope{Classes: []string{"class"}}, []lab.Event{workspace, class}},
		"another class":            {lab.Scope{Classes: []string{"another"}}, nil},
		"a cohort has its classes": {lab.Scope{Cohorts: []string{"cohort"}}, []lab.Event{workspace, class, student, cohort}},
		"a course is no class":     {lab.Scope{Courses: []string{"course"}}, []lab.Event{course}},
		"a student":                {lab.Scope{Students: []string{"ada"}}, []lab.Event{workspace, student}},
		"another student":          {lab.Scope{Students: []string{"bob"}}, nil},
		"a student and their kind": {lab.Scope{Students: []string{"bob"}, Classes: []string{"class"}}, []lab.Event{workspace, class}},
		"an empty id is nobody's":  {lab.Scope{Students: []string{""}, Classes: []string{""}, Cohorts: []string{""}, Courses: []string{""}}, nil},
	} {
		t.Run(name, func(t *testing.T) {
			want := map[lab.EventType]bool{}
			for _, e := range c.sees {
				want[e.Type] = true
			}
			for _, e := range all {
				if got := c.scope.Sees(e); got != want[e.Type] {
					t.Errorf("%s: seen %v", e.Type, got)
				}
			}
		})
	}
}

func TestAFilterTakesWhatMatchesAllOfIt(t *testing.T) {
	e := lab.Event{Type: lab.EventWorkspaceChanged, SubjectID: "w", ClassID: "class", CohortID: "cohort"}
	for name, c := range map[string]struct {
		filter lab.EventFilter
		want   bool
	}{
		"any":                  {lab.EventFilter{}, true},
		"all of it":            {lab.EventFilter{ClassID: "class", CohortID: "cohort", WorkspaceID: "w", Types: []lab.EventType{lab.EventWorkspaceChanged}}, true},
		"another class":        {lab.EventFilter{ClassID: "x", CohortID: "cohort"}, false},
		"another cohort":       {lab.EventFilter{CohortID: "x"}, false},
		"another workspace":    {lab.EventFilter{WorkspaceID: "x"}, false},
		"another type":         {lab.EventFilter{Types: []lab.EventType{lab.EventClassChanged}}, false},
		"one of several types": {lab.EventFilter{Types: []lab.EventType{lab.EventClassChanged, lab.EventWorkspaceChanged}}, true},
	} {
		t.Run(name, func(t *testing.T) {
			if got := c.filter.Matches(e); got != c.want {
				t.Errorf("got %v", got)
			}
		})
	}
}
