package nomad

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/hashicorp/nomad/api"
	"pgregory.net/rapid"

	"github.com/bothylabs/bothy/service/jobspec"
	"github.com/bothylabs/bothy/service/lab"
)

var noon = time.Date(2026, 9, 1, 12, 0, 0, 0, time.UTC)

func jobAt(index uint64, stop bool) jobState {
	return jobState{
		ID: "bothy-ada", Stop: stop, Status: "running", ModifyIndex: index, JobModifyIndex: index,
		Meta: map[string]string{jobspec.MetaInstallation: "i1", jobspec.MetaWorkspace: "w1"},
	}
}

func allocAt(index uint64, id, client string) allocState {
	return allocState{
		ID: id, JobID: "bothy-ada", NodeName: "n1", DesiredStatus: "run", ClientStatus: client,
		CreateIndex: index, ModifyIndex: index, CreateTime: noon.UnixNano(),
	}
}

func line(index uint64, p payload) events {
	topic := api.TopicJob
	switch {
	case p.Allocation != nil:
		topic = api.TopicAllocation
	case p.Evaluation != nil:
		topic = api.TopicEvaluation
	}
	return events{Index: index, Events: []event{{Topic: topic, Index: index, Payload: p}}}
}

func TestNothingIsSeenBeforeTheFirstListing(t *testing.T) {
	c := newCache()
	c.apply(line(5, payload{Job: &jobState{ID: "bothy-ada", ModifyIndex: 5}}), indexes{})
	if snap := c.snapshot(); snap.Unreadable == "" || len(snap.Jobs) != 0 {
		t.Errorf("snapshot %+v, want an unreadable one", snap)
	}
}

func TestWhatWasWrittenWhileAListingWasReadIsKept(t *testing.T) {
	c := newCache()
	c.replace(listing{at: indexes{jobs: 10, allocs: 10}}, noon)
	c.registered(jobAt(12, false)) // our own write, newer than the listing that is still being read
	c.replace(listing{at: indexes{jobs: 11, allocs: 11}}, noon)
	if _, ok := c.snapshot().Jobs["bothy-ada"]; !ok {
		t.Fatal("a listing that is older than our own write made it forgotten")
	}
	c.replace(listing{at: indexes{jobs: 13, allocs: 13}}, noon)
	if _, ok := c.snapshot().Jobs["bothy-ada"]; ok {
		t.Error("a newer listing without the job did not make it absent")
	}
}

func TestOldEventsChangeNothing(t *testing.T) {
	c := newCache()
	listed := indexes{jobs: 20, allocs: 20, evals: 20}
	c.replace(listing{at: listed, jobs: []jobState{jobAt(18, true)}}, noon)
	stale := jobAt(12, false)
	c.apply(line(12, payload{Job: &stale}), listed) // Nomad replays what its buffer has
	gone := allocAt(13, "a1", "running")
	c.apply(line(13, payload{Allocation: &gone}), listed)
	seen := c.snapshot().Jobs["bothy-ada"]
	if !seen.Stopped || len(seen.Allocs) != 0 {
		t.Errorf("seen %+v, want the listing's", seen)
	}
}

