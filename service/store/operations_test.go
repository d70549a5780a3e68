package store_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/bothylabs/bothy/service/lab"
	"github.com/bothylabs/bothy/service/store"
)

func countsOf(o lab.Operation) string {
	return fmt.Sprintf("%s: %d done, %d failed, %d superseded, %d pending of %d",
		o.State, o.Counts.Done, o.Counts.Failed, o.Counts.Superseded, o.Counts.Pending, o.Counts.Total)
}

// act does what an act of this kind wants of all workspaces of a class, and gives the operation.
func (f *fixture) act(s *store.Store, class lab.Class, kind lab.OperationKind) (lab.Operation, error) {
	operation := lab.Operation{
		ID: f.id("operation"), Kind: kind, ClassID: class.ID, ClassKey: class.Key(), Actor: "token:test", CreatedAt: f.now,
	}
	_, err := s.ChangeClass(f.t.Context(), somebody(), class.ID, func(state lab.ClassState) (lab.ClassChange, error) {
		o, change := operation, lab.ClassChange{Audit: f.audit(string(kind), class.ID), Delete: kind == lab.OperationDelete}
		for _, w := range state.Workspaces {
			before := w
			if w.Desired == lab.DesiredDeleted && kind != lab.OperationDelete {
				continue
			}
			switch kind {
			case lab.OperationLaunch, lab.OperationStart:
				w.Desired = lab.DesiredRunning
			case lab.OperationStop:
				w.Desired = lab.DesiredStopped
			case lab.OperationRestart:
				w.RestartsWanted++
			case lab.OperationReset:
				w.ResetsWanted++
			case lab.OperationDelete:
				w.Desired = lab.DesiredDeleted
			}
			if w != before {
				change.Update = append(change.Update, w)
			}
			item := o.Wants(w, w != before, f.now)
			o.Counts.Add(item.Outcome, 1)
			change.Items = append(change.Items, item)
		}
		o.Affected, o.State = len(change.Update), o.Counts.State()
		if o.State != lab.OperationRunning {
			o.EndedAt = &o.CreatedAt
		}
		change.Operation, operation = o, o
		return change, nil
	})
	return operation, err
}

func (f *fixture) acted(class lab.Class, kind lab.OperationKind) lab.Operation {
	f.t.Helper()
	o, err := f.act(f.Store, class, kind)
	f.must(err)
	return o
}

// see records a phase, which began now, of some workspaces.
func (f *fixture) see(epoch int64, phase lab.Phase, workspaces ...lab.Workspace) {
	f.t.Helper()
	seen := map[string]lab.Status{}
	for _, w := range workspaces {
		seen[w.ID] = lab.Status{Phase: phase, Reason: "it is " + string(phase), Since: f.now}
	}
	f.must(f.RecordStatuses(f.t.Context(), epoch, seen))
}

// wantOperation says how an operation is; its items must be what it counts.
func (f *fixture) wantOperation(o lab.Operation, want string) lab.Operation {
	f.t.Helper()
	got, err := f.Operation(f.t.Context(), o.ID)
	f.must(err)
	wantEqual(f.t, countsOf(got), want)
	items, err := f.OperationItems(f.t.Context(), o.ID, "", lab.Page{Limit: 100_000})
	f.must(err)
	var counts lab.OperationCounts
	for _, item := range items.Items {
		counts.Add(item.Outcome, 1)
		if (item.Outcome == lab.OutcomePending) != (item.EndedAt == nil) || item.Reason == "" && item.EndedAt != nil {
			f.t.Errorf("item %+v", item)
		}
	}
	wantEqual(f.t, counts, got.Counts)
	if (got.EndedAt == nil) != (got.State == lab.OperationRunning) || got.State != counts.State() {
		f.t.Errorf("ended at %v, and is %s", got.EndedAt, got.State)
	}
	return got
}

// stoppedClass has n workspaces that were seen stopped, and are wanted so.
func (f *fixture) stoppedClass(n int) (lab.Class, []lab.Workspace, int64) {
	f.t.Helper()
	cohort := f.cohort("fall-26")
	class := f.class(cohort, f.course("py101"))
	workspaces := f.workspaces(class, cohort, n)
	f.acted(class, lab.OperationStop)
	epoch := f.epoch()
	f.see(epoch, lab.PhaseStopped, workspaces...)
	return class, workspaces, epoch
}

