package api

import (
	"context"

	"github.com/bothylabs/bothy/service/placement"
	"github.com/bothylabs/bothy/service/registrar"
)

// PlanClass tells what an act on a class would come to.
func (s *server) PlanClass(ctx context.Context, r PlanClassRequestObject) (PlanClassResponseObject, error) {
	act := registrar.ActLaunch
	if r.Body != nil && r.Body.Act != nil {
		act = registrar.Act(*r.Body.Act)
	}
	plan, err := s.config.Registrar.PlanClass(ctx, classRef(r.Class), act)
	if err != nil {
		return nil, err
	}
	return PlanClass200JSONResponse(asClassPlan(plan)), nil
}

// PlanWorkspace tells what Nomad would change of a workspace's job.
func (s *server) PlanWorkspace(ctx context.Context, r PlanWorkspaceRequestObject) (PlanWorkspaceResponseObject, error) {
	plan, err := s.config.Registrar.PlanWorkspace(ctx, r.Workspace)
	if err != nil {
		return nil, err
	}
	return PlanWorkspace200JSONResponse(asWorkspacePlan(plan)), nil
}

func asClassPlan(p registrar.ClassPlan) ClassPlan {
	return ClassPlan{
		Class: p.Class.Key(), Act: PlannedAct(p.Act), Summary: p.Summary(), Changes: p.Changes(),
		Create: p.Create, UpdateInPlace: p.UpdateInPlace, UpdateDestructive: p.Replace, Restart: p.Restart,
		Unchanged: p.Unchanged, Stop: p.Stop, Unplaceable: p.Unplaceable,
		Reasons: each(p.Reasons, asPlanReason), Needs: asResources(p.Needs), Nodes: each(p.Nodes, asPlanNode),
		Warnings: listOf(p.Warnings), SampledAt: p.SampledAt,
	}
}

func asPlanReason(r placement.Reason) PlanReason {
	return PlanReason{Reason: r.Text, Count: r.Count, Workspaces: listOf(r.Workspaces)}
}

func asPlanNode(n placement.NodePlan) PlanNode {
	return PlanNode{
		ID: n.ID, Name: n.Name, Unusable: n.Unusable, Filtered: n.Filtered, Total: asResources(n.Total), Free: asResources(n.Free),
		Homes: n.Homes, Room: n.Room, Lacks: listOf(n.Lacks), Places: n.Places, Waits: n.Waits,
	}
}

func asResources(a placement.Amounts) Resources {
	return Resources{CPU: a.CPU, Cores: a.Cores, Memory: a.Memory, Disk: a.Disk, Ports: a.Ports}
}

func asWorkspacePlan(p registrar.WorkspacePlan) WorkspacePlan {
	return WorkspacePlan{
		Workspace: p.Slug.String(), Type: WorkspacePlanType(p.Type), Create: p.Creates, UpdateInPlace: p.UpdatesInPlace,
		UpdateDestructive: p.Replaces, Unplaced: p.Unplaced, Changes: each(p.Changes, asPlanChange), Text: p.Text,
		Warnings: listOf(p.Warnings), JobModifyIndex: int64(p.JobModifyIndex), //nolint:gosec // G115: an index of Nomad's
	}
}

func asPlanChange(c placement.Change) PlanChange {
	return PlanChange{Path: c.Path, Type: PlanChangeType(c.Type), Old: c.Old, New: c.New, Forces: c.Forces}
}

// listOf gives a list that is written as one also when it is empty.
func listOf(texts []string) []string { return append([]string{}, texts...) }
