package reconcile

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/bothylabs/bothy/service/lab"
)

// errKilled is what a call gives when the process is killed at it.
var errKilled = errors.New("killed")

// world is a Nomad, a Consul, a Vault and a database, all simulated: what outlives
// a killed process. It keeps Nomad's rules of check-and-set.
type world struct {
	mu    sync.Mutex
	now   func() time.Time
	epoch int64
	index uint64
	items map[string]*lab.WorkItem
	jobs  map[string]*simJob
	homes map[string]int
	// made counts how often a home was made, deletedInUse those that were deleted
	// while something of theirs could run.
	made         map[string]int
	deletedInUse []string
	secrets      map[string]bool
	// version is what the templates render now.
	version string
	// unreadable and unread are set while Nomad or Consul is away.
	unreadable, unread string
	// refuse gives the error that an operation ("register", "home", …) meets.
	refuse func(op, jobID string) error
	// killAt is how many more calls go through; the one after has its effect or not
	// (killAfterEffect) and gives errKilled, as do all later ones. -1 for never.
	killAt          int
	killAfterEffect bool
	// owed is how often a workspace had been started when its last restart was asked for.
	owed map[string]int
	// owedHomes is how often a home had been made when its last reset was asked for.
	owedHomes map[string]int
	// kept are the homes that outlived their workspaces, released what is recorded of their end.
	kept     []lab.KeptHome
	released []lab.Audit
	// calls counts what was done, by operation.
	calls map[string]int
	// under way, and the most that ever were.
	busy, busiest int
	// gate holds every change back while it is not nil and open.
	gate chan struct{}

	nomadChanged, healthChanged chan struct{}
}

type simJob struct {
	mark    lab.Mark
	source  string
	index   uint64
	stopped bool
	allocs  []lab.Alloc
	// starts counts how often its tasks were started or restarted.
	starts int
}

func newWorld() *world {
	return &world{
		now: time.Now, index: 100, version: "v1", killAt: -1,
		items: map[string]*lab.WorkItem{}, jobs: map[string]*simJob{},
		homes: map[string]int{}, made: map[string]int{}, secrets: map[string]bool{}, calls: map[string]int{}, owed: map[string]int{}, owedHomes: map[string]int{},
		nomadChanged: make(chan struct{}, 1), healthChanged: make(chan struct{}, 1),
	}
}

// add makes workspaces with this wish.
func (w *world) add(n int, desired lab.Desired) {
	for range n {
		i := len(w.items) + 1
		item := &lab.WorkItem{
			Workspace: lab.Workspace{
				ID: fmt.Sprintf("w%d", i), Slug: lab.Slug(fmt.Sprintf("f26-py-s%d", i)), Desired: desired,
				Status: lab.Status{Phase: lab.PhaseStopped},
			},
			CohortKey: "f26", CourseKey: "py", Template: "code-server",
		}
		w.items[item.ID] = item
	}
}

// wish changes what is wanted of all workspaces.
func (w *world) wish(desired lab.Desired) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, item := range w.items {
		item.Desired = desired
	}
}

// step lets Nomad and its clients do what they would in time.
func (w *world) step() {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, job := range w.jobs {
		for i := range job.allocs {
			switch a := &job.allocs[i]; {
			case a.Client == lab.AllocPending && a.WantedRunning:
				a.Client = lab.AllocRunning
			case (a.Client == lab.AllocRunning || a.Client == lab.AllocPending) && !a.WantedRunning:
				a.Client = lab.AllocComplete
			}
		}
	}
	signal(w.nomadChanged)
}

func signal(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}