func TestAnOperationIsFollowedToItsEnd(t *testing.T) {
	t.Parallel()
	onEach(t, func(t *testing.T, f *fixture) {
		class, all, epoch := f.stoppedClass(3)
		o := f.acted(class, lab.OperationLaunch)
		got := f.wantOperation(o, "running: 0 done, 0 failed, 0 superseded, 3 pending of 3")
		wantEqual(t, got, o)

		f.see(epoch, lab.PhaseStarting, all...)
		f.wantOperation(o, "running: 0 done, 0 failed, 0 superseded, 3 pending of 3")
		f.see(epoch, lab.PhaseReady, all[0])
		f.wantOperation(o, "running: 1 done, 0 failed, 0 superseded, 2 pending of 3")

		// A failure counts once it has lasted, and not for ever.
		f.see(epoch, lab.PhaseFailed, all[1])
		f.wantOperation(o, "running: 1 done, 0 failed, 0 superseded, 2 pending of 3")
		f.now = f.now.Add(lab.FailedFor)
		items, err := f.ReconcileList(t.Context())
		f.must(err)
		wantEqual(t, []bool{items[0].Awaited, items[1].Awaited, items[2].Awaited}, []bool{false, true, true})
		f.must(f.RecordStatuses(t.Context(), epoch, map[string]lab.Status{all[1].ID: f.stored(all[1]).Status})) // nothing new is seen
		f.wantOperation(o, "running: 1 done, 1 failed, 0 superseded, 1 pending of 3")
		f.see(epoch, lab.PhaseStarting, all[1])
		f.wantOperation(o, "running: 1 done, 1 failed, 0 superseded, 1 pending of 3")
		f.see(epoch, lab.PhaseReady, all[1])
		f.wantOperation(o, "running: 2 done, 0 failed, 0 superseded, 1 pending of 3")

		// What was done stays done; the last one ends it.
		f.see(epoch, lab.PhaseFailed, all[0], all[2])
		f.now = f.now.Add(lab.FailedFor)
		f.must(f.RecordStatuses(t.Context(), epoch, map[string]lab.Status{all[0].ID: f.stored(all[0]).Status, all[2].ID: f.stored(all[2]).Status}))
		ended := f.wantOperation(o, "failed: 2 done, 1 failed, 0 superseded, 0 pending of 3")
		wantEqual(t, *ended.EndedAt, f.now)

		// One that has ended never changes, and nobody waits for it.
		f.now = f.now.Add(time.Minute)
		f.see(epoch, lab.PhaseReady, all...)
		f.acted(class, lab.OperationStop)
		wantEqual(t, f.wantOperation(o, "failed: 2 done, 1 failed, 0 superseded, 0 pending of 3"), ended)
		f.see(epoch, lab.PhaseStopped, all...)
		items, err = f.ReconcileList(t.Context())
		f.must(err)
		for _, item := range items {
			wantEqual(t, item.Awaited, false)
		}
	})
}

func TestAPendingItemSaysWhatIsSeen(t *testing.T) {
	t.Parallel()
	onEach(t, func(t *testing.T, f *fixture) {
		class, all, epoch := f.stoppedClass(2)
		o := f.acted(class, lab.OperationStart)
		f.see(epoch, lab.PhaseQueued, all[0])
		f.see(epoch, lab.PhaseReady, all[1])
		f.see(epoch, lab.PhaseStarting, all[1]) // what comes later is not this act's
		items, err := f.OperationItems(t.Context(), o.ID, "", lab.Page{Limit: 10})
		f.must(err)
		wantEqual(t, items.Items, []lab.OperationItem{
			{OperationID: o.ID, WorkspaceID: all[0].ID, Slug: all[0].Slug, Outcome: lab.OutcomePending, Reason: "it is queued"},
			{OperationID: o.ID, WorkspaceID: all[1].ID, Slug: all[1].Slug, Outcome: lab.OutcomeDone, Reason: "it is ready", EndedAt: &f.now},
		})
	})
}

