package nomad

import (
	"context"
	"slices"
	"sync"

	"github.com/hashicorp/nomad/api"
	"golang.org/x/sync/errgroup"
)

const (
	// nodesPerPlan is how many nodes are asked about in one plan.
	nodesPerPlan = 25
	// plansAtOnce bounds how many plans Nomad works on for one question.
	plansAtOnce = 4
	// trialJob is the id of the job that plans are asked about; no workspace has a dot in its name.
	trialJob = "bothy.plan"
)

// room is what the scheduler says of a job on one node.
type room struct {
	// free is how many more of it would be placed there now, at most as many as were asked for.
	free int
	// filtered is the constraint for which it could never run there.
	filtered string
	// lacks is what is exhausted for yet another.
	lacks []string
}

// trial is a job as a plan is asked about it: a new one, without what Nomad makes
// depend on the allocations of one job, and without its home.
func trial(job *api.Job) *api.Job {
	t := withoutVolumes(job)
	id := trialJob
	t.ID, t.Name = &id, &id
	t.Update, t.Constraints = nil, eachOnItsOwn(t.Constraints)
	for _, group := range t.TaskGroups {
		group.Update, group.Constraints = nil, eachOnItsOwn(group.Constraints)
		for _, task := range group.Tasks {
			task.Constraints = eachOnItsOwn(task.Constraints)
		}
	}
	return t
}

// eachOnItsOwn leaves out the constraints between the allocations of one job: each
// workspace is a job of its own.
func eachOnItsOwn(constraints []*api.Constraint) []*api.Constraint {
	return slices.DeleteFunc(slices.Clone(constraints), func(c *api.Constraint) bool {
		return c.Operand == api.ConstraintDistinctHosts || c.Operand == api.ConstraintDistinctProperty
	})
}

// withPlugin also wants the plugin that makes homes of this kind on their node.
func withPlugin(job *api.Job, v volumeFile) *api.Job {
	if v.Type != volumeHost || v.PluginID == "" {
		return job
	}
	with := *job
	with.Constraints = append(slices.Clone(job.Constraints), &api.Constraint{
		LTarget: "${attr.plugins.host_volume." + v.PluginID + ".version}", Operand: api.ConstraintAttributeIsSet,
	})
	return &with
}

// rooms asks the scheduler how many of a trial's group it would place on each of these
// nodes, up to count. Each node is a group that is bound to it, so that one plan, and
// one state of the cluster, answers for many nodes.
func (c *Client) rooms(ctx context.Context, job *api.Job, nodes []string, count int) (map[string]room, bool, error) {
	found, preempts := make(map[string]room, len(nodes)), false
	var mu sync.Mutex
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(plansAtOnce)
	for chunk := range slices.Chunk(nodes, nodesPerPlan) {
		group.Go(func() error {
			answer, err := c.plan(ctx, perNode(job, chunk, count))
			if err != nil {
				return err
			}
			mu.Lock()
			defer mu.Unlock()
			for _, node := range chunk {
				found[node] = roomOf(answer.FailedTGAllocs[node], node, count)
			}
			preempts = preempts || answer.Annotations != nil && len(answer.Annotations.PreemptedAllocs) > 0
			return nil
		})
	}
	if err := group.Wait(); err != nil {
		return nil, false, err
	}
	return found, preempts, nil
}

// perNode is a job with the group once for each node, bound to it. The binding is the
// first of all constraints: whatever else filters a node is then said of that node.
func perNode(job *api.Job, nodes []string, count int) *api.Job {
	all := *job
	all.Constraints, all.TaskGroups = nil, nil
	for _, node := range nodes {
		group := *job.TaskGroups[0]
		group.Name, group.Count = &node, &count
		group.Constraints = slices.Concat([]*api.Constraint{onlyOn(node)}, job.Constraints, group.Constraints)
		all.TaskGroups = append(all.TaskGroups, &group)
	}
	return &all
}

func onlyOn(node string) *api.Constraint {
	return &api.Constraint{LTarget: "${node.unique.id}", Operand: "=", RTarget: node}
}

// missingDrivers is the one filter that the scheduler applies before constraints, and
// so to nodes that the group is not bound to as well.
const missingDrivers = "missing drivers"

// roomOf reads what failed of a group that is bound to a node; nil when nothing did.
func roomOf(m *api.AllocationMetric, node string, count int) room {
	if m == nil {
		return room{free: count}
	}
	if m.NodesExhausted > 0 || len(m.QuotaExhausted) > 0 {
		r := room{free: count - 1 - m.CoalescedFailures}
		for _, dimension := range sortedKeys(m.DimensionExhausted) {
			r.lacks = append(r.lacks, exhausted(dimension))
		}
		for _, quota := range m.QuotaExhausted {
			r.lacks = append(r.lacks, "quota exhausted: "+quota)
		}
		return r
	}
	bound := "${node.unique.id} = " + node
	filtered := ""
	for _, constraint := range sortedKeys(m.ConstraintFiltered) {
		switch constraint {
		case bound:
		case missingDrivers:
			if filtered == "" {
				filtered = constraint
			}
		default:
			filtered = constraint
		}
	}
	if filtered == "" {
		filtered = "not in the scheduler's sight"
	}
	return room{filtered: filtered}
}
