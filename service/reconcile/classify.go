package reconcile

import (
	"fmt"
	"time"

	"github.com/bothylabs/bothy/service/lab"
)

// Classify says what state a workspace is in and why, from what is observed. job
// is nil when Nomad has no such job; it must come from a readable snapshot.
// Status.Since is kept while the phase stays the same.
func Classify(installation string, item Item, job *lab.Observation, now time.Time) lab.Status {
	seen := see(installation, item, job)
	status := lab.Status{
		Drifted:  seen == sightDrifted,
		Outdated: seen == sightOlder,
	}
	switch seen {
	case sightAbsent:
		status.Phase, status.Reason = nothingRuns(item)
	case sightForeign:
		status.Phase, status.Reason = lab.PhaseFailed, foreignReason(item)
	case sightEnded:
		status.Phase, status.Reason = ended(item, job)
	case sightGaveUp:
		status.Phase, status.Reason = gaveUp(item, job)
	case sightStopping:
		status.Phase, status.Reason = lab.PhaseStopping, "its tasks are ending"
		placeOf(&status, job)
	case sightUnconfirmed, sightCurrent, sightOlder, sightDrifted:
		status.Phase, status.Reason = livePhase(item, job)
		placeOf(&status, job)
	}
	return since(item.Status, status, now)
}

// since carries the time of the last change of phase over.
func since(before, status lab.Status, now time.Time) lab.Status {
	status.Since = now
	if before.Phase == status.Phase && !before.Since.IsZero() {
		status.Since = before.Since
	}
	return status
}

// placeOf names the allocation that runs or may still run.
func placeOf(status *lab.Status, job *lab.Observation) {
	a := newest(job)
	if a == nil || a.Client == lab.AllocComplete || a.Client == lab.AllocFailed {
		return
	}
	status.AllocID, status.NodeName = a.ID, a.NodeName
}

func foreignReason(item Item) string {
	return fmt.Sprintf("Nomad has a job %q that this Bothy did not make; it is left alone", item.Slug.JobID())
}

// beingReplaced is why a workspace is being placed that ran before.
const beingReplaced = "Nomad is replacing its allocation"

// deletingHome is why a workspace that is being reset is not yet what it should be.
const deletingHome = "it is being reset: its home is being deleted"

// nothingRuns is for a job that is absent or over.
func nothingRuns(item Item) (lab.Phase, string) {
	if resetting(item) {
		return lab.PhaseStopping, deletingHome
	}
	switch item.Desired {
	case lab.DesiredRunning:
		return lab.PhaseQueued, "waiting to be submitted to Nomad"
	case lab.DesiredDeleted:
		return lab.PhaseStopping, "what belongs to it is being released"
	default:
		return lab.PhaseStopped, "nothing runs; the home is kept"
	}
}

// ended is for a job that is registered as stopped, with nothing running on a node that answers.
func ended(item Item, job *lab.Observation) (lab.Phase, string) {
	away := outOfSight(job)
	switch {
	case away == nil:
		return nothingRuns(item)
	case away.Client == lab.AllocUnknown:
		return lab.PhaseStopping, fmt.Sprintf("node %s is disconnected: whether it still runs there is not known", away.NodeName)
	case item.Desired == lab.DesiredDeleted, resetting(item):
		return lab.PhaseStopping, fmt.Sprintf("node %s was lost: its home is released once Nomad has cleared the allocation away", away.NodeName)
	default:
		return nothingRuns(item)
	}
}

func gaveUp(item Item, job *lab.Observation) (lab.Phase, string) {
	if item.Desired != lab.DesiredRunning || resetting(item) {
		return nothingRuns(item)
	}
	if problem := problemOf(job); problem != "" {
		return lab.PhaseFailed, "Nomad gave up on it: " + problem
	}
	return lab.PhaseFailed, "it ended by itself and Nomad will not start it again"
}

// livePhase is for a job that Nomad runs or means to.
func livePhase(item Item, job *lab.Observation) (lab.Phase, string) {
	a := newest(job)
	switch {
	case resetting(item):
		return lab.PhaseStopping, "about to be stopped and reset"
	case item.Desired != lab.DesiredRunning:
		return lab.PhaseStopping, "about to be stopped"
	case a == nil && job.Blocked != "":
		return lab.PhaseQueued, "waiting for room: " + job.Blocked
	case a == nil:
		return lab.PhasePlacing, "Nomad is choosing a node"
	}
	switch a.Client {
	case lab.AllocUnknown:
		return lab.PhaseLost, fmt.Sprintf("node %s is disconnected; Nomad waits for it to come back", a.NodeName)
	case lab.AllocLost:
		return lab.PhaseLost, fmt.Sprintf("node %s is lost%s", a.NodeName, suffix("; no other place: ", job.Blocked))
	case lab.AllocFailed:
		return lab.PhaseFailed, first(a.Problem, "its allocation failed") + suffix("; waiting for room: ", job.Blocked)
	case lab.AllocPending:
		if a.Failing {
			return lab.PhaseFailed, a.Problem + "; Nomad tries again"
		}
		return lab.PhaseStarting, first(a.Problem, fmt.Sprintf("its tasks are starting on node %s", a.NodeName))
	case lab.AllocRunning:
		if a.WantedRunning {
			return runningPhase(item, job, a)
		}
	case lab.AllocComplete:
	}
	if job.Blocked != "" {
		return lab.PhaseQueued, "waiting for room: " + job.Blocked
	}
	return lab.PhasePlacing, beingReplaced
}

// runningPhase is for an allocation that runs and is meant to: its health decides.
func runningPhase(item Item, job *lab.Observation, a *lab.Alloc) (lab.Phase, string) {
	before := item.Status
	wasReady := before.Phase == lab.PhaseReady && before.AllocID == a.ID
	switch {
	case a.Failing:
		return lab.PhaseFailed, a.Problem + "; Nomad tries again"
	case job.Health == lab.HealthPassing:
		return lab.PhaseReady, fmt.Sprintf("it answers on node %s", a.NodeName)
	case job.Health == lab.HealthUnread && wasReady:
		return lab.PhaseReady, "it runs; Consul can't be asked for its health"
	case job.Health == lab.HealthUnread:
		return lab.PhaseStarting, "it runs; Consul can't be asked for its health"
	case job.Health == lab.HealthAbsent:
		return lab.PhaseStarting, "it runs; Consul does not know it yet" + suffix("; ", a.Problem)
	default:
		return lab.PhaseStarting, "it runs; its health check does not pass" + suffix(": ", a.Problem)
	}
}

// waiting is the status while Nomad can't be read: what was last seen stands. Only
// a workspace that waits to be submitted is told why nothing happens.
func waiting(item Item, unreadable string, now time.Time) lab.Status {
	status := item.Status
	switch status.Phase {
	case lab.PhaseUnknown, lab.PhaseQueued, lab.PhaseStopped, "":
		if item.Desired == lab.DesiredRunning {
			status.Phase, status.Reason = lab.PhaseQueued, "waiting: "+unreadable
			return since(item.Status, status, now)
		}
	default:
	}
	return status
}

func problemOf(job *lab.Observation) string {
	if a := newest(job); a != nil {
		return a.Problem
	}
	return ""
}

func first(text, otherwise string) string {
	if text != "" {
		return text
	}
	return otherwise
}

func suffix(prefix, text string) string {
	if text == "" {
		return ""
	}
	return prefix + text
}
