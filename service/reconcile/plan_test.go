package reconcile

import (
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/bothylabs/bothy/service/lab"
)

// nothing is the absence of an action.
const nothing Kind = ""

// TestPlanIsTheDecisionTable is the table of the design, row by row and cell by cell.
func TestPlanIsTheDecisionTable(t *testing.T) {
	tests := []struct {
		observed string
		job      *lab.Observation
		options  []itemOption
		// What is done when it should be running, stopped, deleted.
		running, stopped, deleted Kind
	}{
		{"absent", nil, nil, KindRegister, nothing, KindRelease},
		{"absent, never submitted", nil, []itemOption{neverSubmitted}, KindRegister, nothing, KindRelease},
		{"dead: stopped, and its allocation is over", job(stopped, dead, alloc(lab.AllocComplete)), nil, KindRegister, nothing, KindRelease},
		{"dead: stopped, and its allocation is forgotten", job(stopped, dead, noAllocs), nil, KindRegister, nothing, KindRelease},
		{
			"dead: given up by Nomad a while ago", job(dead, alloc(lab.AllocFailed), allocAge(time.Hour)), nil,
			KindStop, nothing, KindRelease, // stopped first: only a changed job is placed anew
		},
		{"dead: given up by Nomad just now", job(dead, alloc(lab.AllocFailed), allocAge(time.Minute)), nil, nothing, nothing, KindRelease},
		{"dead: given up by Nomad just now, a restart is wanted", job(dead, alloc(lab.AllocFailed), allocAge(time.Minute)), []itemOption{restartWanted}, KindStop, nothing, KindRelease},
		{"dead: given up by Nomad just now, and outdated", job(dead, alloc(lab.AllocFailed), allocAge(time.Minute)), []itemOption{outdated}, KindRegister, nothing, KindRelease},
		{"dead: given up by Nomad, drifted", job(dead, changed, alloc(lab.AllocFailed)), nil, KindRegister, nothing, KindRelease},

		{"live, as submitted", job(), nil, nothing, KindStop, KindStop},
		{"live, as submitted, its template is gone", job(), []itemOption{templateGone}, nothing, KindStop, KindStop},
		{"live, as submitted, being placed", job(noAllocs), nil, nothing, KindStop, KindStop},
		{"live, as submitted, waiting for room", job(noAllocs, blocked("memory exhausted on 3 nodes")), nil, nothing, KindStop, KindStop},
		{"live, as submitted, failing", job(alloc(lab.AllocFailed)), nil, nothing, KindStop, KindStop},
		{"live, as submitted, a restart is wanted", job(), []itemOption{restartWanted}, KindRestart, KindStop, KindStop},
		{"live, as submitted, failed, a restart is wanted", job(alloc(lab.AllocFailed)), []itemOption{restartWanted}, KindRestart, KindStop, KindStop},

		{"live, older, ready, nobody can tell whether someone is at work", job(), []itemOption{outdated}, nothing, KindStop, KindStop},
		{"live, older, someone is at work", job(unhealthy), []itemOption{outdated, somebodyAtWork}, nothing, KindStop, KindStop},
		{"live, older, nobody is at work", job(), []itemOption{outdated, nobodyAtWork}, KindRegister, KindStop, KindStop},
		{"live, older, it does not run", job(alloc(lab.AllocFailed)), []itemOption{outdated}, KindRegister, KindStop, KindStop},
		{"live, older, it waits for room", job(noAllocs), []itemOption{outdated}, KindRegister, KindStop, KindStop},
		{"live, older, unhealthy for long", job(unhealthy), []itemOption{outdated, seenBefore(lab.PhaseStarting, time.Hour)}, KindRegister, KindStop, KindStop},
		{"live, older, unhealthy for a moment", job(unhealthy), []itemOption{outdated, seenBefore(lab.PhaseStarting, time.Second)}, nothing, KindStop, KindStop},
		{"live, older, unhealthy since this very look", job(unhealthy), []itemOption{outdated, seenBefore(lab.PhaseReady, time.Hour)}, nothing, KindStop, KindStop},
		{"live, older, Consul can't be read", job(unread), []itemOption{outdated, seenBefore(lab.PhaseStarting, time.Hour)}, nothing, KindStop, KindStop},
		{"live, older, ready, a restart is wanted", job(), []itemOption{outdated, restartWanted}, KindRegister, KindStop, KindStop},

		{"live, connections are to be ended", job(), []itemOption{evictionDue}, KindEvict, KindStop, KindStop},
		{"live, connections are to be ended, but not yet", job(), []itemOption{evictionLater}, nothing, KindStop, KindStop},
		{"live, connections are to be ended, and a restart is wanted", job(), []itemOption{evictionDue, restartWanted}, KindRestart, KindStop, KindStop},
		{"live, older, connections are to be ended", job(), []itemOption{evictionDue, outdated, nobodyAtWork}, KindEvict, KindStop, KindStop},
		{"live, connections are to be ended, its node is away", job(alloc(lab.AllocUnknown)), []itemOption{evictionDue}, nothing, KindStop, KindStop},
		{"being placed, connections are to be ended", job(alloc(lab.AllocPending)), []itemOption{evictionDue}, KindEvict, KindStop, KindStop},
		{"absent, connections are to be ended", nil, []itemOption{evictionDue}, KindEvict, KindEvict, KindEvict},

		{"live, drifted", job(changed), nil, KindReport, KindStop, KindStop},
		{"live, drifted and outdated, nobody is at work", job(changed), []itemOption{outdated, nobodyAtWork}, KindReport, KindStop, KindStop},
		{"live, drifted, a restart is wanted", job(changed), []itemOption{restartWanted}, KindRestart, KindStop, KindStop},
		{"live, ours by its mark, never submitted as far as is recorded", job(), []itemOption{neverSubmitted}, KindReport, KindStop, KindStop},

		{"live, changed since a submission of unknown outcome", job(changed), []itemOption{neverConfirmed}, KindConfirm, KindStop, KindStop},
		{"live, unchanged since a submission of unknown outcome, ready", job(), []itemOption{neverConfirmed}, nothing, KindStop, KindStop},
		{"live, unchanged since a submission of unknown outcome, nobody at work", job(), []itemOption{neverConfirmed, nobodyAtWork}, KindRegister, KindStop, KindStop},
		{"absent since a submission of unknown outcome", nil, []itemOption{neverConfirmed}, KindRegister, nothing, KindRelease},

		{"live, its node disconnected", job(alloc(lab.AllocUnknown)), nil, nothing, KindStop, KindStop},
		{"live, its node lost", job(alloc(lab.AllocLost)), nil, nothing, KindStop, KindStop},
		{"live, its node lost, outdated", job(alloc(lab.AllocLost)), []itemOption{outdated}, nothing, KindStop, KindStop},
		{"live, its node lost, a restart is wanted", job(alloc(lab.AllocLost)), []itemOption{restartWanted}, nothing, KindStop, KindStop},
		{"stopped, still running", job(stopped), nil, nothing, nothing, nothing},
		{"stopped, its allocation still pending", job(stopped, alloc(lab.AllocPending)), nil, nothing, nothing, nothing},
		{"stopped, its node disconnected", job(stopped, alloc(lab.AllocUnknown)), nil, nothing, nothing, nothing},
		{"stopped, its node lost", job(stopped, alloc(lab.AllocLost)), nil, KindRegister, nothing, nothing},

		{"absent, a reset is wanted", nil, []itemOption{resetWanted}, KindReset, KindReset, KindRelease},
		{"absent, never submitted, a reset is wanted", nil, []itemOption{neverSubmitted, resetWanted}, KindReset, KindReset, KindRelease},
		{"dead: stopped, a reset is wanted", job(stopped, dead, alloc(lab.AllocComplete)), []itemOption{resetWanted}, KindReset, KindReset, KindRelease},
		{"dead: given up by Nomad just now, a reset is wanted", job(dead, alloc(lab.AllocFailed), allocAge(time.Minute)), []itemOption{resetWanted}, KindStop, KindStop, KindRelease},
		{"live, as submitted, a reset is wanted", job(), []itemOption{resetWanted}, KindStop, KindStop, KindStop},
		{"live, as submitted, a reset and a restart are wanted", job(), []itemOption{resetWanted, restartWanted}, KindStop, KindStop, KindStop},
		{"live, as submitted, someone is at work, a reset is wanted", job(), []itemOption{resetWanted, somebodyAtWork}, KindStop, KindStop, KindStop},
		{"live, waiting for room, a reset is wanted", job(noAllocs, blocked("memory exhausted on 3 nodes")), []itemOption{resetWanted}, KindStop, KindStop, KindStop},
		{"live, older, a reset is wanted", job(), []itemOption{outdated, resetWanted}, KindStop, KindStop, KindStop},
		{"live, drifted, a reset is wanted", job(changed), []itemOption{resetWanted}, KindStop, KindStop, KindStop},
		{"live, a submission of unknown outcome, a reset is wanted", job(changed), []itemOption{neverConfirmed, resetWanted}, KindStop, KindStop, KindStop},
		{"live, its node disconnected, a reset is wanted", job(alloc(lab.AllocUnknown)), []itemOption{resetWanted}, KindStop, KindStop, KindStop},
		{"stopped, still running, a reset is wanted", job(stopped), []itemOption{resetWanted}, nothing, nothing, nothing},
		{"stopped, its node disconnected, a reset is wanted", job(stopped, alloc(lab.AllocUnknown)), []itemOption{resetWanted}, nothing, nothing, nothing},
		{"stopped, its node lost, a reset is wanted", job(stopped, alloc(lab.AllocLost)), []itemOption{resetWanted}, nothing, nothing, nothing},
		{"foreign, a reset is wanted", job(unmarked), []itemOption{resetWanted}, KindReport, KindReport, KindReport},
		{"foreign: another installation's, dead, a reset is wanted", job(elsewhere, stopped, dead, noAllocs), []itemOption{resetWanted}, KindReport, KindReport, KindReport},

		{"foreign: without a mark", job(unmarked), nil, KindReport, KindReport, KindReport},
		{"foreign: without a mark, dead", job(unmarked, stopped, dead, noAllocs), nil, KindReport, KindReport, KindReport},
		{"foreign: another installation's", job(elsewhere), nil, KindReport, KindReport, KindReport},
		{"foreign: another workspace's", job(otherSpace), []itemOption{restartWanted}, KindReport, KindReport, KindReport},
	}
	for _, test := range tests {
		t.Run(test.observed, func(t *testing.T) {
			for desired, want := range map[lab.Desired]Kind{
				lab.DesiredRunning: test.running, lab.DesiredStopped: test.stopped, lab.DesiredDeleted: test.deleted,
			} {
				item := workspace(desired, test.options...)
				if got := kindOf(t, Plan(here, []Item{item}, snapshot(test.job), noon)); got != want {
					t.Errorf("should be %s: %q, want %q", desired, got, want)
				}
				unreadable := snapshot(test.job)
				unreadable.Unreadable = "Nomad does not answer"
				if got := Plan(here, []Item{item}, unreadable, noon); got != nil {
					t.Errorf("should be %s, unreadable: %v, want nothing", desired, got)
				}
			}
		})
	}
}

