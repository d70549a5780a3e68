package store_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/bothylabs/bothy/service/lab"
)

func TestACohortSaysHowManyStudentsItHas(t *testing.T) {
	t.Parallel()
	onEach(t, func(t *testing.T, f *fixture) {
		fall, spring := f.cohort("fall-26"), f.cohort("spring-27")
		f.join(spring, "zoe@example.org")
		ada := f.join(fall, "ada@example.org")
		f.join(fall, "bob@example.org")
		counted := func(what string, students, withdrawn int) {
			t.Helper()
			one, err := f.Cohort(t.Context(), "fall-26")
			f.must(err)
			all, err := f.Cohorts(t.Context())
			f.must(err)
			if diff := cmp.Diff([]int{students, withdrawn}, []int{one.Students, one.Withdrawn}); diff != "" {
				t.Errorf("%s: %s", what, diff)
			}
			wantEqual(t, all[0], one)
			wantEqual(t, []int{all[1].Students, all[1].Withdrawn}, []int{1, 0})
		}
		counted("two", 2, 0)
		f.leave(ada)
		counted("one is withdrawn", 1, 1)
		f.join(fall, "ada@example.org")
		counted("and comes back", 2, 1)

		// What a change answers is the cohort as it is then.
		carol := f.newStudent(fall, "Carol", "carol@example.org")
		after, err := f.Enroll(t.Context(), somebody(), fall.ID, func([]lab.Student) ([]lab.Student, lab.Audit, error) {
			return []lab.Student{carol}, f.audit("student.enroll", carol.ID), nil
		})
		f.must(err)
		wantEqual(t, []int{after.Students, after.Withdrawn}, []int{3, 1})
		after, err = f.ImportRoster(t.Context(), somebody(), fall.ID, func([]lab.Student) (lab.RosterChange, error) {
			return lab.RosterChange{Withdraw: []string{carol.ID}, At: f.now, Audit: f.audit("roster.import", fall.ID)}, nil
		})
		f.must(err)
		wantEqual(t, []int{after.Students, after.Withdrawn}, []int{2, 2})
	})
}
