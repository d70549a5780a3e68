package nomad

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/hashicorp/nomad/api"

	"github.com/bothylabs/bothy/service/lab"
)

func ptr[T any](v T) *T { return &v }

// node gives a ready one of this size with the driver exec.
func node(id string, cpu, memory int64, options ...func(*api.NodeListStub)) *api.NodeListStub {
	n := &api.NodeListStub{
		ID: id, Datacenter: "dc1", NodePool: "default", Status: "ready", SchedulingEligibility: "eligible",
		Drivers: map[string]*api.DriverInfo{"exec": {Detected: true, Healthy: true}},
		NodeResources: &api.NodeResources{
			Cpu: api.NodeCpuResources{CpuShares: cpu}, Memory: api.NodeMemoryResources{MemoryMB: memory}, Disk: api.NodeDiskResources{DiskMB: 10_000},
		},
	}
	for _, option := range options {
		option(n)
	}
	return n
}

func someJob() *api.Job {
	return &api.Job{ID: ptr("bothy-ada"), Namespace: ptr("bothy"), NodePool: ptr("default"), Datacenters: []string{"dc*"}}
}

func ids(nodes []*api.NodeListStub) string {
	var all []string
	for _, n := range nodes {
		all = append(all, n.ID)
	}
	return strings.Join(all, " ")
}

func TestEligibleNodes(t *testing.T) {
	nodes := []*api.NodeListStub{
		node("good", 1000, 1000),
		node("down", 1000, 1000, func(n *api.NodeListStub) { n.Status = "down" }),
		node("drained", 1000, 1000, func(n *api.NodeListStub) { n.Drain = true }),
		node("closed", 1000, 1000, func(n *api.NodeListStub) { n.SchedulingEligibility = "ineligible" }),
		node("gpu", 1000, 1000, func(n *api.NodeListStub) { n.NodePool = "gpu" }),
		node("far", 1000, 1000, func(n *api.NodeListStub) { n.Datacenter = "mars" }),
	}
	job := someJob()
	if got := ids(eligible(nodes, job)); got != "good" {
		t.Errorf("eligible: %s", got)
	}
	job.NodePool, job.Datacenters = ptr("all"), []string{"*"}
	if got := ids(eligible(nodes, job)); got != "good gpu far" {
		t.Errorf("eligible in all pools: %s", got)
	}
}

func TestAsksCountsWhatIsReservedAtOnce(t *testing.T) {
	task := func(cpu, memory int, lifecycle *api.TaskLifecycle) *api.Task {
		return &api.Task{Driver: "exec", Lifecycle: lifecycle, Resources: &api.Resources{CPU: ptr(cpu), MemoryMB: ptr(memory)}}
	}
	group := &api.TaskGroup{
		EphemeralDisk: &api.EphemeralDisk{SizeMB: ptr(300)},
		Tasks: []*api.Task{
			task(500, 1000, nil), task(50, 48, nil),
			task(900, 200, &api.TaskLifecycle{Hook: "prestart"}),
			task(10, 20, &api.TaskLifecycle{Hook: "prestart", Sidecar: true}),
		},
	}
	want := amounts{cpu: 910, memory: 1068, disk: 300}
	if diff := cmp.Diff(want, asks(group), cmp.AllowUnexported(amounts{})); diff != "" {
		t.Error(diff)
	}
}

func TestLargeEnough(t *testing.T) {
	nodes := []*api.NodeListStub{
		node("fast", 4000, 1000), node("big", 1000, 8000),
		node("busy", 1000, 9000, func(n *api.NodeListStub) {
			n.ReservedResources = &api.NodeReservedResources{Memory: api.NodeReservedMemoryResources{MemoryMB: 2000}}
		}),
	}
	tests := []struct {
		name  string
		asked amounts
		says  string
	}{
		{"fits", amounts{cpu: 1000, memory: 8000}, ""},
		{"too much memory", amounts{memory: 8001}, "no node is large enough: memory: the workspace asks for 8001 MB, the largest eligible node has 8000 MB (ask for at most 8000 MB, or add a larger node)"},
		{"too many cores", amounts{cores: 2}, "no node is large enough: cores: the workspace asks for 2, the largest eligible node has 0 (ask for at most 0, or add a larger node)"},
		{"not both on one", amounts{cpu: 4000, memory: 8000}, "no single node has all of this at once: memory 8000 MB, cpu 4000 MHz"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			err := largeEnough(nodes, test.asked)
			if test.says == "" {
				if err != nil {
					t.Error(err)
				}
				return
			}
			if lab.CodeOf(err) != lab.CodeUnplaceable || err.Error() != test.says {
				t.Errorf("%v, want %q", err, test.says)
			}
		})
	}
}
