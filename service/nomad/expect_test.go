package nomad

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/hashicorp/nomad/api"

	"github.com/bothylabs/bothy/service/placement"
)

var aKind = kind{key: "editor", needs: amounts{cpu: 100, memory: 1000}}

// verdicts gives what is known of a node, "" when it must be asked about.
func verdicts(h *homes, node string, k kind) string {
	verdict, known := h.room(node, k)
	if !known {
		return ""
	}
	return map[placement.Verdict]string{placement.Unfit: "unfit", placement.Full: "full", placement.HasRoom: "has room"}[verdict]
}

func TestRoomIsUsedUpByWhoIsSentThere(t *testing.T) {
	h := newHomes()
	if got := verdicts(h, "n1", aKind); got != "" {
		t.Fatalf("before it was asked about, n1 %s", got)
	}
	h.know("n1", aKind, room{free: 2, lacks: []string{"memory exhausted"}}, nil)
	h.know("n2", aKind, room{filtered: "missing drivers"}, nil)
	if got := verdicts(h, "n2", aKind); got != "unfit" {
		t.Errorf("n2 %s", got)
	}
	h.expect("home-ada", expectation{node: "n1"})
	if got := verdicts(h, "n1", aKind); got != "has room" {
		t.Errorf("after one was sent there, n1 %s", got)
	}
	h.returns("home-bob", "n1", noon)
	h.returns("home-bob", "n1", noon)
	if got := verdicts(h, "n1", aKind); got != "full" {
		t.Errorf("after two were, n1 %s", got)
	}
	if h.on["n1"] != 1 {
		t.Errorf("n1 has %d homes more, want the one that is new", h.on["n1"])
	}
	h.giveBack("home-ada")
	if got := verdicts(h, "n1", aKind); got != "" || h.on["n1"] != 0 {
		t.Errorf("after one was given back, n1 %s, with %d homes", got, h.on["n1"])
	}
}

func TestANodeWithMoreRoomThanWasAskedForIsAskedAboutAgain(t *testing.T) {
	h := newHomes()
	h.know("n1", aKind, room{free: 1}, nil)
	h.expect("home-ada", expectation{node: "n1"})
	if got := verdicts(h, "n1", aKind); got != "" {
		t.Errorf("n1 %s, want it to be asked about again", got)
	}
}

func TestWhoIsOnTheirWayTakesRoomByTheirSize(t *testing.T) {
	tests := []struct {
		name    string
		waiting map[string]expectation
		want    string
	}{
		{"nobody", nil, "has room"},
		{"one of the same kind", map[string]expectation{"a": {needs: aKind.needs}}, "has room"},
		{"two of the same kind", map[string]expectation{"a": {needs: aKind.needs}, "b": {needs: aKind.needs}}, "full"},
		{"two of unknown size", map[string]expectation{"a": {}, "b": {}}, "full"},
		{"two small ones", map[string]expectation{"a": {needs: amounts{memory: 400}}, "b": {needs: amounts{memory: 400}}}, "has room"},
		{"one that is large in one thing", map[string]expectation{"a": {needs: amounts{cpu: 150, memory: 10}}}, "full"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			h := newHomes()
			h.know("n1", aKind, room{free: 2, lacks: []string{"memory exhausted"}}, test.waiting)
			if got := verdicts(h, "n1", aKind); got != test.want {
				t.Errorf("n1 %s, want it %s", got, test.want)
			}
		})
	}
}

func TestALookAroundForgetsWhoHasArrived(t *testing.T) {
	h := newHomes()
	volume := func(slug, node string) *api.HostVolumeStub {
		return &api.HostVolumeStub{Name: "home-" + slug, NodeID: node}
	}
	for _, slug := range []string{"runs", "waits", "stopped", "unmade", "old"} {
		since := noon
		if slug == "old" {
			since = noon.Add(-2 * expectAge)
		}
		h.expect("home-"+slug, expectation{node: "n1", since: since})
	}
	// found waits since before this client was made.
	states := map[string][2]bool{"bothy-runs": {true, false}, "bothy-waits": {true, true}, "bothy-stopped": {true, false}, "bothy-found": {true, true}}
	h.renew(noon.Add(time.Second), []*api.NodeListStub{node("n1", 1000, 1000)},
		[]*api.HostVolumeStub{volume("runs", "n1"), volume("waits", "n1"), volume("stopped", "n1"), volume("found", "n2"), volume("old", "n1")},
		func(id string) (known, waits bool) { return states[id][0], states[id][1] })

	got := map[string]string{}
	for name, e := range h.expected {
		got[name] = e.node
	}
	if diff := cmp.Diff(map[string]string{"home-waits": "n1", "home-unmade": "n1", "home-found": "n2"}, got); diff != "" {
		t.Errorf("expected:\n%s", diff)
	}
	if diff := cmp.Diff(map[string]int{"n1": 5, "n2": 1}, h.on); diff != "" {
		t.Errorf("homes, with the one that is being made:\n%s", diff)
	}
}

func TestWhatIsKnownGrowsOldAndFasterWhileNobodyChooses(t *testing.T) {
	h := newHomes()
	if !h.old(noon) {
		t.Error("what was never looked at is not known")
	}
	h.renew(noon, []*api.NodeListStub{}, nil, nil)
	if h.old(noon.Add(surveyRest)) || !h.old(noon.Add(surveyRest+1)) {
		t.Errorf("where nobody chooses it is old after %s", surveyRest)
	}
	for at := noon; at.Before(noon.Add(surveyAge)); at = at.Add(surveyRest) {
		h.expect("home-ada", expectation{node: "n1", since: at})
	}
	if h.old(noon.Add(surveyAge)) || !h.old(noon.Add(surveyAge+1)) {
		t.Errorf("where many are chosen it is old after %s", surveyAge)
	}
}

func TestWhoWaitsForTheirTurnGivesUpWithTheirContext(t *testing.T) {
	h := newHomes()
	release, err := h.turn(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	ended, end := context.WithCancel(t.Context())
	end()
	if _, err := h.turn(ended); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
	release()
	if _, err := h.turn(t.Context()); err != nil {
		t.Error(err)
	}
}

func TestJobsOfOneKindDifferInNothingThatTheSchedulerLooksAt(t *testing.T) {
	job := func(change func(*api.TaskGroup)) kind {
		group := &api.TaskGroup{Name: ptr("workspace"), Tasks: []*api.Task{{Name: "main", Driver: "exec", Env: map[string]string{}, Resources: &api.Resources{MemoryMB: ptr(100)}}}}
		change(group)
		j := someJob()
		j.TaskGroups = []*api.TaskGroup{group}
		return kindOf(j)
	}
	plain := job(func(*api.TaskGroup) {})
	if other := job(func(g *api.TaskGroup) { g.Tasks[0].Env["SLUG"] = "ada" }); other.key != plain.key {
		t.Error("another environment is another kind")
	}
	for name, change := range map[string]func(*api.TaskGroup){
		"memory":     func(g *api.TaskGroup) { g.Tasks[0].Resources.MemoryMB = ptr(200) },
		"driver":     func(g *api.TaskGroup) { g.Tasks[0].Driver = "docker" },
		"constraint": func(g *api.TaskGroup) { g.Constraints = []*api.Constraint{onlyOn("n1")} },
	} {
		if job(change).key == plain.key {
			t.Errorf("another %s is the same kind", name)
		}
	}
}