func TestWhatIsAsWantedIsDoneAtOnce(t *testing.T) {
	t.Parallel()
	onEach(t, func(t *testing.T, f *fixture) {
		class, all, epoch := f.stoppedClass(2)
		f.acted(class, lab.OperationLaunch)
		f.see(epoch, lab.PhaseReady, all...)
		o := f.acted(class, lab.OperationLaunch)
		wantEqual(t, f.wantOperation(o, "done: 2 done, 0 failed, 0 superseded, 0 pending of 2"), o)
		f.see(epoch, lab.PhaseStarting, all[1])
		f.wantOperation(f.acted(class, lab.OperationLaunch), "running: 1 done, 0 failed, 0 superseded, 1 pending of 2")
		empty := f.class(lab.Cohort{ID: class.CohortID}, f.course("py102"))
		f.wantOperation(f.acted(empty, lab.OperationStop), "done: 0 done, 0 failed, 0 superseded, 0 pending of 0")
	})
}

func TestALaterActOvertakesWhatItWantsOtherwise(t *testing.T) {
	t.Parallel()
	onEach(t, func(t *testing.T, f *fixture) {
		class, all, epoch := f.stoppedClass(5)
		launch := f.acted(class, lab.OperationLaunch)
		f.see(epoch, lab.PhaseReady, all[0])
		_, err := f.ChangeWorkspace(t.Context(), somebody(), all[1].ID, func(w lab.Workspace) (lab.Workspace, lab.Audit, error) {
			w.Desired = lab.DesiredStopped
			return w, f.audit("workspace.stop", w.ID), nil
		})
		f.must(err)
		f.remove(all[2], false)
		_, err = f.Withdraw(t.Context(), somebody(), all[3].StudentID, f.now, f.audit("student.withdraw", all[3].StudentID))
		f.must(err)
		f.wantOperation(launch, "running: 1 done, 0 failed, 3 superseded, 1 pending of 5")

		// A restart of all wants nothing otherwise; a stop does.
		f.acted(class, lab.OperationRestart)
		f.wantOperation(launch, "running: 1 done, 0 failed, 3 superseded, 1 pending of 5")
		stop := f.acted(class, lab.OperationStop)
		f.wantOperation(launch, "superseded: 1 done, 0 failed, 4 superseded, 0 pending of 5")
		start := f.acted(class, lab.OperationStart)
		for _, i := range []int{0, 1, 4} {
			f.must(f.RecordSubmission(t.Context(), epoch, all[i].ID, lab.Submission{RestartsDone: f.stored(all[i]).RestartsWanted}))
		}
		f.wantOperation(stop, "superseded: 1 done, 0 failed, 2 superseded, 0 pending of 3")
		f.see(epoch, lab.PhaseReady, all...)
		f.wantOperation(start, "done: 3 done, 0 failed, 0 superseded, 0 pending of 3")
	})
}

func TestARestartIsDoneOnceItIsReadyAgain(t *testing.T) {
	t.Parallel()
	onEach(t, func(t *testing.T, f *fixture) {
		class, all, epoch := f.stoppedClass(1)
		f.acted(class, lab.OperationLaunch)
		f.see(epoch, lab.PhaseReady, all...)
		o := f.acted(class, lab.OperationRestart)
		f.see(epoch, lab.PhaseReady, all...)
		f.wantOperation(o, "running: 0 done, 0 failed, 0 superseded, 1 pending of 1")
		f.see(epoch, lab.PhaseStarting, all...)
		f.must(f.RecordSubmission(t.Context(), epoch, all[0].ID, lab.Submission{Fingerprint: "f", RestartsDone: 1}))
		f.wantOperation(o, "running: 0 done, 0 failed, 0 superseded, 1 pending of 1")
		f.see(epoch, lab.PhaseReady, all...)
		f.wantOperation(o, "done: 1 done, 0 failed, 0 superseded, 0 pending of 1")
	})
}

func TestAResetIsDoneOnceTheHomeWasDeleted(t *testing.T) {
	t.Parallel()
	onEach(t, func(t *testing.T, f *fixture) {
		class, all, epoch := f.stoppedClass(1)
		o := f.acted(class, lab.OperationReset)
		f.see(epoch, lab.PhaseStopped, all...)
		f.wantOperation(o, "running: 0 done, 0 failed, 0 superseded, 1 pending of 1")
		wantCode(t, f.RecordReset(t.Context(), epoch-1, all[0].ID, 1), lab.CodeConflict)
		wantCode(t, f.RecordReset(t.Context(), epoch, "none", 1), lab.CodeNotFound)
		f.must(f.RecordReset(t.Context(), epoch, all[0].ID, 1))
		w := f.stored(all[0])
		wantEqual(t, []int64{w.ResetsWanted, w.ResetsDone}, []int64{1, 1})
		f.see(epoch, lab.PhaseStopped, all...)
		f.wantOperation(o, "done: 1 done, 0 failed, 0 superseded, 0 pending of 1")
	})
}

