package reconcile

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/bothylabs/bothy/service/lab"
)

// PlanHomes decides about the homes whose retention is over: the last rows of the
// decision table. One is deleted while Nomad has no job of its workspace, or that
// job is stopped and nothing of it can run; in every other case, and while the
// snapshot is unreadable, it is kept.
func PlanHomes(installation string, homes []lab.KeptHome, snap lab.Snapshot) []Action {
	if snap.Unreadable != "" {
		return nil
	}
	var actions []Action
	for _, home := range homes {
		id := home.Slug.JobID()
		job := lookup(snap, id)
		seen := see(installation, keptItem(home), job)
		if seen == sightAbsent || seen == sightEnded && outOfSight(job) == nil {
			actions = append(actions, Action{Kind: KindReleaseHome, JobID: id, WorkspaceID: home.WorkspaceID, Why: "the time for which it was kept is over"})
		}
	}
	slices.SortFunc(actions, func(a, b Action) int { return cmp.Compare(a.JobID, b.JobID) })
	return actions
}

// keptItem is a kept home as what actions are taken on.
func keptItem(home lab.KeptHome) Item {
	return Item{WorkItem: lab.WorkItem{Workspace: lab.Workspace{
		ID: home.WorkspaceID, StudentID: home.StudentID, Slug: home.Slug, Desired: lab.DesiredDeleted, ReleaseHome: true, DeletedAt: &home.Since,
	}}}
}

// dueHomes gives the homes whose time is over at a moment.
func (r *round) dueHomes(ctx context.Context, now time.Time) ([]lab.KeptHome, error) {
	var before time.Time // nothing was before: only what is not wanted any longer is due
	if r.cfg.HomeRetention > 0 {
		before = now.Add(-r.cfg.HomeRetention)
	}
	homes, err := r.cfg.Store.DueHomes(ctx, before)
	if err != nil {
		return nil, fmt.Errorf("list homes whose time is over: %w", err)
	}
	return homes, nil
}

// releaseHome deletes a kept home. Killed in between, it is done once more.
func (e effects) releaseHome(ctx context.Context, item Item) error {
	now := e.cfg.Now()
	if err := e.cfg.Store.AnnounceHomeRelease(ctx, e.epoch, item.Slug, now); err != nil {
		return fmt.Errorf("announce: %w", fenced(err))
	}
	if err := e.cfg.Nomad.DeleteHome(ctx, item.Slug.HomeVolume()); err != nil {
		return fmt.Errorf("delete home: %w", err)
	}
	audit := lab.Audit{
		ID: e.cfg.NewID(), At: now, Actor: lab.Actor{Name: "bothy"}, Action: "home.release", Target: item.ID,
		Detail: map[string]any{"slug": item.Slug.String(), "kept_since": item.DeletedAt.UTC().Format(time.RFC3339)}, Result: lab.AuditDone,
	}
	if err := e.cfg.Store.RecordHomeReleased(ctx, e.epoch, item.Slug, audit); err != nil {
		return fmt.Errorf("record the end of a home: %w", fenced(err))
	}
	return nil
}
