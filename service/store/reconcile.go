package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/bothylabs/bothy/service/lab"
)

const updateStatus = `UPDATE workspaces SET phase = seen.column2, reason = seen.column3, drifted = seen.column4,
		outdated = seen.column5, alloc_id = seen.column6, node_name = seen.column7, phase_since = seen.column8,
		updated_at = seen.column9, revision = revision + 1
	FROM $rows AS seen WHERE workspaces.id = seen.column1 AND workspaces.deleted_at IS NULL`

// ClaimEpoch takes over the reconciler's role: what holders of an older epoch
// record from now on is refused with CodeConflict.
func (s *Store) ClaimEpoch(ctx context.Context) (int64, error) {
	var epoch int64
	err := s.update(ctx, "claim the reconciler's role", func(tx session) error {
		if _, err := tx.exec(ctx, `UPDATE reconciler SET epoch = epoch + 1`); err != nil {
			return err
		}
		return tx.get(ctx, &epoch, `SELECT epoch FROM reconciler`)
	})
	return epoch, err
}

// ReconcileList gives all workspaces that are not yet released, in the order of their ids.
func (s *Store) ReconcileList(ctx context.Context) ([]lab.WorkItem, error) {
	type itemRow struct {
		workspaceRow
		CohortKey       string `db:"cohort_key"`
		CourseKey       string `db:"course_key"`
		Template        string `db:"template"`
		TemplateVersion int64  `db:"template_version"`
		parametersText
		Awaited bool `db:"awaited"`
	}
	var rows []itemRow
	err := s.reader().list(ctx, &rows, `SELECT `+workspaceColumns+`, h.key AS cohort_key, k.key AS course_key, k.template, k.template_version,
			k.parameters AS course_parameters, c.parameters AS class_parameters,
			EXISTS (SELECT 1 FROM operation_items i WHERE i.workspace_id = w.id AND i.unsettled) AS awaited
		FROM workspaces w
		JOIN classes c ON c.id = w.class_id
		JOIN cohorts h ON h.id = c.cohort_id
		JOIN courses k ON k.id = c.course_id
		WHERE w.deleted_at IS NULL ORDER BY w.id`)
	if err != nil {
		return nil, s.failed(ctx, "list workspaces to reconcile", err)
	}
	merged := make(map[parametersText]map[string]any) // thousands of rows share a class
	items := make([]lab.WorkItem, 0, len(rows))
	for _, row := range rows {
		values, known := merged[row.parametersText]
		if !known {
			if values, err = row.merge(); err != nil {
				return nil, fmt.Errorf("parameters of class %s/%s: %w", row.CohortKey, row.CourseKey, err)
			}
			merged[row.parametersText] = values
		}
		items = append(items, lab.WorkItem{
			Workspace: row.workspace(), CohortKey: row.CohortKey, CourseKey: row.CourseKey,
			Template: row.Template, TemplateVersion: row.TemplateVersion, Parameters: values, Awaited: row.Awaited,
		})
	}
	return items, nil
}

// parametersText is a course's parameters and its class's as they are stored.
type parametersText struct {
	Course string `db:"course_parameters"`
	Class  string `db:"class_parameters"`
}

func (p parametersText) merge() (map[string]any, error) {
	var course, class document
	if err := course.Scan(p.Course); err != nil {
		return nil, err
	}
	if err := class.Scan(p.Class); err != nil {
		return nil, err
	}
	return lab.MergeParameters(course, class), nil
}

// RecordSubmission writes what was just handed to Nomad for a workspace.
func (s *Store) RecordSubmission(ctx context.Context, epoch int64, workspaceID string, submission lab.Submission) error {
	return s.update(ctx, "record a submission", func(tx session) error {
		if err := hold(ctx, tx, epoch); err != nil {
			return err
		}
		row := rowOfSubmission(submission)
		n, err := tx.exec(ctx, `UPDATE workspaces SET fingerprint = ?, source_sha256 = ?, job_modify_index = ?,
				restarts_done = ?, submitted_at = ?, updated_at = ?, revision = revision + 1 WHERE id = ?`,
			row.Fingerprint, row.SourceSHA256, row.JobModifyIndex, row.RestartsDone, row.SubmittedAt, stamp(s.now()), workspaceID)
		if err == nil && n == 0 {
			return lab.NotFound("workspace", workspaceID)
		}
		return err
	})
}

