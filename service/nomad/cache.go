package nomad

import (
	"cmp"
	"slices"
	"sync"
	"time"

	"github.com/hashicorp/nomad/api"

	"github.com/bothylabs/bothy/service/lab"
)

// cache is the picture of the namespace. Objects come from listings, from the
// event stream and from our own writes, in any order; the higher index counts.
type cache struct {
	mu         sync.Mutex
	unreadable string
	at         time.Time
	jobs       map[string]*entry
}

// entry is what is known about one job id. known is false while only its
// allocations or evaluations were seen.
type entry struct {
	known   bool
	job     jobRow
	allocs  []allocRow // the newest first
	blocked []blockedRow
	// seen is what the rest amounts to, made anew after a change.
	seen  lab.Observation
	fresh bool
}

type jobRow struct {
	mark          lab.Mark
	stopped, dead bool
	// purged: Nomad has forgotten the job. It counts as stopped for as long as
	// something of it may run, and as absent from then on.
	purged         bool
	modifyIndex    uint64
	jobModifyIndex uint64
}

type allocRow struct {
	alloc       lab.Alloc
	createIndex uint64
	modifyIndex uint64
}

type blockedRow struct {
	evalID      string
	reason      string
	modifyIndex uint64
}

func newCache() *cache {
	return &cache{unreadable: "Nomad has not been listed yet", jobs: map[string]*entry{}}
}

// snapshot copies the picture.
func (c *cache) snapshot() lab.Snapshot {
	c.mu.Lock()
	defer c.mu.Unlock()
	snap := lab.Snapshot{Unreadable: c.unreadable, At: c.at, Jobs: make(map[string]lab.Observation, len(c.jobs))}
	if c.unreadable != "" {
		return snap
	}
	for id, e := range c.jobs {
		if e.visible() {
			snap.Jobs[id] = e.observe(id)
		}
	}
	return snap
}

func (e *entry) visible() bool {
	return e.known && (!e.job.purged || slices.ContainsFunc(e.allocs, func(row allocRow) bool { return !over(row) }))
}

func (e *entry) observe(id string) lab.Observation {
	if e.fresh {
		return e.seen
	}
	e.fresh = true
	e.seen = lab.Observation{
		JobID: id, Mark: e.job.mark, JobModifyIndex: e.job.jobModifyIndex,
		Stopped: e.job.stopped, Dead: e.job.dead,
	}
	for _, row := range e.allocs {
		alloc := row.alloc
		alloc.Behind = row.modifyIndex < e.job.jobModifyIndex
		e.seen.Allocs = append(e.seen.Allocs, alloc)
	}
	var newest uint64
	for _, row := range e.blocked {
		if row.modifyIndex >= newest {
			newest, e.seen.Blocked = row.modifyIndex, row.reason
		}
	}
	return e.seen
}

// setUnreadable says why the picture can't be trusted any more.
func (c *cache) setUnreadable(reason string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.unreadable = reason
}

// forget empties a picture that is unreadable.
func (c *cache) forget() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.jobs = map[string]*entry{}
}

// proven says that the picture was known to be true at this moment.
func (c *cache) proven(at time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.at = at
}

// registered takes a job that was just read or written.
func (c *cache) registered(job jobState) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.putJob(job)
}

// gone takes that Nomad has just said it does not have the job.
func (c *cache) gone(jobID string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if e := c.jobs[jobID]; e != nil {
		c.purge(jobID, e.job.modifyIndex)
	}
}

// purge takes that a job was forgotten at this index.
func (c *cache) purge(jobID string, index uint64) {
	e := c.jobs[jobID]
	if e == nil || e.job.modifyIndex > index {
		return
	}
	e.fresh = false
	e.job = jobRow{mark: e.job.mark, stopped: true, dead: true, purged: true, modifyIndex: index}
	if !e.visible() {
		delete(c.jobs, jobID)
	}
}

// wants says whether a job is known, and whether it is to run and nothing of it does.
func (c *cache) wants(jobID string) (known, waits bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	e := c.jobs[jobID]
	if e == nil || !e.known {
		return false, false
	}
	return true, !e.job.stopped && !e.job.dead && !e.takesRoom()
}

// runs says whether an allocation of a job takes room on a node.
func (c *cache) runs(jobID string) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	e := c.jobs[jobID]
	return e != nil && e.takesRoom()
}

func (e *entry) takesRoom() bool {
	return slices.ContainsFunc(e.allocs, func(row allocRow) bool { return row.alloc.WantedRunning && !over(row) })
}

// awaitsPurged tells whether something of a purged job may still run.
func (c *cache) awaitsPurged() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, e := range c.jobs {
		if e.job.purged {
			return true
		}
	}
	return false
}

