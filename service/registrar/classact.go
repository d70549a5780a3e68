package registrar

import (
	"context"
	"slices"

	"github.com/bothylabs/bothy/service/lab"
)

// Started is an act on a class that goes on.
type Started struct {
	// Operation is what it is followed by.
	lab.Operation
	// Class is as the act leaves it.
	Class lab.Class
}

// ActOnClass does an act on all workspaces of a class that it suits, and gives the
// operation by which it is followed. Before something is to run, the cluster is
// asked about one workspace: CodeRefused, CodeUnplaceable or CodeUnavailable then,
// and nothing is changed. CodeConflict when the class is being deleted or has
// nothing for the act.
func (r *Registrar) ActOnClass(ctx context.Context, intent lab.Intent, ref string, act Act) (Started, error) {
	switch act {
	case ActLaunch, ActStart, ActStop, ActRestart, ActReset:
	default:
		return Started{}, unknownAct(act)
	}
	class, err := r.Store.Class(ctx, ref)
	if err != nil {
		return Started{}, err
	}
	if err := intent.Admits(class.Revision, class); err != nil {
		return Started{}, err // before the cluster is asked for nothing
	}
	if act.starts() {
		if err := r.preflightClass(ctx, act, class); err != nil {
			return Started{}, err
		}
	}
	var operation lab.Operation
	class, err = r.Store.ChangeClass(ctx, intent, class.ID, func(state lab.ClassState) (lab.ClassChange, error) {
		change, err := r.decide(intent, act, state)
		if err != nil {
			return lab.ClassChange{}, err
		}
		operation = change.Operation
		change.Audit = r.audit(intent, string(act.kind()), state.ID, map[string]any{
			"key": state.Key(), "affected": operation.Affected, "new": len(change.Add), "operation": operation.ID,
		})
		change.Audit = became(change.Audit, wishes(state.Workspaces), wishesAfter(state.Workspaces, change))
		return change, nil
	})
	if err := r.done(intent, err); err != nil {
		return Started{}, err
	}
	return Started{operation, class}, nil
}

// decide says what an act makes of a class.
func (r *Registrar) decide(intent lab.Intent, act Act, state lab.ClassState) (lab.ClassChange, error) {
	now := r.now()
	result, err := actOnClass(act, state, now)
	if err != nil {
		return lab.ClassChange{}, err
	}
	slugs, err := allocate(state.Class, result.without, state.Given)
	if err != nil {
		return lab.ClassChange{}, err
	}
	change := lab.ClassChange{Update: result.update}
	for i, student := range result.without {
		change.Add = append(change.Add, lab.Workspace{
			ID: r.NewID(), ClassID: state.ID, StudentID: student.ID, Slug: slugs[i], Desired: lab.DesiredRunning,
			Status:    lab.Status{Phase: lab.PhaseUnknown, Reason: "Not looked at yet."},
			Revision:  1,
			CreatedAt: now, UpdatedAt: now,
		})
	}
	r.operate(intent, act.kind(), state.Class, &change, result.keep)
	return change, nil
}

// operate adds to a change the operation that it is. keep are the workspaces that
// the act suits and does not change.
func (r *Registrar) operate(intent lab.Intent, kind lab.OperationKind, class lab.Class, change *lab.ClassChange, keep []lab.Workspace) {
	now := r.now()
	o := lab.Operation{
		ID: r.NewID(), Kind: kind, ClassID: class.ID, ClassKey: class.Key(), Actor: intent.Actor.Name,
		Affected: len(change.Update) + len(change.Add), CreatedAt: now,
	}
	want := func(w lab.Workspace, changed bool) {
		item := o.Wants(w, changed, now)
		o.Counts.Add(item.Outcome, 1)
		change.Items = append(change.Items, item)
	}
	for _, w := range slices.Concat(change.Update, change.Add) {
		want(w, true)
	}
	for _, w := range keep {
		want(w, false)
	}
	if o.State = o.Counts.State(); o.State != lab.OperationRunning {
		o.EndedAt = &now
	}
	change.Operation = o
}
