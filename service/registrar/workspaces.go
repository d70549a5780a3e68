package registrar

import (
	"context"
	"errors"

	"github.com/bothylabs/bothy/service/lab"
)

// WorkspaceFilter chooses workspaces; the zero value all that are not yet released.
type WorkspaceFilter struct {
	// For is whose list it is.
	For lab.Viewer
	// Search is a text that the slug, or the student's name or address, has in it, in whatever case.
	Search string
	// Class, Cohort and Course are refs, and Student is an id; "" for any.
	Class   string
	Cohort  string
	Course  string
	Student string
	// Desired is "" for any.
	Desired lab.Desired
	// Phases are those that are wanted; none for any.
	Phases []lab.Phase
	// Drifted and Outdated, where they are not nil, want those alone that are so, or are not.
	Drifted  *bool
	Outdated *bool
	// IncludeDeleted also gives those that are released; they go with their class.
	IncludeDeleted bool
}

// WorkspaceView is a workspace as people see it.
type WorkspaceView struct {
	lab.Workspace
	StudentName  string
	StudentEmail string
	CohortKey    string
	CourseKey    string
	// Version tells this state of the view from every other; it only grows.
	Version int64
	// URL is where it opens in a browser, once it is ready.
	URL string
}

// Workspaces gives a page of the workspaces that a filter chooses, by slug where no
// other sort is asked for: student, phase, since, created_at, updated_at.
func (r *Registrar) Workspaces(ctx context.Context, filter WorkspaceFilter, page lab.Page) (lab.List[WorkspaceView], error) {
	page, err := checkList(filter.Search, page)
	if err != nil {
		return lab.List[WorkspaceView]{}, err
	}
	chosen, err := r.chosen(ctx, filter)
	if err != nil {
		return lab.List[WorkspaceView]{}, err
	}
	found, err := r.Store.Workspaces(ctx, chosen, page)
	if err != nil {
		return lab.List[WorkspaceView]{}, err
	}
	views := lab.List[WorkspaceView]{Items: make([]WorkspaceView, len(found.Items)), Next: found.Next}
	for i, d := range found.Items {
		views.Items[i] = r.view(d)
	}
	return views, nil
}

// chosen is a filter with ids in place of names. What a filter names must be there.
func (r *Registrar) chosen(ctx context.Context, filter WorkspaceFilter) (lab.WorkspaceFilter, error) {
	chosen := lab.WorkspaceFilter{
		For: filter.For, Search: filter.Search, Desired: filter.Desired, Phases: filter.Phases,
		Drifted: filter.Drifted, Outdated: filter.Outdated, Released: filter.IncludeDeleted,
	}
	var err error
	if filter.Class != "" {
		class, err := r.Store.Class(ctx, filter.Class)
		if err != nil {
			return chosen, err
		}
		chosen.ClassID = class.ID
	}
	if chosen.CohortID, err = r.cohortID(ctx, filter.Cohort); err != nil {
		return chosen, err
	}
	if chosen.CourseID, err = r.courseID(ctx, filter.Course); err != nil {
		return chosen, err
	}
	if filter.Student != "" {
		student, err := r.Store.Student(ctx, filter.Student)
		if err != nil {
			return chosen, err
		}
		chosen.StudentID = student.ID
	}
	return chosen, nil
}

// Workspace gives one workspace, also a released one.
func (r *Registrar) Workspace(ctx context.Context, ref string) (WorkspaceView, error) {
	detail, err := r.Store.Workspace(ctx, ref)
	if err != nil {
		return WorkspaceView{}, err
	}
	return r.view(detail), nil
}