// RecordReset writes for which of the resets that are wanted of a workspace its
// home was deleted.
func (s *Store) RecordReset(ctx context.Context, epoch int64, workspaceID string, resets int64) error {
	return s.update(ctx, "record a reset", func(tx session) error {
		if err := hold(ctx, tx, epoch); err != nil {
			return err
		}
		n, err := tx.exec(ctx, `UPDATE workspaces SET resets_done = ?, updated_at = ?, revision = revision + 1 WHERE id = ?`, resets, stamp(s.now()), workspaceID)
		if err == nil && n == 0 {
			return lab.NotFound("workspace", workspaceID)
		}
		return err
	})
}

// RecordEviction writes for which of the evictions that are wanted of a workspace
// its open connections were ended.
func (s *Store) RecordEviction(ctx context.Context, epoch int64, workspaceID string, evictions int64) error {
	return s.update(ctx, "record an eviction", func(tx session) error {
		if err := hold(ctx, tx, epoch); err != nil {
			return err
		}
		n, err := tx.exec(ctx, `UPDATE workspaces SET evictions_done = ?, updated_at = ?, revision = revision + 1 WHERE id = ?`, evictions, stamp(s.now()), workspaceID)
		if err == nil && n == 0 {
			return lab.NotFound("workspace", workspaceID)
		}
		return err
	})
}

// RecordStatuses writes what was seen, by workspace id, and what has become of the
// operations that await these workspaces. Only what changed is written; a different
// Since alone is no change. Workspaces that are released or gone are passed over.
func (s *Store) RecordStatuses(ctx context.Context, epoch int64, statuses map[string]lab.Status) error {
	changed, err := s.changedStatuses(ctx, epoch, statuses)
	if err != nil {
		return s.failed(ctx, "compare states", err)
	}
	ids := slices.Sorted(maps.Keys(statuses))
	if len(changed) == 0 {
		verdicts, err := judge(ctx, s.reader(), ids, s.now())
		if err != nil {
			return s.failed(ctx, "compare operations", err)
		}
		if len(verdicts) == 0 {
			return nil
		}
	}
	return s.update(ctx, "record states", func(tx session) error {
		if err := hold(ctx, tx, epoch); err != nil {
			return err
		}
		if err := lockWorkspaces(ctx, tx, ids); err != nil {
			return err
		}
		err := tx.updateRows(ctx, updateStatus,
			[]string{"TEXT", "TEXT", "TEXT", "BOOLEAN", "BOOLEAN", "TEXT", "TEXT", "BIGINT", "BIGINT"}, changed)
		if err != nil {
			return err
		}
		changedIDs := convert(changed, func(row []any) string { return fmt.Sprint(row[0]) })
		if err := tx.tellWorkspaces(ctx, lab.EventWorkspaceChanged, changedIDs...); err != nil {
			return err
		}
		return settle(ctx, tx, ids, s.now())
	})
}

// lockWorkspaces holds workspaces in the order of their ids, in which they must be
// given: that is the order in which acts on a class hold them.
func lockWorkspaces(ctx context.Context, tx session, ids []string) error {
	if tx.locks.own == "" {
		return nil
	}
	_, err := in[string](ctx, tx, `SELECT id FROM workspaces WHERE id IN (?) ORDER BY id`+tx.locks.own, ids)
	return err
}

