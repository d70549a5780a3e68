package reconcile

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/bothylabs/bothy/service/lab"
)

func TestClassifySaysThePhaseAndWhy(t *testing.T) {
	const running, stop, del = lab.DesiredRunning, lab.DesiredStopped, lab.DesiredDeleted
	tests := []struct {
		name   string
		item   Item
		job    *lab.Observation
		phase  lab.Phase
		reason string
	}{
		{"wanted and absent", workspace(running, neverSubmitted), nil, lab.PhaseQueued, "waiting to be submitted to Nomad"},
		{"never launched", workspace(stop, neverSubmitted), nil, lab.PhaseStopped, "nothing runs; the home is kept"},
		{"deleted and absent", workspace(del), nil, lab.PhaseStopping, "what belongs to it is being released"},
		{"foreign", workspace(running), job(unmarked), lab.PhaseFailed, `Nomad has a job "bothy-f26-py-ada" that this Bothy did not make; it is left alone`},

		{"being placed", workspace(running), job(noAllocs), lab.PhasePlacing, "Nomad is choosing a node"},
		{"no room", workspace(running), job(noAllocs, blocked("memory exhausted on 3 nodes")), lab.PhaseQueued, "waiting for room: memory exhausted on 3 nodes"},
		{"no room any more", workspace(running), job(alloc(lab.AllocComplete), unwanted, blocked("cpu exhausted on 1 node")), lab.PhaseQueued, "waiting for room: cpu exhausted on 1 node"},
		{"being moved", workspace(running), job(unwanted), lab.PhasePlacing, "Nomad is replacing its allocation"},
		{"tasks starting", workspace(running), job(alloc(lab.AllocPending)), lab.PhaseStarting, "its tasks are starting on node n1"},
		{"tasks waiting", workspace(running), job(alloc(lab.AllocPending), problem(`task "ide": Missing: vault.read(x)`)), lab.PhaseStarting, `task "ide": Missing: vault.read(x)`},
		{"a task fails again and again", workspace(running), job(alloc(lab.AllocPending), problem(`task "ide": Exit Code: 1`), failing), lab.PhaseFailed, `task "ide": Exit Code: 1; Nomad tries again`},
		{"one of two tasks fails", workspace(running), job(problem(`task "ide": Exit Code: 1`), failing), lab.PhaseFailed, `task "ide": Exit Code: 1; Nomad tries again`},
		{"failed", workspace(running), job(alloc(lab.AllocFailed), problem(`task "ide": Exit Code: 1`)), lab.PhaseFailed, `task "ide": Exit Code: 1`},
		{"failed and no room", workspace(running), job(alloc(lab.AllocFailed), blocked("memory exhausted on 1 node")), lab.PhaseFailed, "its allocation failed; waiting for room: memory exhausted on 1 node"},
		{"given up", workspace(running), job(dead, alloc(lab.AllocFailed), problem(`task "ide": Exit Code: 1`)), lab.PhaseFailed, `Nomad gave up on it: task "ide": Exit Code: 1`},
		{"ended by itself", workspace(running), job(dead, alloc(lab.AllocComplete)), lab.PhaseFailed, "it ended by itself and Nomad will not start it again"},

		{"ready", workspace(running), job(), lab.PhaseReady, "it answers on node n1"},
		{"not yet in Consul", workspace(running), job(notInConsul), lab.PhaseStarting, "it runs; Consul does not know it yet"},
		{"unhealthy", workspace(running), job(unhealthy), lab.PhaseStarting, "it runs; its health check does not pass"},
		{"unhealthy after a failure", workspace(running), job(unhealthy, problem(`task "ide": Exit Code: 1`)), lab.PhaseStarting, `it runs; its health check does not pass: task "ide": Exit Code: 1`},
		{"ready before Consul went away", workspace(running), job(unread), lab.PhaseReady, "it runs; Consul can't be asked for its health"},
		{"not ready before Consul went away", workspace(running, seenBefore(lab.PhaseStarting, time.Minute)), job(unread), lab.PhaseStarting, "it runs; Consul can't be asked for its health"},

		{"disconnected", workspace(running), job(alloc(lab.AllocUnknown)), lab.PhaseLost, "node n1 is disconnected; Nomad waits for it to come back"},
		{"lost", workspace(running), job(alloc(lab.AllocLost)), lab.PhaseLost, "node n1 is lost"},
		{"lost and no other place", workspace(running), job(alloc(lab.AllocLost), blocked("no ready node has its home yet")), lab.PhaseLost, "node n1 is lost; no other place: no ready node has its home yet"},

		{"to be stopped", workspace(stop), job(), lab.PhaseStopping, "about to be stopped"},
		{"stopping", workspace(stop), job(stopped), lab.PhaseStopping, "its tasks are ending"},
		{"stopped", workspace(stop), job(stopped, dead, alloc(lab.AllocComplete)), lab.PhaseStopped, "nothing runs; the home is kept"},
		{"stopped with its node disconnected", workspace(stop), job(stopped, alloc(lab.AllocUnknown)), lab.PhaseStopping, "node n1 is disconnected: whether it still runs there is not known"},
		{"stopped with its node lost", workspace(stop), job(stopped, alloc(lab.AllocLost)), lab.PhaseStopped, "nothing runs; the home is kept"},
		{"deleted with its node lost", workspace(del), job(stopped, alloc(lab.AllocLost)), lab.PhaseStopping, "node n1 was lost: its home is released once Nomad has cleared the allocation away"},
		{"to be reset", workspace(running, resetWanted), job(), lab.PhaseStopping, "about to be stopped and reset"},
		{"to be reset, stopped", workspace(stop, resetWanted), job(stopped, dead, alloc(lab.AllocComplete)), lab.PhaseStopping, "it is being reset: its home is being deleted"},
		{"to be reset, given up", workspace(running, resetWanted), job(dead, alloc(lab.AllocFailed)), lab.PhaseStopping, "it is being reset: its home is being deleted"},
		{"to be reset, its node lost", workspace(running, resetWanted), job(stopped, alloc(lab.AllocLost)), lab.PhaseStopping, "node n1 was lost: its home is released once Nomad has cleared the allocation away"},
		{"deleted while it was to be reset", workspace(del, resetWanted), nil, lab.PhaseStopping, "what belongs to it is being released"},
		{"started again", workspace(running), job(stopped, dead, noAllocs), lab.PhaseQueued, "waiting to be submitted to Nomad"},
		{"started again while it stops", workspace(running), job(stopped), lab.PhaseStopping, "its tasks are ending"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			got := Classify(here, test.item, test.job, noon)
			if got.Phase != test.phase || got.Reason != test.reason {
				t.Errorf("%s: %q\nwant %s: %q", got.Phase, got.Reason, test.phase, test.reason)
			}
		})
	}
}