// ActOnWorkspace starts, stops, restarts or resets a workspace. Before it is to run, the
// cluster is asked, as for a class. CodeConflict when it is deleted or being
// deleted, and for a restart of one that is stopped.
func (r *Registrar) ActOnWorkspace(ctx context.Context, intent lab.Intent, ref string, act Act) (WorkspaceView, error) {
	switch act {
	case ActStart, ActStop, ActRestart, ActReset:
	default:
		return WorkspaceView{}, unknownAct(act)
	}
	detail, err := r.Store.Workspace(ctx, ref)
	if err != nil {
		return WorkspaceView{}, err
	}
	if err := r.admits(intent, detail); err != nil {
		return WorkspaceView{}, err
	}
	after, changes, err := act.apply(detail.Workspace, r.now())
	if err != nil {
		return WorkspaceView{}, err // before the cluster is asked for nothing
	}
	if changes && wantedRunning(after) {
		if err := r.preflightWorkspace(ctx, detail); err != nil {
			return WorkspaceView{}, err
		}
	}
	return r.changeWorkspace(ctx, intent, detail.ID, func(w lab.Workspace) (lab.Workspace, lab.Audit, error) {
		after, _, err := act.apply(w, r.now())
		audit := r.audit(intent, "workspace."+string(act), w.ID, map[string]any{"slug": w.Slug})
		return after, became(audit, stateOfWorkspace(w), stateOfWorkspace(after)), err
	})
}

// DeleteWorkspace wants a workspace deleted, and its home as well if so asked;
// a home that was to be released already is not kept any more. CodeConflict when
// the workspace is gone and its home was kept.
func (r *Registrar) DeleteWorkspace(ctx context.Context, intent lab.Intent, ref string, releaseHome bool) (WorkspaceView, error) {
	detail, err := r.Store.Workspace(ctx, ref)
	if err != nil {
		return WorkspaceView{}, err
	}
	return r.changeWorkspace(ctx, intent, detail.ID, func(w lab.Workspace) (lab.Workspace, lab.Audit, error) {
		after, changed := toDelete(w, releaseHome, r.now())
		if changed && w.DeletedAt != nil {
			return w, lab.Audit{}, lab.Errorf(lab.CodeConflict, "workspace %s is deleted already, and its home was kept", w.Slug).
				WithHint("the home is Nomad's volume %s: delete it there", w.Slug.HomeVolume())
		}
		audit := r.audit(intent, "workspace.delete", w.ID, map[string]any{"slug": w.Slug, "release_home": releaseHome})
		return after, became(audit, stateOfWorkspace(w), stateOfWorkspace(after)), nil
	})
}

// RecordExec writes down that somebody runs a command inside a workspace: the
// program's name and not its arguments, which may hold anything. Anybody but the
// workspace's student looks in by it, which the student sees.
func (r *Registrar) RecordExec(ctx context.Context, intent lab.Intent, workspace WorkspaceView, exec lab.ExecRequest) error {
	student, err := r.Store.Student(ctx, workspace.StudentID)
	if err != nil {
		return err
	}
	audit := r.audit(intent, "workspace.exec", workspace.ID, map[string]any{
		"slug": workspace.Slug, "task": exec.Task, "command": exec.Command[0], "tty": exec.TTY,
	})
	if intent.Actor.UserID != "" && intent.Actor.UserID == student.UserID {
		return r.Store.Record(ctx, audit)
	}
	return r.Store.RecordLookIn(ctx, workspace.ID, lab.LookInTerminal, audit)
}

func (r *Registrar) changeWorkspace(
	ctx context.Context, intent lab.Intent, id string, decide func(lab.Workspace) (lab.Workspace, lab.Audit, error),
) (WorkspaceView, error) {
	detail, err := r.Store.ChangeWorkspace(ctx, intent, id, decide)
	if err := r.done(intent, err); err != nil {
		return WorkspaceView{}, r.asViewed(err)
	}
	return r.view(detail), nil
}

// admits is Intent.Admits for a workspace, with its view as what it is now.
func (r *Registrar) admits(intent lab.Intent, detail lab.WorkspaceDetail) error {
	return r.asViewed(intent.Admits(detail.Version(), detail))
}

// asViewed puts the view in the place of the detail that an error of CodeStale carries.
func (r *Registrar) asViewed(err error) error {
	var stale *lab.Error
	if errors.As(err, &stale) {
		if detail, ok := stale.Current.(lab.WorkspaceDetail); ok {
			stale.Current = r.view(detail)
		}
	}
	return err
}

func (r *Registrar) view(d lab.WorkspaceDetail) WorkspaceView {
	return WorkspaceView{
		Workspace: d.Workspace, StudentName: d.StudentName, StudentEmail: d.StudentEmail,
		CohortKey: d.CohortKey, CourseKey: d.CourseKey, Version: d.Version(),
		URL: r.Settings.WorkspaceURL(d.Slug),
	}
}
