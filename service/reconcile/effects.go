package reconcile

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"

	"github.com/bothylabs/bothy/service/lab"
)

// effects does what was decided. Each action begins with, or consists of, a write
// that the database refuses to a holder of the role who was replaced.
type effects struct {
	cfg   Config
	epoch int64
}

func (e effects) do(ctx context.Context, t task) error {
	switch t.action.Kind {
	case KindRegister:
		return e.register(ctx, t.item, t.action.Index)
	case KindConfirm:
		return e.confirm(ctx, t.item)
	case KindRestart:
		return e.restart(ctx, t.item, t.action.AllocID)
	case KindEvict:
		return e.evict(ctx, t.item, t.action.AllocID)
	case KindStop:
		return e.stop(ctx, t.item)
	case KindReset:
		return e.reset(ctx, t.item)
	case KindRelease:
		return e.release(ctx, t.item)
	case KindReleaseHome:
		return e.releaseHome(ctx, t.item)
	default:
		return nil
	}
}

// register submits the job as it is rendered now. What is meant is recorded before
// Nomad is asked and what became of it afterwards, so that a job that was
// submitted and never recorded is known again by its source.
func (e effects) register(ctx context.Context, item Item, index uint64) error {
	rendered, err := e.cfg.Jobs.Render(ctx, item.WorkItem)
	if err != nil {
		return fmt.Errorf("render job: %w", err)
	}
	jobID := item.Slug.JobID()
	if err := e.cfg.Secrets.EnsureWorkspaceSecret(ctx, jobID); err != nil {
		return fmt.Errorf("ensure secrets: %w", err)
	}
	if rendered.Volume != nil {
		if err := e.cfg.Nomad.EnsureHome(ctx, rendered.Volume, rendered.Job); err != nil {
			return fmt.Errorf("ensure home: %w", err)
		}
	}
	sum := sha256.Sum256(rendered.Job)
	submission := lab.Submission{
		Fingerprint:    rendered.Fingerprint,
		SourceSHA256:   hex.EncodeToString(sum[:]),
		JobModifyIndex: index,
		RestartsDone:   item.Submitted.RestartsDone,
	}
	if err := e.recordSubmission(ctx, item, submission); err != nil {
		return err
	}
	after, err := e.cfg.Nomad.Register(ctx, jobID, mark(e.cfg.Installation, item.WorkItem), rendered.Job, index)
	if err != nil {
		return e.unregistered(ctx, item, fmt.Errorf("register job: %w", err))
	}
	if after != index {
		// An equal job changes nothing: a restart that is wanted is still to come.
		submission.RestartsDone = item.RestartsWanted
		if item.Status.Phase == lab.PhaseReady { // which it is not any more
			if err := e.announce(ctx, item, lab.PhasePlacing, beingReplaced); err != nil {
				return err
			}
		}
	}
	submission.JobModifyIndex, submission.At = after, e.cfg.Now()
	return e.recordSubmission(ctx, item, submission)
}

// unregistered takes back what was meant, if Nomad certainly did not take it.
func (e effects) unregistered(ctx context.Context, item Item, cause error) error {
	switch lab.CodeOf(cause) {
	case lab.CodeInvalid, lab.CodeRefused, lab.CodeConflict, lab.CodeUnplaceable:
		if err := e.recordSubmission(ctx, item, item.Submitted); err != nil {
			return err
		}
	default:
	}
	return cause
}

// confirm settles a submission whose outcome was never recorded: the job is as
// meant if its source is. Otherwise another hand was faster, and it has drifted.
func (e effects) confirm(ctx context.Context, item Item) error {
	sum, index, err := e.cfg.Nomad.Submitted(ctx, item.Slug.JobID())
	if err != nil {
		return fmt.Errorf("read submitted source: %w", err)
	}
	submission := item.Submitted
	submission.At = e.cfg.Now()
	// A cluster that keeps no sources leaves nothing to compare: our mark has to do.
	if sum == "" || sum == submission.SourceSHA256 {
		submission.JobModifyIndex = index
	}
	return e.recordSubmission(ctx, item, submission)
}

