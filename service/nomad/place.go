package nomad

import (
	"context"
	"net/url"
	"slices"

	"github.com/hashicorp/nomad/api"

	"github.com/bothylabs/bothy/service/lab"
	"github.com/bothylabs/bothy/service/placement"
)

const (
	// roomAsked is how many of a workspace the scheduler is asked about on one node at once.
	roomAsked = 64
	// askTries is how often a question is asked again because the answer was overtaken.
	askTries = 5
)

// place chooses the node for a home: one where Nomad's own scheduler would run the
// job beside all that are on their way there, with the fewest homes for its memory.
// Where all that could run it are full, it is the best of those, and the workspace
// waits for room there.
func (c *Client) place(ctx context.Context, v volumeFile, source []byte) (string, error) {
	parsed, err := c.parse(ctx, source)
	if err != nil {
		return "", err
	}
	job := withPlugin(trial(parsed), v)
	release, err := c.homes.turn(ctx)
	if err != nil {
		return "", err
	}
	defer release()
	if c.homes.old(c.cfg.Now()) {
		if err := c.lookAround(ctx); err != nil {
			return "", err
		}
	}
	ask := &inquiry{client: c, job: job, kind: kindOf(job), nodes: c.homes.loads(job, v.NodePool)}
	node, verdict, err := placement.Pick(ask.nodes, func(node string) (placement.Verdict, error) { return ask.about(ctx, node) })
	if err != nil {
		return "", err
	}
	if verdict == placement.Unfit {
		return "", c.nowhere(ctx, job)
	}
	c.homes.expect(v.Name, expectation{node: node, needs: ask.kind.needs, since: c.cfg.Now()})
	return node, nil
}

// lookAround reads the nodes, and how many homes each has.
func (c *Client) lookAround(ctx context.Context) error {
	nodes, err := c.nodes(ctx)
	if err != nil {
		return err
	}
	volumes, err := c.allHomes(ctx)
	if err != nil {
		return err
	}
	c.homes.renew(c.cfg.Now(), nodes, volumes, c.cache.wants)
	return nil
}

// allHomes gives the host volumes of the namespace.
func (c *Client) allHomes(ctx context.Context) ([]*api.HostVolumeStub, error) {
	ctx, cancel := context.WithTimeout(ctx, requestTimeout)
	defer cancel()
	q, err := c.query(ctx)
	if err != nil {
		return nil, err
	}
	volumes, _, err := c.api.HostVolumes().List(nil, q)
	if err != nil {
		return nil, c.failed(err, c.needs("host-volume-read"))
	}
	return volumes, nil
}

// inquiry asks the scheduler about the nodes for one home.
type inquiry struct {
	client *Client
	job    *api.Job
	kind   kind
	nodes  []placement.Load
	asked  int
}

// about answers from what is known; the first node that is not is asked about alone,
// the second with all others.
func (q *inquiry) about(ctx context.Context, node string) (placement.Verdict, error) {
	if left, ok := q.client.homes.room(node, q.kind); ok {
		return left, nil
	}
	which := []string{node}
	if q.asked > 0 {
		which = q.client.homes.unknown(q.nodes, q.kind)
	}
	q.asked++
	if err := q.client.ask(ctx, q.job, q.kind, which); err != nil {
		return placement.Unfit, err
	}
	left, _ := q.client.homes.room(node, q.kind)
	return left, nil
}

// ask finds out how much room these nodes have beside the workspaces that are on their
// way to them. Those are counted as the scheduler saw them: what is placed between two
// looks would be counted twice, or not at all.
func (c *Client) ask(ctx context.Context, job *api.Job, k kind, nodes []string) error {
	for try := 1; ; try++ {
		before, err := c.onTheirWay(ctx, nodes)
		if err != nil {
			return err
		}
		count := roomAsked
		for _, waiting := range before {
			count = max(count, roomAsked+len(waiting))
		}
		rooms, _, err := c.rooms(ctx, job, nodes, count)
		if err != nil {
			return err
		}
		after, err := c.onTheirWay(ctx, nodes)
		if err != nil {
			return err
		}
		if try < askTries && !same(before, after) {
			continue
		}
		for _, node := range nodes {
			c.homes.know(node, k, rooms[node], after[node])
		}
		return nil
	}
}

func same(a, b map[string]map[string]expectation) bool {
	for node := range a {
		if len(a[node]) != len(b[node]) {
			return false
		}
		for name := range a[node] {
			if _, ok := b[node][name]; !ok {
				return false
			}
		}
	}
	return len(a) == len(b)
}

// onTheirWay gives the homes on each of these nodes whose workspace is to run there
// and has no allocation yet.
func (c *Client) onTheirWay(ctx context.Context, nodes []string) (map[string]map[string]expectation, error) {
	expected := c.homes.expectedOn(nodes)
	if len(expected) == 0 {
		return nil, nil
	}
	allocated, err := c.allocated(ctx)
	if err != nil {
		return nil, err
	}
	waiting := map[string]map[string]expectation{}
	for name, e := range expected {
		if allocated[jobOfHome(name)] {
			continue
		}
		if waiting[e.node] == nil {
			waiting[e.node] = map[string]expectation{}
		}
		waiting[e.node][name] = e
	}
	return waiting, nil
}

// filterRuns selects the allocations that take room.
const filterRuns = `DesiredStatus == "run" and (ClientStatus == "pending" or ClientStatus == "running")`

// allocated gives the jobs of the namespace that have an allocation which takes room.
func (c *Client) allocated(ctx context.Context) (map[string]bool, error) {
	ctx, cancel := context.WithTimeout(ctx, listTimeout)
	defer cancel()
	var allocs []allocState
	if _, err := c.listOne(ctx, "/v1/allocations?task_states=false&filter="+url.QueryEscape(filterRuns), &allocs); err != nil {
		return nil, err
	}
	jobs := make(map[string]bool, len(allocs))
	for _, a := range allocs {
		jobs[a.JobID] = true
	}
	return jobs, nil
}

// nowhere says why no node could ever run the job.
func (c *Client) nowhere(ctx context.Context, job *api.Job) error {
	answer, err := c.plan(ctx, job)
	if err != nil {
		return err
	}
	return lab.Errorf(lab.CodeUnplaceable, "no node can have this workspace and its home: %s", unplaced(answer.FailedTGAllocs))
}

// inPool leaves out the nodes of other pools; "" is any.
func inPool(nodes []*api.NodeListStub, pool string) []*api.NodeListStub {
	return slices.DeleteFunc(nodes, func(n *api.NodeListStub) bool { return pool != "" && n.NodePool != pool })
}
