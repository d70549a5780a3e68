package store

import (
	"context"
	"strings"
	"time"

	"github.com/bothylabs/bothy/service/lab"
)

const (
	selectClasses = `SELECT c.id, c.cohort_id, c.course_id, h.key AS cohort_key, k.key AS course_key,
			c.parameters, c.deleting, c.revision, c.created_at, c.updated_at
		FROM classes c JOIN cohorts h ON h.id = c.cohort_id JOIN courses k ON k.id = c.course_id `
	insertClass = `INSERT INTO classes (id, cohort_id, course_id, parameters, deleting, created_at, updated_at)
		VALUES (:id, :cohort_id, :course_id, :parameters, :deleting, :created_at, :updated_at)`
	lockClass = `SELECT id FROM classes WHERE id = ?`
)

// Classes gives a page of the classes that a filter chooses.
func (s *Store) Classes(ctx context.Context, f lab.ClassFilter, p lab.Page) (lab.List[lab.Class], error) {
	var chosen conditions
	chosen.seenBy(f.For, map[lab.Role]string{
		lab.RoleInstructor: `c.cohort_id IN (` + cohortsOfUser + `)`,
		lab.RoleAssistant:  `c.id IN (` + assistedByUser + `)`,
	})
	chosen.search(f.Search, "h.search", "k.search", "(h.key || '/' || k.key)")
	chosen.is("cohort", "c.cohort_id", f.CohortID)
	chosen.is("course", "c.course_id", f.CourseID)
	chosen.whether("deleting", "c.deleting", f.Deleting)
	cohort := text("h.key", func(r classRow) string { return r.CohortKey })
	course := text("k.key", func(r classRow) string { return r.CourseKey })
	return page(ctx, s, listing[classRow]{
		name: "classes", from: selectClasses, standard: "key",
		sorts: map[string]order[classRow]{
			"key":        by(cohort, course),
			"course":     by(course, cohort),
			"created_at": by(moment("c.created_at", func(r classRow) stamp { return r.CreatedAt })),
			"updated_at": by(moment("c.updated_at", func(r classRow) stamp { return r.UpdatedAt })),
		},
		id: text("c.id", func(r classRow) string { return r.ID }),
	}, chosen, p, classRow.class)
}

// ClassProgress says how far classes are, by their ids; a class without workspaces
// is not among them.
func (s *Store) ClassProgress(ctx context.Context, ids []string) (map[string]lab.ClassProgress, error) {
	all := make(map[string]lab.ClassProgress, len(ids))
	if len(ids) == 0 {
		return all, nil
	}
	var rows []struct {
		ClassID    string `db:"class_id"`
		Workspaces int    `db:"workspaces"`
		Running    int    `db:"running"`
		Ready      int    `db:"ready"`
		Failed     int    `db:"failed"`
	}
	args := []any{lab.DesiredRunning, lab.DesiredRunning, lab.PhaseReady, lab.DesiredRunning, lab.PhaseFailed, lab.PhaseLost}
	args = append(args, convert(ids, func(id string) any { return id })...)
	err := s.reader().list(ctx, &rows, `SELECT class_id, COUNT(*) AS workspaces,
			COUNT(CASE WHEN desired = ? THEN 1 END) AS running,
			COUNT(CASE WHEN desired = ? AND phase = ? THEN 1 END) AS ready,
			COUNT(CASE WHEN desired = ? AND phase IN (?, ?) THEN 1 END) AS failed
		FROM workspaces WHERE class_id IN (`+marks(len(ids))+`) AND desired <> ? GROUP BY class_id`, append(args, lab.DesiredDeleted)...)
	if err != nil {
		return nil, s.failed(ctx, "read how far classes are", err)
	}
	for _, r := range rows {
		all[r.ClassID] = lab.ClassProgress{Workspaces: r.Workspaces, Running: r.Running, Ready: r.Ready, Failed: r.Failed}
	}
	return all, nil
}

// Class gives the class with an id or a key ("fall-26/py101").
func (s *Store) Class(ctx context.Context, ref string) (lab.Class, error) {
	var row classRow
	var err error
	if cohort, course, isKey := strings.Cut(ref, "/"); isKey {
		err = s.reader().find(ctx, "class", ref, &row, selectClasses+`WHERE h.key = ? AND k.key = ?`, cohort, course)
	} else {
		err = s.reader().find(ctx, "class", ref, &row, selectClasses+`WHERE c.id = ?`, ref)
	}
	if err != nil {
		return lab.Class{}, s.failed(ctx, "read a class", err)
	}
	return row.class(), nil
}

