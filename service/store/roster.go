package store

import (
	"context"
	"time"

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
		lapsed, err := writeRoster(ctx, tx, cohortID, enrolled, change)
		if err != nil {
			return lab.Audit{}, err
		}
		cohort, err = readCohort(ctx, tx, cohortID)
		return lapsed.with(change.Audit), err
	})
	return cohort, err
}

// writeRoster writes a change of a cohort's roster, and gives what access
// ended with it; the cohort must be held, where enrolled are there before.
func writeRoster(ctx context.Context, tx session, cohortID string, enrolled []lab.Student, change lab.RosterChange) (lapsed access, err error) {
	if lapsed, err = withdrawAll(ctx, tx, cohortID, change.Withdraw, change.At); err != nil {
		return access{}, err
	}
	if err := addPersons(ctx, tx, enrolled, change.Students, change.At); err != nil {
		return access{}, err
	}
	if err := insert(ctx, tx, upsertStudent, convert(change.Students, rowOfStudent)...); err != nil {
		return access{}, err
	}
	if err := tx.tellEnrolled(ctx, enrolled, change.Students); err != nil {
		return access{}, err
	}
	return lapsed, changedRoster(ctx, tx, cohortID, change.At)
}

// withdrawAll withdraws students of a cohort, and gives what access ended with it.
func withdrawAll(ctx context.Context, tx session, cohortID string, ids []string, at time.Time) (lapsed access, err error) {
	if len(ids) == 0 {
		return access{}, nil
	}
	err = eachBatch(ctx, tx, `UPDATE students SET withdrawn_at = ?, revision = revision + 1, updated_at = ?
		WHERE withdrawn_at IS NULL AND id IN (?)`, []any{stamp(at), stamp(at)}, ids)
	if err != nil {
		return access{}, err
	}
	users, err := usersOf(ctx, tx, ids)
	if err != nil {
		return access{}, err
	}
	if lapsed, err = lapse(ctx, tx, users, at); err != nil {
		return access{}, err
	}
	if err := tx.tellStudents(ctx, lab.EventStudentChanged, ids...); err != nil {
		return access{}, err
	}
	// Of those who were withdrawn before, all are deleted already.
	const theirs = ` WHERE desired <> 'deleted'
		AND student_id IN (SELECT id FROM students WHERE cohort_id = ? AND withdrawn_at IS NOT NULL)`
	var workspaces []string
	if err := tx.list(ctx, &workspaces, `SELECT id FROM workspaces`+theirs+` ORDER BY id`+tx.locks.own, cohortID); err != nil {
		return access{}, err
	}
	_, err = tx.exec(ctx, `UPDATE workspaces SET desired = 'deleted', revision = revision + 1, updated_at = ?`+theirs, stamp(at), cohortID)
	if err != nil {
		return access{}, err
	}
	if err := tx.tellWorkspaces(ctx, lab.EventWorkspaceChanged, workspaces...); err != nil {
		return access{}, err
	}
	return lapsed, settle(ctx, tx, workspaces, at)
}
