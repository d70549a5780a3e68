package nomad

import (
	"context"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/hashicorp/nomad/api"
)

// nodes gives all nodes of the cluster with what they have.
func (c *Client) nodes(ctx context.Context) ([]*api.NodeListStub, error) {
	ctx, cancel := context.WithTimeout(ctx, requestTimeout)
	defer cancel()
	q, err := c.query(ctx)
	if err != nil {
		return nil, err
	}
	q.Params = map[string]string{"resources": "true"}
	nodes, _, err := c.api.Nodes().List(q)
	if err != nil {
		return nil, c.failed(err, "node:read")
	}
	return nodes, nil
}

// eligible gives the nodes that are ready and in the job's pool and datacenters.
func eligible(nodes []*api.NodeListStub, job *api.Job) []*api.NodeListStub {
	return slices.DeleteFunc(slices.Clone(nodes), func(n *api.NodeListStub) bool {
		pool := value(job.NodePool)
		return n.Status != api.NodeStatusReady || n.SchedulingEligibility != api.NodeSchedulingEligible || n.Drain ||
			pool != "" && pool != api.NodePoolAll && n.NodePool != pool ||
			!slices.ContainsFunc(job.Datacenters, func(pattern string) bool { return globMatches(pattern, n.Datacenter) })
	})
}

// globMatches says whether a datacenter has the name; * stands for any text.
func globMatches(pattern, name string) bool {
	expression := "^" + strings.ReplaceAll(regexp.QuoteMeta(pattern), `\*`, ".*") + "$"
	matched, err := regexp.MatchString(expression, name)
	return err == nil && matched
}

// amounts are resources as Nomad counts them: MHz, cores, MB, MB, and dynamic ports.
type amounts struct{ cpu, cores, memory, disk, ports int64 }

func (a amounts) plus(b amounts) amounts {
	return amounts{a.cpu + b.cpu, a.cores + b.cores, a.memory + b.memory, a.disk + b.disk, a.ports + b.ports}
}

func (a amounts) most(b amounts) amounts {
	return amounts{max(a.cpu, b.cpu), max(a.cores, b.cores), max(a.memory, b.memory), max(a.disk, b.disk), max(a.ports, b.ports)}
}

func (a amounts) fitsIn(b amounts) bool {
	return a.cpu <= b.cpu && a.cores <= b.cores && a.memory <= b.memory && a.disk <= b.disk
}

// has gives what a node has for jobs.
func has(n *api.NodeListStub) amounts {
	if n.NodeResources == nil {
		return amounts{}
	}
	r := n.NodeResources
	a := amounts{
		cpu: r.Cpu.CpuShares, cores: int64(len(r.Cpu.ReservableCpuCores)),
		memory: r.Memory.MemoryMB, disk: r.Disk.DiskMB,
	}
	if r.MaxDynamicPort > 0 {
		a.ports = int64(r.MaxDynamicPort - r.MinDynamicPort + 1)
	}
	if reserved := n.ReservedResources; reserved != nil {
		a.cpu -= int64(reserved.Cpu.CpuShares)      //nolint:gosec // G115: MHz of a machine
		a.memory -= int64(reserved.Memory.MemoryMB) //nolint:gosec // G115: MB of a machine
		a.disk -= int64(reserved.Disk.DiskMB)       //nolint:gosec // G115: MB of a machine
	}
	return a
}

// asks gives what one allocation of the group reserves at any one time.
func asks(group *api.TaskGroup) amounts {
	var s shares
	for _, task := range group.Tasks {
		s.add(task.Lifecycle, amountsOf(task))
	}
	total := s.total()
	if group.EphemeralDisk != nil {
		total.disk = int64(value(group.EphemeralDisk.SizeMB))
	}
	for _, network := range group.Networks {
		total.ports += int64(len(network.DynamicPorts))
	}
	return total
}

// shares adds up what the tasks of an allocation reserve: those that run before or
// after the main ones share with them what they do not use at once.
type shares struct{ main, once, always amounts }

func (s *shares) add(hook *api.TaskLifecycle, a amounts) {
	switch {
	case hook == nil:
		s.main = s.main.plus(a)
	case hook.Sidecar:
		s.always = s.always.plus(a)
	default:
		s.once = s.once.most(a)
	}
}

func (s *shares) total() amounts { return s.main.most(s.once).plus(s.always) }

func amountsOf(task *api.Task) amounts {
	r := task.Resources
	if r == nil {
		r = api.DefaultResources()
	}
	a := amounts{cpu: int64(value(r.CPU)), cores: int64(value(r.Cores)), memory: int64(value(r.MemoryMB))}
	if a.cores > 0 {
		a.cpu = 0 // Nomad takes it from the cores
	}
	return a
}

// withoutVolumes is the job as a plan takes it before its home exists.
func withoutVolumes(job *api.Job) *api.Job {
	bare := *job
	bare.TaskGroups = make([]*api.TaskGroup, len(job.TaskGroups))
	for i, group := range job.TaskGroups {
		g := *group
		g.Volumes = nil
		g.Tasks = make([]*api.Task, len(group.Tasks))
		for k, task := range group.Tasks {
			t := *task
			t.VolumeMounts = nil
			g.Tasks[k] = &t
		}
		bare.TaskGroups[i] = &g
	}
	return &bare
}

// plan asks Nomad's scheduler what it would do with the job, and changes nothing.
func (c *Client) plan(ctx context.Context, job *api.Job) (*api.JobPlanResponse, error) {
	return c.planWith(ctx, job, &api.PlanOptions{})
}

func (c *Client) planWith(ctx context.Context, job *api.Job, options *api.PlanOptions) (*api.JobPlanResponse, error) {
	ctx, cancel := context.WithTimeout(ctx, requestTimeout)
	defer cancel()
	w, err := c.write(ctx)
	if err != nil {
		return nil, err
	}
	answer, _, err := c.api.Jobs().PlanOpts(job, options, w)
	if err != nil {
		return nil, c.failed(err, c.needs("submit-job"))
	}
	return answer, nil
}

// describe names amounts for people: "cpu 500 MHz, memory 1024 MB".
func (a amounts) describe() string {
	var parts []string
	for _, d := range dimensions() {
		if n := d.of(a); n > 0 {
			parts = append(parts, fmt.Sprintf("%s %s", d.name, d.text(n)))
		}
	}
	return strings.Join(parts, ", ")
}

// dimension is one kind of resource.
type dimension struct {
	name, unit string
	of         func(amounts) int64
}

func (d dimension) text(n int64) string { return strings.TrimSpace(fmt.Sprintf("%d %s", n, d.unit)) }

func dimensions() []dimension {
	return []dimension{
		{"memory", "MB", func(a amounts) int64 { return a.memory }},
		{"cpu", "MHz", func(a amounts) int64 { return a.cpu }},
		{"cores", "", func(a amounts) int64 { return a.cores }},
		{"disk", "MB", func(a amounts) int64 { return a.disk }},
	}
}
