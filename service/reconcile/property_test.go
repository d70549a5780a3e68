package reconcile

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/bothylabs/bothy/service/lab"
)

// anyItem draws a workspace in any state that the database could hold.
func anyItem(t *rapid.T, n int) Item {
	at := rapid.SampledFrom([]time.Time{{}, noon.Add(-time.Hour)}).Draw(t, "submitted at")
	return Item{
		WorkItem: lab.WorkItem{Workspace: lab.Workspace{
			ID: fmt.Sprintf("w%d", n), Slug: lab.Slug(fmt.Sprintf("s%d", n)),
			Desired:        rapid.SampledFrom([]lab.Desired{lab.DesiredRunning, lab.DesiredStopped, lab.DesiredDeleted}).Draw(t, "desired"),
			RestartsWanted: rapid.Int64Range(0, 2).Draw(t, "restarts wanted"),
			ResetsWanted:   rapid.Int64Range(0, 2).Draw(t, "resets wanted"),
			ResetsDone:     rapid.Int64Range(0, 2).Draw(t, "resets done"),
			ReleaseHome:    rapid.Bool().Draw(t, "release home"),
			Submitted: lab.Submission{
				Fingerprint:    rapid.SampledFrom([]string{"", "v1", "v2"}).Draw(t, "submitted"),
				JobModifyIndex: rapid.Uint64Range(0, 3).Draw(t, "recorded index"),
				RestartsDone:   rapid.Int64Range(0, 2).Draw(t, "restarts done"),
				At:             at,
			},
			Status: lab.Status{Phase: rapid.SampledFrom(phases()).Draw(t, "phase"), Since: noon.Add(-time.Minute)},
		}},
		Fingerprint: rapid.SampledFrom([]string{"", "v1", "v2"}).Draw(t, "fingerprint"),
		Presence:    rapid.SampledFrom([]Presence{PresenceUnknown, PresenceActive, PresenceIdle}).Draw(t, "presence"),
	}
}

// anyJob draws what could be observed under a workspace's job id.
func anyJob(t *rapid.T, n int) lab.Observation {
	o := lab.Observation{
		JobID: lab.Slug(fmt.Sprintf("s%d", n)).JobID(),
		Mark: lab.Mark{
			InstallationID: rapid.SampledFrom([]string{here, here, here, "another", ""}).Draw(t, "installation"),
			WorkspaceID:    rapid.SampledFrom([]string{fmt.Sprintf("w%d", n), fmt.Sprintf("w%d", n), "w99", ""}).Draw(t, "workspace"),
		},
		JobModifyIndex: rapid.Uint64Range(1, 3).Draw(t, "index"),
		Stopped:        rapid.Bool().Draw(t, "stopped"),
		Dead:           rapid.Bool().Draw(t, "dead"),
		Blocked:        rapid.SampledFrom([]string{"", "memory exhausted on 1 node"}).Draw(t, "blocked"),
		Health:         rapid.SampledFrom([]lab.Health{lab.HealthUnread, lab.HealthAbsent, lab.HealthPassing, lab.HealthCritical}).Draw(t, "health"),
	}
	for i := range rapid.IntRange(0, 3).Draw(t, "allocations") {
		o.Allocs = append(o.Allocs, lab.Alloc{
			ID: fmt.Sprintf("a%d", i),
			Client: rapid.SampledFrom([]lab.AllocStatus{
				lab.AllocPending, lab.AllocRunning, lab.AllocComplete, lab.AllocFailed, lab.AllocLost, lab.AllocUnknown,
			}).Draw(t, "client status"),
			WantedRunning: rapid.Bool().Draw(t, "wanted running"),
			CreatedAt:     noon.Add(-time.Duration(rapid.IntRange(0, 10).Draw(t, "minutes old")) * time.Minute),
		})
	}
	return o
}

