package placement_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/bothylabs/bothy/service/placement"
)

var noon = time.Date(2026, 9, 1, 12, 0, 0, 0, time.UTC)

const full = "memory exhausted"

// clusterOf has nodes for workspaces of 100 MB, and homes that stay where they are.
func clusterOf(nodes ...placement.Node) placement.Cluster {
	c := placement.Cluster{SampledAt: noon, Needs: placement.Amounts{Memory: 100}, Pinned: true, Nodes: nodes}
	for _, n := range nodes {
		c.Anywhere += n.Room
	}
	return c
}

// node has room for so many workspaces, and no more memory than that takes.
func node(name string, room int, options ...func(*placement.Node)) placement.Node {
	n := placement.Node{
		ID: "id-" + name, Name: name, Room: room, Lacks: []string{full},
		Total: placement.Amounts{Memory: 1000}, Free: placement.Amounts{Memory: int64(100*room + 50)},
	}
	for _, option := range options {
		option(&n)
	}
	return n
}

func is(unusable string) func(*placement.Node) {
	return func(n *placement.Node) { n.Unusable, n.Room, n.Lacks = unusable, 0, nil }
}

func filtered(by string) func(*placement.Node) {
	return func(n *placement.Node) { n.Filtered, n.Room, n.Lacks = by, 0, nil }
}

func lacking(words ...string) func(*placement.Node) {
	return func(n *placement.Node) { n.Lacks = words }
}

func fresh(n int) []placement.Workspace {
	var all []placement.Workspace
	for i := range n {
		all = append(all, placement.Workspace{Slug: fmt.Sprintf("new-%02d", i), Does: placement.Place})
	}
	return all
}

func atHome(slug, name string) placement.Workspace {
	return placement.Workspace{Slug: slug, Does: placement.Place, Home: "id-" + name, Returns: true}
}

func TestForetell(t *testing.T) {
	t.Parallel()
	const gpu = "${meta.gpu} = yes"
	tests := []struct {
		name       string
		cluster    placement.Cluster
		workspaces []placement.Workspace
		summary    string
		// places and waits are by node.
		places, waits map[string]int
	}{
		{
			"all find a place", clusterOf(node("a", 5), node("b", 5)), fresh(4),
			"4 create",
			map[string]int{"a": 2, "b": 2},
			nil,
		},
		{
			"homes go where there is room, not where there are few", clusterOf(node("a", 0), node("b", 4, func(n *placement.Node) { n.Homes = 9 })), fresh(4),
			"4 create",
			map[string]int{"b": 4},
			nil,
		},
		{
			"what is over waits where there are the fewest homes", clusterOf(node("a", 1), node("b", 2), node("c", 0)), fresh(5),
			"3 create, 2 unplaceable: memory exhausted on 3 nodes",
			map[string]int{"a": 1, "b": 2},
			map[string]int{"a": 1, "c": 1},
		},
		{
			"nodes lack different things", clusterOf(node("a", 0), node("b", 0, lacking("cpu exhausted")), node("c", 0), node("d", 0, filtered(gpu)), node("e", 0, filtered("missing drivers"))), fresh(1),
			"1 unplaceable: memory exhausted on 2 nodes, cpu exhausted on 1 node, constraint ${meta.gpu} = yes filtered 1 node, missing drivers filtered 1 node",
			nil,
			map[string]int{"a": 1},
		},
		{
			"what is closed is not counted", clusterOf(node("a", 0, is("is down")), node("b", 0, is("is draining"))), fresh(2),
			"2 unplaceable: no node of its node pool and datacenters is ready", nil, nil,
		},
		{
			"a home holds its workspace where it is", clusterOf(node("a", 0), node("b", 9)),
			[]placement.Workspace{atHome("ada", "a")},
			"1 unplaceable: home is on node a, which is full: memory exhausted", nil,
			map[string]int{"a": 1},
		},
		{
			"homes on nodes that take nothing", clusterOf(node("a", 0, is("is not eligible")), node("b", 9), node("c", 0, filtered(gpu))),
			[]placement.Workspace{atHome("ada", "a"), atHome("bob", "gone"), atHome("eve", "c"), atHome("zoe", "b")},
			"1 create, 3 unplaceable: 1 × home is on node a, which is not eligible; 1 × home is on node c, which constraint ${meta.gpu} = yes does not admit; 1 × home is on node id-gone, which is gone",
			map[string]int{"b": 1},
			nil,
		},
		{
			"who has a home goes ahead of who has none", clusterOf(node("a", 1), node("b", 1)), append(fresh(2), atHome("zoe", "a")),
			"2 create, 1 unplaceable: memory exhausted on 2 nodes",
			map[string]int{"a": 1, "b": 1},
			map[string]int{"a": 1},
		},
		{
			"others who wait there take room first", clusterOf(node("a", 2, func(n *placement.Node) { n.Waiting = 2 }), node("b", 1)), fresh(2),
			"1 create, 1 unplaceable: memory exhausted on 2 nodes",
			map[string]int{"b": 1},
			map[string]int{"a": 1},
		},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			plan := placement.Foretell(test.cluster, test.workspaces)
			if got := plan.Summary(); got != test.summary {
				t.Errorf("summary\n%s\nwant\n%s", got, test.summary)
			}
			places, waits := map[string]int{}, map[string]int{}
			for _, n := range plan.Nodes {
				add(places, n.Name, n.Places)
				add(waits, n.Name, n.Waits)
			}
			if diff := cmp.Diff(orEmpty(test.places), places); diff != "" {
				t.Errorf("placed\n%s", diff)
			}
			if diff := cmp.Diff(orEmpty(test.waits), waits); diff != "" {
				t.Errorf("waiting\n%s", diff)
			}
			if len(plan.Warnings) > 0 {
				t.Errorf("warnings: %q", plan.Warnings)
			}
		})
	}
}

