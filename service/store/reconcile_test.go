package store_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/bothylabs/bothy/service/lab"
)

func TestAnOlderEpochIsFenced(t *testing.T) {
	t.Parallel()
	onEach(t, func(t *testing.T, f *fixture) {
		ctx := t.Context()
		cohort := f.cohort("fall-26")
		class := f.class(cohort, f.course("py101"))
		w := f.workspace(class, f.student(cohort, "Ada", "ada@example.org"), "fall-26-py101-ada")
		f.remove(w, false)
		before := f.stored(w)
		old := f.epoch()
		current := f.epoch()
		if current <= old {
			t.Fatalf("epoch %d does not follow %d", current, old)
		}
		ready := map[string]lab.Status{w.ID: {Phase: lab.PhaseReady}}
		wantCode(t, f.RecordSubmission(ctx, old, w.ID, lab.Submission{Fingerprint: "f"}), lab.CodeConflict)
		wantCode(t, f.RecordStatuses(ctx, old, ready), lab.CodeConflict)
		wantCode(t, f.RecordStatuses(ctx, old, nil), lab.CodeConflict)
		wantCode(t, f.RecordDeleted(ctx, old, w.ID, f.now), lab.CodeConflict)
		wantEqual(t, f.stored(w), before)
		f.must(f.RecordStatuses(ctx, current, ready))
	})
}

func TestOnlyChangedStatesAreWritten(t *testing.T) {
	t.Parallel()
	onEach(t, func(t *testing.T, f *fixture) {
		ctx := t.Context()
		cohort := f.cohort("fall-26")
		class := f.class(cohort, f.course("py101"))
		all := f.workspaces(class, cohort, 300) // more than fit one statement
		epoch := f.epoch()
		seen := make(map[string]lab.Status)
		for i := range all {
			all[i].Status = lab.Status{Phase: lab.PhaseStarting, Reason: "Its tasks start.", Since: f.now}
			all[i].Revision = 2
			seen[all[i].ID] = all[i].Status
		}
		f.must(f.RecordStatuses(ctx, epoch, seen))
		items, err := f.ReconcileList(ctx)
		f.must(err)
		for i, item := range items {
			wantEqual(t, item.Workspace, all[i])
		}

		f.now = f.now.Add(time.Minute)
		for id, status := range seen {
			status.Since = f.now
			seen[id] = status
		}
		all[7].Status = lab.Status{Phase: lab.PhaseReady, Reason: "It answers.", AllocID: "a7", NodeName: "n1", Since: f.now}
		all[7].Revision, all[7].UpdatedAt = 3, f.now
		seen[all[7].ID] = all[7].Status
		f.must(f.RecordStatuses(ctx, epoch, seen))
		items, err = f.ReconcileList(ctx)
		f.must(err)
		for i, item := range items {
			wantEqual(t, item.Workspace, all[i])
		}
	})
}

func TestStatesOfWhatIsGoneArePassedOver(t *testing.T) {
	t.Parallel()
	onEach(t, func(t *testing.T, f *fixture) {
		ctx := t.Context()
		cohort := f.cohort("fall-26")
		class := f.class(cohort, f.course("py101"))
		w := f.workspace(class, f.student(cohort, "Ada", "ada@example.org"), "fall-26-py101-ada")
		f.remove(w, true)
		epoch := f.epoch()
		f.must(f.RecordDeleted(ctx, epoch, w.ID, f.now))
		before := f.stored(w)
		f.must(f.RecordStatuses(ctx, epoch, map[string]lab.Status{w.ID: {Phase: lab.PhaseReady}, "none": {Phase: lab.PhaseReady}}))
		wantEqual(t, f.stored(w), before)
	})
}

