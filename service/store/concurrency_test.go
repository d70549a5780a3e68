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
			return stores[i%2].CreateClass(ctx, somebody(), class, func([]lab.Student) ([]lab.Student, error) {
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
		stores := f.instances()
		cohort := f.cohort("fall-26")
		class := f.class(cohort, f.course("py101"))
		ada := f.student(cohort, "Ada", "ada@example.org")
		for _, err := range together(16, func(i int) error {
			return changeClass(t.Context(), stores[i%2], class.ID, func(state lab.ClassState) (lab.ClassChange, error) {
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

func TestOfTwoWhoGiveTheSameSlugOneWins(t *testing.T) {
	t.Parallel()
	onEach(t, func(t *testing.T, f *fixture) {
		stores := f.instances()
		// Two classes whose names run into each other.
		one := f.class(f.cohort("a-b"), f.course("c"))
		two := f.class(f.cohort("a"), f.course("b-c"))
		classes := []lab.Class{one, two}
		students := []lab.Student{
			f.student(lab.Cohort{ID: one.CohortID}, "Ada", "ada@example.org"),
			f.student(lab.Cohort{ID: two.CohortID}, "Ada", "ada@example.org"),
		}
		won := 0
		for _, err := range together(2, func(i int) error {
			return changeClass(t.Context(), stores[i], classes[i].ID, func(state lab.ClassState) (lab.ClassChange, error) {
				return lab.ClassChange{
					Add:   []lab.Workspace{f.newWorkspace(state.Class, students[i], "a-b-c-ada")},
					Audit: f.audit("class.launch", state.ID),
				}, nil
			})
		}) {
			if err == nil {
				won++
				continue
			}
			wantCode(t, err, lab.CodeConflict)
		}
		wantEqual(t, won, 1)
	})
}

func TestAnActOnAClassNeverBringsBackWhatIsDeletedMeanwhile(t *testing.T) {
	t.Parallel()
	onEach(t, func(t *testing.T, f *fixture) {
		ctx, other := t.Context(), f.instances()[1]
		cohort := f.cohort("fall-26")
		class := f.class(cohort, f.course("py101"))
		workspaces := f.workspaces(class, cohort, 5)
		for _, w := range workspaces {
			for _, err := range together(2, func(i int) error {
				if i == 0 {
					f.remove(w, false)
					return nil
				}
				return changeClass(ctx, other, class.ID, func(state lab.ClassState) (lab.ClassChange, error) {
					change := lab.ClassChange{Audit: f.audit("class.stop", class.ID)}
					for _, w := range state.Workspaces {
						if w.Desired != lab.DesiredDeleted {
							w.Desired = lab.DesiredStopped
							change.Update = append(change.Update, w)
						}
					}
					return change, nil
				})
			}) {
				f.must(err)
			}
			wantEqual(t, f.stored(w).Desired, lab.DesiredDeleted)
		}
	})
}

func TestAClassGoesHoweverItsDeletionMeetsItsLastRelease(t *testing.T) {
	t.Parallel()
	onEach(t, func(t *testing.T, f *fixture) {
		ctx, other := t.Context(), f.instances()[1]
		cohort, course := f.cohort("fall-26"), f.course("py101")
		ada := f.student(cohort, "Ada", "ada@example.org")
		epoch := f.epoch()
		for i := range 6 {
			class := f.class(cohort, course)
			w := f.workspace(class, ada, lab.Slug(fmt.Sprintf("fall-26-py101-ada-%d", i)))
			f.remove(w, false)
			for _, err := range together(2, func(i int) error {
				if i == 0 {
					return f.RecordDeleted(ctx, epoch, w.ID, f.now)
				}
				return changeClass(ctx, other, class.ID, func(lab.ClassState) (lab.ClassChange, error) {
					return lab.ClassChange{Delete: true, Audit: f.audit("class.delete", class.ID)}, nil
				})
			}) {
				f.must(err)
			}
			_, err := f.Class(ctx, class.ID)
			wantCode(t, err, lab.CodeNotFound)
		}
	})
}

func TestNothingOfAnOldEpochIsWrittenOnceAnotherIsClaimed(t *testing.T) {
	t.Parallel()
	onEach(t, func(t *testing.T, f *fixture) {
		ctx, other := t.Context(), f.instances()[1]
		cohort := f.cohort("fall-26")
		class := f.class(cohort, f.course("py101"))
		workspaces := f.workspaces(class, cohort, 4)
		old := f.epoch()

		var writers sync.WaitGroup
		writing := make(chan struct{}, len(workspaces))
		for _, w := range workspaces {
			writers.Go(func() {
				for i := 0; ; i++ {
					err := f.RecordSubmission(ctx, old, w.ID, lab.Submission{Fingerprint: fmt.Sprintf("old-%d", i)})
					if i == 0 {
						writing <- struct{}{}
					}
					if err != nil {
						if lab.CodeOf(err) != lab.CodeConflict {
							t.Errorf("a fenced writer got %v", err)
						}
						return
					}
				}
			})
		}
		for range workspaces {
			<-writing
		}
		current, err := other.ClaimEpoch(ctx)
		f.must(err)
		fingerprints := func() (all []string) {
			items, err := other.ReconcileList(ctx)
			f.must(err)
			for _, item := range items {
				all = append(all, item.Submitted.Fingerprint)
			}
			return all
		}
		atClaim := fingerprints()
		writers.Wait()
		wantEqual(t, fingerprints(), atClaim)
		f.must(other.RecordSubmission(ctx, current, workspaces[0].ID, lab.Submission{Fingerprint: "new"}))
		wantEqual(t, fingerprints()[0], "new")
	})
}

func TestStatesAndActsOnTheSameWorkspacesBothArrive(t *testing.T) {
	t.Parallel()
	const rounds = 4
	onEach(t, func(t *testing.T, f *fixture) {
		ctx, other := t.Context(), f.instances()[1]
		cohort := f.cohort("fall-26")
		class := f.class(cohort, f.course("py101"))
		workspaces := f.workspaces(class, cohort, 60)
		epoch := f.epoch()
		for _, err := range together(3, func(i int) error {
			for round := 1; round <= rounds; round++ {
				var err error
				switch i {
				case 0:
					seen := make(map[string]lab.Status)
					for _, w := range workspaces {
						seen[w.ID] = lab.Status{Phase: lab.PhaseReady, Reason: fmt.Sprint(round)}
					}
					err = f.RecordStatuses(ctx, epoch, seen)
				default:
					err = changeClass(ctx, other, class.ID, func(state lab.ClassState) (lab.ClassChange, error) {
						for n := range state.Workspaces {
							state.Workspaces[n].RestartsWanted++
						}
						return lab.ClassChange{Update: state.Workspaces, Audit: f.audit("class.restart", class.ID)}, nil
					})
				}
				if err != nil {
					return err
				}
			}
			return nil
		}) {
			f.must(err)
		}
		items, err := f.ReconcileList(ctx)
		f.must(err)
		for _, item := range items {
			wantEqual(t, item.RestartsWanted, int64(2*rounds))
			wantEqual(t, item.Status.Reason, fmt.Sprint(rounds))
		}
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
			where := d.empty(t)
			for _, err := range together(4, func(int) error {
				s, err := store.Open(t.Context(), d.config(where))
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