// TestPlanKeepsItsPromises holds for whatever is in the database and in Nomad.
func TestPlanKeepsItsPromises(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var items []Item
		snap := snapshot()
		for n := range rapid.IntRange(0, 6).Draw(t, "jobs") {
			if rapid.IntRange(0, 5).Draw(t, "has a row") > 0 {
				items = append(items, anyItem(t, n))
			}
			if rapid.Bool().Draw(t, "is in Nomad") {
				o := anyJob(t, n)
				snap.Jobs[o.JobID] = o
			}
		}
		actions := Plan(here, items, snap, noon)
		byJob := map[string]Item{}
		for _, item := range items {
			byJob[item.Slug.JobID()] = item
		}
		acted := map[string]bool{}
		for _, a := range actions {
			if acted[a.JobID] {
				t.Errorf("two actions for %s: %v", a.JobID, actions)
			}
			acted[a.JobID] = true
			item, owned := byJob[a.JobID]
			job, exists := snap.Jobs[a.JobID]
			ours := owned && exists && job.Mark == (lab.Mark{InstallationID: here, WorkspaceID: item.ID})
			switch {
			case a.Kind == KindReport:
			case !owned:
				t.Errorf("an orphan is touched: %v", a)
			case exists && !ours:
				t.Errorf("a foreign job is touched: %v", a)
			case a.Kind == KindStop && item.Desired == lab.DesiredRunning && !job.Dead && item.ResetsWanted <= item.ResetsDone:
				t.Errorf("what should run is stopped: %v", a)
			case a.Kind == KindReset && (item.Desired == lab.DesiredDeleted || item.ResetsWanted <= item.ResetsDone):
				t.Errorf("a reset that nobody asked for: %v", a)
			case a.Kind == KindReset && exists && (alive(&job) || outOfSight(&job) != nil || !job.Stopped):
				t.Errorf("the home of something that may run is deleted: %v", a)
			case a.Kind == KindRelease && (item.Desired != lab.DesiredDeleted || exists && (alive(&job) || outOfSight(&job) != nil)):
				t.Errorf("released too early: %v", a)
			case a.Kind == KindRegister && item.ResetsWanted > item.ResetsDone:
				t.Errorf("a start before the reset: %v", a)
			case a.Kind == KindRegister && (item.Desired != lab.DesiredRunning || a.Index != job.JobModifyIndex):
				t.Errorf("a start that nobody asked for, or not of what was seen: %v", a)
			}
		}

		shuffled := rapid.Permutation(items).Draw(t, "another order")
		if diff := cmp.Diff(actions, Plan(here, shuffled, snap, noon)); diff != "" {
			t.Errorf("the order of the rows matters:\n%s", diff)
		}
		snap.Unreadable = "Nomad does not answer"
		if got := Plan(here, items, snap, noon); got != nil {
			t.Errorf("actions from an unreadable snapshot: %v", got)
		}
	})
}

// TestClassifyAlwaysSaysWhy holds for whatever is in the database and in Nomad.
func TestClassifyAlwaysSaysWhy(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		item, job := anyItem(t, 1), anyJob(t, 1)
		for _, seen := range []*lab.Observation{&job, nil} {
			status := Classify(here, item, seen, noon)
			if status.Phase == "" || status.Phase == lab.PhaseUnknown || status.Since.IsZero() {
				t.Errorf("status %+v", status)
			}
			if status.Reason == "" && (seen == nil || len(seen.Allocs) == 0 || !seen.Allocs[0].Failing) {
				t.Errorf("no reason for %s", status.Phase)
			}
			again := item
			again.Status = status
			if diff := cmp.Diff(status, Classify(here, again, seen, noon.Add(time.Second))); diff != "" && seen == nil {
				t.Errorf("a second look at the same shows something else:\n%s", diff)
			}
		}
	})
}

// TestAnActionOfOneWhoWasReplacedChangesNothing: the role may pass on between the
// decision and the action.
func TestAnActionOfOneWhoWasReplacedChangesNothing(t *testing.T) {
	for _, kind := range []Kind{KindRegister, KindStop, KindRestart, KindReset, KindRelease, KindConfirm} {
		t.Run(string(kind), func(t *testing.T) {
			w := newWorld()
			w.add(1, lab.DesiredRunning)
			r := process(w)
			item := Item{WorkItem: *w.items["w1"], Fingerprint: "v1"}
			item.ReleaseHome = true
			e := effects{cfg: r.cfg, epoch: r.epoch}
			if err := e.do(t.Context(), task{action: Action{Kind: KindRegister}, item: item}); err != nil {
				t.Fatal(err)
			}
			before, _ := w.ClaimEpoch(t.Context()) // another instance
			index, submitted := w.index, w.items["w1"].Submitted
			action := Action{Kind: kind, JobID: item.Slug.JobID(), Index: index, AllocID: "a101"}
			if err := e.do(t.Context(), task{action: action, item: item}); !errors.Is(err, ErrFenced) {
				t.Errorf("%v, want that it was fenced", err)
			}
			if w.index != index || w.count("restart") != 0 || len(w.homes) != 1 || len(w.secrets) != 1 ||
				w.items["w1"].Submitted != submitted || w.items["w1"].ResetsDone != 0 || w.epoch != before {
				t.Error("it changed something all the same")
			}
		})
	}
}

// BenchmarkPassOfTenThousand is a pass in which nothing changes, without a database.
func BenchmarkPassOfTenThousand(b *testing.B) {
	w := newWorld()
	w.add(10_000, lab.DesiredRunning)
	for _, item := range w.items {
		w.index++
		w.jobs[item.Slug.JobID()] = &simJob{
			mark: lab.Mark{InstallationID: here, WorkspaceID: item.ID}, index: w.index,
			allocs: []lab.Alloc{{ID: "a", NodeName: "n1", Client: lab.AllocRunning, WantedRunning: true}},
		}
		item.Submitted = lab.Submission{Fingerprint: "v1", JobModifyIndex: w.index, At: noon}
	}
	r := process(w)
	for b.Loop() {
		if err := r.pass(b.Context()); err != nil || len(r.queue) != 0 {
			b.Fatal(err, len(r.queue))
		}
	}
}
