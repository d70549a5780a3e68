package registrar

import (
	"fmt"
	"time"

	"github.com/bothylabs/bothy/service/lab"
)

// Act is what can be asked of a class; all but ActLaunch also of a workspace.
type Act string

// The acts.
const (
	// ActLaunch gives every student a workspace, and wants them all running.
	ActLaunch Act = "launch"
	// ActStart wants the workspaces that there are running.
	ActStart Act = "start"
	// ActStop wants them stopped; homes are kept.
	ActStop Act = "stop"
	// ActRestart restarts those that are wanted running.
	ActRestart Act = "restart"
)

// starts says whether an act makes something run, which is worth asking the cluster about first.
func (a Act) starts() bool { return a == ActLaunch || a == ActStart || a == ActRestart }

func unknownAct(a Act) error {
	return lab.Invalid("no such act", lab.Field{
		Name: "act", Problem: fmt.Sprintf("%q can't be asked for", a), Remedy: "use start, stop or restart, or launch for a class",
	})
}

// apply gives a workspace as an act wants it, and whether that is a change.
// CodeConflict when the act does not suit what is wanted of the workspace now.
func (a Act) apply(w lab.Workspace, now time.Time) (lab.Workspace, bool, error) {
	if w.Desired == lab.DesiredDeleted {
		state := "is being deleted"
		if w.DeletedAt != nil {
			state = "is deleted"
		}
		return w, false, lab.Errorf(lab.CodeConflict, "workspace %s %s", w.Slug, state).
			WithHint("launch its class to give the student a new one")
	}
	before := w
	switch a {
	case ActLaunch, ActStart:
		w.Desired = lab.DesiredRunning
	case ActStop:
		w.Desired = lab.DesiredStopped
	case ActRestart:
		if w.Desired != lab.DesiredRunning {
			return w, false, lab.Errorf(lab.CodeConflict, "workspace %s is stopped", w.Slug).WithHint("start it instead")
		}
		w.RestartsWanted++
	default:
		return w, false, unknownAct(a)
	}
	if w == before {
		return w, false, nil
	}
	w.UpdatedAt = now
	return w, true, nil
}

// toDelete gives a workspace that is to be deleted, and whether that is a
// change. A home that was to be released already stays so.
func toDelete(w lab.Workspace, releaseHome bool, now time.Time) (lab.Workspace, bool) {
	if w.Desired == lab.DesiredDeleted && (w.ReleaseHome || !releaseHome) {
		return w, false
	}
	w.Desired, w.ReleaseHome, w.UpdatedAt = lab.DesiredDeleted, w.ReleaseHome || releaseHome, now
	return w, true
}

// actOnClass applies an act to all workspaces of a class that it suits. For a
// launch, the students who have none come back, to be given one.
func actOnClass(a Act, state lab.ClassState, now time.Time) (update []lab.Workspace, without []lab.Student, err error) {
	if state.Deleting {
		return nil, nil, lab.Errorf(lab.CodeConflict, "class %s is being deleted", state.Key())
	}
	open := make(map[string]bool, len(state.Workspaces))
	suited := 0
	for _, w := range state.Workspaces {
		if w.Desired == lab.DesiredDeleted {
			continue
		}
		open[w.StudentID] = true
		if a == ActRestart && w.Desired != lab.DesiredRunning {
			continue
		}
		suited++
		changed, isChange, err := a.apply(w, now)
		if err != nil {
			return nil, nil, err
		}
		if isChange {
			update = append(update, changed)
		}
	}
	if a == ActLaunch {
		for _, s := range state.Students {
			if !open[s.ID] {
				without = append(without, s)
			}
		}
		suited += len(without)
	}
	if suited == 0 {
		return nil, nil, nothingSuits(a, state.Class)
	}
	return update, without, nil
}

// nothingSuits is nil for a stop: what is asked for is so already.
func nothingSuits(a Act, class lab.Class) error {
	switch a {
	case ActLaunch:
		return lab.Errorf(lab.CodeConflict, "class %s has no students", class.Key()).
			WithHint("enroll students in the cohort %s, or import a roster, then launch again", class.CohortKey)
	case ActStart:
		return lab.Errorf(lab.CodeConflict, "class %s has no workspaces", class.Key()).
			WithHint("launch the class: that makes one for every student")
	case ActRestart:
		return lab.Errorf(lab.CodeConflict, "no workspace of class %s is wanted running", class.Key()).
			WithHint("start the class instead")
	case ActStop:
		return nil
	default:
		return unknownAct(a)
	}
}
