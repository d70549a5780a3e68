package store_test

import (
	"testing"

	"github.com/bothylabs/bothy/service/lab"
)

func TestADryRunLeavesEveryTableAsItWas(t *testing.T) {
	t.Parallel()
	onEach(t, func(t *testing.T, f *fixture) {
		s := newSite(f)
		intent := somebody()
		intent.DryRun, intent.Key = true, "key"
		for name, act := range s.acts() {
			t.Run(name, func(t *testing.T) {
				before := f.dump()
				f.must(act.do(t.Context(), f.Store, intent))
				wantEqual(t, f.dump(), before)
			})
		}
	})
}

func TestADryRunFindsWhatTheActWouldRunInto(t *testing.T) {
	t.Parallel()
	onEach(t, func(t *testing.T, f *fixture) {
		s := newSite(f)
		intent := somebody()
		intent.DryRun = true
		taken := f.newCohort(s.cohort.Key)
		wantCode(t, f.CreateCohort(t.Context(), intent, taken, f.audit("x", "x")), lab.CodeConflict)
		wantCode(t, f.DeleteCohort(t.Context(), intent, s.cohort.ID, f.audit("x", "x")), lab.CodeConflict)
		intent.Match = []int64{99}
		wantCode(t, s.acts()["change a course"].do(t.Context(), f.Store, intent), lab.CodeStale)
	})
}