// changedStatuses compares outside of a transaction, so that most rounds write
// nothing and hold nobody up: only the holder of the epoch writes states.
func (s *Store) changedStatuses(ctx context.Context, epoch int64, statuses map[string]lab.Status) ([][]any, error) {
	var current int64
	if err := s.reader().get(ctx, &current, `SELECT epoch FROM reconciler`); err != nil {
		return nil, err
	}
	if current != epoch {
		return nil, superseded(epoch)
	}
	ids := slices.Sorted(maps.Keys(statuses))
	type storedRow struct {
		ID string `db:"id"`
		statusRow
	}
	stored, err := in[storedRow](ctx, s.reader(), `SELECT id, phase, reason, drifted, outdated, alloc_id, node_name, phase_since
		FROM workspaces WHERE id IN (?) AND deleted_at IS NULL ORDER BY id`, ids)
	if err != nil {
		return nil, err
	}
	now := stamp(s.now())
	var changed [][]any
	for _, row := range stored {
		seen := statuses[row.ID]
		if equalButSince(row.status(), seen) {
			continue
		}
		r := rowOfStatus(seen)
		changed = append(changed, []any{row.ID, r.Phase, r.Reason, r.Drifted, r.Outdated, r.AllocID, r.NodeName, r.PhaseSince, now})
	}
	return changed, nil
}

// RecordDeleted writes that everything of a workspace was released at the time
// given, and removes its class when that was to go with its last workspace. A
// second time changes nothing, also when the workspace went with its class;
// CodeConflict when the workspace is not to be deleted.
func (s *Store) RecordDeleted(ctx context.Context, epoch int64, workspaceID string, at time.Time) error {
	return s.update(ctx, "record a deletion", func(tx session) error {
		if err := hold(ctx, tx, epoch); err != nil {
			return err
		}
		w, err := releasing(ctx, tx, workspaceID)
		if lab.CodeOf(err) == lab.CodeNotFound {
			return nil
		}
		if err != nil {
			return err
		}
		if w.DeletedAt != nil {
			return nil
		}
		if w.Desired != lab.DesiredDeleted {
			return lab.Errorf(lab.CodeConflict, "workspace %s is not to be deleted", w.Slug)
		}
		_, err = tx.exec(ctx, `UPDATE workspaces SET phase = ?, reason = ?, alloc_id = '', node_name = '', phase_since = ?,
				updated_at = ?, deleted_at = ?, revision = revision + 1 WHERE id = ?`,
			string(lab.PhaseStopped), releasedReason(w.ReleaseHome), stamp(at), stamp(at), stamp(at), workspaceID)
		if err != nil {
			return err
		}
		if !w.ReleaseHome {
			if err := keepHome(ctx, tx, w, at); err != nil {
				return err
			}
		}
		if err := tx.tellWorkspaces(ctx, lab.EventWorkspaceDeleted, workspaceID); err != nil {
			return err
		}
		if err := settle(ctx, tx, []string{workspaceID}, at); err != nil {
			return err
		}
		return finishClass(ctx, tx, w.ClassID)
	})
}

// releasing holds a workspace and, before it, its class.
func releasing(ctx context.Context, tx session, id string) (lab.Workspace, error) {
	const query = `SELECT ` + workspaceColumns + ` FROM workspaces w WHERE w.id = ?`
	var row workspaceRow
	if err := tx.find(ctx, "workspace", id, &row, query, id); err != nil {
		return lab.Workspace{}, err
	}
	if err := tx.lock(ctx, "class", lockClass, row.ClassID); err != nil {
		return lab.Workspace{}, err
	}
	// Read again what may have changed before it was held.
	if err := tx.find(ctx, "workspace", id, &row, query+tx.locks.own, id); err != nil {
		return lab.Workspace{}, err
	}
	return row.workspace(), nil
}

// hold keeps the reconciler's role until the transaction ends; CodeConflict when
// another took it over. Those who hold it do not wait for each other.
func hold(ctx context.Context, tx session, epoch int64) error {
	var held int64
	err := tx.get(ctx, &held, `SELECT epoch FROM reconciler WHERE epoch = ?`+tx.locks.share, epoch)
	if errors.Is(err, sql.ErrNoRows) {
		return superseded(epoch)
	}
	return err
}

func superseded(epoch int64) error {
	return lab.Errorf(lab.CodeConflict, "epoch %d of the reconciler is over: another instance reconciles", epoch)
}
