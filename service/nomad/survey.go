package nomad

import (
	"context"
	"fmt"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/hashicorp/nomad/api"
	"golang.org/x/sync/errgroup"

	"github.com/bothylabs/bothy/service/placement"
)

// Survey looks at the cluster for those who want to place a class, and changes nothing.
// All workspaces of the class are taken to be of one kind. CodeRefused when a right or
// the node pool is missing, CodeInvalid for files that can't be read.
func (c *Client) Survey(ctx context.Context, q placement.Question) (placement.Cluster, error) {
	volume, err := parseVolume(q.Volume)
	if err != nil {
		return placement.Cluster{}, err
	}
	if err := c.Ready(ctx); err != nil {
		return placement.Cluster{}, err
	}
	parsed, err := c.parse(ctx, q.Job)
	if err != nil {
		return placement.Cluster{}, err
	}
	job := withPlugin(trial(parsed), volume)
	sampled := c.cfg.Now()
	l, err := c.look(ctx, volume, job)
	if err != nil {
		return placement.Cluster{}, err
	}
	cluster := placement.Cluster{
		SampledAt: sampled, Needs: amountsFor(asks(job.TaskGroups[0])), Pinned: volume.Type == volumeHost,
		Homes: map[string]string{}, Jobs: l.jobsOf(q.JobIDs),
	}
	if cluster.Pinned {
		for _, v := range l.volumes {
			cluster.Homes[v.Name] = v.NodeID
		}
	}
	if err := c.measure(ctx, &cluster, l, job, q); err != nil {
		return placement.Cluster{}, err
	}
	return cluster, nil
}

// sights is what one look reads.
type sights struct {
	nodes   []*api.NodeListStub
	volumes []*api.HostVolumeStub
	jobs    []jobState
	allocs  []allocRoom
	// eligible are the ids of the nodes that the scheduler looks at for the job.
	eligible []string
}

func (c *Client) look(ctx context.Context, volume volumeFile, job *api.Job) (sights, error) {
	var l sights
	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() (err error) {
		l.nodes, err = c.nodes(ctx)
		return err
	})
	group.Go(func() (err error) {
		if volume.Type == volumeHost {
			l.volumes, err = c.allHomes(ctx)
		}
		return err
	})
	group.Go(func() (err error) {
		_, err = c.listOne(ctx, "/v1/jobs?prefix=bothy-", &l.jobs)
		return err
	})
	group.Go(func() (err error) {
		// Those of all namespaces that the token may read: they share the nodes.
		_, err = c.listOne(ctx, "/v1/allocations?namespace=*&resources=true&task_states=false&filter="+url.QueryEscape(filterHolds), &l.allocs)
		return err
	})
	if err := group.Wait(); err != nil {
		return sights{}, err
	}
	for _, n := range inPool(eligible(l.nodes, job), volume.NodePool) {
		l.eligible = append(l.eligible, n.ID)
	}
	return l, nil
}

// filterHolds selects the allocations that the scheduler counts: those whose tasks may
// run, also while they are being stopped.
const filterHolds = `ClientStatus != "complete" and ClientStatus != "failed" and ClientStatus != "lost"`

// allocRoom is what an allocation reserves, as the listing with resources spells it.
type allocRoom struct {
	JobID, Namespace, NodeID string
	DesiredStatus            string
	ClientStatus             string
	AllocatedResources       *struct {
		Tasks          map[string]*api.AllocatedTaskResources
		TaskLifecycles map[string]*api.TaskLifecycle
		Shared         api.AllocatedSharedResources
	}
}

func (a allocRoom) ends() bool { return a.DesiredStatus != api.AllocDesiredStatusRun }

// takes gives what the allocation reserves at any one time.
func (a allocRoom) takes() amounts {
	if a.AllocatedResources == nil {
		return amounts{}
	}
	var s shares
	for name, task := range a.AllocatedResources.Tasks {
		s.add(a.AllocatedResources.TaskLifecycles[name], amounts{cpu: task.Cpu.CpuShares, memory: task.Memory.MemoryMB})
	}
	total := s.total()
	total.disk = a.AllocatedResources.Shared.DiskMB
	total.ports = int64(len(a.AllocatedResources.Shared.Ports))
	return total
}

// jobsOf gives what is seen of these jobs.
func (l sights) jobsOf(ids []string) map[string]placement.Job {
	seen := make(map[string]placement.Job, len(ids))
	wanted := make(map[string]bool, len(ids))
	for _, id := range ids {
		wanted[id] = true
	}
	for _, job := range l.jobs {
		if wanted[job.ID] {
			seen[job.ID] = placement.Job{Live: !job.Stop, JobModifyIndex: job.JobModifyIndex}
		}
	}
	for _, a := range l.allocs {
		if job, ok := seen[a.JobID]; ok && !a.ends() {
			job.Node, job.Away = a.NodeID, a.ClientStatus == api.AllocClientStatusUnknown
			seen[a.JobID] = job
		}
	}
	return seen
}

