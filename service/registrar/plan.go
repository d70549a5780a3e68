package registrar

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/bothylabs/bothy/service/jobspec"
	"github.com/bothylabs/bothy/service/lab"
	"github.com/bothylabs/bothy/service/placement"
)

// ClassPlan is what an act on a class would come to.
type ClassPlan struct {
	placement.Plan
	Class lab.Class
	Act   Act
}

// errOnlyPlanned ends a transaction that was begun to see what it would do.
var errOnlyPlanned = errors.New("only planned")

// PlanClass says what an act on a class would come to in the cluster as it is now, and
// changes nothing. Its errors are those of the act itself, except that a class for
// which there is no room is no error: the plan says what is missing.
func (r *Registrar) PlanClass(ctx context.Context, ref string, act Act) (ClassPlan, error) {
	switch act {
	case ActLaunch, ActStart, ActStop, ActRestart:
	default:
		return ClassPlan{}, unknownAct(act)
	}
	class, err := r.Store.Class(ctx, ref)
	if err != nil {
		return ClassPlan{}, err
	}
	workspaces, err := r.afterwards(ctx, class, act)
	if err != nil {
		return ClassPlan{}, err
	}
	plan := ClassPlan{Class: class, Act: act}
	if len(workspaces) == 0 {
		plan.SampledAt = r.now()
		return plan, nil
	}
	from, err := r.patternOf(ctx, class)
	if err != nil {
		return ClassPlan{}, err
	}
	forecast := &forecast{registrar: r, class: class, act: act, from: from, workspaces: workspaces}
	plan.Plan, err = forecast.make(ctx)
	return plan, err
}

// afterwards gives the workspaces of a class as they would be after the act: it is
// decided as it will be, and nothing of it is written.
func (r *Registrar) afterwards(ctx context.Context, class lab.Class, act Act) ([]lab.Workspace, error) {
	var workspaces []lab.Workspace
	_, err := r.Store.ChangeClass(ctx, lab.Intent{DryRun: true}, class.ID, func(state lab.ClassState) (lab.ClassChange, error) {
		change, err := r.decide(lab.Intent{DryRun: true}, act, state)
		if err != nil {
			return lab.ClassChange{}, err
		}
		workspaces = changed(state.Workspaces, change)
		return lab.ClassChange{}, errOnlyPlanned
	})
	if !errors.Is(err, errOnlyPlanned) {
		return nil, err
	}
	return workspaces, nil
}

// changed is a class's workspaces as a change leaves them, by slug.
func changed(before []lab.Workspace, change lab.ClassChange) []lab.Workspace {
	updates := make(map[string]lab.Workspace, len(change.Update))
	for _, w := range change.Update {
		updates[w.ID] = w
	}
	all := slices.Concat(before, change.Add)
	for i, w := range all {
		if after, ok := updates[w.ID]; ok {
			all[i] = after
		}
	}
	slices.SortFunc(all, func(a, b lab.Workspace) int { return cmp.Compare(a.Slug, b.Slug) })
	return all
}

// forecast is the making of one plan.
type forecast struct {
	registrar  *Registrar
	class      lab.Class
	act        Act
	from       pattern
	workspaces []lab.Workspace
	// updates are Nomad's plans for jobs of older versions, by the version.
	updates map[string]placement.JobPlan
	// atWork counts updates that wait until nobody is at work.
	atWork int
}

func (f *forecast) make(ctx context.Context) (placement.Plan, error) {
	rendered, err := f.render(f.workspaces[0])
	if err != nil {
		return placement.Plan{}, err
	}
	question := placement.Question{Job: rendered.Job, Volume: rendered.Volume}
	for _, w := range f.workspaces {
		question.JobIDs = append(question.JobIDs, w.Slug.JobID())
		if w.Desired == lab.DesiredRunning {
			question.Count++
		}
	}
	cluster, err := f.registrar.Cluster.Survey(ctx, question)
	if err != nil {
		return placement.Plan{}, err
	}
	f.updates = map[string]placement.JobPlan{}
	planned := make([]placement.Workspace, len(f.workspaces))
	for i, w := range f.workspaces {
		if planned[i], err = f.does(ctx, w, cluster); err != nil {
			return placement.Plan{}, err
		}
	}
	if f.atWork > 0 {
		cluster.Warnings = append(cluster.Warnings, fmt.Sprintf("%d of the updates wait until nobody is at work, or for a restart", f.atWork))
	}
	return placement.Foretell(cluster, planned), nil
}

