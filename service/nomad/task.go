package nomad

import (
	"cmp"
	"context"
	"fmt"
	"net/http"
	"slices"
	"strings"

	"github.com/hashicorp/nomad/api"

	"github.com/bothylabs/bothy/service/lab"
)

// homeVolume is what the contract of templates calls the home in a job file.
const homeVolume = "home"

// jobView is a job and its allocations at one moment.
type jobView struct {
	// newest is the allocation that was made last, nil when there is none.
	newest *api.AllocationListStub
	// stopped: nobody wants the job running.
	stopped bool
	// index is the one to wait at for the next change of the allocations.
	index uint64
}

// view reads a job of ours and its allocations; with an index it waits until the
// allocations have changed since, or wait has passed. CodeConflict when there is
// no such job, or when it is not ours.
func (c *Client) view(ctx context.Context, jobID string, mark lab.Mark, wait *api.QueryOptions) (jobView, error) {
	q, err := c.query(ctx)
	if err != nil {
		return jobView{}, err
	}
	if wait != nil {
		q.WaitIndex, q.WaitTime = wait.WaitIndex, wait.WaitTime
	}
	stubs, meta, err := c.api.Jobs().Allocations(jobID, true, q)
	if err != nil && statusOf(err) != http.StatusNotFound {
		return jobView{}, c.failed(err, c.needs("read-job"))
	}
	if q, err = c.query(ctx); err != nil {
		return jobView{}, err
	}
	job, _, err := c.api.Jobs().Info(jobID, q)
	if statusOf(err) == http.StatusNotFound {
		return jobView{}, neverRan(jobID)
	}
	if err != nil {
		return jobView{}, c.failed(err, c.needs("read-job"))
	}
	if markOf(job.Meta) != mark {
		return jobView{}, lab.Errorf(lab.CodeConflict, "job %q is not this workspace's: it is left alone", jobID)
	}
	v := jobView{stopped: value(job.Stop)}
	if meta != nil {
		v.index = meta.LastIndex
	}
	if len(stubs) > 0 {
		v.newest = slices.MaxFunc(stubs, func(a, b *api.AllocationListStub) int { return cmp.Compare(a.CreateIndex, b.CreateIndex) })
	}
	return v, nil
}

func neverRan(jobID string) error {
	return lab.Errorf(lab.CodeConflict, "Nomad has no allocation of job %q: it never ran, or that is so long ago that it is forgotten", jobID).
		WithHint("start the workspace")
}

// tasksOf gives the tasks of an allocation.
func (c *Client) tasksOf(ctx context.Context, allocID string) ([]*api.Task, error) {
	q, err := c.query(ctx)
	if err != nil {
		return nil, err
	}
	alloc, _, err := c.api.Allocations().Info(allocID, q)
	if err != nil {
		return nil, c.failed(err, c.needs("read-job"))
	}
	return tasksIn(alloc), nil
}

func tasksIn(alloc *api.Allocation) []*api.Task {
	if alloc.Job == nil {
		return nil
	}
	group := alloc.Job.LookupTaskGroup(alloc.TaskGroup)
	if group == nil {
		return nil
	}
	return group.Tasks
}

// chooseTask finds a task by its name; lab.MainTask is the one that mounts the home.
func chooseTask(tasks []*api.Task, name string) (string, error) {
	var names []string
	for _, t := range tasks {
		if t.Name == name {
			return name, nil
		}
		names = append(names, t.Name)
	}
	if main := slices.IndexFunc(tasks, hasHome); name == lab.MainTask && main >= 0 {
		return tasks[main].Name, nil
	}
	return "", lab.Invalid("the workspace has no such task", lab.Field{
		Name: "task", Problem: "the workspace has no task of that name", Remedy: "use " + strings.Join(append(names, lab.MainTask), ", "),
	})
}

// chooseExecTask finds the task that commands may run in: one that mounts the home, by
// its name or as lab.MainTask. All other tasks are the workspace's own workings, which
// its student must not reach: who runs commands in NGINX can take its place, and
// answer for the workspace without the door. CodeForbidden for such a task,
// CodeInvalid for one that there is not.
func chooseExecTask(tasks []*api.Task, name string) (string, error) {
	main := slices.IndexFunc(tasks, hasHome)
	if main < 0 {
		return "", lab.Errorf(lab.CodeConflict, "no task of the workspace's job mounts the home: no command can be run in it")
	}
	named := slices.IndexFunc(tasks, func(t *api.Task) bool { return t.Name == name })
	switch {
	case named >= 0 && hasHome(tasks[named]):
		return name, nil
	case name == lab.MainTask:
		return tasks[main].Name, nil
	case named >= 0:
		return "", lab.Errorf(lab.CodeForbidden, "nobody may run commands in the task %q through Bothy: it does not have the student's home", name).
			WithHint("use the task %q, which is also the one where none is named; who operates the cluster has `nomad alloc exec`", tasks[main].Name)
	}
	return "", lab.Invalid("the workspace has no such task", lab.Field{
		Name: "task", Problem: "the workspace has no task of that name", Remedy: fmt.Sprintf("use %q, or leave it out", tasks[main].Name),
	})
}

func hasHome(t *api.Task) bool {
	return slices.ContainsFunc(t.VolumeMounts, func(m *api.VolumeMount) bool { return value(m.Volume) == homeVolume })
}

// ended tells whether an allocation will write nothing more.
func ended(a *api.AllocationListStub) bool {
	switch a.ClientStatus {
	case api.AllocClientStatusComplete, api.AllocClientStatusFailed, api.AllocClientStatusLost:
		return true
	default:
		return false
	}
}

// started tells whether a task of an allocation has begun, and so has a log.
func started(a *api.AllocationListStub, task string) bool {
	state := a.TaskStates[task]
	return state != nil && !state.StartedAt.IsZero()
}