func (e effects) restart(ctx context.Context, item Item, allocID string) error {
	if err := e.announce(ctx, item, lab.PhaseStarting, "being restarted"); err != nil {
		return err
	}
	if err := e.cfg.Secrets.EnsureWorkspaceSecret(ctx, item.Slug.JobID()); err != nil {
		return fmt.Errorf("ensure secrets: %w", err)
	}
	if allocID == "" {
		if err := e.cfg.Nomad.Reschedule(ctx, item.Slug.JobID()); err != nil {
			return fmt.Errorf("reschedule job: %w", err)
		}
	} else if err := e.cfg.Nomad.RestartAlloc(ctx, allocID); err != nil {
		return fmt.Errorf("restart allocation: %w", err)
	}
	submission := item.Submitted
	submission.RestartsDone = item.RestartsWanted
	return e.recordSubmission(ctx, item, submission)
}

// evict ends connections. Killed in between, it does so once more.
func (e effects) evict(ctx context.Context, item Item, allocID string) error {
	if err := e.announce(ctx, item, item.Status.Phase, item.Status.Reason); err != nil {
		return err
	}
	if allocID != "" {
		if err := e.cfg.Nomad.EndConnections(ctx, allocID); err != nil {
			return fmt.Errorf("end connections: %w", err)
		}
	}
	if err := e.cfg.Store.RecordEviction(ctx, e.epoch, item.ID, item.EvictionsWanted); err != nil {
		return fmt.Errorf("record eviction: %w", fenced(err))
	}
	return nil
}

func (e effects) stop(ctx context.Context, item Item) error {
	if err := e.announce(ctx, item, lab.PhaseStopping, "being stopped"); err != nil {
		return err
	}
	if err := e.cfg.Nomad.Stop(ctx, item.Slug.JobID(), mark(e.cfg.Installation, item.WorkItem)); err != nil {
		return fmt.Errorf("stop job: %w", err)
	}
	return nil
}

// reset deletes the home. Killed in between, it is done once more; only then is
// there a start that makes a new one.
func (e effects) reset(ctx context.Context, item Item) error {
	if err := e.announce(ctx, item, lab.PhaseStopping, deletingHome); err != nil {
		return err
	}
	if err := e.cfg.Nomad.DeleteHome(ctx, item.Slug.HomeVolume()); err != nil {
		return fmt.Errorf("delete home: %w", err)
	}
	if err := e.cfg.Store.RecordReset(ctx, e.epoch, item.ID, item.ResetsWanted); err != nil {
		return fmt.Errorf("record reset: %w", fenced(err))
	}
	return nil
}

// release ends the workspace once nothing of it runs.
func (e effects) release(ctx context.Context, item Item) error {
	if err := e.announce(ctx, item, lab.PhaseStopping, "what belongs to it is being released"); err != nil {
		return err
	}
	if item.ReleaseHome {
		if err := e.cfg.Nomad.DeleteHome(ctx, item.Slug.HomeVolume()); err != nil {
			return fmt.Errorf("delete home: %w", err)
		}
	}
	if err := e.cfg.Secrets.DeleteWorkspaceSecret(ctx, item.Slug.JobID()); err != nil {
		return fmt.Errorf("delete secrets: %w", err)
	}
	if err := e.cfg.Store.RecordDeleted(ctx, e.epoch, item.ID, e.cfg.Now()); err != nil {
		return fmt.Errorf("record deletion: %w", err)
	}
	return nil
}

// announce records what is about to be done, and with it that the role is still ours.
func (e effects) announce(ctx context.Context, item Item, phase lab.Phase, reason string) error {
	status := item.Status
	status.Phase, status.Reason = phase, reason
	status = since(item.Status, status, e.cfg.Now())
	if err := e.cfg.Store.RecordStatuses(ctx, e.epoch, map[string]lab.Status{item.ID: status}); err != nil {
		return fmt.Errorf("announce: %w", fenced(err))
	}
	return nil
}

func (e effects) recordSubmission(ctx context.Context, item Item, s lab.Submission) error {
	if err := e.cfg.Store.RecordSubmission(ctx, e.epoch, item.ID, s); err != nil {
		return fmt.Errorf("record submission: %w", fenced(err))
	}
	return nil
}
