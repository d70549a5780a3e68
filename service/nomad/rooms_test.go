package nomad

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/hashicorp/nomad/api"
)

func TestRoomOfReadsWhatTheSchedulerSaysOfOneNode(t *testing.T) {
	const bound = "${node.unique.id} = n1"
	tests := []struct {
		name   string
		metric *api.AllocationMetric
		want   room
	}{
		{"all are placed", nil, room{free: 10}},
		{"some are", &api.AllocationMetric{
			CoalescedFailures: 5, NodesExhausted: 1, DimensionExhausted: map[string]int{"memory": 1}, ConstraintFiltered: map[string]int{bound: 2},
		}, room{free: 4, lacks: []string{"memory exhausted"}}},
		{"none is", &api.AllocationMetric{
			CoalescedFailures: 9, NodesExhausted: 1, DimensionExhausted: map[string]int{"network: dynamic port selection failed": 1},
		}, room{lacks: []string{"network: dynamic port selection failed"}}},
		{"a quota is used up", &api.AllocationMetric{CoalescedFailures: 8, QuotaExhausted: []string{"memory"}}, room{free: 1, lacks: []string{"quota exhausted: memory"}}},
		{"the node is filtered", &api.AllocationMetric{
			CoalescedFailures: 9, ConstraintFiltered: map[string]int{bound: 2, "${attr.kernel.name} = plan9": 1},
		}, room{filtered: "${attr.kernel.name} = plan9"}},
		{"drivers are missing, on others too", &api.AllocationMetric{
			CoalescedFailures: 9, ConstraintFiltered: map[string]int{bound: 1, missingDrivers: 2},
		}, room{filtered: missingDrivers}},
		{"drivers are missing on others alone", &api.AllocationMetric{
			CoalescedFailures: 9, ConstraintFiltered: map[string]int{"${meta.lab} = yes": 1, missingDrivers: 2},
		}, room{filtered: "${meta.lab} = yes"}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			got := roomOf(test.metric, "n1", 10)
			if diff := cmp.Diff(test.want, got, cmp.AllowUnexported(room{})); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestATrialHoldsNothingThatBindsAllocationsToEachOther(t *testing.T) {
	distinct := &api.Constraint{Operand: api.ConstraintDistinctHosts, RTarget: "true"}
	kernel := &api.Constraint{LTarget: "${attr.kernel.name}", Operand: "=", RTarget: "linux"}
	job := someJob()
	job.Constraints = []*api.Constraint{distinct, kernel}
	job.Update = &api.UpdateStrategy{}
	job.TaskGroups = []*api.TaskGroup{{
		Name: ptr("workspace"), Volumes: map[string]*api.VolumeRequest{"home": {}}, Constraints: []*api.Constraint{distinct},
		Tasks: []*api.Task{{Name: "main", Constraints: []*api.Constraint{distinct, kernel}, VolumeMounts: []*api.VolumeMount{{}}}},
	}}
	each := perNode(trial(job), []string{"n1", "n2"}, 7)
	if *each.ID != trialJob || each.Update != nil || len(each.Constraints) != 0 || len(each.TaskGroups) != 2 {
		t.Errorf("the job: %+v", each)
	}
	for i, node := range []string{"n1", "n2"} {
		group := each.TaskGroups[i]
		if *group.Name != node || *group.Count != 7 || len(group.Volumes) != 0 || len(group.Tasks[0].VolumeMounts) != 0 {
			t.Errorf("the group of %s: %+v", node, group)
		}
		if diff := cmp.Diff([]*api.Constraint{onlyOn(node), kernel}, group.Constraints); diff != "" {
			t.Errorf("constraints of %s, the binding first:\n%s", node, diff)
		}
		if diff := cmp.Diff([]*api.Constraint{kernel}, group.Tasks[0].Constraints); diff != "" {
			t.Error(diff)
		}
	}
	if *job.ID != "bothy-ada" || len(job.Constraints) != 2 || len(job.TaskGroups[0].Volumes) != 1 || len(job.TaskGroups[0].Tasks[0].Constraints) != 2 {
		t.Errorf("the job itself was changed: %+v", job)
	}
}
