package command

import (
	"fmt"
	"strings"
	"time"

	"github.com/bothylabs/bothy/service/client"
	"github.com/bothylabs/bothy/service/lab"
)

// phaseOrder is how phases are counted out: what is done first, trouble last.
func phaseOrder() []lab.Phase {
	return []lab.Phase{
		lab.PhaseReady, lab.PhaseStarting, lab.PhasePlacing, lab.PhaseQueued, lab.PhaseStopping,
		lab.PhaseStopped, lab.PhaseUnknown, lab.PhaseLost, lab.PhaseFailed,
	}
}

// counts says how many workspaces are in each phase: "2 ready, 1 starting".
func counts(workspaces []client.Workspace) string {
	byPhase := map[lab.Phase]int{}
	for _, w := range workspaces {
		byPhase[lab.Phase(w.Phase)]++
	}
	var parts []string
	for _, phase := range phaseOrder() {
		if n := byPhase[phase]; n > 0 {
			parts = append(parts, fmt.Sprintf("%d %s", n, phase))
		}
	}
	if len(parts) == 0 {
		return "no workspaces"
	}
	return strings.Join(parts, ", ")
}

func (s style) phase(phase client.Phase) func(string) string {
	switch lab.Phase(phase) {
	case lab.PhaseReady:
		return s.green
	case lab.PhaseFailed, lab.PhaseLost:
		return s.red
	case lab.PhaseStopped, lab.PhaseUnknown:
		return s.faint
	default:
		return s.yellow
	}
}

// workspaceTable lists workspaces for a person: the address of those that are
// ready (it has the workspace's name in it), the name and the reason of all others.
func workspaceTable(s style, now time.Time, workspaces []client.Workspace) *table {
	t := newTable("STUDENT", "PHASE", "SINCE", "WORKSPACE").optional(2, 0)
	for _, w := range workspaces {
		t.add(w.Student.Name, string(w.Phase), since(now, w.Since), remark(w))
		t.paint(1, s.phase(w.Phase))
		if lab.Phase(w.Phase) == lab.PhaseReady {
			t.keepWhole(3)
		}
	}
	return t
}

// remark is what matters most about a workspace in its phase.
func remark(w client.Workspace) string {
	notes := []string{w.Slug}
	switch {
	case lab.Phase(w.Phase) == lab.PhaseReady:
		notes[0] = w.URL
	case w.Reason != "":
		notes = append(notes, w.Reason)
	}
	if w.Desired == client.Desired(lab.DesiredDeleted) {
		notes = append(notes, "being deleted")
	}
	for _, act := range w.Due {
		notes = append(notes, act+" asked for")
	}
	if w.Drifted {
		notes = append(notes, "changed by another hand")
	}
	if w.Outdated {
		notes = append(notes, "outdated: a restart brings the newest settings")
	}
	return strings.Join(notes, " · ")
}

// count is a number with its noun: "1 workspace", "2 workspaces".
func count(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return fmt.Sprintf("%d %ss", n, noun)
}

// since tells how long ago at was, in the largest unit that says something.
func since(now time.Time, at *time.Time) string {
	if at == nil || at.IsZero() {
		return "-"
	}
	return short(now.Sub(*at))
}

func short(d time.Duration) string {
	switch d = max(d, 0); {
	case d < time.Minute:
		return fmt.Sprintf("%ds", int(d.Seconds()))
	case d < time.Hour:
		return fmt.Sprintf("%dm%02ds", int(d.Minutes()), int(d.Seconds())%60)
	case d < 48*time.Hour:
		return fmt.Sprintf("%dh%02dm", int(d.Hours()), int(d.Minutes())%60)
	default:
		return fmt.Sprintf("%dd", int(d.Hours()/24))
	}
}
