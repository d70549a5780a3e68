package lab

import "time"

// Mark is what Bothy writes into a job's meta so that it knows its own again. It never changes over a job's life.
type Mark struct {
	InstallationID string
	WorkspaceID    string
}

// Observation is what Nomad and Consul say of one job. Written by the adapters, never stored.
type Observation struct {
	JobID string
	// Mark is zero for a job that Bothy did not make.
	Mark           Mark
	JobModifyIndex uint64
	// Stopped: the job is registered with the wish to stop (Nomad's Job.Stop).
	Stopped bool
	// Dead: Nomad's job status is "dead".
	Dead bool
	// Allocs are the job's allocations that still matter, newest first: those that
	// are pending, running, lost or unknown, and the newest one whatever it is.
	Allocs []Alloc
	// Blocked says why Nomad found no place ("memory exhausted on 3 nodes"); "" when nothing waits.
	Blocked string
	Health  Health
}

// Alloc is one allocation of a workspace's job.
type Alloc struct {
	ID       string
	NodeID   string
	NodeName string
	// Client is the allocation's client status.
	Client AllocStatus
	// WantedRunning: Nomad's desired status is "run".
	WantedRunning bool
	// Problem is the newest task event that explains why it does not run, or why
	// it was last interrupted, in a sentence; "" when there is none.
	Problem string
	// Failing says that a task of it has failed and is not running now.
	Failing bool
	// Behind says that nothing of it has changed since the job was last changed:
	// Nomad has yet to replace it.
	Behind    bool
	CreatedAt time.Time
}

// AllocStatus is Nomad's client status of an allocation. Written by the Nomad adapter.
type AllocStatus string

// Nomad's client statuses (api.AllocClientStatus…).
const (
	AllocPending  AllocStatus = "pending"
	AllocRunning  AllocStatus = "running"
	AllocComplete AllocStatus = "complete"
	AllocFailed   AllocStatus = "failed"
	AllocLost     AllocStatus = "lost"
	AllocUnknown  AllocStatus = "unknown" // its node is disconnected
)

// Health is the state of a workspace's Consul checks, all taken together. Written by the Consul adapter.
type Health string

// The states; HealthUnread means that Consul could not be asked.
const (
	HealthUnread   Health = ""
	HealthAbsent   Health = "absent" // no such service in Consul
	HealthPassing  Health = "passing"
	HealthCritical Health = "critical" // a check is critical or only warning
)

// Snapshot is everything that is observed, at one moment.
type Snapshot struct {
	// Unreadable says why the listing can't be trusted: it failed, or is partial or
	// stale. While it is set, Jobs means nothing, and nothing may be decided from it.
	Unreadable string
	// Jobs are all jobs of the namespace by job id.
	Jobs map[string]Observation
	At   time.Time
}
