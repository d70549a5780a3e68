package client

import "context"

// PlanClass tells what an act ("launch", "start", "restart" or "stop") on a class would come to.
func (c *Client) PlanClass(ctx context.Context, ref string, act PlannedAct) (ClassPlan, error) {
	r, err := c.raw.PlanClassWithResponse(ctx, pathClass(ref), ClassPlanInput{Act: &act})
	return read(r, err, (*PlanClassResponse).GetJSON200)
}

// PlanWorkspace gives Nomad's own plan for the job of one workspace.
func (c *Client) PlanWorkspace(ctx context.Context, ref string) (WorkspacePlan, error) {
	r, err := c.raw.PlanWorkspaceWithResponse(ctx, ref)
	return read(r, err, (*PlanWorkspaceResponse).GetJSON200)
}