// kindOf gives the kind of the one action that there may be.
func kindOf(t *testing.T, actions []Action) Kind {
	t.Helper()
	switch len(actions) {
	case 0:
		return nothing
	case 1:
		return actions[0].Kind
	default:
		t.Fatalf("%d actions for one job: %v", len(actions), actions)
		return nothing
	}
}

func TestPlanReportsOrphansThatRunAndNothingElse(t *testing.T) {
	named := func(id string, options ...jobOption) *lab.Observation {
		o := job(options...)
		o.JobID = id
		return o
	}
	snap := snapshot(
		named("orphan"),
		named("orphan-waiting", noAllocs),
		named("orphan-stopping", stopped),
		named("ended", stopped, dead, noAllocs),
		named("strangers", unmarked),
		named("neighbours", elsewhere),
	)
	want := []Action{
		{Kind: KindReport, JobID: "orphan", Why: whyOrphan},
		{Kind: KindReport, JobID: "orphan-stopping", Why: whyOrphan},
		{Kind: KindReport, JobID: "orphan-waiting", Why: whyOrphan},
	}
	if diff := cmp.Diff(want, Plan(here, nil, snap, noon)); diff != "" {
		t.Error(diff)
	}
}

func TestPlanNamesWhatTheActionNeeds(t *testing.T) {
	tests := []struct {
		name string
		item Item
		job  *lab.Observation
		want Action
	}{
		{"a new job must not exist", workspace(lab.DesiredRunning, neverSubmitted), nil, Action{Kind: KindRegister, Index: 0, First: true}},
		{"one that was started before has a home", workspace(lab.DesiredRunning), nil, Action{Kind: KindRegister, Index: 0}},
		{"a stopped job must be as it was seen", workspace(lab.DesiredRunning), job(stopped, noAllocs), Action{Kind: KindRegister, Index: 11}},
		{"an older job must be as it was seen", workspace(lab.DesiredRunning, outdated, nobodyAtWork), job(), Action{Kind: KindRegister, Index: 10}},
		{"a running allocation restarts in place", workspace(lab.DesiredRunning, restartWanted), job(), Action{Kind: KindRestart, AllocID: "a1"}},
		{"one that does not run is placed again", workspace(lab.DesiredRunning, restartWanted), job(alloc(lab.AllocFailed)), Action{Kind: KindRestart}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			got := Plan(here, []Item{test.item}, snapshot(test.job), noon)
			if len(got) != 1 {
				t.Fatalf("actions: %v", got)
			}
			test.want.JobID, test.want.WorkspaceID, test.want.Why = "bothy-f26-py-ada", "w1", got[0].Why
			if diff := cmp.Diff(test.want, got[0]); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestPlanStartsThoseWithAHomeBeforeThoseWithout(t *testing.T) {
	var items []Item
	for slug, options := range map[lab.Slug][]itemOption{"a-new": {neverSubmitted}, "b-back": nil, "c-new": {neverSubmitted}, "d-back": nil} {
		item := workspace(lab.DesiredRunning, options...)
		item.ID, item.Slug = string(slug), slug
		items = append(items, item)
	}
	var got []string
	for _, a := range Plan(here, items, snapshot(), noon) {
		got = append(got, a.JobID)
	}
	want := []string{"bothy-b-back", "bothy-d-back", "bothy-a-new", "bothy-c-new"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestPlanMakesRoomBeforeItTakesRoom(t *testing.T) {
	item := func(id string, slug lab.Slug, desired lab.Desired) Item {
		i := workspace(desired)
		i.ID, i.Slug = id, slug
		return i
	}
	jobOf := func(i Item) *lab.Observation {
		o := job()
		o.JobID, o.Mark.WorkspaceID = i.Slug.JobID(), i.ID
		return o
	}
	starts := item("w1", "a-starts", lab.DesiredRunning)
	ends := item("w2", "b-ends", lab.DesiredStopped)
	goes := item("w3", "c-goes", lab.DesiredDeleted)
	items := []Item{starts, ends, goes}
	snap := snapshot(jobOf(ends))
	for range 2 {
		var got []string
		for _, a := range Plan(here, items, snap, noon) {
			got = append(got, string(a.Kind)+" "+a.JobID)
		}
		want := []string{"stop bothy-b-ends", "release bothy-c-goes", "register bothy-a-starts"}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Error(diff)
		}
		slices.Reverse(items)
	}
}
