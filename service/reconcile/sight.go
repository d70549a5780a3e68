package reconcile

import (
	"time"

	"github.com/bothylabs/bothy/service/lab"
)

// Item is one workspace as Plan and Classify need it.
type Item struct {
	lab.WorkItem
	// Fingerprint is of what a start would submit now; "" when that can't be said
	// (the template is gone), which never makes a running job outdated.
	Fingerprint string
	Presence    Presence
}

// Presence says whether somebody is at work in a workspace. Written by whoever
// can tell; the zero value is for when nobody can.
type Presence string

// The states. Unknown counts as at work while the workspace is usable.
const (
	PresenceUnknown Presence = ""
	PresenceActive  Presence = "active"
	PresenceIdle    Presence = "idle"
)

// sight is what one look at a workspace's job shows: a row of the decision table.
type sight int

const (
	// sightAbsent: Nomad knows no such job.
	sightAbsent sight = iota
	// sightForeign: a job has our id without our mark. It is never touched.
	sightForeign
	// sightEnded: the job is registered as stopped and nothing of it runs.
	sightEnded
	// sightGaveUp: nothing of it runs, nobody stopped it, and Nomad will not start it by itself.
	sightGaveUp
	// sightStopping: the job is registered as stopped, and an allocation still runs.
	sightStopping
	// sightUnconfirmed: live, changed since a submission of ours was begun whose
	// outcome was never recorded. It is ours if its source is what was meant.
	sightUnconfirmed
	// sightCurrent: live, as submitted, and as a start would submit it now.
	sightCurrent
	// sightOlder: live, as submitted, and a start would submit something else now.
	sightOlder
	// sightDrifted: live, changed by another hand.
	sightDrifted
)

// live says that Nomad runs the job or means to.
func (s sight) live() bool { return s >= sightUnconfirmed }

// see names the row of the decision table. job is nil when Nomad has no such job.
func see(installation string, item Item, job *lab.Observation) sight {
	switch {
	case job == nil:
		return sightAbsent
	case job.Mark != mark(installation, item.WorkItem):
		return sightForeign
	case job.Stopped && alive(job):
		return sightStopping
	case job.Stopped:
		return sightEnded
	case job.Dead && !alive(job):
		return sightGaveUp
	}
	return seeVersion(item, job)
}

// seeVersion compares a live job, or one that Nomad gave up, with what was submitted.
func seeVersion(item Item, job *lab.Observation) sight {
	submitted := item.Submitted
	switch same := job.JobModifyIndex == submitted.JobModifyIndex; {
	case meant(submitted) && same:
		// It was to be replaced by something that never arrived.
		return sightOlder
	case meant(submitted):
		return sightUnconfirmed
	case !same:
		return sightDrifted
	case item.Fingerprint != "" && item.Fingerprint != submitted.Fingerprint:
		return sightOlder
	default:
		return sightCurrent
	}
}

// meant says that a submission was recorded before Nomad was asked, and its
// outcome never was. Its JobModifyIndex is then that of the job it was to replace.
func meant(s lab.Submission) bool { return s.Fingerprint != "" && s.At.IsZero() }

func mark(installation string, item lab.WorkItem) lab.Mark {
	return lab.Mark{InstallationID: installation, WorkspaceID: item.ID}
}

// alive says that something of the job may run on a node that answers.
func alive(job *lab.Observation) bool {
	for _, a := range job.Allocs {
		if a.Client == lab.AllocPending || a.Client == lab.AllocRunning {
			return true
		}
	}
	return false
}

// outOfSight gives an allocation whose node does not answer: whether it still
// runs there can't be known. Nil when there is none.
func outOfSight(job *lab.Observation) *lab.Alloc {
	for i := range job.Allocs {
		if c := job.Allocs[i].Client; c == lab.AllocUnknown || c == lab.AllocLost {
			return &job.Allocs[i]
		}
	}
	return nil
}

// newest gives the allocation that stands for the job now, or nil.
func newest(job *lab.Observation) *lab.Alloc {
	if len(job.Allocs) == 0 {
		return nil
	}
	return &job.Allocs[0]
}

// nodeAway says that the node of the job's newest allocation is lost or disconnected.
func nodeAway(job *lab.Observation) bool {
	a := newest(job)
	return a != nil && (a.Client == lab.AllocUnknown || a.Client == lab.AllocLost)
}

// runs says that the newest allocation runs and is meant to.
func runs(job *lab.Observation) bool {
	a := newest(job)
	return a != nil && a.Client == lab.AllocRunning && a.WantedRunning
}

// settleTime is how long a workspace must have been unusable before it counts as
// nobody's: a health check that fails for a moment must not cost an open editor.
const settleTime = time.Minute

// atWork says whether replacing the allocation now could interrupt somebody.
func atWork(item Item, job *lab.Observation, now time.Time) bool {
	if !runs(job) || item.Presence == PresenceIdle {
		return false
	}
	if item.Presence == PresenceActive || job.Health == lab.HealthPassing || job.Health == lab.HealthUnread {
		return true
	}
	return item.Status.Phase == lab.PhaseReady || now.Sub(item.Status.Since) < settleTime
}
