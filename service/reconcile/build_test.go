package reconcile

import (
	"time"

	"github.com/bothylabs/bothy/service/lab"
)

// The tests' world: one installation, and workspaces w1, w2, … in it.
const here = "installation-1"

var noon = time.Date(2026, 9, 1, 12, 0, 0, 0, time.UTC)

// itemOption changes a workspace under test.
type itemOption func(*Item)

// workspace gives one that was submitted at index 10 and is as a start would
// submit it now, unless the options say otherwise.
func workspace(desired lab.Desired, options ...itemOption) Item {
	item := Item{
		WorkItem: lab.WorkItem{
			Workspace: lab.Workspace{
				ID: "w1", Slug: "f26-py-ada", Desired: desired,
				Submitted: lab.Submission{Fingerprint: "v1", SourceSHA256: "sha-v1", JobModifyIndex: 10, At: noon.Add(-time.Hour)},
				Status:    lab.Status{Phase: lab.PhaseReady, AllocID: "a1", NodeName: "n1", Since: noon.Add(-time.Hour)},
			},
			CohortKey: "f26", CourseKey: "py", Template: "code-server",
		},
		Fingerprint: "v1",
	}
	for _, option := range options {
		option(&item)
	}
	return item
}

func neverSubmitted(i *Item) {
	i.Submitted = lab.Submission{}
	i.Status = lab.Status{Phase: lab.PhaseStopped, Since: noon.Add(-time.Hour)}
}
func outdated(i *Item)      { i.Fingerprint = "v2" }
func templateGone(i *Item)  { i.Fingerprint = "" }
func restartWanted(i *Item) { i.RestartsWanted++ }
func resetWanted(i *Item)   { i.ResetsWanted++ }
func evictionDue(i *Item)   { i.EvictionsWanted, i.EvictAfter = i.EvictionsDone+1, noon }
func evictionLater(i *Item) {
	i.EvictionsWanted, i.EvictAfter = i.EvictionsDone+1, noon.Add(time.Second)
}
func nobodyAtWork(i *Item)   { i.Presence = PresenceIdle }
func somebodyAtWork(i *Item) { i.Presence = PresenceActive }
func neverConfirmed(i *Item) { i.Submitted.At = time.Time{} }

func seenBefore(phase lab.Phase, ago time.Duration) itemOption {
	return func(i *Item) { i.Status.Phase, i.Status.Since = phase, noon.Add(-ago) }
}

// jobOption changes an observation under test.
type jobOption func(*lab.Observation)

// job gives w1's job as submitted at index 10, running and healthy, unless the
// options say otherwise.
func job(options ...jobOption) *lab.Observation {
	o := &lab.Observation{
		JobID: "bothy-f26-py-ada", Mark: lab.Mark{InstallationID: here, WorkspaceID: "w1"}, JobModifyIndex: 10,
		Allocs: []lab.Alloc{{
			ID: "a1", NodeID: "node-1", NodeName: "n1", Client: lab.AllocRunning, WantedRunning: true, CreatedAt: noon.Add(-time.Hour),
		}},
		Health: lab.HealthPassing,
	}
	for _, option := range options {
		option(o)
	}
	return o
}

func stopped(o *lab.Observation)     { o.Stopped, o.JobModifyIndex = true, 11 }
func dead(o *lab.Observation)        { o.Dead = true }
func changed(o *lab.Observation)     { o.JobModifyIndex = 15 }
func unmarked(o *lab.Observation)    { o.Mark = lab.Mark{} }
func noAllocs(o *lab.Observation)    { o.Allocs = nil }
func unhealthy(o *lab.Observation)   { o.Health = lab.HealthCritical }
func notInConsul(o *lab.Observation) { o.Health = lab.HealthAbsent }
func unread(o *lab.Observation)      { o.Health = lab.HealthUnread }
func elsewhere(o *lab.Observation)   { o.Mark.InstallationID = "installation-2" }
func otherSpace(o *lab.Observation)  { o.Mark.WorkspaceID = "w9" }
func unwanted(o *lab.Observation)    { o.Allocs[0].WantedRunning = false }
func failing(o *lab.Observation)     { o.Allocs[0].Failing = true }

func alloc(status lab.AllocStatus) jobOption {
	return func(o *lab.Observation) { o.Allocs[0].Client = status }
}

func problem(text string) jobOption {
	return func(o *lab.Observation) { o.Allocs[0].Problem = text }
}

func blocked(why string) jobOption {
	return func(o *lab.Observation) { o.Blocked = why }
}

func allocAge(age time.Duration) jobOption {
	return func(o *lab.Observation) { o.Allocs[0].CreatedAt = noon.Add(-age) }
}

// snapshot is a readable one of these jobs; nil stands for none.
func snapshot(jobs ...*lab.Observation) lab.Snapshot {
	snap := lab.Snapshot{Jobs: map[string]lab.Observation{}, At: noon}
	for _, o := range jobs {
		if o != nil {
			snap.Jobs[o.JobID] = *o
		}
	}
	return snap
}