// CreateClass adds a class, and its cohort and course where they are given, as
// CreateCohort and CreateCourse do. It
// enrolls what decide makes of the cohort's students, as Enroll does.
// CodeConflict when the cohort takes the course already or a key is taken.
func (s *Store) CreateClass(
	ctx context.Context, intent lab.Intent, class lab.NewClass, decide func(enrolled []lab.Student) ([]lab.Student, error),
) error {
	return s.act(ctx, intent, "create a class", func(tx session) (lab.Audit, error) {
		if class.Cohort != nil {
			if err := addCohort(ctx, tx, intent, *class.Cohort); err != nil {
				return lab.Audit{}, err
			}
		}
		if class.Course != nil {
			if err := addCourse(ctx, tx, intent, *class.Course); err != nil {
				return lab.Audit{}, err
			}
		}
		if err := tx.lock(ctx, "cohort", lockCohort, class.CohortID); err != nil {
			return lab.Audit{}, err
		}
		enrolled, err := enrolledStudents(ctx, tx, class.CohortID)
		if err != nil {
			return lab.Audit{}, err
		}
		students, err := decide(enrolled)
		if err != nil {
			return lab.Audit{}, err
		}
		if err := enroll(ctx, tx, class.CohortID, enrolled, students, class.Audit.At); err != nil {
			return lab.Audit{}, err
		}
		tx.tellClass(lab.EventClassCreated, class.Class)
		return class.Audit, insert(ctx, tx, insertClass, rowOfClass(class.Class))
	})
}

// ChangeClass writes what decide makes of a class as it is, and gives the class
// as that leaves it, also when it is gone with it. Acts on one class, and on the
// roster of its cohort, are decided one after the other. CodeConflict when a slug
// of a new workspace was given before.
func (s *Store) ChangeClass(
	ctx context.Context, intent lab.Intent, id string, decide func(lab.ClassState) (lab.ClassChange, error),
) (lab.Class, error) {
	var class lab.Class
	err := s.act(ctx, intent, "change a class", func(tx session) (lab.Audit, error) {
		state, err := classState(ctx, tx, id)
		if err != nil {
			return lab.Audit{}, err
		}
		if err := intent.Admits(state.Revision, state.Class); err != nil {
			return lab.Audit{}, err
		}
		change, err := decide(state)
		if err != nil {
			return lab.Audit{}, err
		}
		class, err = changeClass(ctx, tx, state.Class, change, s.now())
		if err != nil {
			return lab.Audit{}, err
		}
		return change.Audit, keepTarget(ctx, tx, intent, change.Operation.ID)
	})
	return class, err
}

// changeClass writes a change of a class, which must be held.
func changeClass(ctx context.Context, tx session, class lab.Class, change lab.ClassChange, now time.Time) (lab.Class, error) {
	if err := addWorkspaces(ctx, tx, change.Add); err != nil {
		return class, err
	}
	if err := updateWorkspaces(ctx, tx, change.Update); err != nil {
		return class, err
	}
	idOf := func(w lab.Workspace) string { return w.ID }
	// The act overtakes what earlier ones want otherwise; its own items are not among those.
	if err := settle(ctx, tx, convert(change.Update, idOf), now); err != nil {
		return class, err
	}
	if err := tx.tellWorkspaces(ctx, lab.EventWorkspaceCreated, convert(change.Add, idOf)...); err != nil {
		return class, err
	}
	if err := tx.tellWorkspaces(ctx, lab.EventWorkspaceChanged, convert(change.Update, idOf)...); err != nil {
		return class, err
	}
	if err := addOperation(ctx, tx, class.CohortID, change.Operation, change.Items); err != nil {
		return class, err
	}
	if len(change.Add)+len(change.Update) > 0 || change.Delete && !class.Deleting {
		class.Deleting = class.Deleting || change.Delete
		class.Revision, class.UpdatedAt = class.Revision+1, change.Audit.At
		_, err := tx.exec(ctx, `UPDATE classes SET deleting = ?, revision = ?, updated_at = ? WHERE id = ?`,
			class.Deleting, class.Revision, stamp(class.UpdatedAt), class.ID)
		if err != nil {
			return class, err
		}
		tx.tellClass(lab.EventClassChanged, class)
	}
	if !change.Delete {
		return class, nil
	}
	return class, finishClass(ctx, tx, class.ID)
}

