package registrar

import (
	"cmp"
	"context"
	"slices"

	"github.com/bothylabs/bothy/service/lab"
)

// ActResult says what an act on a class changed.
type ActResult struct {
	// Class is as the act leaves it.
	Class lab.Class
	// Affected is how many workspaces are now wanted otherwise than before, the new ones among them.
	Affected int
	// Workspaces are all of the class that are not yet released, by slug.
	Workspaces []lab.Workspace
}

// ActOnClass does an act on all workspaces of a class that it suits. Before
// something is to run, the cluster is asked about one workspace: CodeRefused,
// CodeUnplaceable or CodeUnavailable then, and nothing is changed. CodeConflict
// when the class is being deleted or has nothing for the act.
func (r *Registrar) ActOnClass(ctx context.Context, intent lab.Intent, ref string, act Act) (ActResult, error) {
	switch act {
	case ActLaunch, ActStart, ActStop, ActRestart:
	default:
		return ActResult{}, unknownAct(act)
	}
	class, err := r.Store.Class(ctx, ref)
	if err != nil {
		return ActResult{}, err
	}
	if err := intent.Admits(class.Revision, class); err != nil {
		return ActResult{}, err // before the cluster is asked for nothing
	}
	if act.starts() {
		if err := r.preflightClass(ctx, act, class); err != nil {
			return ActResult{}, err
		}
	}
	var result ActResult
	class, err = r.Store.ChangeClass(ctx, intent, class.ID, func(state lab.ClassState) (lab.ClassChange, error) {
		change, err := r.decide(act, state)
		if err != nil {
			return lab.ClassChange{}, err
		}
		result = resultOf(state.Workspaces, change)
		change.Audit = r.audit(intent, "class."+string(act), state.ID, map[string]any{
			"key": state.Key(), "affected": result.Affected, "new": len(change.Add),
		})
		return change, nil
	})
	if err := r.done(intent, err); err != nil {
		return ActResult{}, err
	}
	result.Class = class
	return result, nil
}

// decide says what an act makes of a class.
func (r *Registrar) decide(act Act, state lab.ClassState) (lab.ClassChange, error) {
	now := r.now()
	update, without, err := actOnClass(act, state, now)
	if err != nil {
		return lab.ClassChange{}, err
	}
	slugs, err := allocate(state.Class, without, state.Given)
	if err != nil {
		return lab.ClassChange{}, err
	}
	change := lab.ClassChange{Update: update}
	for i, student := range without {
		change.Add = append(change.Add, lab.Workspace{
			ID: r.NewID(), ClassID: state.ID, StudentID: student.ID, Slug: slugs[i], Desired: lab.DesiredRunning,
			Status:    lab.Status{Phase: lab.PhaseUnknown, Reason: "Not looked at yet."},
			Revision:  1,
			CreatedAt: now, UpdatedAt: now,
		})
	}
	return change, nil
}

// resultOf is a class's workspaces as a change leaves them.
func resultOf(before []lab.Workspace, change lab.ClassChange) ActResult {
	changed := make(map[string]lab.Workspace, len(change.Update))
	for _, w := range change.Update {
		changed[w.ID] = w
	}
	all := slices.Clone(before)
	for i, w := range all {
		if after, ok := changed[w.ID]; ok {
			after.Revision++
			all[i] = after
		}
	}
	all = append(all, change.Add...)
	slices.SortFunc(all, func(a, b lab.Workspace) int { return cmp.Compare(a.Slug, b.Slug) })
	return ActResult{Affected: len(change.Update) + len(change.Add), Workspaces: all}
}
