package reconcile

import (
	"cmp"
	"slices"
	"time"

	"github.com/bothylabs/bothy/service/lab"
)

// Kind is what an action does.
type Kind string

// The kinds.
const (
	// KindStop stops the job; what is stored stays.
	KindStop Kind = "stop"
	// KindConfirm finds out whether the live job is the one whose submission was
	// begun but never recorded.
	KindConfirm Kind = "confirm"
	// KindRestart restarts the running allocation in place, or has Nomad place a
	// failed one again.
	KindRestart Kind = "restart"
	// KindEvict ends the open connections of the workspace's visitors; whoever still
	// may comes back at once.
	KindEvict Kind = "evict"
	// KindReset deletes the home, so that the next start makes a new one.
	KindReset Kind = "reset"
	// KindRelease gives up the secrets, and the home where that was asked for,
	// and then ends the workspace.
	KindRelease Kind = "release"
	// KindRegister submits the job as it is rendered now.
	KindRegister Kind = "register"
	// KindReleaseHome deletes a home that was kept when its workspace was deleted.
	KindReleaseHome Kind = "release_home"
	// KindReport changes nothing: it names a job that Bothy leaves alone.
	KindReport Kind = "report"
)

// order is the sequence in which actions are taken: what makes room first, what
// takes it last.
func (k Kind) order() int {
	return slices.Index([]Kind{KindStop, KindConfirm, KindRestart, KindEvict, KindReset, KindRelease, KindReleaseHome, KindRegister, KindReport}, k)
}

// Action is the one thing to do about one job.
type Action struct {
	Kind  Kind
	JobID string
	// WorkspaceID is "" for an orphan.
	WorkspaceID string
	// Index is the job modify index that Register expects: 0 for a job that must not exist.
	Index uint64
	// AllocID is what Restart restarts in place and Evict signals; "" when no allocation runs.
	AllocID string
	// First says that the workspace was never started: its home is to be chosen yet.
	First bool
	// Why is for the log.
	Why string
}

// The reasons for which a job is reported.
const (
	whyForeign = "a foreign job has the workspace's id"
	whyDrifted = "the job was changed by another hand"
	whyOrphan  = "our mark, and no such workspace"
)

// reviveAfter is how long Plan leaves a job alone after Nomad last tried it and gave up.
const reviveAfter = 5 * time.Minute

// Plan decides what to do about every workspace: the decision table of the
// design, as a function of values. installation is this installation's id. It
// gives at most one action for a job, and none at all while the snapshot is
// unreadable: first what makes room, last the first starts, which can go wherever the
// others leave room, and otherwise by job id.
func Plan(installation string, items []Item, snap lab.Snapshot, now time.Time) []Action {
	if snap.Unreadable != "" {
		return nil
	}
	var actions []Action
	known := make(map[string]struct{}, len(items))
	for _, item := range items {
		id := item.Slug.JobID()
		known[id] = struct{}{}
		if action, ok := decide(installation, item, lookup(snap, id), now); ok {
			action.JobID, action.WorkspaceID = id, item.ID
			action.First = action.Kind == KindRegister && item.Submitted.Fingerprint == ""
			actions = append(actions, action)
		}
	}
	for id := range snap.Jobs {
		if _, ok := known[id]; !ok && orphan(installation, snap.Jobs[id]) {
			actions = append(actions, Action{Kind: KindReport, JobID: id, Why: whyOrphan})
		}
	}
	slices.SortFunc(actions, func(a, b Action) int {
		return cmp.Or(cmp.Compare(a.Kind.order(), b.Kind.order()), cmp.Compare(rank(a.First), rank(b.First)), cmp.Compare(a.JobID, b.JobID))
	})
	return actions
}

func rank(last bool) int {
	if last {
		return 1
	}
	return 0
}

func lookup(snap lab.Snapshot, jobID string) *lab.Observation {
	if job, ok := snap.Jobs[jobID]; ok {
		return &job
	}
	return nil
}

// orphan says that a job bears our mark and runs or may run: what ended stays in
// Nomad until its garbage collection, after its workspace is gone.
func orphan(installation string, job lab.Observation) bool {
	if job.Mark.InstallationID != installation || job.Mark.InstallationID == "" {
		return false
	}
	return alive(&job) || !job.Stopped && !job.Dead
}

func decide(installation string, item Item, job *lab.Observation, now time.Time) (Action, bool) {
	seen := see(installation, item, job)
	if seen == sightForeign {
		return Action{Kind: KindReport, Why: whyForeign}, true
	}
	action, ok := decideWish(seen, item, job, now)
	if ok && (action.Kind == KindStop || action.Kind == KindRestart) {
		return action, true // that ends connections too
	}
	if eviction, due := decideEviction(item, job, now); due {
		return eviction, true
	}
	return action, ok
}

// decideEviction ends connections once the door's last yes is forgotten. What does not
// run has none; of what is out of sight nobody knows.
func decideEviction(item Item, job *lab.Observation, now time.Time) (Action, bool) {
	if !evicting(item) || now.Before(item.EvictAfter) {
		return Action{}, false
	}
	var alloc *lab.Alloc
	if job != nil {
		alloc = newest(job)
	}
	switch {
	case alloc == nil:
	case alloc.Client == lab.AllocUnknown, alloc.Client == lab.AllocLost:
		return Action{}, false
	case alloc.Client == lab.AllocRunning:
		return Action{Kind: KindEvict, AllocID: alloc.ID, Why: "somebody who was in may not be any more"}, true
	}
	return Action{Kind: KindEvict, Why: "somebody who was in may not be any more, and nothing runs"}, true
}

