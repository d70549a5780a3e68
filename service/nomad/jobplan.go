package nomad

import (
	"context"
	"net/http"
	"strings"

	"github.com/hashicorp/nomad/api"

	"github.com/bothylabs/bothy/service/placement"
)

// PlanJob asks Nomad what registering a job file would change, and changes nothing. A
// home that does not exist yet is taken to be made on a node with room.
// CodeInvalid when the file can't be read, CodeRefused when Nomad would not take it.
func (c *Client) PlanJob(ctx context.Context, source []byte) (placement.JobPlan, error) {
	job, err := c.parse(ctx, source)
	if err != nil {
		return placement.JobPlan{}, err
	}
	answer, err := c.planWith(ctx, job, &api.PlanOptions{Diff: true})
	if err != nil {
		return placement.JobPlan{}, err
	}
	failed, err := c.failedPlacements(ctx, job, answer)
	if err != nil {
		return placement.JobPlan{}, err
	}
	p := placement.JobPlan{JobModifyIndex: answer.JobModifyIndex, Type: "none"}
	if answer.Diff != nil {
		p.Type, p.Changes = strings.ToLower(answer.Diff.Type), changesOf(answer.Diff)
	}
	if answer.Annotations != nil {
		for _, u := range answer.Annotations.DesiredTGUpdates {
			p.Creates += int(u.Place)                //nolint:gosec // G115: a count of one job's allocations
			p.UpdatesInPlace += int(u.InPlaceUpdate) //nolint:gosec // G115: as above
			p.Replaces += int(u.DestructiveUpdate)   //nolint:gosec // G115: as above
		}
	}
	if len(failed) > 0 {
		p.Unplaced = unplaced(failed)
	}
	if answer.Warnings != "" {
		p.Warnings = []string{plain(answer.Warnings)}
	}
	p.Text = planText(answer, failed)
	return p, c.compareNeeds(ctx, &p, job)
}

// failedPlacements gives what finds no place. Only a home that exists binds the job to
// its node.
func (c *Client) failedPlacements(ctx context.Context, job *api.Job, answer *api.JobPlanResponse) (map[string]*api.AllocationMetric, error) {
	if len(answer.FailedTGAllocs) == 0 || len(job.TaskGroups) == 0 {
		return nil, nil //nolint:nilnil // nothing failed
	}
	home := job.TaskGroups[0].Volumes["home"]
	if home == nil || home.Type != volumeHost {
		return answer.FailedTGAllocs, nil
	}
	existing, err := c.hostVolume(ctx, home.Source)
	if err != nil || existing != nil {
		return answer.FailedTGAllocs, err
	}
	bare, err := c.plan(ctx, withoutVolumes(job))
	if err != nil {
		return nil, err
	}
	return bare.FailedTGAllocs, nil
}

// compareNeeds fills in what the job reserves, and how much more that is than now.
func (c *Client) compareNeeds(ctx context.Context, p *placement.JobPlan, job *api.Job) error {
	p.Needs = amountsFor(asks(job.TaskGroups[0]))
	p.Grows = p.Needs
	if p.JobModifyIndex == 0 {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, requestTimeout)
	defer cancel()
	q, err := c.query(ctx)
	if err != nil {
		return err
	}
	before, _, err := c.api.Jobs().Info(value(job.ID), q)
	switch {
	case statusOf(err) == http.StatusNotFound:
		return nil
	case err != nil:
		return c.failed(err, c.needs("read-job"))
	case !value(before.Stop) && len(before.TaskGroups) > 0:
		p.Grows = p.Needs.Growth(amountsFor(asks(before.TaskGroups[0])))
	}
	return nil
}
