package nomad

import (
	"cmp"
	"context"
	"slices"
	"sync"
	"time"

	"github.com/hashicorp/nomad/api"

	"github.com/bothylabs/bothy/service/lab"
)

const (
	// surveyAge is how old the count of homes may be: what this client makes
	// meanwhile it counts itself.
	surveyAge = 10 * time.Second
	// placeTries bounds how many nodes the scheduler is asked about for one home.
	placeTries = 8
)

// homes counts how many homes each node has. A node's home is a workspace that
// can run nowhere else, so the homes are the load that the node can come to have.
type homes struct {
	mu    sync.Mutex
	at    time.Time
	nodes []*api.NodeListStub
	on    map[string]int
}

func newHomes() *homes { return &homes{} }

// place chooses the node for a home: one that Nomad's own scheduler would run the
// job on now, with the fewest homes for its memory. Where all that could run it
// are full, it is the best of those, and the workspace waits for room there.
func (c *Client) place(ctx context.Context, v volumeFile, source []byte) (string, error) {
	job, err := c.parse(ctx, source)
	if err != nil {
		return "", err
	}
	job = withoutVolumes(job)
	if v.PluginID != "" {
		job.Constraints = append(job.Constraints, &api.Constraint{
			LTarget: "${attr.plugins.host_volume." + v.PluginID + ".version}", Operand: api.ConstraintAttributeIsSet,
		})
	}
	full := ""
	tried := map[string]bool{}
	for len(tried) < placeTries {
		node, err := c.reserve(ctx, job, v.NodePool, tried)
		if err != nil {
			return "", err
		}
		if node == "" {
			break
		}
		tried[node] = true
		verdict, err := c.couldRun(ctx, job, node)
		if err == nil && verdict == fits {
			return node, nil
		}
		c.homes.giveBack(node)
		if err != nil {
			return "", err
		}
		if verdict == isFull && full == "" {
			full = node
		}
	}
	if full != "" {
		return full, nil
	}
	return "", c.nowhere(ctx, job)
}

// reserve counts a home on the best node that was not tried, "" when there is none.
func (c *Client) reserve(ctx context.Context, job *api.Job, pool string, tried map[string]bool) (string, error) {
	h := c.homes
	h.mu.Lock()
	defer h.mu.Unlock()
	if now := c.cfg.Now(); h.on == nil || now.Sub(h.at) > surveyAge {
		nodes, err := c.nodes(ctx)
		if err != nil {
			return "", err
		}
		on, err := c.countHomes(ctx)
		if err != nil {
			return "", err
		}
		h.nodes, h.on, h.at = nodes, on, now
	}
	candidates := slices.DeleteFunc(eligible(h.nodes, job), func(n *api.NodeListStub) bool {
		return tried[n.ID] || pool != "" && n.NodePool != pool
	})
	if len(candidates) == 0 {
		return "", nil
	}
	best := slices.MinFunc(candidates, func(a, b *api.NodeListStub) int {
		return cmp.Or(cmp.Compare(h.load(a), h.load(b)), cmp.Compare(a.ID, b.ID))
	})
	h.on[best.ID]++
	return best.ID, nil
}

// load is how many homes a node would have for each MB of its memory, with one more.
func (h *homes) load(n *api.NodeListStub) float64 {
	return float64(h.on[n.ID]+1) / float64(max(has(n).memory, 1))
}

func (h *homes) giveBack(node string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.on[node] > 0 {
		h.on[node]--
	}
}

func (c *Client) countHomes(ctx context.Context) (map[string]int, error) {
	q, err := c.query(ctx)
	if err != nil {
		return nil, err
	}
	volumes, _, err := c.api.HostVolumes().List(nil, q)
	if err != nil {
		return nil, c.failed(err, c.needs("host-volume-read"))
	}
	on := map[string]int{}
	for _, v := range volumes {
		on[v.NodeID]++
	}
	return on, nil
}

// verdict is what the scheduler says of a job on one node.
type verdict int

const (
	fits verdict = iota
	isFull
	unfit
)

// couldRun asks the scheduler about one node.
func (c *Client) couldRun(ctx context.Context, job *api.Job, node string) (verdict, error) {
	pinned := *job
	pinned.Constraints = append(slices.Clone(job.Constraints), &api.Constraint{
		LTarget: "${node.unique.id}", Operand: "=", RTarget: node,
	})
	unplaced, err := c.plan(ctx, &pinned)
	if err != nil {
		return unfit, err
	}
	for _, metric := range unplaced {
		if metric.NodesExhausted == 0 {
			return unfit, nil
		}
	}
	if len(unplaced) > 0 {
		return isFull, nil
	}
	return fits, nil
}

// nowhere says why no node could ever run the job.
func (c *Client) nowhere(ctx context.Context, job *api.Job) error {
	metrics, err := c.plan(ctx, job)
	if err != nil {
		return err
	}
	return lab.Errorf(lab.CodeUnplaceable, "no node can have this workspace and its home: %s", unplaced(metrics))
}