// call counts an operation, kills where that is due, and has the effect.
func (w *world) call(op, jobID string, effect func() error) error {
	w.mu.Lock()
	gate := w.gate
	w.busy++
	w.busiest = max(w.busiest, w.busy)
	w.mu.Unlock()
	if gate != nil {
		<-gate
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.busy--
	if w.killAt == 0 && !w.killAfterEffect {
		return errKilled
	}
	if w.refuse != nil {
		if err := w.refuse(op, jobID); err != nil {
			return err
		}
	}
	w.calls[op]++
	err := effect()
	if w.killAt == 0 {
		w.killAfterEffect = false
		return errKilled
	}
	if w.killAt > 0 {
		w.killAt--
	}
	return err
}

// ---- the database ----

func (w *world) ClaimEpoch(context.Context) (int64, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.epoch++
	return w.epoch, nil
}

func (w *world) ReconcileList(context.Context) ([]lab.WorkItem, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.killAt == 0 && !w.killAfterEffect {
		return nil, errKilled
	}
	items := make([]lab.WorkItem, 0, len(w.items))
	for _, id := range slices.Sorted(maps.Keys(w.items)) {
		if item := w.items[id]; item.DeletedAt == nil {
			items = append(items, *item)
		}
	}
	return items, nil
}

func (w *world) held(epoch int64) error {
	if epoch != w.epoch {
		return lab.Errorf(lab.CodeConflict, "epoch %d is over", epoch)
	}
	return nil
}

func (w *world) RecordSubmission(_ context.Context, epoch int64, id string, s lab.Submission) error {
	return w.call("record submission", w.items[id].Slug.JobID(), func() error {
		if err := w.held(epoch); err != nil {
			return err
		}
		w.items[id].Submitted = s
		return nil
	})
}

func (w *world) RecordReset(_ context.Context, epoch int64, id string, resets int64) error {
	return w.call("record reset", w.items[id].Slug.JobID(), func() error {
		if err := w.held(epoch); err != nil {
			return err
		}
		w.items[id].ResetsDone = resets
		return nil
	})
}

func (w *world) RecordEviction(_ context.Context, epoch int64, id string, evictions int64) error {
	return w.call("record eviction", w.items[id].Slug.JobID(), func() error {
		if err := w.held(epoch); err != nil {
			return err
		}
		w.items[id].EvictionsDone = evictions
		return nil
	})
}

func (w *world) RecordStatuses(_ context.Context, epoch int64, statuses map[string]lab.Status) error {
	return w.call("record statuses", "", func() error {
		if err := w.held(epoch); err != nil {
			return err
		}
		for id, status := range statuses {
			w.items[id].Status = status
		}
		return nil
	})
}

func (w *world) RecordDeleted(_ context.Context, epoch int64, id string, at time.Time) error {
	return w.call("record deleted", w.items[id].Slug.JobID(), func() error {
		if err := w.held(epoch); err != nil {
			return err
		}
		w.items[id].DeletedAt = &at
		return nil
	})
}

func (w *world) DueHomes(_ context.Context, before time.Time) ([]lab.KeptHome, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	var due []lab.KeptHome
	for _, home := range w.kept {
		if home.Since.Before(before) {
			due = append(due, home)
		}
	}
	return due, nil
}

func (w *world) AnnounceHomeRelease(_ context.Context, epoch int64, slug lab.Slug, _ time.Time) error {
	return w.call("announce release", slug.JobID(), func() error { return w.held(epoch) })
}

func (w *world) RecordHomeReleased(_ context.Context, epoch int64, slug lab.Slug, audit lab.Audit) error {
	return w.call("record home released", slug.JobID(), func() error {
		if err := w.held(epoch); err != nil {
			return err
		}
		w.kept = slices.DeleteFunc(w.kept, func(home lab.KeptHome) bool { return home.Slug == slug })
		w.released = append(w.released, audit)
		return nil
	})
}

// ---- Nomad ----

func (w *world) Snapshot() lab.Snapshot {
	w.mu.Lock()
	defer w.mu.Unlock()
	snap := lab.Snapshot{Unreadable: w.unreadable, Jobs: map[string]lab.Observation{}, At: w.now()}
	if w.unreadable != "" {
		return snap
	}
	for id, job := range w.jobs {
		snap.Jobs[id] = lab.Observation{
			JobID: id, Mark: job.mark, JobModifyIndex: job.index, Stopped: job.stopped, Allocs: slices.Clone(job.allocs),
		}
	}
	return snap
}

func (w *world) Changed() <-chan struct{} { return w.nomadChanged }

func (w *world) EnsureHome(_ context.Context, volume, _ []byte) error {
	return w.call("home", string(volume), func() error {
		if w.homes[string(volume)] == 0 {
			w.homes[string(volume)]++
			w.made[string(volume)]++
		}
		return nil
	})
}

func (w *world) DeleteHome(_ context.Context, name string) error {
	return w.call("delete home", name, func() error {
		for id, job := range w.jobs {
			for _, a := range job.allocs {
				if "home-"+strings.TrimPrefix(id, "bothy-") == name && job.mark.InstallationID == here &&
					(a.Client == lab.AllocRunning || a.Client == lab.AllocPending) {
					w.deletedInUse = append(w.deletedInUse, name)
				}
			}
		}
		delete(w.homes, name)
		return nil
	})
}

func (w *world) Register(_ context.Context, jobID string, mark lab.Mark, source []byte, index uint64) (uint64, error) {
	var after uint64
	err := w.call("register", jobID, func() error {
		existing := w.jobs[jobID]
		switch {
		case existing == nil && index != 0, existing != nil && existing.index != index:
			return lab.Errorf(lab.CodeConflict, "the job was changed by another hand at the same time")
		case existing != nil && equal(existing.source, string(source)) && !existing.stopped:
			after = existing.index
			return nil
		}
		w.index++
		job := &simJob{mark: mark, source: string(source), index: w.index}
		job.starts = 1
		if existing != nil {
			job.allocs, job.starts = existing.allocs, existing.starts+1
			for i := range job.allocs {
				job.allocs[i].WantedRunning = false
			}
		}
		job.allocs = append([]lab.Alloc{{
			ID: fmt.Sprintf("a%d", w.index), NodeName: "n1", Client: lab.AllocPending, WantedRunning: true, CreatedAt: w.now(),
		}}, job.allocs...)
		w.jobs[jobID] = job
		after = w.index
		return nil
	})
	return after, err
}

// equal says whether two sources are the same job to Nomad.
func equal(a, b string) bool {
	return strings.ReplaceAll(a, "v3", "v2") == strings.ReplaceAll(b, "v3", "v2")
}

func (w *world) Submitted(_ context.Context, jobID string) (string, uint64, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	job := w.jobs[jobID]
	if job == nil {
		return "", 0, lab.NotFound("job", jobID)
	}
	if job.source == "" {
		return "", job.index, nil
	}
	sum := sha256.Sum256([]byte(job.source))
	return hex.EncodeToString(sum[:]), job.index, nil
}

func (w *world) Stop(_ context.Context, jobID string, mark lab.Mark) error {
	return w.call("stop", jobID, func() error {
		job := w.jobs[jobID]
		switch {
		case job == nil || job.stopped:
			return nil
		case job.mark != mark:
			return lab.Errorf(lab.CodeConflict, "not ours")
		}
		w.index++
		job.index, job.stopped = w.index, true
		for i := range job.allocs {
			job.allocs[i].WantedRunning = false
		}
		return nil
	})
}

func (w *world) RestartAlloc(_ context.Context, allocID string) error {
	return w.call("restart", allocID, func() error {
		for _, job := range w.jobs {
			if job.allocs[0].ID == allocID {
				job.starts++
			}
		}
		return nil
	})
}

func (w *world) EndConnections(_ context.Context, allocID string) error {
	return w.call("end connections", allocID, func() error { return nil })
}

func (w *world) Reschedule(_ context.Context, jobID string) error {
	return w.call("reschedule", jobID, func() error {
		w.jobs[jobID].starts++
		return nil
	})
}

// ---- Vault ----

func (w *world) EnsureWorkspaceSecret(_ context.Context, jobID string) error {
	return w.call("secret", jobID, func() error {
		w.secrets[jobID] = true
		return nil
	})
}

func (w *world) DeleteWorkspaceSecret(_ context.Context, jobID string) error {
	return w.call("delete secret", jobID, func() error {
		delete(w.secrets, jobID)
		return nil
	})
}

// ---- the templates ----

func (w *world) Fingerprint(context.Context, lab.WorkItem) (string, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.version, nil
}

func (w *world) Render(_ context.Context, item lab.WorkItem) (Rendered, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return Rendered{
		// v2 and v3 differ in what Nomad does not care about.
		Job: []byte(item.Slug.JobID() + " " + w.version), Volume: []byte(item.Slug.HomeVolume()), Fingerprint: w.version,
	}, nil
}

// ---- Consul ----

// consul is the world's Consul: a service passes while its job's newest allocation runs.
type consul struct{ *world }

func (c consul) Services() (map[string]lab.Health, string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	services := map[string]lab.Health{}
	if c.unread != "" {
		return services, c.unread
	}
	for _, item := range c.items {
		if job := c.jobs[item.Slug.JobID()]; job != nil && job.allocs[0].Client == lab.AllocRunning {
			services[item.Slug.String()] = lab.HealthPassing
		}
	}
	return services, ""
}

func (c consul) Changed() <-chan struct{} { return c.healthChanged }