// SetClassParameters writes the parameters and time of change that decide makes of
// a class as it is. Until it has, its course does not change.
func (s *Store) SetClassParameters(
	ctx context.Context, intent lab.Intent, id string, decide func(lab.Class, lab.CourseState) (lab.Class, lab.Audit, error),
) (lab.Class, error) {
	var changed lab.Class
	err := s.act(ctx, intent, "change the parameters of a class", func(tx session) (lab.Audit, error) {
		class, course, err := holdClassOfCourse(ctx, tx, id)
		if err != nil {
			return lab.Audit{}, err
		}
		if err := intent.Admits(class.Revision, class); err != nil {
			return lab.Audit{}, err
		}
		next := class.Revision + 1
		class, audit, err := decide(class, course)
		if err != nil {
			return lab.Audit{}, err
		}
		changed = class
		changed.Revision = next
		tx.tellClass(lab.EventClassChanged, changed)
		_, err = tx.exec(ctx, `UPDATE classes SET parameters = ?, revision = ?, updated_at = ? WHERE id = ?`,
			document(class.Parameters), next, stamp(class.UpdatedAt), id)
		return audit, err
	})
	return changed, err
}

// holdClassOfCourse holds a class and, before it, its course.
func holdClassOfCourse(ctx context.Context, tx session, id string) (lab.Class, lab.CourseState, error) {
	var row classRow
	if err := tx.find(ctx, "class", id, &row, selectClasses+`WHERE c.id = ?`, id); err != nil {
		return lab.Class{}, lab.CourseState{}, err
	}
	course, err := courseState(ctx, tx, row.CourseID)
	if err != nil {
		return lab.Class{}, lab.CourseState{}, err
	}
	if err := tx.lock(ctx, "class", lockClass, id); err != nil {
		return lab.Class{}, lab.CourseState{}, err
	}
	// Read again what may have changed before it was held.
	err = tx.find(ctx, "class", id, &row, selectClasses+`WHERE c.id = ?`, id)
	return row.class(), course, err
}

// classState holds a class and its cohort, and reads what an act on it is decided from.
func classState(ctx context.Context, tx session, id string) (lab.ClassState, error) {
	var row classRow
	if err := tx.find(ctx, "class", id, &row, selectClasses+`WHERE c.id = ?`, id); err != nil {
		return lab.ClassState{}, err
	}
	if err := tx.lock(ctx, "cohort", lockCohort, row.CohortID); err != nil {
		return lab.ClassState{}, err
	}
	if err := tx.lock(ctx, "class", lockClass, id); err != nil {
		return lab.ClassState{}, err
	}
	// Read again what may have changed before it was held.
	if err := tx.find(ctx, "class", id, &row, selectClasses+`WHERE c.id = ?`, id); err != nil {
		return lab.ClassState{}, err
	}
	students, err := enrolledStudents(ctx, tx, row.CohortID)
	if err != nil {
		return lab.ClassState{}, err
	}
	// They are held too: acts on single workspaces do not hold the class.
	var workspaces []workspaceRow
	if err := tx.list(ctx, &workspaces, selectOpen+tx.locks.own, id); err != nil {
		return lab.ClassState{}, err
	}
	return lab.ClassState{
		Class: row.class(), Students: students,
		Workspaces: convert(workspaces, workspaceRow.workspace),
		Given:      func(slugs []lab.Slug) (map[lab.Slug]bool, error) { return givenSlugs(ctx, tx, slugs) },
	}, nil
}

// finishClass removes a class that is being deleted, once nothing of it is left
// to release. The class must be held.
func finishClass(ctx context.Context, tx session, id string) error {
	var open int
	err := tx.get(ctx, &open, `SELECT COUNT(*) FROM classes c WHERE c.id = ? AND (NOT c.deleting OR EXISTS
		(SELECT 1 FROM workspaces w WHERE w.class_id = c.id AND w.deleted_at IS NULL))`, id)
	if err != nil || open > 0 {
		return err
	}
	var row classRow
	if err := tx.find(ctx, "class", id, &row, selectClasses+`WHERE c.id = ?`, id); err != nil {
		return err
	}
	tx.tellClass(lab.EventClassDeleted, row.class())
	for _, table := range []string{"workspaces", "class_assistants"} {
		if _, err := tx.exec(ctx, `DELETE FROM `+table+` WHERE class_id = ?`, id); err != nil {
			return err
		}
	}
	_, err = tx.exec(ctx, `DELETE FROM classes WHERE id = ?`, id)
	return err
}
