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

// TestWhatWasSubmittedAnewIsReadyOnceItIsReplaced: right after the submission, what
// is seen to be ready is the allocation of before.
func TestWhatWasSubmittedAnewIsReadyOnceItIsReplaced(t *testing.T) {
	w := newWorld()
	w.add(1, lab.DesiredRunning)
	r := process(w)
	item := w.items["w1"]
	e := effects{cfg: r.cfg, epoch: r.epoch}
	register := func() uint64 {
		t.Helper()
		index := uint64(0)
		if job := w.jobs[item.Slug.JobID()]; job != nil {
			index = job.index
		}
		if err := e.do(t.Context(), task{action: Action{Kind: KindRegister, Index: index}, item: Item{WorkItem: *item, Fingerprint: w.version}}); err != nil {
			t.Fatal(err)
		}
		return w.jobs[item.Slug.JobID()].index
	}
	register()
	if item.Status.Phase == lab.PhasePlacing {
		t.Error("there was nothing to replace")
	}
	item.Status = lab.Status{Phase: lab.PhaseReady, AllocID: "a101", Since: noon}
	w.version = "v2"
	index := register()
	if item.Status.Phase != lab.PhasePlacing {
		t.Errorf("it is %s", item.Status.Phase)
	}

	for name, test := range map[string]struct {
		change jobOption
		want   lab.Phase
	}{
		"the one of before":        {func(o *lab.Observation) { o.Allocs[0].Behind = true }, lab.PhasePlacing},
		"no room for another":      {func(o *lab.Observation) { o.Allocs[0].Behind, o.Blocked = true, "memory exhausted" }, lab.PhaseReady},
		"the new one, or the same": {func(*lab.Observation) {}, lab.PhaseReady},
	} {
		t.Run(name, func(t *testing.T) {
			o := job(test.change)
			o.JobID, o.JobModifyIndex = item.Slug.JobID(), index
			if got := r.statusOf(Item{WorkItem: *item, Fingerprint: "v2"}, snapshot(o), noon); got.Phase != test.want {
				t.Errorf("%s: %s, want %s", got.Phase, got.Reason, test.want)
			}
		})
	}
}
