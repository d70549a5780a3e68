package store

import (
	"context"
	"fmt"
	"strings"

	"github.com/bothylabs/bothy/service/lab"
)

// What has been given to a user, and what is theirs: the ids.
const (
	cohortsOfUser  = `SELECT cohort_id FROM cohort_instructors WHERE user_id = ?`
	coursesOfUser  = `SELECT course_id FROM course_instructors WHERE user_id = ?`
	taughtByUser   = `SELECT id FROM classes WHERE cohort_id IN (` + cohortsOfUser + `)`
	assistedByUser = `SELECT class_id FROM class_assistants WHERE user_id = ?`
	studentsOfUser = `SELECT id FROM students WHERE user_id = ? AND withdrawn_at IS NULL`
)

// Belonging says whose something is; kind is cohort, course, class, student,
// operation or workspace, ref its id or the name for people. CodeNotFound when there
// is no such thing.
func (s *Store) Belonging(ctx context.Context, kind, ref string) (lab.Belonging, error) {
	const workspace = `SELECT w.class_id, c.cohort_id, c.course_id, w.student_id FROM workspaces w JOIN classes c ON c.id = w.class_id `
	var query string
	args := []any{ref}
	switch kind {
	case "cohort":
		query, args = `SELECT '' AS class_id, id AS cohort_id, '' AS course_id, '' AS student_id FROM cohorts WHERE id = ? OR key = ?`, []any{ref, ref}
	case "course":
		query, args = `SELECT '' AS class_id, '' AS cohort_id, id AS course_id, '' AS student_id FROM courses WHERE id = ? OR key = ?`, []any{ref, ref}
	case "class":
		query = `SELECT c.id AS class_id, c.cohort_id, c.course_id, '' AS student_id FROM classes c `
		if cohort, course, isKey := strings.Cut(ref, "/"); isKey {
			query += `JOIN cohorts h ON h.id = c.cohort_id JOIN courses k ON k.id = c.course_id WHERE h.key = ? AND k.key = ?`
			args = []any{cohort, course}
		} else {
			query += `WHERE c.id = ?`
		}
	case "student":
		query = `SELECT '' AS class_id, cohort_id, '' AS course_id, id AS student_id FROM students WHERE id = ?`
	case "operation":
		query = `SELECT class_id, cohort_id, '' AS course_id, '' AS student_id FROM operations WHERE id = ?`
	case "workspace":
		query, args = workspace+`WHERE w.id = ? OR w.slug = ?`, []any{ref, ref}
	default:
		return lab.Belonging{}, fmt.Errorf("nobody knows whose a %q is", kind)
	}
	var row struct {
		ClassID   string `db:"class_id"`
		CohortID  string `db:"cohort_id"`
		CourseID  string `db:"course_id"`
		StudentID string `db:"student_id"`
	}
	if err := s.reader().find(ctx, kind, ref, &row, query, args...); err != nil {
		return lab.Belonging{}, s.failed(ctx, "read whose a "+kind+" is", err)
	}
	return lab.Belonging{ClassID: row.ClassID, CohortID: row.CohortID, CourseID: row.CourseID, StudentID: row.StudentID}, nil
}