func TestADeletionOutlivesItsClass(t *testing.T) {
	t.Parallel()
	onEach(t, func(t *testing.T, f *fixture) {
		class, all, epoch := f.stoppedClass(2)
		first := f.acted(class, lab.OperationDelete)
		f.must(f.RecordDeleted(t.Context(), epoch, all[0].ID, f.now))
		second := f.acted(class, lab.OperationDelete)
		f.wantOperation(first, "running: 1 done, 0 failed, 0 superseded, 1 pending of 2")
		f.must(f.RecordDeleted(t.Context(), epoch, all[1].ID, f.now))
		_, err := f.Class(t.Context(), class.ID)
		wantCode(t, err, lab.CodeNotFound)
		f.wantOperation(first, "done: 2 done, 0 failed, 0 superseded, 0 pending of 2")
		f.wantOperation(second, "done: 1 done, 0 failed, 0 superseded, 0 pending of 1")
	})
}

func TestAnOlderEpochEndsNoOperation(t *testing.T) {
	t.Parallel()
	onEach(t, func(t *testing.T, f *fixture) {
		class, all, epoch := f.stoppedClass(1)
		o := f.acted(class, lab.OperationLaunch)
		f.see(epoch, lab.PhaseStarting, all...)
		f.epoch()
		wantCode(t, f.RecordStatuses(t.Context(), epoch, map[string]lab.Status{all[0].ID: {Phase: lab.PhaseReady}}), lab.CodeConflict)
		f.wantOperation(o, "running: 0 done, 0 failed, 0 superseded, 1 pending of 1")
	})
}

func TestOperationsAreListedNewestFirst(t *testing.T) {
	t.Parallel()
	onEach(t, func(t *testing.T, f *fixture) {
		ctx := t.Context()
		class, all, epoch := f.stoppedClass(3)
		other := f.class(lab.Cohort{ID: class.CohortID, Key: class.CohortKey}, f.course("py102"))
		stops, err := f.Operations(ctx, lab.OperationFilter{}, lab.Page{Limit: 10})
		f.must(err)
		wantEqual(t, len(stops.Items), 1)
		launch, empty := f.acted(class, lab.OperationLaunch), f.acted(other, lab.OperationStop)
		want := []string{empty.ID, launch.ID, stops.Items[0].ID}
		operations := ofItems(f, func(o lab.Operation) string { return o.ID })
		page := func(filter lab.OperationFilter, limit int) string {
			return operations(f.Operations(ctx, filter, lab.Page{Limit: limit}))
		}
		wantEqual(t, page(lab.OperationFilter{}, 10), strings.Join(want, " "))
		wantEqual(t, page(lab.OperationFilter{}, 2), strings.Join(want[:2], " "))
		first, err := f.Operations(ctx, lab.OperationFilter{}, lab.Page{Limit: 2})
		f.must(err)
		wantEqual(t, operations(f.Operations(ctx, lab.OperationFilter{}, lab.Page{Limit: 2, Cursor: first.Next})), want[2])
		wantEqual(t, page(lab.OperationFilter{Class: class.ID}, 10), strings.Join(want[1:], " "))
		wantEqual(t, page(lab.OperationFilter{Class: class.Key(), State: lab.OperationRunning}, 10), want[1])
		wantEqual(t, page(lab.OperationFilter{Class: "none"}, 10), "")
		_, err = f.Operation(ctx, "none")
		wantCode(t, err, lab.CodeNotFound)

		f.see(epoch, lab.PhaseReady, all[1])
		items := ofItems(f, func(i lab.OperationItem) string { return i.WorkspaceID })
		begin, err := f.OperationItems(ctx, launch.ID, "", lab.Page{Limit: 2})
		f.must(err)
		wantEqual(t, items(begin, nil), all[0].ID+" "+all[1].ID)
		wantEqual(t, items(f.OperationItems(ctx, launch.ID, "", lab.Page{Limit: 2, Cursor: begin.Next})), all[2].ID)
		wantEqual(t, items(f.OperationItems(ctx, launch.ID, lab.OutcomePending, lab.Page{Limit: 10})), all[0].ID+" "+all[2].ID)
	})
}