func add(counts map[string]int, name string, n int) {
	if n > 0 {
		counts[name] = n
	}
}

func orEmpty(counts map[string]int) map[string]int {
	if counts == nil {
		return map[string]int{}
	}
	return counts
}

func TestForetellWhereHomesMove(t *testing.T) {
	t.Parallel()
	c := clusterOf(node("a", 1), node("b", 1))
	c.Pinned = false
	plan := placement.Foretell(c, fresh(3))
	if got, want := plan.Summary(), "2 create, 1 unplaceable: memory exhausted on 2 nodes"; got != want {
		t.Errorf("%s, want %s", got, want)
	}
	for _, n := range plan.Nodes {
		if n.Places+n.Waits > 0 {
			t.Errorf("it says which node Nomad will choose: %+v", n)
		}
	}
}

func TestForetellCountsWhatRunsAlready(t *testing.T) {
	t.Parallel()
	plan := placement.Foretell(clusterOf(node("a", 9)), []placement.Workspace{
		{Slug: "a", Does: placement.Nothing},
		{Slug: "b", Does: placement.Nothing},
		{Slug: "c", Does: placement.Restart},
		{Slug: "d", Does: placement.UpdateInPlace},
		{Slug: "e", Does: placement.Replace, Node: "id-a"},
		{Slug: "f", Does: placement.Stop},
	})
	if got, want := plan.Summary(), "2 update, 1 restart, 1 stop"; got != want || plan.Unchanged != 2 || !plan.Changes() {
		t.Errorf("%s, %d unchanged; want %s", got, plan.Unchanged, want)
	}
	same := placement.Foretell(clusterOf(node("a", 9)), []placement.Workspace{{Slug: "a", Does: placement.Nothing}})
	if got, want := same.Summary(), "nothing to do, 1 unchanged"; got != want || same.Changes() {
		t.Errorf("%s, want %s", got, want)
	}
}

func TestAReplacementThatGrowsNeedsTheDifference(t *testing.T) {
	t.Parallel()
	grows := func(slug string) placement.Workspace {
		return placement.Workspace{Slug: slug, Does: placement.Replace, Node: "id-a", Home: "id-a", Returns: true, Grows: placement.Amounts{Memory: 60}}
	}
	plan := placement.Foretell(clusterOf(node("a", 1)), append(fresh(1), grows("ada"), grows("bob"), grows("eve")))
	want := "2 update, 2 unplaceable: 1 × home is on node a, which is full: memory exhausted; the old version runs on; 1 × memory exhausted on 1 node"
	if got := plan.Summary(); got != want {
		t.Errorf("%s\nwant %s", got, want)
	}
}

func TestWhatIsNotCertainIsSaid(t *testing.T) {
	t.Parallel()
	c := clusterOf(node("a", 1, func(n *placement.Node) { n.Free.Memory = 900 }))
	c.Preempts, c.Warnings = true, []string{"one of Nomad's"}
	plan := placement.Foretell(c, fresh(1))
	want := []string{
		"one of Nomad's",
		"nodes have less room than their visible allocations leave: jobs in namespaces that Bothy may not read use them too, and may come and go",
		"Nomad would stop allocations of lower priority to place some of these",
	}
	if diff := cmp.Diff(want, plan.Warnings); diff != "" {
		t.Error(diff)
	}
}

func TestAReasonNamesSomeAndCountsAll(t *testing.T) {
	t.Parallel()
	plan := placement.Foretell(clusterOf(node("a", 0)), fresh(placement.MaxNamed+5))
	if r := plan.Reasons[0]; r.Count != placement.MaxNamed+5 || len(r.Workspaces) != placement.MaxNamed || r.Workspaces[0] != "new-00" {
		t.Errorf("%+v", r)
	}
}
