package store

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/bothylabs/bothy/service/lab"
)

const (
	insertCohort = `INSERT INTO cohorts (id, key, name, search, created_at, updated_at)
		VALUES (:id, :key, :name, :search, :created_at, :updated_at)`
	// Each count is an index's alone: that of the enrolled, and one with everybody.
	selectCohorts = `SELECT id, key, name, revision, created_at, updated_at,
		(SELECT COUNT(*) FROM students WHERE students.cohort_id = cohorts.id AND withdrawn_at IS NULL) AS students,
		(SELECT COUNT(*) FROM students WHERE students.cohort_id = cohorts.id) AS ever FROM cohorts `
	lockCohort = `SELECT id FROM cohorts WHERE id = ?`
)

// Cohorts gives a page of the cohorts that a filter chooses.
func (s *Store) Cohorts(ctx context.Context, f lab.CohortFilter, p lab.Page) (lab.List[lab.Cohort], error) {
	var chosen conditions
	chosen.seenBy(f.For, map[lab.Role]string{lab.RoleInstructor: `id IN (` + cohortsOfUser + `)`})
	chosen.search(f.Search, "search")
	return page(ctx, s, listing[cohortRow]{
		name: "cohorts", from: selectCohorts, standard: "key",
		sorts: map[string]order[cohortRow]{
			"key":        by(text("key", func(r cohortRow) string { return r.Key })),
			"name":       by(text("name", func(r cohortRow) string { return r.Name })),
			"created_at": by(moment("created_at", func(r cohortRow) stamp { return r.CreatedAt })),
			"updated_at": by(moment("updated_at", func(r cohortRow) stamp { return r.UpdatedAt })),
		},
		id: text("id", func(r cohortRow) string { return r.ID }),
	}, chosen, p, cohortRow.cohort)
}

// Cohort gives the cohort with an id or a key.
func (s *Store) Cohort(ctx context.Context, ref string) (lab.Cohort, error) {
	var row cohortRow
	err := s.reader().find(ctx, "cohort", ref, &row, selectCohorts+`WHERE id = ? OR key = ?`, ref, ref)
	if err != nil {
		return lab.Cohort{}, s.failed(ctx, "read a cohort", err)
	}
	return row.cohort(), nil
}

// CreateCohort adds a cohort, which the instructor has who makes it; CodeConflict
// when its key is taken.
func (s *Store) CreateCohort(ctx context.Context, intent lab.Intent, cohort lab.Cohort, audit lab.Audit) error {
	return s.act(ctx, intent, "create a cohort", func(tx session) (lab.Audit, error) {
		return audit, addCohort(ctx, tx, intent, cohort)
	})
}

func addCohort(ctx context.Context, tx session, intent lab.Intent, cohort lab.Cohort) error {
	tx.tellCohort(lab.EventCohortCreated, cohort)
	if err := insert(ctx, tx, insertCohort, rowOfCohort(cohort)); err != nil {
		return err
	}
	return appointMaker(ctx, tx, intent, lab.TrustCohort, cohort.ID)
}

// DeleteCohort removes a cohort and its students, whose users are disabled when it was
// their last; CodeConflict while it has classes.
func (s *Store) DeleteCohort(ctx context.Context, intent lab.Intent, id string, audit lab.Audit) error {
	return s.act(ctx, intent, "delete a cohort", func(tx session) (lab.Audit, error) {
		cohort, err := holdCohort(ctx, tx, intent, id)
		if err != nil {
			return lab.Audit{}, err
		}
		if err := hasNoClasses(ctx, tx, "cohort", `WHERE c.cohort_id = ?`, id); err != nil {
			return lab.Audit{}, err
		}
		var users []string
		if err := tx.list(ctx, &users, `SELECT DISTINCT user_id FROM students WHERE cohort_id = ?`, id); err != nil {
			return lab.Audit{}, err
		}
		if _, err := tx.exec(ctx, `DELETE FROM students WHERE cohort_id = ?`, id); err != nil {
			return lab.Audit{}, err
		}
		lapsed, err := lapse(ctx, tx, users, audit.At)
		if err != nil {
			return lab.Audit{}, err
		}
		if _, err := tx.exec(ctx, `DELETE FROM cohort_instructors WHERE cohort_id = ?`, id); err != nil {
			return lab.Audit{}, err
		}
		tx.tellCohort(lab.EventCohortDeleted, cohort)
		_, err = tx.exec(ctx, `DELETE FROM cohorts WHERE id = ?`, id)
		return lapsed.with(audit), err
	})
}

// holdCohort holds a cohort that the intent admits to be changed.
func holdCohort(ctx context.Context, tx session, intent lab.Intent, id string) (lab.Cohort, error) {
	if err := tx.lock(ctx, "cohort", lockCohort, id); err != nil {
		return lab.Cohort{}, err
	}
	cohort, err := readCohort(ctx, tx, id)
	if err != nil {
		return lab.Cohort{}, err
	}
	return cohort, intent.Admits(cohort.Revision, cohort)
}

func readCohort(ctx context.Context, tx session, id string) (lab.Cohort, error) {
	var row cohortRow
	err := tx.find(ctx, "cohort", id, &row, selectCohorts+`WHERE id = ?`, id)
	return row.cohort(), err
}

// changedRoster raises the revision of a cohort, which must be held.
func changedRoster(ctx context.Context, tx session, id string, at time.Time) error {
	if _, err := tx.exec(ctx, `UPDATE cohorts SET revision = revision + 1, updated_at = ? WHERE id = ?`, stamp(at), id); err != nil {
		return err
	}
	cohort, err := readCohort(ctx, tx, id)
	if err != nil {
		return err
	}
	tx.tellCohort(lab.EventCohortChanged, cohort)
	return nil
}

// hasNoClasses is CodeConflict, naming the classes that still stand in the way, when there are any.
func hasNoClasses(ctx context.Context, tx session, kind, where, id string) error {
	const named = 3
	var rows []classRow
	if err := tx.list(ctx, &rows, selectClasses+where+` ORDER BY c.id`, id); err != nil {
		return err
	}
	if len(rows) == 0 {
		return nil
	}
	names := make([]string, 0, named+1)
	for i, row := range rows {
		if i == named {
			names = append(names, fmt.Sprintf("%d more", len(rows)-named))
			break
		}
		name := row.class().Key()
		if row.Deleting {
			name += " (being deleted)"
		}
		names = append(names, name)
	}
	return lab.Errorf(lab.CodeConflict, "the %s still has classes: %s", kind, strings.Join(names, ", ")).
		WithHint("delete its classes first; a class that is being deleted goes once its last workspace has ended")
}
