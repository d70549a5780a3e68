package store_test

import (
	"fmt"
	"slices"
	"sync"
	"testing"

	"github.com/bothylabs/bothy/service/lab"
	"github.com/bothylabs/bothy/service/store"
)

// together calls fn n times at once and gives the errors.
func together(n int, fn func(i int) error) []error {
	errs := make([]error, n)
	var ready, done sync.WaitGroup
	ready.Add(n)
	for i := range n {
		done.Go(func() {
			ready.Done()
			ready.Wait()
			errs[i] = fn(i)
		})
	}
	done.Wait()
	return errs
}

func TestOfManyWhoMakeTheSameOneWins(t *testing.T) {
	t.Parallel()
	onEach(t, func(t *testing.T, f *fixture) {
		ctx := t.Context()
		stores := []*store.Store{f.Store, f.reopen()} // as two instances have it
		won := 0
		for _, err := range together(16, func(i int) error {
			cohort, course := f.newCohort("fall-26"), f.newCourse("py101")
			class := f.newClass(cohort, course)
			class.Cohort, class.Course = &cohort, &course
			return stores[i%2].CreateClass(ctx, class, func([]lab.Student) ([]lab.Student, error) {
				return []lab.Student{f.newStudent(cohort, "Ada", "ada@example.org")}, nil
			})
		}) {
			if err == nil {
				won++
				continue
			}
			wantCode(t, err, lab.CodeConflict)
		}
		if won != 1 {
			t.Errorf("%d requests won, want 1", won)
		}
		all := f.everything()
		if got := all["audits"].([]lab.Audit); len(got) != 1 {
			t.Errorf("%d acts are recorded, want 1", len(got))
		}
		if got := all["cohorts"].([]lab.Cohort); len(got) != 1 || len(all["students of "+got[0].ID].([]lab.Student)) != 1 {
			t.Errorf("something half-made is left: %v", all)
		}
	})
}

func TestActsOnAClassAreDecidedOneAfterTheOther(t *testing.T) {
	t.Parallel()
	onEach(t, func(t *testing.T, f *fixture) {
		cohort := f.cohort("fall-26")
		class := f.class(cohort, f.course("py101"))
		ada := f.student(cohort, "Ada", "ada@example.org")
		for _, err := range together(16, func(i int) error {
			return f.ChangeClass(t.Context(), class.ID, func(state lab.ClassState) (lab.ClassChange, error) {
				change := lab.ClassChange{Audit: f.audit("class.launch", class.ID)}
				if len(state.Workspaces) == 0 {
					change.Add = []lab.Workspace{f.newWorkspace(class, ada, lab.Slug(fmt.Sprintf("fall-26-py101-ada-%d", i)))}
				}
				return change, nil
			})
		}) {
			f.must(err)
		}
		workspaces, err := f.Workspaces(t.Context(), class.ID, "", false)
		f.must(err)
		wantEqual(t, len(workspaces), 1)
	})
}

func TestEachClaimGetsAnEpochOfItsOwn(t *testing.T) {
	t.Parallel()
	onEach(t, func(t *testing.T, f *fixture) {
		epochs := make([]int64, 16)
		for _, err := range together(len(epochs), func(i int) (err error) {
			epochs[i], err = f.ClaimEpoch(t.Context())
			return err
		}) {
			f.must(err)
		}
		slices.Sort(epochs)
		wantEqual(t, len(slices.Compact(epochs)), 16)
	})
}

func TestManyReadWhileOthersWrite(t *testing.T) {
	t.Parallel()
	onEach(t, func(t *testing.T, f *fixture) {
		ctx := t.Context()
		cohort := f.cohort("fall-26")
		class := f.class(cohort, f.course("py101"))
		w := f.workspace(class, f.student(cohort, "Ada", "ada@example.org"), "fall-26-py101-ada")
		epoch := f.epoch()
		for _, err := range together(32, func(i int) error {
			switch i % 4 {
			case 0:
				return f.RecordStatuses(ctx, epoch, map[string]lab.Status{w.ID: {Phase: lab.PhaseReady, Reason: fmt.Sprint(i)}})
			case 1:
				return f.enroll(cohort, f.newStudent(cohort, "Bob", fmt.Sprintf("bob%d@example.org", i)))
			case 2:
				_, err := f.ReconcileList(ctx)
				return err
			default:
				_, err := f.Workspaces(ctx, "", "", true)
				return err
			}
		}) {
			f.must(err)
		}
	})
}

func TestSeveralOpenAFreshDatabaseAtOnce(t *testing.T) {
	t.Parallel()
	for _, d := range databases() {
		t.Run(d.driver, func(t *testing.T) {
			dsn := d.fresh(t)
			for _, err := range together(4, func(int) error {
				s, err := store.Open(t.Context(), store.Config{Driver: d.driver, DSN: dsn})
				if err != nil {
					return err
				}
				return s.Close()
			}) {
				if err != nil {
					t.Error(err)
				}
			}
		})
	}
}