func (f *forecast) render(w lab.Workspace) (*jobspec.Rendered, error) {
	return f.from.render(jobspec.Subject{
		Slug: w.Slug, WorkspaceID: w.ID, CohortKey: f.class.CohortKey, CourseKey: f.class.CourseKey,
	})
}

// does says what the act makes of one workspace, as the reconciler will decide it.
func (f *forecast) does(ctx context.Context, w lab.Workspace, cluster placement.Cluster) (placement.Workspace, error) {
	job := cluster.Jobs[w.Slug.JobID()]
	p := placement.Workspace{
		Slug: w.Slug.String(), Does: placement.Nothing, Node: job.Node,
		Home: cluster.Homes[w.Slug.HomeVolume()], Returns: w.Submitted.Fingerprint != "",
	}
	outdated := w.Submitted.Fingerprint != "" && w.Submitted.Fingerprint != f.from.fingerprint()
	switch {
	case w.Desired != lab.DesiredRunning:
		if job.Live {
			p.Does = placement.Stop
		}
	case job.Node == "":
		p.Does = placement.Place
	case !job.Live, job.Away:
		// It ends, or its node does not answer: that is Nomad's to decide.
	case outdated:
		return f.update(ctx, p, w)
	case f.act == ActRestart:
		p.Does = placement.Restart
	}
	return p, nil
}

// update asks Nomad once for each older version what the new one changes.
func (f *forecast) update(ctx context.Context, p placement.Workspace, w lab.Workspace) (placement.Workspace, error) {
	plan, known := f.updates[w.Submitted.Fingerprint]
	if !known {
		rendered, err := f.render(w)
		if err != nil {
			return p, err
		}
		if plan, err = f.registrar.Cluster.PlanJob(ctx, rendered.Job); err != nil {
			return p, err
		}
		f.updates[w.Submitted.Fingerprint] = plan
	}
	switch {
	case plan.Replaces > 0:
		p.Does, p.Grows = placement.Replace, plan.Grows
	case plan.UpdatesInPlace > 0:
		p.Does = placement.UpdateInPlace
	case f.act == ActRestart:
		p.Does = placement.Restart
	}
	if p.Does != placement.Restart && f.act != ActRestart && w.Status.Phase == lab.PhaseReady {
		f.atWork++
	}
	return p, nil
}

// WorkspacePlan is Nomad's own plan for one workspace.
type WorkspacePlan struct {
	placement.JobPlan
	Slug lab.Slug
}

// PlanWorkspace says what a start or restart of a workspace would change of its job,
// in Nomad's own words, and changes nothing. CodeConflict when the workspace is deleted.
func (r *Registrar) PlanWorkspace(ctx context.Context, ref string) (WorkspacePlan, error) {
	w, err := r.Store.Workspace(ctx, ref)
	if err != nil {
		return WorkspacePlan{}, err
	}
	if _, _, err := ActStart.apply(w.Workspace, r.now()); err != nil {
		return WorkspacePlan{}, err
	}
	class, err := r.Store.Class(ctx, w.ClassID)
	if err != nil {
		return WorkspacePlan{}, err
	}
	from, err := r.patternOf(ctx, class)
	if err != nil {
		return WorkspacePlan{}, err
	}
	rendered, err := from.render(jobspec.Subject{Slug: w.Slug, WorkspaceID: w.ID, CohortKey: w.CohortKey, CourseKey: w.CourseKey})
	if err != nil {
		return WorkspacePlan{}, err
	}
	plan, err := r.Cluster.PlanJob(ctx, rendered.Job)
	return WorkspacePlan{JobPlan: plan, Slug: w.Slug}, err
}
