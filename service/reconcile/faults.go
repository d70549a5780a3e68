package reconcile

import (
	"errors"
	"time"

	"github.com/cenkalti/backoff/v5"

	"github.com/bothylabs/bothy/service/lab"
)

const (
	firstRetry = time.Second
	lastRetry  = 2 * time.Minute
)

// wish is what a workspace's action was tried for. A person who changes it does
// not wait for the next try.
type wish struct {
	desired     lab.Desired
	restarts    int64
	resets      int64
	fingerprint string
}

func wishOf(item Item) wish {
	return wish{desired: item.Desired, restarts: item.RestartsWanted, resets: item.ResetsWanted, fingerprint: item.Fingerprint}
}

// fault is a workspace whose last action failed.
type fault struct {
	wish    wish
	backoff *backoff.ExponentialBackOff
	until   time.Time
	code    lab.Code
	// reason is for people; "" when there is nothing to tell them.
	reason string
}

// faults remembers which workspaces' actions failed and when to try again. It is
// memory only: after a restart everything is tried at once.
type faults struct {
	jitter float64
	byJob  map[string]*fault
}

func newFaults(jitter float64) *faults {
	return &faults{jitter: jitter, byJob: map[string]*fault{}}
}

// failed puts the next try off, for longer each time.
func (f *faults) failed(jobID string, w wish, err error, now time.Time) {
	entry := f.byJob[jobID]
	if entry == nil || entry.wish != w {
		b := backoff.NewExponentialBackOff()
		b.InitialInterval, b.MaxInterval, b.Multiplier, b.RandomizationFactor = firstRetry, lastRetry, 2, f.jitter
		entry = &fault{wish: w, backoff: b}
		f.byJob[jobID] = entry
	}
	entry.until = now.Add(entry.backoff.NextBackOff())
	entry.code, entry.reason = lab.CodeOf(err), reasonOf(err)
}

func (f *faults) succeeded(jobID string) { delete(f.byJob, jobID) }

// of gives the fault that stands in the way of this item, nil when there is none.
// One that was met while something else was wished for is forgotten.
func (f *faults) of(item Item) *fault {
	entry := f.byJob[item.Slug.JobID()]
	if entry != nil && entry.wish != wishOf(item) {
		delete(f.byJob, item.Slug.JobID())
		return nil
	}
	return entry
}

// retain forgets the faults of all jobs but these.
func (f *faults) retain(jobs map[string]Item) {
	for id := range f.byJob {
		if _, ok := jobs[id]; !ok {
			delete(f.byJob, id)
		}
	}
}

// next is when the earliest try is due; false when nothing has failed. What is
// overdue already waits for something else than time.
func (f *faults) next(now time.Time) (time.Time, bool) {
	var earliest time.Time
	for _, entry := range f.byJob {
		if entry.until.After(now) && (earliest.IsZero() || entry.until.Before(earliest)) {
			earliest = entry.until
		}
	}
	return earliest, !earliest.IsZero()
}

// reasonOf is the part of an error that people may see.
func reasonOf(err error) string {
	var coded *lab.Error
	switch {
	case !errors.As(err, &coded) || coded.Code == lab.CodeInternal:
		return "an internal fault, which the server's log describes"
	case coded.Code == lab.CodeConflict:
		return "" // something changed meanwhile: the next pass sees it
	}
	text := coded.Message
	for _, field := range coded.Fields {
		text += ": " + field.String()
	}
	if coded.Hint != "" {
		text += " (" + coded.Hint + ")"
	}
	return text
}

// withFault says in a status that the action for it keeps failing.
func withFault(status lab.Status, f *fault) lab.Status {
	if f == nil || f.reason == "" {
		return status
	}
	if status.Phase == lab.PhaseQueued && f.code != lab.CodeUnavailable {
		status.Phase = lab.PhaseFailed
	}
	status.Reason = f.reason
	return status
}
