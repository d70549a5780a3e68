package e2e

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"text/tabwriter"
	"time"

	"github.com/google/go-cmp/cmp"
	nomadapi "github.com/hashicorp/nomad/api"

	"github.com/bothylabs/bothy/service/placement"
	"github.com/bothylabs/bothy/service/registrar"
)

// shortage is a cluster that a class does not fit into, and how it comes to be so: a
// part of the class runs, a part was stopped and has homes, and a neighbour whom Bothy
// may not see has taken a node's room.
type shortage struct {
	name  string
	needs map[string]any
	nodes []smallNode
	// before is how many students are launched first. Of those, the ones on stopOn are
	// stopped again; where it is "", the first one is.
	before int
	stopOn string
	// neighbour is a job of another namespace on the node c.
	neighbour func(*nomadapi.Task, *nomadapi.NetworkResource)
	// ineligible is a node that is taken out after that; "" for none.
	ineligible string
	// students is how many the class has in the end.
	students int
	// says are words of the plan's summary.
	says []string
}

func shortages() []shortage {
	three := func(change func(*smallNode)) []smallNode {
		nodes := []smallNode{{Name: "a"}, {Name: "b"}, {Name: "c"}}
		for i := range nodes {
			nodes[i].CPU, nodes[i].Memory, nodes[i].Disk, nodes[i].Ports = 20_000, 20_000, 20_000, 100
			change(&nodes[i])
		}
		return nodes
	}
	// a takes 2 of 300, b takes 4, and c, which is the largest, 2 once the neighbour is
	// there. What is left over would make one more in sum, and makes none on any node.
	// Spread by the size of the nodes, or evenly, more would go to c or a than fit there.
	size := map[string]int{"a": 850, "b": 1450, "c": 2050}
	takes := func(cpu, memory int) func(*nomadapi.Task, *nomadapi.NetworkResource) {
		return func(task *nomadapi.Task, _ *nomadapi.NetworkResource) {
			task.Resources = &nomadapi.Resources{CPU: &cpu, MemoryMB: &memory}
		}
	}
	return []shortage{
		{
			name: "memory", needs: map[string]any{"memory": 300}, before: 3, students: 10,
			nodes:     three(func(n *smallNode) { n.Memory = size[n.Name] }),
			neighbour: takes(10, 1250), says: []string{"memory exhausted on 3 nodes"},
		},
		{
			name: "cpu", needs: map[string]any{"cpu": 300}, before: 3, students: 10,
			nodes:     three(func(n *smallNode) { n.CPU = size[n.Name] }),
			neighbour: takes(1250, 10), says: []string{"cpu exhausted on 3 nodes"},
		},
		{
			name: "disk", needs: map[string]any{"disk": 300}, before: 3, students: 10,
			nodes: three(func(n *smallNode) { n.Disk = min(size[n.Name], 1450) }),
			// Its group asks for 600 MB of disk.
			neighbour: takes(10, 10), says: []string{"disk exhausted on 3 nodes"},
		},
		{
			name: "ports", before: 3, students: 10,
			nodes: three(func(n *smallNode) { n.Ports = map[string]int{"a": 2, "b": 4, "c": 3}[n.Name] }),
			neighbour: func(_ *nomadapi.Task, network *nomadapi.NetworkResource) {
				network.ReservedPorts = []nomadapi.Port{{Label: "taken", Value: 20001, HostNetwork: "loopback"}}
			},
			says: []string{"port", "on 3 nodes"},
		},
		{
			name: "constraint", needs: map[string]any{"memory": 300, "lab": "yes"}, before: 3, stopOn: "b", students: 7, ineligible: "b",
			nodes: []smallNode{
				{Name: "a", CPU: 20_000, Memory: 1050, Disk: 20_000, Ports: 100, Lab: "yes"},
				{Name: "b", CPU: 20_000, Memory: 850, Disk: 20_000, Ports: 100, Lab: "yes"},
				{Name: "c", CPU: 20_000, Memory: 20_000, Disk: 20_000, Ports: 100},
			},
			says: []string{"memory exhausted on 1 node, constraint ${meta.lab} = yes filtered 1 node", "b, which is not eligible"},
		},
		{
			name: "enough of everything", before: 4, students: 40,
			nodes: three(func(*smallNode) {}), neighbour: takes(600, 600),
		},
	}
}

// TestClassPlan asks for the plan of a class in clusters that are too small for it,
// launches the class, and compares what was foretold with what Nomad then does.
func TestClassPlan(t *testing.T) {
	cluster := newSmallCluster(t)
	var mu sync.Mutex
	var rows []string
	t.Run("short of", func(t *testing.T) {
		for i, s := range shortages() {
			t.Run(s.name, func(t *testing.T) {
				t.Parallel()
				row := s.run(t, cluster, fmt.Sprintf("pool%d", i))
				mu.Lock()
				defer mu.Unlock()
				rows = append(rows, fmt.Sprintf("%d\t%s\t%s", i, s.name, row))
			})
		}
	})
	slices.Sort(rows)
	var out strings.Builder
	w := tabwriter.NewWriter(&out, 0, 8, 2, ' ', 0)
	fmt.Fprintln(w, "\tshort of\tto place\tplaced: plan\tNomad\tnot placed: plan\tNomad\tby node: plan\tNomad\tthe plan's summary")
	for _, row := range rows {
		fmt.Fprintln(w, row)
	}
	if err := w.Flush(); err != nil {
		t.Fatal(err)
	}
	t.Logf("the class plan and what then happened\n%s", out.String())
}

