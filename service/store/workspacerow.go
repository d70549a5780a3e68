package store

import (
	"time"

	"github.com/bothylabs/bothy/service/lab"
)

const workspaceColumns = `w.id, w.class_id, w.student_id, w.slug, w.desired, w.restarts_wanted, w.resets_wanted, w.release_home,
	w.fingerprint, w.source_sha256, w.job_modify_index, w.restarts_done, w.submitted_at, w.resets_done,
	w.evictions_wanted, w.evict_after, w.evictions_done,
	w.phase, w.reason, w.drifted, w.outdated, w.alloc_id, w.node_name, w.phase_since,
	w.revision, w.created_at, w.updated_at, w.deleted_at`

type workspaceRow struct {
	ID             string `db:"id"`
	ClassID        string `db:"class_id"`
	StudentID      string `db:"student_id"`
	Slug           string `db:"slug"`
	Desired        string `db:"desired"`
	RestartsWanted int64  `db:"restarts_wanted"`
	ResetsWanted   int64  `db:"resets_wanted"`
	ReleaseHome    bool   `db:"release_home"`
	submissionRow
	ResetsDone      int64 `db:"resets_done"`
	EvictionsWanted int64 `db:"evictions_wanted"`
	EvictAfter      stamp `db:"evict_after"`
	EvictionsDone   int64 `db:"evictions_done"`
	statusRow
	Revision  int64 `db:"revision"`
	CreatedAt stamp `db:"created_at"`
	UpdatedAt stamp `db:"updated_at"`
	DeletedAt stamp `db:"deleted_at"`
}

type submissionRow struct {
	Fingerprint    string `db:"fingerprint"`
	SourceSHA256   string `db:"source_sha256"`
	JobModifyIndex int64  `db:"job_modify_index"`
	RestartsDone   int64  `db:"restarts_done"`
	SubmittedAt    stamp  `db:"submitted_at"`
}

type statusRow struct {
	Phase      string `db:"phase"`
	Reason     string `db:"reason"`
	Drifted    bool   `db:"drifted"`
	Outdated   bool   `db:"outdated"`
	AllocID    string `db:"alloc_id"`
	NodeName   string `db:"node_name"`
	PhaseSince stamp  `db:"phase_since"`
}

func (r workspaceRow) workspace() lab.Workspace {
	return lab.Workspace{
		ID: r.ID, ClassID: r.ClassID, StudentID: r.StudentID, Slug: lab.Slug(r.Slug),
		Desired: lab.Desired(r.Desired), RestartsWanted: r.RestartsWanted, ResetsWanted: r.ResetsWanted, ReleaseHome: r.ReleaseHome,
		EvictionsWanted: r.EvictionsWanted, EvictAfter: time.Time(r.EvictAfter), EvictionsDone: r.EvictionsDone,
		Submitted: r.submission(), ResetsDone: r.ResetsDone, Status: r.status(), Revision: r.Revision,
		CreatedAt: time.Time(r.CreatedAt), UpdatedAt: time.Time(r.UpdatedAt), DeletedAt: r.DeletedAt.pointer(),
	}
}

func (r submissionRow) submission() lab.Submission {
	return lab.Submission{
		Fingerprint: r.Fingerprint, SourceSHA256: r.SourceSHA256,
		JobModifyIndex: uint64(r.JobModifyIndex), //nolint:gosec // G115: it was stored from a uint64
		RestartsDone:   r.RestartsDone, At: time.Time(r.SubmittedAt),
	}
}

func (r statusRow) status() lab.Status {
	return lab.Status{
		Phase: lab.Phase(r.Phase), Reason: r.Reason, Drifted: r.Drifted, Outdated: r.Outdated,
		AllocID: r.AllocID, NodeName: r.NodeName, Since: time.Time(r.PhaseSince),
	}
}

func rowOfSubmission(s lab.Submission) submissionRow {
	return submissionRow{
		Fingerprint: s.Fingerprint, SourceSHA256: s.SourceSHA256,
		JobModifyIndex: int64(s.JobModifyIndex), //nolint:gosec // G115: a Raft index stays far below 2^63
		RestartsDone:   s.RestartsDone, SubmittedAt: stamp(s.At),
	}
}

func rowOfStatus(s lab.Status) statusRow {
	return statusRow{
		Phase: string(s.Phase), Reason: s.Reason, Drifted: s.Drifted, Outdated: s.Outdated,
		AllocID: s.AllocID, NodeName: s.NodeName, PhaseSince: stamp(s.Since),
	}
}

func rowOfWorkspace(w lab.Workspace) workspaceRow {
	return workspaceRow{
		ID: w.ID, ClassID: w.ClassID, StudentID: w.StudentID, Slug: string(w.Slug),
		Desired: string(w.Desired), RestartsWanted: w.RestartsWanted, ResetsWanted: w.ResetsWanted, ReleaseHome: w.ReleaseHome,
		submissionRow: rowOfSubmission(w.Submitted), ResetsDone: w.ResetsDone,
		EvictionsWanted: w.EvictionsWanted, EvictAfter: stamp(w.EvictAfter), EvictionsDone: w.EvictionsDone, statusRow: rowOfStatus(w.Status),
		CreatedAt: stamp(w.CreatedAt), UpdatedAt: stamp(w.UpdatedAt), DeletedAt: stampOf(w.DeletedAt),
	}
}
