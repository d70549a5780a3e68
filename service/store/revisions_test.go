package store_test

import (
	"strings"
	"testing"

	"github.com/bothylabs/bothy/service/lab"
)

func TestEveryWriteRaisesTheRevisionOfWhatItIsOn(t *testing.T) {
	t.Parallel()
	onEach(t, func(t *testing.T, f *fixture) {
		for name := range newSite(f).acts() {
			act := newSite(f).acts()[name]
			if act.on == nil || strings.HasPrefix(name, "delete") {
				continue
			}
			t.Run(name, func(t *testing.T) {
				before, _, err := act.on(t.Context(), f.Store)
				f.must(err)
				f.must(act.do(t.Context(), f.Store, somebody()))
				after, _, err := act.on(t.Context(), f.Store)
				f.must(err)
				if after != before+1 {
					t.Errorf("the revision was %d and is %d", before, after)
				}
			})
		}
	})
}

func TestTheReconcilersWritesRaiseTheRevisionToo(t *testing.T) {
	t.Parallel()
	onEach(t, func(t *testing.T, f *fixture) {
		ctx, s := t.Context(), newSite(f)
		epoch := f.epoch()
		want := int64(1)
		raised := func(err error) {
			t.Helper()
			f.must(err)
			want++
			wantEqual(t, f.stored(s.workspace).Revision, want)
		}
		raised(f.RecordSubmission(ctx, epoch, s.workspace.ID, lab.Submission{Fingerprint: "f"}))
		raised(f.RecordStatuses(ctx, epoch, map[string]lab.Status{s.workspace.ID: {Phase: lab.PhaseReady}}))
		f.must(f.RecordStatuses(ctx, epoch, map[string]lab.Status{s.workspace.ID: {Phase: lab.PhaseReady}}))
		f.remove(s.workspace, false)
		want++
		raised(f.RecordDeleted(ctx, epoch, s.workspace.ID, f.now))
	})
}

func TestAWorkspacesVersionMovesWithItsStudent(t *testing.T) {
	t.Parallel()
	onEach(t, func(t *testing.T, f *fixture) {
		ctx, s := t.Context(), newSite(f)
		before, err := f.Workspace(ctx, s.workspace.ID)
		f.must(err)
		renamed := s.student
		renamed.Name = "Ada Lovelace"
		f.must(f.enroll(s.cohort, renamed))
		after, err := f.Workspace(ctx, s.workspace.ID)
		f.must(err)
		wantEqual(t, []int64{before.Version(), after.Version(), after.Revision}, []int64{1, 2, 1})
	})
}

func TestWhatChangesNothingRaisesNoRevision(t *testing.T) {
	t.Parallel()
	onEach(t, func(t *testing.T, f *fixture) {
		ctx, s := t.Context(), newSite(f)
		before := f.everything()
		f.must(second(f.ChangeWorkspace(ctx, somebody(), s.workspace.ID, func(w lab.Workspace) (lab.Workspace, lab.Audit, error) {
			return w, f.audit("workspace.start", w.ID), nil
		})))
		f.must(f.enroll(s.cohort))
		f.must(f.change(s.class, lab.ClassChange{}))
		after := f.everything()
		delete(before, "audits")
		delete(after, "audits")
		wantEqual(t, after, before)
	})
}

func TestOnlyARevisionThatMatchesIsChanged(t *testing.T) {
	t.Parallel()
	onEach(t, func(t *testing.T, f *fixture) {
		for name := range newSite(f).acts() {
			act := newSite(f).acts()[name]
			if act.on == nil {
				continue
			}
			t.Run(name, func(t *testing.T) {
				revision, current, err := act.on(t.Context(), f.Store)
				f.must(err)
				before := f.dump()
				for _, match := range [][]int64{{revision + 1}, {revision - 1, revision + 1}, {}} {
					intent := somebody()
					intent.Match = match
					stale := wantCode(t, act.do(t.Context(), f.Store, intent), lab.CodeStale)
					wantEqual(t, stale.Current, current)
				}
				wantEqual(t, f.dump(), before)
				intent := somebody()
				intent.Match = []int64{revision - 1, revision}
				f.must(act.do(t.Context(), f.Store, intent))
			})
		}
	})
}

func TestOfManyWhoSawTheSameOneChangesIt(t *testing.T) {
	t.Parallel()
	onEach(t, func(t *testing.T, f *fixture) {
		stores := f.instances()
		for name := range newSite(f).acts() {
			act := newSite(f).acts()[name]
			if act.on == nil {
				continue
			}
			t.Run(name, func(t *testing.T) {
				revision, _, err := act.on(t.Context(), f.Store)
				f.must(err)
				intent := somebody()
				intent.Match = []int64{revision}
				won := 0
				for _, err := range together(8, func(i int) error { return act.do(t.Context(), stores[i%2], intent) }) {
					switch code := lab.CodeOf(err); {
					case err == nil:
						won++
					case code == lab.CodeNotFound && strings.HasPrefix(name, "delete"):
					default:
						wantCode(t, err, lab.CodeStale)
					}
				}
				wantEqual(t, won, 1)
			})
		}
	})
}
