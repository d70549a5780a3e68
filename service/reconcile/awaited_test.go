package reconcile

import (
	"testing"

	"github.com/bothylabs/bothy/service/lab"
)

// TestWhatAnOperationAwaitsIsRecordedThoughItIsNotNew is about a workspace that
// was seen as it is before the act.
func TestWhatAnOperationAwaitsIsRecordedThoughItIsNotNew(t *testing.T) {
	behind := func(o *lab.Observation) { o.Allocs[0].Behind = true }
	for name, test := range map[string]struct {
		phase      lab.Phase
		awaited    bool
		unreadable string
		job        *lab.Observation
		want       bool
	}{
		"ready, and awaited":                {lab.PhaseReady, true, "", job(), true},
		"ready, and nobody waits":           {lab.PhaseReady, false, "", job(), false},
		"ready, and Nomad is to replace it": {lab.PhaseReady, true, "", job(behind), false},
		"stopped, and awaited":              {lab.PhaseStopped, true, "", job(stopped, dead, behind), true},
		"absent, and awaited":               {lab.PhaseStopped, true, "", nil, true},
		"failed, and awaited":               {lab.PhaseFailed, true, "", job(), true},
		"starting: that is no end":          {lab.PhaseStarting, true, "", job(), false},
		"Nomad can't be read":               {lab.PhaseReady, true, "Nomad does not answer", job(), false},
	} {
		t.Run(name, func(t *testing.T) {
			item := workspace(lab.DesiredRunning)
			item.Awaited = test.awaited
			snap := snapshot(test.job)
			snap.Unreadable = test.unreadable
			if got := awaited(item, snap, lab.Status{Phase: test.phase}); got != test.want {
				t.Errorf("%v, want %v", got, test.want)
			}
		})
	}
}