func TestAStopDuringALaunchEndsBothTruly(t *testing.T) {
	t.Parallel()
	onEach(t, func(t *testing.T, f *fixture) {
		class, all, epoch := f.stoppedClass(60)
		other := f.instances()[1]
		for range 4 {
			launch := f.acted(class, lab.OperationLaunch)
			acts := make([]lab.Operation, 3)
			for _, err := range together(4, func(i int) (err error) {
				switch i {
				case 0: // the reconciler sees them come up, a few at a time
					for some := range slices.Chunk(all, 7) {
						seen := map[string]lab.Status{}
						for _, w := range some {
							seen[w.ID] = lab.Status{Phase: lab.PhaseReady, Reason: "it answers", Since: f.now}
						}
						if err := f.RecordStatuses(t.Context(), epoch, seen); err != nil {
							return err
						}
					}
					return nil
				case 1, 2:
					acts[i], err = f.act(other, class, lab.OperationStop)
					return err
				default:
					acts[0], err = f.act(other, class, lab.OperationRestart)
					return err
				}
			}) {
				f.must(err)
			}
			got, err := f.Operation(t.Context(), launch.ID)
			f.must(err)
			if got.Counts.Pending+got.Counts.Failed > 0 || got.Counts.Done+got.Counts.Superseded != len(all) {
				t.Errorf("a launch that was overtaken: %s", countsOf(got))
			}
			f.wantOperation(got, countsOf(got))
			f.see(epoch, lab.PhaseStopped, all...)
			for _, o := range acts[1:] {
				f.wantOperation(o, "done: 60 done, 0 failed, 0 superseded, 0 pending of 60")
			}
			if diff := cmp.Diff(f.stored(all[0]).Desired, lab.DesiredStopped); diff != "" {
				t.Error(diff)
			}
		}
	})
}

func TestAnActThatIsRefusedLeavesNoOperation(t *testing.T) {
	t.Parallel()
	onEach(t, func(t *testing.T, f *fixture) {
		class, all, _ := f.stoppedClass(1)
		before, err := f.Operations(t.Context(), lab.OperationFilter{}, lab.Page{Limit: 10})
		f.must(err)
		o := lab.Operation{ID: f.id("operation"), Kind: lab.OperationLaunch, ClassID: class.ID, State: lab.OperationRunning, CreatedAt: f.now}
		again := all[0] // its slug was given before
		again.ID = f.id("workspace")
		err = f.change(class, lab.ClassChange{Add: []lab.Workspace{again}, Operation: o, Items: []lab.OperationItem{o.Wants(again, true, f.now)}})
		wantCode(t, err, lab.CodeConflict)
		after, err := f.Operations(t.Context(), lab.OperationFilter{}, lab.Page{Limit: 10})
		f.must(err)
		wantEqual(t, after, before)
	})
}

// BenchmarkLaunchOfTenThousand is the act, and the states of all its workspaces at once.
func BenchmarkLaunchOfTenThousand(b *testing.B) {
	for _, d := range databases() {
		b.Run(d.driver, func(b *testing.B) {
			f := newFixture(b, d)
			class, all, epoch := f.stoppedClass(10_000)
			for b.Loop() {
				start := time.Now()
				o := f.acted(class, lab.OperationLaunch)
				acted := time.Now()
				f.see(epoch, lab.PhaseReady, all...)
				seen := time.Now()
				_, err := f.ReconcileList(b.Context())
				f.must(err)
				b.ReportMetric(acted.Sub(start).Seconds(), "s/act")
				b.ReportMetric(seen.Sub(acted).Seconds(), "s/states")
				b.ReportMetric(time.Since(seen).Seconds(), "s/list")
				again := time.Now()
				f.see(epoch, lab.PhaseStarting, all...)
				b.ReportMetric(time.Since(again).Seconds(), "s/unawaited-states")
				f.wantOperation(o, "done: 10000 done, 0 failed, 0 superseded, 0 pending of 10000")
				f.acted(class, lab.OperationStop)
				f.see(epoch, lab.PhaseStopped, all...)
			}
		})
	}
}
