package registrar

import (
	"cmp"
	"context"
	"slices"

	"github.com/bothylabs/bothy/service/lab"
)

// WorkspaceFilter chooses workspaces; the zero value all that are not yet released.
type WorkspaceFilter struct {
	// Class and Cohort are refs, "" for any.
	Class  string
	Cohort string
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
	// URL is where it opens in a browser, once it is ready.
	URL string
}

// Workspaces gives the workspaces that a filter chooses, by slug.
func (r *Registrar) Workspaces(ctx context.Context, filter WorkspaceFilter) ([]WorkspaceView, error) {
	var classID, cohortID string
	if filter.Class != "" {
		class, err := r.Store.Class(ctx, filter.Class)
		if err != nil {
			return nil, err
		}
		classID = class.ID
	}
	if filter.Cohort != "" {
		cohort, err := r.Store.Cohort(ctx, filter.Cohort)
		if err != nil {
			return nil, err
		}
		cohortID = cohort.ID
	}
	details, err := r.Store.Workspaces(ctx, classID, cohortID, filter.IncludeDeleted)
	if err != nil {
		return nil, err
	}
	views := make([]WorkspaceView, len(details))
	for i, d := range details {
		views[i] = r.view(d)
	}
	slices.SortFunc(views, func(a, b WorkspaceView) int { return cmp.Compare(a.Slug, b.Slug) })
	return views, nil
}

// Workspace gives one workspace, also a released one.
func (r *Registrar) Workspace(ctx context.Context, ref string) (WorkspaceView, error) {
	detail, err := r.Store.Workspace(ctx, ref)
	if err != nil {
		return WorkspaceView{}, err
	}
	return r.view(detail), nil
}

// ActOnWorkspace starts, stops or restarts a workspace. Before it is to run, the
// cluster is asked, as for a class. CodeConflict when it is deleted or being
// deleted, and for a restart of one that is stopped.
func (r *Registrar) ActOnWorkspace(ctx context.Context, intent lab.Intent, ref string, act Act) (WorkspaceView, error) {
	switch act {
	case ActStart, ActStop, ActRestart:
	default:
		return WorkspaceView{}, unknownAct(act)
	}
	detail, err := r.Store.Workspace(ctx, ref)
	if err != nil {
		return WorkspaceView{}, err
	}
	_, changes, err := act.apply(detail.Workspace, r.now())
	if err != nil {
		return WorkspaceView{}, err // before the cluster is asked for nothing
	}
	if changes && act.starts() {
		if err := r.preflightWorkspace(ctx, detail); err != nil {
			return WorkspaceView{}, err
		}
	}
	return r.changeWorkspace(ctx, detail.ID, func(w lab.Workspace) (lab.Workspace, lab.Audit, error) {
		w, _, err := act.apply(w, r.now())
		return w, r.audit(intent, "workspace."+string(act), w.ID, map[string]any{"slug": w.Slug}), err
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
	return r.changeWorkspace(ctx, detail.ID, func(w lab.Workspace) (lab.Workspace, lab.Audit, error) {
		after, changed := toDelete(w, releaseHome, r.now())
		if changed && w.DeletedAt != nil {
			return w, lab.Audit{}, lab.Errorf(lab.CodeConflict, "workspace %s is deleted already, and its home was kept", w.Slug).
				WithHint("the home is Nomad's volume %s: delete it there", w.Slug.HomeVolume())
		}
		return after, r.audit(intent, "workspace.delete", w.ID, map[string]any{"slug": w.Slug, "release_home": releaseHome}), nil
	})
}

// RecordExec writes down that somebody runs a command inside a workspace: the
// program's name and not its arguments, which may hold anything.
func (r *Registrar) RecordExec(ctx context.Context, intent lab.Intent, workspace WorkspaceView, exec lab.ExecRequest) error {
	return r.Store.Record(ctx, r.audit(intent, "workspace.exec", workspace.ID, map[string]any{
		"slug": workspace.Slug, "task": exec.Task, "command": exec.Command[0], "tty": exec.TTY,
	}))
}

func (r *Registrar) changeWorkspace(
	ctx context.Context, id string, decide func(lab.Workspace) (lab.Workspace, lab.Audit, error),
) (WorkspaceView, error) {
	detail, err := r.Store.ChangeWorkspace(ctx, id, decide)
	if err := r.done(err); err != nil {
		return WorkspaceView{}, err
	}
	return r.view(detail), nil
}

func (r *Registrar) view(d lab.WorkspaceDetail) WorkspaceView {
	return WorkspaceView{
		Workspace: d.Workspace, StudentName: d.StudentName, StudentEmail: d.StudentEmail,
		CohortKey: d.CohortKey, CourseKey: d.CourseKey,
		URL: r.Settings.WorkspaceURL(d.Slug),
	}
}