// evicting says that connections are to be ended and are not yet.
func evicting(item Item) bool { return item.EvictionsWanted > item.EvictionsDone }

// decideWish decides from what is wanted of the workspace itself.
func decideWish(seen sight, item Item, job *lab.Observation, now time.Time) (Action, bool) {
	if resetting(item) {
		return decideReset(seen, job)
	}
	switch item.Desired {
	case lab.DesiredRunning:
		return decideRunning(seen, item, job, now)
	case lab.DesiredStopped:
		if seen.live() {
			return Action{Kind: KindStop, Why: "stopped is wanted"}, true
		}
	case lab.DesiredDeleted:
		return decideDeleted(seen, job)
	}
	return Action{}, false
}

// resetting says that a reset was asked for and the home is not deleted yet. A
// workspace that is being deleted is not reset any more.
func resetting(item Item) bool {
	return item.ResetsWanted > item.ResetsDone && item.Desired != lab.DesiredDeleted
}

// decideReset is the row of every workspace that is to be reset, whatever else is
// wanted of it: nothing of it may run, or may still run, when its home is deleted.
func decideReset(seen sight, job *lab.Observation) (Action, bool) {
	switch {
	case seen.live(), seen == sightGaveUp:
		// Also what Nomad gave up is stopped: only a changed job is placed anew.
		return Action{Kind: KindStop, Why: "it is to be reset"}, true
	case seen == sightStopping, job != nil && outOfSight(job) != nil:
		return Action{}, false
	default:
		return Action{Kind: KindReset, Why: "it is to be reset and nothing of it runs"}, true
	}
}

func decideDeleted(seen sight, job *lab.Observation) (Action, bool) {
	switch {
	case seen.live():
		return Action{Kind: KindStop, Why: "it is being deleted"}, true
	case seen == sightStopping, job != nil && outOfSight(job) != nil:
		return Action{}, false
	default:
		return Action{Kind: KindRelease, Why: "it is being deleted and nothing of it runs"}, true
	}
}

func decideRunning(seen sight, item Item, job *lab.Observation, now time.Time) (Action, bool) {
	restart := item.RestartsWanted > item.Submitted.RestartsDone
	switch seen {
	case sightAbsent:
		return Action{Kind: KindRegister, Why: "Nomad has no such job"}, true
	case sightEnded:
		if a := outOfSight(job); a != nil && a.Client == lab.AllocUnknown {
			return Action{}, false // it may still hold the home
		}
		return Action{Kind: KindRegister, Index: job.JobModifyIndex, Why: "the job is stopped"}, true
	case sightGaveUp:
		return decideGaveUp(restart, item, job, now)
	case sightUnconfirmed:
		return Action{Kind: KindConfirm, Why: "a submission was begun and its outcome is not recorded"}, true
	case sightCurrent, sightOlder, sightDrifted:
		return decideLive(seen, restart, item, job, now)
	case sightForeign, sightStopping:
	}
	return Action{}, false
}

// decideGaveUp tries again what Nomad will not. Nomad places nothing anew for a job
// that is the same as before, so that one is stopped first and then started.
func decideGaveUp(restart bool, item Item, job *lab.Observation, now time.Time) (Action, bool) {
	switch {
	case seeVersion(item, job) != sightCurrent:
		return Action{Kind: KindRegister, Index: job.JobModifyIndex, Why: "Nomad gave up another version"}, true
	case restart || now.Sub(lastTried(item, job)) >= reviveAfter:
		return Action{Kind: KindStop, Why: "Nomad gave it up: it is stopped to be started anew"}, true
	default:
		return Action{}, false
	}
}

// decideLive is for a job that runs as it should, apart from its version.
func decideLive(seen sight, restart bool, item Item, job *lab.Observation, now time.Time) (Action, bool) {
	switch {
	case nodeAway(job):
		return Action{}, false // Nomad's own rules hold
	case seen == sightOlder && restart:
		return Action{Kind: KindRegister, Index: job.JobModifyIndex, Why: "a restart of an older version was asked for"}, true
	case seen == sightOlder && !atWork(item, job, now):
		return Action{Kind: KindRegister, Index: job.JobModifyIndex, Why: "it runs an older version and nobody is at work"}, true
	case seen == sightOlder:
		return Action{}, false
	case restart:
		action := Action{Kind: KindRestart, Why: "a restart was asked for"}
		if runs(job) {
			action.AllocID = newest(job).ID
		}
		return action, true
	case seen == sightDrifted:
		return Action{Kind: KindReport, Why: whyDrifted}, true
	}
	return Action{}, false
}

// lastTried is when Nomad or Bothy last did something to get the job running.
func lastTried(item Item, job *lab.Observation) time.Time {
	if a := newest(job); a != nil && a.CreatedAt.After(item.Submitted.At) {
		return a.CreatedAt
	}
	return item.Submitted.At
}