// apply takes the events of one line of the stream, except those that a listing
// with these indexes already contains.
func (c *cache) apply(line events, listed indexes) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, ev := range line.Events {
		switch p := ev.Payload; {
		case ev.Index <= listed.of(ev.Topic):
		case p.Job != nil && p.Deleted:
			c.purge(p.Job.ID, ev.Index)
		case p.Job != nil:
			c.putJob(*p.Job)
		case p.Allocation != nil:
			c.putAlloc(*p.Allocation)
		case p.Evaluation != nil:
			c.putEval(*p.Evaluation)
		}
	}
}

// replace puts a listing in the place of everything that is not newer than it.
func (c *cache) replace(l listing, at time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	before := c.jobs
	c.jobs = make(map[string]*entry, len(l.jobs))
	c.unreadable, c.at = "", at
	for _, job := range l.jobs {
		c.putJob(job)
	}
	for _, alloc := range l.allocs {
		c.putAlloc(alloc)
	}
	for _, eval := range l.blocked {
		c.putEval(eval)
	}
	for id, old := range before {
		c.keepNewer(id, old, l.at)
	}
}

// keepNewer carries over what an entry knew that is newer than the listing, and
// the problems of allocations that the listing did not say.
func (c *cache) keepNewer(id string, old *entry, listed indexes) {
	if e := c.jobs[id]; old.known && (old.job.modifyIndex > listed.jobs || old.job.purged && e != nil && !e.known) {
		e := c.entry(id)
		e.known, e.job = true, old.job
	}
	for _, row := range old.allocs {
		if row.modifyIndex > listed.allocs {
			c.entry(id).putAlloc(row)
			continue
		}
		e := c.jobs[id]
		if e == nil {
			continue
		}
		for i := range e.allocs {
			now := &e.allocs[i]
			if now.alloc.ID == row.alloc.ID && now.modifyIndex == row.modifyIndex && now.alloc.Problem == "" {
				now.alloc.Problem, now.alloc.Failing = row.alloc.Problem, row.alloc.Failing
			}
		}
	}
	for _, row := range old.blocked {
		if row.modifyIndex > listed.evals {
			e := c.entry(id)
			e.blocked = append(e.blocked, row)
		}
	}
}

// entry gives the entry to change.
func (c *cache) entry(jobID string) *entry {
	e := c.jobs[jobID]
	if e == nil {
		e = &entry{}
		c.jobs[jobID] = e
	}
	e.fresh = false
	return e
}

func (c *cache) putJob(job jobState) {
	e := c.entry(job.ID)
	if e.known && job.ModifyIndex < e.job.modifyIndex {
		return
	}
	e.known = true
	e.job = jobRow{
		mark: markOf(job.Meta), stopped: job.Stop, dead: job.Status == "dead",
		modifyIndex: job.ModifyIndex, jobModifyIndex: job.JobModifyIndex,
	}
}

func (c *cache) putAlloc(alloc allocState) {
	problem, failing := explain(alloc.TaskStates)
	c.entry(alloc.JobID).putAlloc(allocRow{
		createIndex: alloc.CreateIndex, modifyIndex: alloc.ModifyIndex,
		alloc: lab.Alloc{
			ID: alloc.ID, NodeID: alloc.NodeID, NodeName: alloc.NodeName,
			Client:        lab.AllocStatus(alloc.ClientStatus),
			WantedRunning: alloc.DesiredStatus == api.AllocDesiredStatusRun,
			Problem:       problem, Failing: failing,
			CreatedAt: time.Unix(0, alloc.CreateTime),
		},
	})
}

// putAlloc adds or replaces an allocation and drops those that matter no more.
func (e *entry) putAlloc(row allocRow) {
	for i, known := range e.allocs {
		if known.alloc.ID != row.alloc.ID {
			continue
		}
		if row.modifyIndex < known.modifyIndex {
			return
		}
		e.allocs = slices.Delete(e.allocs, i, i+1)
		break
	}
	e.allocs = append(e.allocs, row)
	slices.SortFunc(e.allocs, func(a, b allocRow) int {
		return cmp.Or(cmp.Compare(b.createIndex, a.createIndex), cmp.Compare(a.alloc.ID, b.alloc.ID))
	})
	newest := true
	e.allocs = slices.DeleteFunc(e.allocs, func(row allocRow) bool {
		drop := over(row) && !newest
		newest = false
		return drop
	})
}

// over says that an allocation certainly does not run any more.
func over(row allocRow) bool {
	return row.alloc.Client == lab.AllocComplete || row.alloc.Client == lab.AllocFailed
}

func (c *cache) putEval(eval evalState) {
	if eval.JobID == "" {
		return
	}
	if _, ok := c.jobs[eval.JobID]; !ok && eval.Status != api.EvalStatusBlocked {
		return
	}
	e := c.entry(eval.JobID)
	e.blocked = slices.DeleteFunc(e.blocked, func(row blockedRow) bool { return row.evalID == eval.ID })
	if eval.Status == api.EvalStatusBlocked {
		e.blocked = append(e.blocked, blockedRow{
			evalID: eval.ID, reason: unplaced(eval.FailedTGAllocs), modifyIndex: eval.ModifyIndex,
		})
	}
}
