package nomad

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/hashicorp/nomad/api"

	"github.com/bothylabs/bothy/service/lab"
)

// Check says whether Nomad would take a rendered job file and could ever run it,
// and changes nothing. That all nodes are full right now is no error.
// CodeInvalid when the file can't be read (with line and column), CodeRefused when
// the namespace, the node pool or a right is missing or the job is rejected,
// CodeUnplaceable when no node is of the kind that the job needs, or large enough.
func (c *Client) Check(ctx context.Context, jobHCL []byte) error {
	if err := c.Ready(ctx); err != nil {
		return err
	}
	job, err := c.parse(ctx, jobHCL)
	if err != nil {
		return err
	}
	job = withoutVolumes(job)
	answer, err := c.plan(ctx, job)
	if err != nil {
		return err
	}
	all, err := c.nodes(ctx)
	if err != nil {
		return err
	}
	nodes := eligible(all, job)
	if len(nodes) == 0 {
		return lab.Errorf(lab.CodeUnplaceable, "no node is ready in node pool %q and datacenters %s",
			value(job.NodePool), strings.Join(job.Datacenters, ", ")).
			WithHint("is the node pool right, and are its nodes up and eligible? nomad node status")
	}
	for _, group := range job.TaskGroups {
		capable, err := withDrivers(nodes, group)
		if err != nil {
			return err
		}
		if err := largeEnough(capable, asks(group)); err != nil {
			return err
		}
	}
	return impossible(answer.FailedTGAllocs)
}

// withDrivers gives the nodes that have every driver that the group's tasks use.
func withDrivers(nodes []*api.NodeListStub, group *api.TaskGroup) ([]*api.NodeListStub, error) {
	drivers := map[string]struct{}{}
	for _, task := range group.Tasks {
		drivers[task.Driver] = struct{}{}
	}
	for _, driver := range slices.Sorted(maps.Keys(drivers)) {
		left := slices.DeleteFunc(slices.Clone(nodes), func(n *api.NodeListStub) bool {
			info := n.Drivers[driver]
			return info == nil || !info.Detected || !info.Healthy
		})
		if len(left) == 0 {
			return nil, lab.Errorf(lab.CodeUnplaceable, "no eligible node has the task driver %q", driver).
				WithHint("install it on the nodes, or use a template for a driver that they have")
		}
		nodes = left
	}
	return nodes, nil
}

// largeEnough says which resource no node has enough of.
func largeEnough(nodes []*api.NodeListStub, asked amounts) error {
	var largest amounts
	for _, n := range nodes {
		if asked.fitsIn(has(n)) {
			return nil
		}
		largest = largest.most(has(n))
	}
	var fields []lab.Field
	for _, d := range dimensions() {
		if d.of(asked) > d.of(largest) {
			fields = append(fields, lab.Field{
				Name:    d.name,
				Problem: fmt.Sprintf("the workspace asks for %s, the largest eligible node has %s", d.text(d.of(asked)), d.text(d.of(largest))),
				Remedy:  fmt.Sprintf("ask for at most %s, or add a larger node", d.text(d.of(largest))),
			})
		}
	}
	e := &lab.Error{Code: lab.CodeUnplaceable, Message: "no node is large enough", Fields: fields}
	if len(fields) == 0 {
		e.Message = "no single node has all of this at once: " + asked.describe()
	}
	return e
}

// impossible says that the scheduler ruled every node out for what it is, and none
// for being full.
func impossible(metrics map[string]*api.AllocationMetric) error {
	for _, m := range metrics {
		if m.NodesExhausted == 0 && len(m.QuotaExhausted) == 0 && m.NodesEvaluated > 0 {
			return lab.Errorf(lab.CodeUnplaceable, "no node satisfies what the job requires: %s", unplaced(metrics))
		}
	}
	return nil
}
