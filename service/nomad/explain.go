package nomad

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/hashicorp/nomad/api"
)

// maxExplanation bounds what is kept of a message that a task's driver or
// template wrote, in bytes.
const maxExplanation = 300

// explain gives the newest reason for which a task of the allocation does not run
// or was interrupted, and whether a task has failed and is not running now.
func explain(tasks map[string]*taskState) (problem string, failing bool) {
	var newest taskEvent
	var of string
	for _, name := range slices.Sorted(maps.Keys(tasks)) {
		task := tasks[name]
		if task == nil {
			continue
		}
		cause, ok := cause(task.Events)
		if !ok {
			continue
		}
		if of == "" || cause.at().After(newest.at()) {
			newest, of = cause, name
		}
		if task.Failed && task.State != "running" || task.State == "pending" && last(task.Events) == api.TaskRestarting {
			failing = true
		}
	}
	if of == "" {
		return "", false
	}
	return fmt.Sprintf("task %q: %s", of, sentence(newest)), failing
}

// cause finds the newest event that says why a task does not run.
func cause(events []taskEvent) (taskEvent, bool) {
	for i, ev := range slices.Backward(events) {
		switch ev.Type {
		case api.TaskDriverFailure, api.TaskSetupFailure, api.TaskFailedValidation, api.TaskArtifactDownloadFailed,
			"Task hook failed", "Template", "Vault", "Plugin became unhealthy":
			return ev, true
		case api.TaskTerminated:
			if i > 0 && onPurpose(events[i-1]) || ev.Details["exit_code"] == "0" && ev.Details["signal"] == "0" {
				return taskEvent{}, false
			}
			if i > 0 && events[i-1].Type == api.TaskRestartSignal {
				return events[i-1], true
			}
			return ev, true
		}
	}
	return taskEvent{}, false
}

// onPurpose says that what follows the event was asked for.
func onPurpose(ev taskEvent) bool {
	return ev.Type == api.TaskKilling ||
		ev.Type == api.TaskRestartSignal && strings.Contains(ev.DisplayMessage, "User requested")
}

func last(events []taskEvent) string {
	if len(events) == 0 {
		return ""
	}
	return events[len(events)-1].Type
}

func sentence(ev taskEvent) string {
	text := ev.DisplayMessage
	switch {
	case ev.Details["oom_killed"] == "true":
		text = "it took more memory than it may"
	case text == "":
		text = ev.Type
	}
	text = spaces.ReplaceAllString(text, " ")
	if len(text) > maxExplanation {
		text = strings.ToValidUTF8(text[:maxExplanation], "") + "…"
	}
	return text
}

// homeMissing is Nomad's word for a node without the home, or whose home has just
// been made and is not known to the scheduler.
const homeMissing = "missing compatible host volumes"

// unplaced says why Nomad found no place: "memory exhausted on 3 nodes".
func unplaced(groups map[string]*api.AllocationMetric) string {
	var parts []string
	for _, name := range slices.Sorted(maps.Keys(groups)) {
		m := groups[name]
		if m == nil {
			continue
		}
		if m.NodesEvaluated == 0 {
			parts = append(parts, "no node of its node pool and datacenters is ready")
			continue
		}
		for _, dimension := range sortedKeys(m.DimensionExhausted) {
			parts = append(parts, exhausted(dimension)+" on "+nodes(m.DimensionExhausted[dimension]))
		}
		for _, constraint := range sortedKeys(m.ConstraintFiltered) {
			switch {
			case constraint != homeMissing:
				parts = append(parts, constraint+" on "+nodes(m.ConstraintFiltered[constraint]))
			case len(m.DimensionExhausted) == 0:
				parts = append(parts, "no ready node has its home yet")
			}
		}
		for _, quota := range m.QuotaExhausted {
			parts = append(parts, "quota exhausted: "+quota)
		}
	}
	if len(parts) == 0 {
		return "no node can take it now"
	}
	return strings.Join(slices.Compact(parts), ", ")
}

func exhausted(dimension string) string {
	if strings.ContainsAny(dimension, " :") {
		return dimension // Nomad says a sentence itself: "network: port collision"
	}
	return dimension + " exhausted"
}

func nodes(n int) string {
	if n == 1 {
		return "1 node"
	}
	return fmt.Sprintf("%d nodes", n)
}

func sortedKeys(m map[string]int) []string { return slices.Sorted(maps.Keys(m)) }