func TestClassifyShowsPlaceAndVersion(t *testing.T) {
	before := noon.Add(-time.Hour)
	tests := []struct {
		name string
		item Item
		job  *lab.Observation
		want lab.Status
	}{
		{"the phase stays: so does its time", workspace(lab.DesiredRunning), job(), lab.Status{Phase: lab.PhaseReady, AllocID: "a1", NodeName: "n1", Since: before}},
		{"the phase changes: now", workspace(lab.DesiredRunning), job(unhealthy), lab.Status{Phase: lab.PhaseStarting, AllocID: "a1", NodeName: "n1", Since: noon}},
		{"older", workspace(lab.DesiredRunning, outdated), job(), lab.Status{Phase: lab.PhaseReady, AllocID: "a1", NodeName: "n1", Since: before, Outdated: true}},
		{"drifted", workspace(lab.DesiredRunning), job(changed), lab.Status{Phase: lab.PhaseReady, AllocID: "a1", NodeName: "n1", Since: before, Drifted: true}},
		{"never confirmed is not drifted", workspace(lab.DesiredRunning, neverConfirmed), job(changed), lab.Status{Phase: lab.PhaseReady, AllocID: "a1", NodeName: "n1", Since: before}},
		{"what failed is nowhere", workspace(lab.DesiredRunning), job(alloc(lab.AllocFailed)), lab.Status{Phase: lab.PhaseFailed, Since: noon}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			got := Classify(here, test.item, test.job, noon)
			got.Reason = ""
			if diff := cmp.Diff(test.want, got); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestWhileNomadIsUnreadableTheLastStatusStands(t *testing.T) {
	ready := workspace(lab.DesiredRunning)
	if got := waiting(ready, "Nomad does not answer", noon); got != ready.Status {
		t.Errorf("a ready workspace became %+v", got)
	}
	launched := workspace(lab.DesiredRunning, neverSubmitted)
	got := waiting(launched, "Nomad does not answer", noon)
	if got.Phase != lab.PhaseQueued || got.Reason != "waiting: Nomad does not answer" {
		t.Errorf("a launched workspace is %s: %q", got.Phase, got.Reason)
	}
}

func TestAFailingActionIsTheReason(t *testing.T) {
	queued := lab.Status{Phase: lab.PhaseQueued, Reason: "waiting to be submitted to Nomad"}
	ready := lab.Status{Phase: lab.PhaseReady, Reason: "it answers on node n1"}
	refusal := lab.Errorf(lab.CodeRefused, "Nomad refused: no").WithHint("ask nicely")
	tests := []struct {
		name   string
		status lab.Status
		err    error
		want   lab.Status
	}{
		{"refused", queued, refusal, lab.Status{Phase: lab.PhaseFailed, Reason: "Nomad refused: no (ask nicely)"}},
		{"away", queued, lab.Errorf(lab.CodeUnavailable, "Vault is sealed"), lab.Status{Phase: lab.PhaseQueued, Reason: "Vault is sealed"}},
		{"an update of what runs", ready, refusal, lab.Status{Phase: lab.PhaseReady, Reason: "Nomad refused: no (ask nicely)"}},
		{"an internal fault keeps its details", queued, lab.Wrap(lab.CodeInternal, errKilled, "secret detail"), lab.Status{Phase: lab.PhaseFailed, Reason: "an internal fault, which the server's log describes"}},
		{"a conflict settles itself", queued, lab.Errorf(lab.CodeConflict, "changed meanwhile"), queued},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			f := newFaults(0)
			f.failed("bothy-f26-py-ada", wish{}, test.err, noon)
			if diff := cmp.Diff(test.want, withFault(test.status, f.byJob["bothy-f26-py-ada"])); diff != "" {
				t.Error(diff)
			}
		})
	}
}
