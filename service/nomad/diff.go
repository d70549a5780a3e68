package nomad

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/hashicorp/nomad/api"

	"github.com/bothylabs/bothy/service/placement"
)

// Nomad's types of a diff.
const (
	diffNone    = "None"
	diffAdded   = "Added"
	diffDeleted = "Deleted"
	diffEdited  = "Edited"
)

// changesOf gives the fields of a diff that are otherwise, without their nesting.
func changesOf(d *api.JobDiff) []placement.Change {
	var w walk
	w.level(nil, d.Fields, d.Objects, "")
	for _, g := range d.TaskGroups {
		at := []string{"group " + g.Name}
		w.level(at, g.Fields, g.Objects, "")
		for _, t := range g.Tasks {
			w.level(append(slices.Clone(at), "task "+t.Name), t.Fields, t.Objects, forces(t.Annotations))
		}
	}
	return w.changes
}

type walk struct{ changes []placement.Change }

func (w *walk) level(at []string, fields []*api.FieldDiff, objects []*api.ObjectDiff, force string) {
	for _, f := range fields {
		if f.Type == diffNone {
			continue
		}
		w.changes = append(w.changes, placement.Change{
			Path: strings.Join(append(slices.Clone(at), f.Name), " / "), Type: strings.ToLower(f.Type),
			Old: f.Old, New: f.New, Forces: first(forces(f.Annotations), force),
		})
	}
	for _, o := range objects {
		if o.Type != diffNone {
			w.level(append(slices.Clone(at), o.Name), o.Fields, o.Objects, force)
		}
	}
}

// forces reads an annotation: "forces create/destroy update" is "create/destroy update".
func forces(annotations []string) string {
	for _, a := range annotations {
		if what, ok := strings.CutPrefix(a, "forces "); ok {
			return what
		}
	}
	return ""
}

func first(texts ...string) string {
	for _, text := range texts {
		if text != "" {
			return text
		}
	}
	return ""
}

// planText writes a plan in the manner of `nomad job plan`.
func planText(answer *api.JobPlanResponse, failed map[string]*api.AllocationMetric) string {
	t := &diffText{}
	if d := answer.Diff; d != nil {
		t.line(0, d.Type, fmt.Sprintf("Job: %q", d.ID))
		t.level(0, d.Fields, d.Objects)
		for _, g := range d.TaskGroups {
			t.line(0, g.Type, fmt.Sprintf("Task Group: %q%s", g.Name, updates(g.Updates)))
			t.level(1, g.Fields, g.Objects)
			for _, task := range g.Tasks {
				if task.Type != diffNone || len(task.Annotations) > 0 {
					t.line(1, task.Type, fmt.Sprintf("Task: %q%s", task.Name, annotated(task.Annotations)))
					t.level(2, task.Fields, task.Objects)
				}
			}
		}
	}
	t.plain("")
	t.plain("Scheduler dry-run:")
	if len(failed) == 0 {
		t.plain("- All tasks successfully allocated.")
	} else {
		t.plain("- WARNING: Failed to place all allocations: " + unplaced(failed) + ".")
	}
	if answer.Warnings != "" {
		t.plain("- " + plain(answer.Warnings))
	}
	t.plain(fmt.Sprintf("\nJob Modify Index: %d", answer.JobModifyIndex))
	return t.String()
}

type diffText struct{ strings.Builder }

func (t *diffText) plain(text string) { t.WriteString(text + "\n") }

// line writes text behind the sign of a diff's type.
func (t *diffText) line(depth int, kind, text string) {
	t.plain(strings.TrimRight(strings.Repeat("  ", depth)+sign(kind)+text, " "))
}

func sign(kind string) string {
	switch kind {
	case diffAdded:
		return "+   "
	case diffDeleted:
		return "-   "
	case diffEdited:
		return "+/- "
	default:
		return "    "
	}
}

func (t *diffText) level(depth int, fields []*api.FieldDiff, objects []*api.ObjectDiff) {
	for _, f := range fields {
		switch f.Type {
		case diffAdded:
			t.line(depth+1, f.Type, fmt.Sprintf("%s: %q%s", f.Name, f.New, annotated(f.Annotations)))
		case diffDeleted:
			t.line(depth+1, f.Type, fmt.Sprintf("%s: %q%s", f.Name, f.Old, annotated(f.Annotations)))
		case diffEdited:
			t.line(depth+1, f.Type, fmt.Sprintf("%s: %q => %q%s", f.Name, f.Old, f.New, annotated(f.Annotations)))
		}
	}
	for _, o := range objects {
		if o.Type == diffNone {
			continue
		}
		t.line(depth+1, o.Type, o.Name+" {")
		t.level(depth+1, o.Fields, o.Objects)
		t.line(depth+1, "", "}")
	}
}

func annotated(annotations []string) string {
	if len(annotations) == 0 {
		return ""
	}
	return " (" + strings.Join(annotations, ", ") + ")"
}

// updates counts what becomes of a group's allocations: " (1 create, 2 ignore)".
func updates(counts map[string]uint64) string {
	var parts []string
	for _, what := range slices.Sorted(maps.Keys(counts)) {
		parts = append(parts, fmt.Sprintf("%d %s", counts[what], what))
	}
	return annotated(parts)
}
