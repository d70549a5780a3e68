package nomad

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/hashicorp/nomad/api"

	"github.com/bothylabs/bothy/service/placement"
)

// edited is a plan that gives a task more memory.
func edited() *api.JobPlanResponse {
	return &api.JobPlanResponse{
		JobModifyIndex: 7,
		Diff: &api.JobDiff{
			Type: diffEdited, ID: "bothy-ada",
			Fields: []*api.FieldDiff{{Type: diffEdited, Name: "Priority", Old: "50", New: "60"}, {Type: diffNone, Name: "Region", Old: "global", New: "global"}},
			TaskGroups: []*api.TaskGroupDiff{{
				Type: diffEdited, Name: "workspace", Updates: map[string]uint64{"create/destroy update": 1},
				Tasks: []*api.TaskDiff{
					{
						Type: diffEdited, Name: "editor", Annotations: []string{"forces create/destroy update"},
						Objects: []*api.ObjectDiff{{
							Type: diffEdited, Name: "Resources",
							Fields: []*api.FieldDiff{{Type: diffEdited, Name: "MemoryMB", Old: "1024", New: "2048"}, {Type: diffAdded, Name: "Cores", New: "1"}, {Type: diffDeleted, Name: "CPU", Old: "500"}},
						}},
					},
					{Type: diffNone, Name: "nginx"},
				},
			}},
		},
	}
}

func TestADiffAsNomadShowsIt(t *testing.T) {
	want := `+/- Job: "bothy-ada"
  +/- Priority: "50" => "60"
+/- Task Group: "workspace" (1 create/destroy update)
  +/- Task: "editor" (forces create/destroy update)
      +/- Resources {
        +/- MemoryMB: "1024" => "2048"
        +   Cores: "1"
        -   CPU: "500"
          }

Scheduler dry-run:
- All tasks successfully allocated.

Job Modify Index: 7
`
	if diff := cmp.Diff(want, planText(edited(), nil)); diff != "" {
		t.Error(diff)
	}
	failed := map[string]*api.AllocationMetric{"workspace": {NodesEvaluated: 3, DimensionExhausted: map[string]int{"memory": 3}}}
	if text := planText(edited(), failed); !strings.Contains(text, "- WARNING: Failed to place all allocations: memory exhausted on 3 nodes.\n") {
		t.Error(text)
	}
}

func TestADiffAsAList(t *testing.T) {
	const forced = "create/destroy update"
	want := []placement.Change{
		{Path: "Priority", Type: "edited", Old: "50", New: "60"},
		{Path: "group workspace / task editor / Resources / MemoryMB", Type: "edited", Old: "1024", New: "2048", Forces: forced},
		{Path: "group workspace / task editor / Resources / Cores", Type: "added", New: "1", Forces: forced},
		{Path: "group workspace / task editor / Resources / CPU", Type: "deleted", Old: "500", Forces: forced},
	}
	if diff := cmp.Diff(want, changesOf(edited().Diff)); diff != "" {
		t.Error(diff)
	}
}