func TestTheAllocationsThatMatter(t *testing.T) {
	c := newCache()
	c.replace(listing{jobs: []jobState{jobAt(1, false)}}, noon)
	for i, status := range []string{"complete", "lost", "failed", "running", "failed", "pending"} {
		a := allocAt(uint64(i+1), fmt.Sprintf("a%d", i+1), status)
		c.apply(line(uint64(i+1), payload{Allocation: &a}), indexes{})
	}
	var got []string
	for _, a := range c.snapshot().Jobs["bothy-ada"].Allocs {
		got = append(got, a.ID+" "+string(a.Client))
	}
	want := []string{"a6 pending", "a4 running", "a2 lost"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestAPurgedJobIsSeenAsStoppedWhileItStillRuns(t *testing.T) {
	c := newCache()
	job, alloc := jobAt(1, false), allocAt(2, "a1", "running")
	c.replace(listing{jobs: []jobState{job}, allocs: []allocState{alloc}}, noon)
	c.apply(line(5, payload{Job: &job, Deleted: true}), indexes{})
	seen, ok := c.snapshot().Jobs["bothy-ada"]
	if !ok || !seen.Stopped || seen.JobModifyIndex != 0 || seen.Mark.WorkspaceID != "w1" {
		t.Fatalf("seen %+v (%v), want it stopped, with our mark, and free to be registered anew", seen, ok)
	}
	c.replace(listing{at: indexes{jobs: 6, allocs: 6}, allocs: []allocState{alloc}}, noon)
	if _, ok := c.snapshot().Jobs["bothy-ada"]; !ok {
		t.Error("a listing made a running allocation unseen")
	}
	over := allocAt(2, "a1", "complete")
	over.ModifyIndex = 7
	c.apply(line(7, payload{Allocation: &over}), indexes{})
	if _, ok := c.snapshot().Jobs["bothy-ada"]; ok {
		t.Error("it is still seen after its allocation has ended")
	}
}

func TestAProblemOutlivesAListingThatDoesNotSayIt(t *testing.T) {
	c := newCache()
	alloc := allocAt(2, "a1", "running")
	told := alloc
	told.TaskStates = map[string]*taskState{"ide": {State: "running", Events: []taskEvent{{Type: "Terminated", DisplayMessage: "Exit Code: 1"}}}}
	c.replace(listing{jobs: []jobState{jobAt(1, false)}, allocs: []allocState{told}}, noon)
	c.replace(listing{at: indexes{jobs: 6, allocs: 6}, jobs: []jobState{jobAt(1, false)}, allocs: []allocState{alloc}}, noon)
	if got := c.snapshot().Jobs["bothy-ada"].Allocs[0].Problem; got != `task "ide": Exit Code: 1` {
		t.Errorf("problem %q", got)
	}
}

func TestAnAllocationIsBehindUntilNomadHasSeenToTheJob(t *testing.T) {
	c := newCache()
	c.replace(listing{jobs: []jobState{jobAt(10, false)}, allocs: []allocState{allocAt(11, "a1", "running")}, at: indexes{jobs: 11, allocs: 11}}, noon)
	behind := func() bool { return c.snapshot().Jobs["bothy-ada"].Allocs[0].Behind }
	if behind() {
		t.Error("it was placed after the job was registered")
	}
	c.registered(jobAt(12, false))
	if !behind() {
		t.Error("the job was changed, and Nomad has not done anything about it")
	}
	c.apply(line(13, payload{Allocation: new(allocAt(13, "a2", "pending"))}), indexes{})
	if behind() {
		t.Error("the newest one was placed for the changed job")
	}
}

func TestBlockedEvaluations(t *testing.T) {
	c := newCache()
	eval := evalState{
		ID: "e1", JobID: "bothy-ada", Status: "blocked", ModifyIndex: 3,
		FailedTGAllocs: map[string]*api.AllocationMetric{"g": {NodesEvaluated: 3, DimensionExhausted: map[string]int{"memory": 3}}},
	}
	c.replace(listing{jobs: []jobState{jobAt(1, false)}, blocked: []evalState{eval}}, noon)
	if got := c.snapshot().Jobs["bothy-ada"].Blocked; got != "memory exhausted on 3 nodes" {
		t.Errorf("blocked %q", got)
	}
	eval.Status, eval.ModifyIndex = "complete", 4
	c.apply(line(4, payload{Evaluation: &eval}), indexes{})
	if got := c.snapshot().Jobs["bothy-ada"].Blocked; got != "" {
		t.Errorf("still blocked: %q", got)
	}
}

// TestAListingBetweenEventsChangesNothing: a history of one job, followed by events
// alone, or with a listing taken anywhere in it and arriving anywhere later, comes
// to the same picture.
func TestAListingBetweenEventsChangesNothing(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var history []events
		var states []listing // states[i] is what a listing shows after i events
		state := listing{}
		states = append(states, state)
		for i := range rapid.IntRange(1, 12).Draw(t, "length") {
			index := uint64(i + 1)
			if rapid.Bool().Draw(t, "a job event") {
				job := jobAt(index, rapid.Bool().Draw(t, "stopped"))
				history = append(history, line(index, payload{Job: &job}))
				state.jobs = []jobState{job}
			} else {
				id := rapid.SampledFrom([]string{"a1", "a2"}).Draw(t, "alloc")
				alloc := allocAt(index, id, rapid.SampledFrom([]string{"pending", "running", "complete"}).Draw(t, "status"))
				alloc.CreateIndex = map[string]uint64{"a1": 1, "a2": 2}[id]
				history = append(history, line(index, payload{Allocation: &alloc}))
				kept := []allocState{alloc}
				for _, other := range state.allocs {
					if other.ID != id {
						kept = append(kept, other)
					}
				}
				state.allocs = kept
			}
			state.at = indexes{jobs: index, allocs: index, evals: index}
			states = append(states, state)
		}

		straight := newCache()
		straight.replace(states[0], noon)
		for _, l := range history {
			straight.apply(l, indexes{})
		}

		begun := rapid.IntRange(0, len(history)).Draw(t, "listing begun after")
		taken := rapid.IntRange(begun, len(history)).Draw(t, "listing taken after")
		arrived := rapid.IntRange(taken, len(history)).Draw(t, "listing arrived after")
		c := newCache()
		c.replace(states[0], noon)
		for _, l := range history[:arrived] {
			c.apply(l, indexes{})
		}
		c.replace(states[taken], noon)
		for _, l := range history[begun:] {
			c.apply(l, states[taken].at)
		}
		if diff := cmp.Diff(straight.snapshot().Jobs, c.snapshot().Jobs); diff != "" {
			t.Errorf("by events alone (-), with a listing (+):\n%s", diff)
		}
	})
}

