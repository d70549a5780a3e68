package store

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/jmoiron/sqlx"

	"github.com/bothylabs/bothy/service/lab"
)

// ImportRoster writes what decide makes of those who are enrolled, the withdrawn
// not among them: new students, changed names and addresses, and withdrawals as
// Withdraw does them. It gives the cohort as that leaves it. A change that is empty
// leaves no record. CodeConflict when an address would belong to two.
func (s *Store) ImportRoster(
	ctx context.Context, intent lab.Intent, cohortID string, decide func(enrolled []lab.Student) (lab.RosterChange, error),
) (lab.Cohort, error) {
	var cohort lab.Cohort
	err := s.act(ctx, intent, "import a roster", func(tx session) (audit lab.Audit, err error) {
		if cohort, err = holdCohort(ctx, tx, intent, cohortID); err != nil {
			return lab.Audit{}, err
		}
		enrolled, err := enrolledStudents(ctx, tx, cohortID)
		if err != nil {
			return lab.Audit{}, err
		}
		change, err := decide(enrolled)
		if err != nil || change.Empty() {
			return lab.Audit{Target: cohortID}, err
		}
		cohort.Revision, cohort.UpdatedAt = cohort.Revision+1, change.At
		return change.Audit, writeRoster(ctx, tx, cohortID, enrolled, change)
	})
	return cohort, err
}

// writeRoster writes a change of a cohort's roster; the cohort must be held, where enrolled are there before.
func writeRoster(ctx context.Context, tx session, cohortID string, enrolled []lab.Student, change lab.RosterChange) error {
	if err := withdrawAll(ctx, tx, cohortID, change.Withdraw, change.At); err != nil {
		return err
	}
	if err := insert(ctx, tx, upsertStudent, convert(change.Students, rowOfStudent)...); err != nil {
		return err
	}
	if err := tx.tellEnrolled(ctx, enrolled, change.Students); err != nil {
		return err
	}
	return changedRoster(ctx, tx, cohortID, change.At)
}

// withdrawAll withdraws students of a cohort.
func withdrawAll(ctx context.Context, tx session, cohortID string, ids []string, at time.Time) error {
	if len(ids) == 0 {
		return nil
	}
	for batch := range slices.Chunk(ids, batchRows) {
		query, args, err := sqlx.In(`UPDATE students SET withdrawn_at = ?, revision = revision + 1, updated_at = ?
			WHERE id IN (?) AND withdrawn_at IS NULL`, stamp(at), stamp(at), batch)
		if err != nil {
			return fmt.Errorf("expand the list of a statement: %w", err)
		}
		if _, err := tx.exec(ctx, query, args...); err != nil {
			return err
		}
	}
	if err := tx.tellStudents(ctx, lab.EventStudentChanged, ids...); err != nil {
		return err
	}
	// Of those who were withdrawn before, all are deleted already.
	const theirs = ` WHERE desired <> 'deleted'
		AND student_id IN (SELECT id FROM students WHERE cohort_id = ? AND withdrawn_at IS NOT NULL)`
	var workspaces []string
	if err := tx.list(ctx, &workspaces, `SELECT id FROM workspaces`+theirs+` ORDER BY id`+tx.locks.own, cohortID); err != nil {
		return err
	}
	_, err := tx.exec(ctx, `UPDATE workspaces SET desired = 'deleted', revision = revision + 1, updated_at = ?`+theirs, stamp(at), cohortID)
	if err != nil {
		return err
	}
	if err := tx.tellWorkspaces(ctx, lab.EventWorkspaceChanged, workspaces...); err != nil {
		return err
	}
	return settle(ctx, tx, workspaces, at)
}