// waiting counts, by node, the workspaces that are not asked about, are to run, and
// have no allocation.
func (l sights) waiting(asked []string) map[string]int {
	placed := make(map[string]bool, len(l.allocs)+len(asked))
	for _, id := range asked {
		placed[id] = true
	}
	for _, a := range l.allocs {
		if !a.ends() {
			placed[a.JobID] = true
		}
	}
	home := make(map[string]string, len(l.volumes))
	for _, v := range l.volumes {
		home[jobOfHome(v.Name)] = v.NodeID
	}
	counts := map[string]int{}
	for _, job := range l.jobs {
		if node, ok := home[job.ID]; ok && !job.Stop && job.Status != "dead" && !placed[job.ID] {
			counts[node]++
		}
	}
	return counts
}

// measure asks the scheduler how many it would place on each node, and how many in all.
func (c *Client) measure(ctx context.Context, cluster *placement.Cluster, l sights, job *api.Job, q placement.Question) error {
	waiting := l.waiting(q.JobIDs)
	count := q.Count
	for _, n := range waiting {
		count = max(count, q.Count+n)
	}
	var rooms map[string]room
	if count > 0 {
		var err error
		if rooms, cluster.Preempts, err = c.rooms(ctx, job, l.eligible, count); err != nil {
			return err
		}
	}
	taken, ending := map[string]amounts{}, 0
	for _, a := range l.allocs {
		taken[a.NodeID] = taken[a.NodeID].plus(a.takes())
		if a.ends() && slices.Contains(l.eligible, a.NodeID) {
			ending++
		}
	}
	if ending > 0 {
		cluster.Warnings = append(cluster.Warnings, fmt.Sprintf("%s being stopped: the room that this gives back is not counted", allocations(ending)))
	}
	homes := map[string]int{}
	for _, v := range l.volumes {
		homes[v.NodeID]++
	}
	for _, n := range l.nodes {
		total := amountsFor(has(n))
		node := placement.Node{
			ID: n.ID, Name: n.Name, Total: total, Free: total.Minus(amountsFor(taken[n.ID])),
			Homes: homes[n.ID], Waiting: waiting[n.ID], Unusable: unusable(n, job),
		}
		if node.Unusable == "" && !slices.Contains(l.eligible, n.ID) {
			node.Unusable = "is not in the home's node pool"
		}
		if r, asked := rooms[n.ID]; asked {
			node.Room, node.Lacks, node.Filtered = r.free, r.lacks, r.filtered
		}
		cluster.Nodes = append(cluster.Nodes, node)
	}
	return c.measureAnywhere(ctx, cluster, job, q.Count)
}

// measureAnywhere asks for a whole class at once where homes are bound to no node:
// Nomad chooses the nodes then, and may do it by their quota too.
func (c *Client) measureAnywhere(ctx context.Context, cluster *placement.Cluster, job *api.Job, count int) error {
	if count == 0 {
		return nil
	}
	group := *job.TaskGroups[0]
	group.Count = &count
	all := *job
	all.TaskGroups = []*api.TaskGroup{&group}
	answer, err := c.plan(ctx, &all)
	if err != nil {
		return err
	}
	cluster.Anywhere = count
	if m := answer.FailedTGAllocs[value(group.Name)]; m != nil {
		cluster.Anywhere = count - 1 - m.CoalescedFailures
	}
	if answer.Warnings != "" {
		cluster.Warnings = append(cluster.Warnings, "Nomad warns: "+plain(answer.Warnings))
	}
	if !cluster.Pinned {
		cluster.Warnings = append(cluster.Warnings, "Nomad chooses the nodes: whether the home's CSI plugin can mount on each of them shows when it does")
	}
	return nil
}

// unusable says why the scheduler does not look at a node for this job.
func unusable(n *api.NodeListStub, job *api.Job) string {
	pool := value(job.NodePool)
	switch {
	case n.Status != api.NodeStatusReady:
		return "is " + n.Status
	case n.Drain:
		return "is draining"
	case n.SchedulingEligibility != api.NodeSchedulingEligible:
		return "is not eligible"
	case pool != "" && pool != api.NodePoolAll && n.NodePool != pool:
		return "is in node pool " + strconv.Quote(n.NodePool)
	case len(eligible([]*api.NodeListStub{n}, job)) == 0:
		return fmt.Sprintf("is in datacenter %q, not in %s", n.Datacenter, strings.Join(job.Datacenters, ", "))
	}
	return ""
}

func allocations(n int) string {
	if n == 1 {
		return "1 allocation is"
	}
	return fmt.Sprintf("%d allocations are", n)
}

func amountsFor(a amounts) placement.Amounts {
	return placement.Amounts{CPU: a.cpu, Cores: a.cores, Memory: a.memory, Disk: a.disk, Ports: a.ports}
}