func TestAStreamLineIsRead(t *testing.T) {
	const text = `{}
{"Index":7,"Events":[{"Topic":"Allocation","Type":"AllocationUpdated","Key":"a1","Namespace":"bothy","Index":7,"Payload":{"Allocation":{"ID":"a1","JobID":"bothy-ada","ClientStatus":"running","DesiredStatus":"run","ModifyIndex":7}}},{"Topic":"Job","Index":7,"Payload":{"Deleted":true,"Job":{"ID":"bothy-bob"}}}]}
`
	decoder := json.NewDecoder(strings.NewReader(text))
	heartbeat, err := decodeLine(decoder)
	if err != nil || len(heartbeat.Events) != 0 {
		t.Fatalf("heartbeat %+v, %v", heartbeat, err)
	}
	got, err := decodeLine(decoder)
	if err != nil {
		t.Fatal(err)
	}
	if len(got.Events) != 2 || got.Events[0].Payload.Allocation.ClientStatus != "running" || !got.Events[1].Payload.Deleted {
		t.Errorf("line %+v", got)
	}
}

func TestSnapshotsOfTenThousandAreTheCallers(t *testing.T) {
	c := newCache()
	var l listing
	for i := range 10_000 {
		job := jobAt(1, false)
		job.ID = fmt.Sprintf("bothy-s%d", i)
		l.jobs = append(l.jobs, job)
	}
	c.replace(l, noon)
	snap := c.snapshot()
	snap.Jobs["bothy-s1"] = lab.Observation{}
	delete(snap.Jobs, "bothy-s2")
	if again := c.snapshot(); len(again.Jobs) != 10_000 || again.Jobs["bothy-s1"].JobID == "" {
		t.Error("changing a snapshot changed the picture")
	}
}
