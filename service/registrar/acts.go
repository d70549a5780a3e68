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
	// ActReset stops them, deletes their homes, and starts those that are wanted
	// running with new ones.
	ActReset Act = "reset"
)

// starts says whether an act may make something run.
func (a Act) starts() bool { return a != ActStop }

// kind is the kind of the operation that an act on a class is, and its name in the audit.
func (a Act) kind() lab.OperationKind { return lab.OperationKind("class." + a) }

func unknownAct(a Act) error {
	return lab.Invalid("no such act", lab.Field{
		Name: "act", Problem: fmt.Sprintf("%q can't be asked for", a), Remedy: "use start, stop, restart or reset, or launch for a class",
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
	case ActReset:
		w.ResetsWanted++
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

// acted is what an act makes of a class.
type acted struct {
	// update are the workspaces that it changes, keep those that it suits and that
	// are wanted so already.
	update, keep []lab.Workspace
	// without are the students to be given a workspace.
	without []lab.Student
}

// actOnClass applies an act to all workspaces of a class that it suits.
func actOnClass(a Act, state lab.ClassState, now time.Time) (acted, error) {
	if state.Deleting {
		return acted{}, lab.Errorf(lab.CodeConflict, "class %s is being deleted", state.Key())
	}
	open := make(map[string]bool, len(state.Workspaces))
	var result acted
	for _, w := range state.Workspaces {
		if w.Desired == lab.DesiredDeleted {
			continue
		}
		open[w.StudentID] = true
		if a == ActRestart && w.Desired != lab.DesiredRunning {
			continue
		}
		changed, isChange, err := a.apply(w, now)
		switch {
		case err != nil:
			return acted{}, err
		case isChange:
			result.update = append(result.update, changed)
		default:
			result.keep = append(result.keep, w)
		}
	}
	if a == ActLaunch {
		for _, s := range state.Students {
			if !open[s.ID] {
				result.without = append(result.without, s)
			}
		}
	}
	if len(result.update)+len(result.keep)+len(result.without) == 0 {
		return acted{}, nothingSuits(a, state.Class)
	}
	return result, nil
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
	case ActReset:
		return lab.Errorf(lab.CodeConflict, "class %s has no workspaces", class.Key()).
			WithHint("there is nothing to reset")
	case ActRestart:
		return lab.Errorf(lab.CodeConflict, "no workspace of class %s is wanted running", class.Key()).
			WithHint("start the class instead")
	case ActStop:
		return nil
	default:
		return unknownAct(a)
	}
}
