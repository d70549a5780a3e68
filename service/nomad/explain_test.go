package nomad

import (
	"strings"
	"testing"

	"github.com/hashicorp/nomad/api"
)

func TestExplainNamesTheCause(t *testing.T) {
	ev := func(kind, message string, details ...string) taskEvent {
		e := taskEvent{Type: kind, DisplayMessage: message, Time: noon.UnixNano(), Details: map[string]string{}}
		for i := 0; i < len(details); i += 2 {
			e.Details[details[i]] = details[i+1]
		}
		return e
	}
	later := func(e taskEvent) taskEvent {
		e.Time++
		return e
	}
	ended := ev("Terminated", "Exit Code: 1", "exit_code", "1", "signal", "0")
	restarting := ev("Restarting", "Task restarting in 5s")
	tests := []struct {
		name    string
		tasks   map[string]*taskState
		problem string
		failing bool
	}{
		{"nothing happened", map[string]*taskState{"ide": {State: "running", Events: []taskEvent{ev("Started", "")}}}, "", false},
		{"it failed and is tried again", map[string]*taskState{"ide": {State: "pending", Events: []taskEvent{ended, restarting}}}, `task "ide": Exit Code: 1`, true},
		{"it failed and runs again", map[string]*taskState{"ide": {State: "running", Events: []taskEvent{ended, restarting, ev("Started", "")}}}, `task "ide": Exit Code: 1`, false},
		{"it failed for good", map[string]*taskState{"ide": {State: "dead", Failed: true, Events: []taskEvent{ended, ev("Not Restarting", "Exceeded allowed attempts")}}}, `task "ide": Exit Code: 1`, true},
		{"it ran out of memory", map[string]*taskState{"ide": {State: "dead", Failed: true, Events: []taskEvent{ev("Terminated", "Exit Code: 137", "oom_killed", "true")}}}, `task "ide": it took more memory than it may`, true},
		{"it waits for a secret", map[string]*taskState{"ide": {State: "pending", Events: []taskEvent{ev("Template", "Missing: vault.read(x)")}}}, `task "ide": Missing: vault.read(x)`, false},
		{"the driver can't", map[string]*taskState{"ide": {State: "pending", Events: []taskEvent{ev("Driver Failure", "no such image\n  at all"), restarting}}}, `task "ide": no such image at all`, true},
		{"a person restarted it", map[string]*taskState{"ide": {State: "pending", Events: []taskEvent{ev("Restart Signaled", "User requested task to restart"), ended, restarting}}}, "", false},
		{"its health check restarted it", map[string]*taskState{"ide": {State: "pending", Events: []taskEvent{ev("Restart Signaled", `healthcheck: check "usable" unhealthy`), ended, restarting}}}, `task "ide": healthcheck: check "usable" unhealthy`, true},
		{"it was stopped", map[string]*taskState{"ide": {State: "dead", Events: []taskEvent{ev("Killing", "Sent interrupt"), ended, ev("Killed", "")}}}, "", false},
		{"it ended well", map[string]*taskState{"init": {State: "dead", Events: []taskEvent{ev("Terminated", "Exit Code: 0", "exit_code", "0", "signal", "0")}}}, "", false},
		{"the newest of two counts", map[string]*taskState{
			"ide":   {State: "running", Events: []taskEvent{ended, restarting, ev("Started", "")}},
			"nginx": {State: "running", Events: []taskEvent{later(ev("Terminated", "Exit Code: 2", "exit_code", "2")), restarting, ev("Started", "")}},
		}, `task "nginx": Exit Code: 2`, false},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			problem, failing := explain(test.tasks)
			if problem != test.problem || failing != test.failing {
				t.Errorf("%q, failing %v; want %q, %v", problem, failing, test.problem, test.failing)
			}
		})
	}
}

func TestExplanationsAreBounded(t *testing.T) {
	long := strings.Repeat("é", 500)
	problem, _ := explain(map[string]*taskState{"ide": {Events: []taskEvent{{Type: "Driver Failure", DisplayMessage: long}}}})
	if len(problem) > maxExplanation+50 || strings.Contains(problem, "\uFFFD") {
		t.Errorf("%d bytes: %q", len(problem), problem)
	}
}

func TestUnplacedSaysWhy(t *testing.T) {
	tests := []struct {
		name   string
		metric *api.AllocationMetric
		want   string
	}{
		{"no metric", nil, "no node can take it now"},
		{"no node", &api.AllocationMetric{}, "no node of its node pool and datacenters is ready"},
		{"two resources", &api.AllocationMetric{NodesEvaluated: 4, DimensionExhausted: map[string]int{"memory": 3, "cpu": 1}}, "cpu exhausted on 1 node, memory exhausted on 3 nodes"},
		{"a port", &api.AllocationMetric{NodesEvaluated: 1, DimensionExhausted: map[string]int{"network: port collision": 1}}, "network: port collision on 1 node"},
		{"a constraint", &api.AllocationMetric{NodesEvaluated: 2, ConstraintFiltered: map[string]int{"missing drivers": 2}}, "missing drivers on 2 nodes"},
		{"its home", &api.AllocationMetric{NodesEvaluated: 2, ConstraintFiltered: map[string]int{homeMissing: 2}}, "no ready node has its home yet"},
		{"its home's node is full", &api.AllocationMetric{NodesEvaluated: 9, ConstraintFiltered: map[string]int{homeMissing: 8}, DimensionExhausted: map[string]int{"memory": 1}}, "memory exhausted on 1 node"},
		{"a quota", &api.AllocationMetric{NodesEvaluated: 2, QuotaExhausted: []string{"memory exhausted (2 needed > 1 limit)"}}, "quota exhausted: memory exhausted (2 needed > 1 limit)"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			if got := unplaced(map[string]*api.AllocationMetric{"g": test.metric}); got != test.want {
				t.Errorf("%q, want %q", got, test.want)
			}
		})
	}
}