func TestAReleasedWorkspaceIsLeftOutAndGoesWithItsClass(t *testing.T) {
	t.Parallel()
	onEach(t, func(t *testing.T, f *fixture) {
		ctx := t.Context()
		cohort := f.cohort("fall-26")
		class := f.class(cohort, f.course("py101"))
		ada := f.workspace(class, f.student(cohort, "Ada", "ada@example.org"), "fall-26-py101-ada")
		bob := f.workspace(class, f.student(cohort, "Bob", "bob@example.org"), "fall-26-py101-bob")
		epoch := f.epoch()
		wantCode(t, f.RecordDeleted(ctx, epoch, ada.ID, f.now), lab.CodeConflict)

		at := f.now.Add(time.Minute)
		f.remove(ada, false)
		f.must(f.RecordDeleted(ctx, epoch, ada.ID, at))
		f.must(f.RecordDeleted(ctx, epoch, ada.ID, at.Add(time.Minute)))
		want := ada
		want.Desired, want.DeletedAt, want.Revision, want.UpdatedAt = lab.DesiredDeleted, &at, 3, at
		want.Status = lab.Status{Phase: lab.PhaseStopped, Reason: "Deleted; its home is kept.", Since: at}
		wantEqual(t, f.stored(ada), want)
		items, err := f.ReconcileList(ctx)
		f.must(err)
		wantEqual(t, len(items), 1)

		// The class waits for its last workspace.
		bob.Desired, bob.ReleaseHome = lab.DesiredDeleted, true
		f.must(f.change(class, lab.ClassChange{Update: []lab.Workspace{bob}, Delete: true}))
		_, err = f.Class(ctx, class.ID)
		f.must(err)
		f.must(f.RecordDeleted(ctx, epoch, bob.ID, at))
		_, err = f.Class(ctx, class.ID)
		wantCode(t, err, lab.CodeNotFound)
		workspaces, err := f.Workspaces(ctx, "", "", true)
		f.must(err)
		wantEqual(t, workspaces, []lab.WorkspaceDetail{})
		f.must(f.RecordDeleted(ctx, epoch, bob.ID, at))
	})
}

func BenchmarkRecordStatuses(b *testing.B) {
	for _, d := range databases() {
		b.Run(d.driver, func(b *testing.B) { benchmarkRecordStatuses(b, newFixture(b, d)) })
	}
}

func benchmarkRecordStatuses(b *testing.B, f *fixture) {
	b.Helper()
	const many = 10_000
	cohort := f.cohort("fall-26")
	class := f.class(cohort, f.course("py101"))
	workspaces := f.workspaces(class, cohort, many)
	epoch := f.epoch()
	statuses := func(reason string) map[string]lab.Status {
		seen := make(map[string]lab.Status, many)
		for _, w := range workspaces {
			seen[w.ID] = lab.Status{Phase: lab.PhaseReady, Reason: reason, Since: f.now}
		}
		return seen
	}
	b.Run("all changed", func(b *testing.B) {
		for i := 0; b.Loop(); i++ {
			f.must(f.RecordStatuses(b.Context(), epoch, statuses(fmt.Sprint(i))))
		}
	})
	b.Run("none changed", func(b *testing.B) {
		same := statuses("same")
		f.must(f.RecordStatuses(b.Context(), epoch, same))
		for b.Loop() {
			f.must(f.RecordStatuses(b.Context(), epoch, same))
		}
	})
	b.Run("list", func(b *testing.B) {
		for b.Loop() {
			_, err := f.ReconcileList(b.Context())
			f.must(err)
		}
	})
}

// As many as the reconciler's workers record at the same time.
func BenchmarkRecordSubmissions(b *testing.B) {
	const workers = 8
	for _, d := range databases() {
		b.Run(d.driver, func(b *testing.B) {
			f := newFixture(b, d)
			cohort := f.cohort("fall-26")
			workspaces := f.workspaces(f.class(cohort, f.course("py101")), cohort, workers)
			epoch := f.epoch()
			for b.Loop() {
				for _, err := range together(workers, func(i int) error {
					return f.RecordSubmission(b.Context(), epoch, workspaces[i].ID, lab.Submission{Fingerprint: "f", At: f.now})
				}) {
					f.must(err)
				}
			}
		})
	}
}