// run gives a row of the table.
func (s shortage) run(t *testing.T, cluster *smallCluster, pool string) string {
	nodes := cluster.join(t, pool, s.nodes)
	if s.neighbour != nil {
		cluster.settleNeighbour(t, pool, nodes["c"], s.neighbour)
	}
	b := newPlacer(t, cluster, pool, s.needs)
	b.enroll(t, s.before)
	b.launch(t)
	first := b.settled(t)
	if first.running() != s.before {
		t.Fatalf("%d of the first %d run: %v", first.running(), s.before, first.waits)
	}
	b.stopSome(t, first, pool, s.stopOn)
	if s.ineligible != "" {
		if _, err := cluster.operator.Nodes().ToggleEligibility(nodes[s.ineligible], false, nil); err != nil {
			t.Fatal(err)
		}
	}
	b.enroll(t, s.students)
	before := b.settled(t)

	plan, err := b.registrar.PlanClass(t.Context(), b.class, registrar.ActLaunch)
	if err != nil {
		t.Fatal(err)
	}
	b.launch(t)
	after := b.settled(t)

	toPlace := s.students - before.running()
	placed, waits := after.running()-before.running(), len(after.waits)
	if plan.Create != placed || plan.Unplaceable != waits || plan.Create+plan.Unplaceable != toPlace {
		t.Errorf("the plan: %d create, %d unplaceable; Nomad placed %d, and %d wait: %v\n%+v",
			plan.Create, plan.Unplaceable, placed, waits, after.waits, plan)
	}
	foretold, came := map[string]int{}, map[string]int{}
	for _, n := range plan.Nodes {
		if n.Places > 0 {
			foretold[strings.TrimPrefix(n.Name, pool+"-")] = n.Places
		}
	}
	for node, n := range after.on {
		if n -= before.on[node]; n > 0 {
			came[strings.TrimPrefix(node, pool+"-")] = n
		}
	}
	if diff := cmp.Diff(foretold, came); diff != "" {
		t.Errorf("by node, the plan (-) and Nomad (+):\n%s", diff)
	}
	for _, words := range s.says {
		if !strings.Contains(plan.Summary(), words) {
			t.Errorf("the summary lacks %q: %s", words, plan.Summary())
		}
	}
	s.hiddenIsSaid(t, plan.Plan)
	return fmt.Sprintf("%d\t%d\t%d\t%d\t%d\t%s\t%s\t%s", toPlace, plan.Create, placed, plan.Unplaceable, waits, brief(foretold), brief(came), plan.Summary())
}

// hiddenIsSaid: where a neighbour that Bothy may not see is what makes the cluster
// short, the plan says so. How many ports a node has left can't be seen from outside.
func (s shortage) hiddenIsSaid(t *testing.T, plan placement.Plan) {
	t.Helper()
	said := slices.ContainsFunc(plan.Warnings, func(w string) bool { return strings.Contains(w, "may not read") })
	if want := s.neighbour != nil && plan.Unplaceable > 0 && s.name != "ports"; said != want {
		t.Errorf("the warnings are %q; do they name what can't be seen? %t", plan.Warnings, want)
	}
}

func brief(counts map[string]int) string {
	var parts []string
	for _, node := range []string{"a", "b", "c"} {
		parts = append(parts, fmt.Sprintf("%s %d", node, counts[node]))
	}
	return strings.Join(parts, ", ")
}

// settleNeighbour runs a job of the namespace default on a node.
func (c *smallCluster) settleNeighbour(t *testing.T, pool, node string, asks func(*nomadapi.Task, *nomadapi.NetworkResource)) {
	t.Helper()
	disk := 600
	task := nomadapi.NewTask("main", "mock_driver").SetConfig("run_for", "12h").
		SetLogConfig(&nomadapi.LogConfig{Disabled: ptr(true), MaxFiles: ptr(1), MaxFileSizeMB: ptr(1)})
	network := &nomadapi.NetworkResource{}
	asks(task, network)
	group := nomadapi.NewTaskGroup("main", 1).AddTask(task).RequireDisk(&nomadapi.EphemeralDisk{SizeMB: &disk})
	group.Networks = []*nomadapi.NetworkResource{network}
	job := nomadapi.NewServiceJob("neighbour-"+pool, "neighbour-"+pool, "global", 50).
		AddTaskGroup(group).Constrain(nomadapi.NewConstraint("${node.unique.id}", "=", node))
	job.NodePool = &pool
	if _, _, err := c.operator.Jobs().Register(job, nil); err != nil {
		t.Fatal(err)
	}
	eventually(t, time.Minute, "the neighbour runs", func(ctx context.Context) error {
		allocs, _, err := c.operator.Jobs().Allocations(*job.ID, false, (&nomadapi.QueryOptions{}).WithContext(ctx))
		if err == nil && (len(allocs) == 0 || allocs[0].ClientStatus != nomadapi.AllocClientStatusRunning) {
			err = fmt.Errorf("not yet: %d allocations", len(allocs))
		}
		return err
	})
}

func ptr[T any](v T) *T { return &v }
