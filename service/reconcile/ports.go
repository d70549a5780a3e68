package reconcile

import (
	"context"
	"time"

	"github.com/bothylabs/bothy/service/lab"
)

// Store is what the loop needs of the database. A write with an epoch that
// another holder has taken over is refused with CodeConflict.
type Store interface {
	ClaimEpoch(ctx context.Context) (int64, error)
	// ReconcileList gives every workspace that is not yet released.
	ReconcileList(ctx context.Context) ([]lab.WorkItem, error)
	RecordSubmission(ctx context.Context, epoch int64, workspaceID string, s lab.Submission) error
	// RecordReset writes for which of the resets that are wanted the home was deleted.
	RecordReset(ctx context.Context, epoch int64, workspaceID string, resets int64) error
	// RecordEviction writes for which of the evictions that are wanted connections were ended.
	RecordEviction(ctx context.Context, epoch int64, workspaceID string, evictions int64) error
	// RecordStatuses writes statuses by workspace id.
	RecordStatuses(ctx context.Context, epoch int64, statuses map[string]lab.Status) error
	RecordDeleted(ctx context.Context, epoch int64, workspaceID string, at time.Time) error
	// DueHomes gives homes that were kept before a moment or are not wanted any longer.
	DueHomes(ctx context.Context, before time.Time) ([]lab.KeptHome, error)
	AnnounceHomeRelease(ctx context.Context, epoch int64, slug lab.Slug, at time.Time) error
	RecordHomeReleased(ctx context.Context, epoch int64, slug lab.Slug, audit lab.Audit) error
}

// Nomad is what the loop needs of the cluster. What the methods change is in the
// next Snapshot: nobody has to wait for an event to see their own write.
type Nomad interface {
	// Snapshot costs no request. Its map is the caller's.
	Snapshot() lab.Snapshot
	// Changed receives after something changed that a snapshot shows.
	Changed() <-chan struct{}
	// EnsureHome makes the volume of a rendered volume file where the rendered job
	// can run, unless a volume of this name exists.
	EnsureHome(ctx context.Context, volume, job []byte) error
	// DeleteHome deletes the volume of this name; no error when there is none.
	DeleteHome(ctx context.Context, name string) error
	// Register submits a job file if the job's modify index is still the one given,
	// 0 for a job that must not exist, and gives the index afterwards.
	// CodeConflict when the index is another.
	Register(ctx context.Context, jobID string, mark lab.Mark, source []byte, index uint64) (uint64, error)
	// Submitted gives the SHA-256 (hex) of the source that the job's current
	// version was submitted with, "" where Nomad keeps none, and its modify index.
	Submitted(ctx context.Context, jobID string) (sha256 string, index uint64, err error)
	// Stop stops the job if it bears the mark; no error when it is gone or stopped.
	Stop(ctx context.Context, jobID string, mark lab.Mark) error
	// RestartAlloc restarts the tasks of an allocation in place.
	RestartAlloc(ctx context.Context, allocID string) error
	// EndConnections has the proxy of an allocation end its open connections; it goes
	// on with new ones.
	EndConnections(ctx context.Context, allocID string) error
	// Reschedule has Nomad place the job's failed allocations again, now.
	Reschedule(ctx context.Context, jobID string) error
}

// Health is what the loop needs of Consul.
type Health interface {
	// Services gives the health of the workspaces' services by name. Where unread is
	// not "", it says why the map is not whole: what it lacks is then not known.
	Services() (services map[string]lab.Health, unread string)
	// Changed receives after something changed that Services shows.
	Changed() <-chan struct{}
}

// Secrets is what the loop needs of Vault. Both methods can be called again at any time.
type Secrets interface {
	EnsureWorkspaceSecret(ctx context.Context, jobID string) error
	DeleteWorkspaceSecret(ctx context.Context, jobID string) error
}

// Jobs says what a workspace's job is made of. Both methods may have to read the
// template: CodeUnavailable when it can't be read now, which says nothing about it.
type Jobs interface {
	// Fingerprint identifies what Render would give, without rendering. It is the
	// same for all workspaces of a class.
	Fingerprint(ctx context.Context, item lab.WorkItem) (string, error)
	Render(ctx context.Context, item lab.WorkItem) (Rendered, error)
}

// Rendered is a workspace's job as files, complete and without a secret.
type Rendered struct {
	Job []byte
	// Volume is the file of the home; nil for a job without one.
	Volume []byte
	// Fingerprint is of exactly these files.
	Fingerprint string
}
