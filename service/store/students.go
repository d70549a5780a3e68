package store

import (
	"context"
	"time"

	"github.com/bothylabs/bothy/service/lab"
)

const (
	selectStudents = `SELECT id, cohort_id, name, email, email_key, created_at, updated_at, withdrawn_at FROM students `
	// A student who exists keeps cohort and time of enrolment.
	upsertStudent = `INSERT INTO students (id, cohort_id, name, email, email_key, search, created_at, updated_at, withdrawn_at)
		VALUES (:id, :cohort_id, :name, :email, :email_key, :search, :created_at, :updated_at, :withdrawn_at)
		ON CONFLICT (id) DO UPDATE SET name = excluded.name, email = excluded.email, email_key = excluded.email_key,
			search = excluded.search, updated_at = excluded.updated_at`
)

// Students gives a page of the students of a cohort that a filter chooses.
func (s *Store) Students(ctx context.Context, cohortID string, f lab.StudentFilter, p lab.Page) (lab.List[lab.Student], error) {
	var chosen conditions
	chosen.is("cohort", "cohort_id", cohortID)
	chosen.search(f.Search, "search")
	chosen.whether("withdrawn", "withdrawn_at IS NOT NULL", f.Withdrawn)
	return page(ctx, s, listing[studentRow]{
		name: "students", from: selectStudents, standard: "created_at",
		sorts: map[string]order[studentRow]{
			"name":       by(text("name", func(r studentRow) string { return r.Name })),
			"email":      by(text("email_key", func(r studentRow) string { return r.EmailKey })),
			"created_at": by(moment("created_at", func(r studentRow) stamp { return r.CreatedAt })),
			"updated_at": by(moment("updated_at", func(r studentRow) stamp { return r.UpdatedAt })),
		},
		id: text("id", func(r studentRow) string { return r.ID }),
	}, chosen, p, studentRow.student)
}

// EnrolledStudents gives all students of a cohort, the withdrawn not among them, in the order of their ids.
func (s *Store) EnrolledStudents(ctx context.Context, cohortID string) ([]lab.Student, error) {
	students, err := enrolledStudents(ctx, s.reader(), cohortID)
	if err != nil {
		return nil, s.failed(ctx, "list students", err)
	}
	return students, nil
}

// Student gives the student with an id.
func (s *Store) Student(ctx context.Context, id string) (lab.Student, error) {
	var row studentRow
	if err := s.reader().find(ctx, "student", id, &row, selectStudents+`WHERE id = ?`, id); err != nil {
		return lab.Student{}, s.failed(ctx, "read a student", err)
	}
	return row.student(), nil
}

// Enroll writes the students that decide makes of those who are enrolled, the
// withdrawn not among them: new ones, and changed names and addresses.
// CodeConflict when an address would belong to two.
func (s *Store) Enroll(
	ctx context.Context, cohortID string, decide func(enrolled []lab.Student) ([]lab.Student, lab.Audit, error),
) error {
	return s.update(ctx, "enroll students", func(tx session) error {
		if err := tx.lock(ctx, "cohort", lockCohort, cohortID); err != nil {
			return err
		}
		enrolled, err := enrolledStudents(ctx, tx, cohortID)
		if err != nil {
			return err
		}
		students, audit, err := decide(enrolled)
		if err != nil {
			return err
		}
		if err := insert(ctx, tx, upsertStudent, convert(students, rowOfStudent)...); err != nil {
			return err
		}
		return record(ctx, tx, audit)
	})
}

// Withdraw ends a student's membership at the time given: their workspaces are
// to be deleted, their homes kept. One who is withdrawn already stays as they are.
func (s *Store) Withdraw(ctx context.Context, id string, at time.Time, audit lab.Audit) (lab.Student, error) {
	var student lab.Student
	err := s.update(ctx, "withdraw a student", func(tx session) error {
		var row studentRow
		if err := tx.find(ctx, "student", id, &row, selectStudents+`WHERE id = ?`, id); err != nil {
			return err
		}
		// The cohort is held as a launch holds it, so that none gives this student a workspace meanwhile.
		if err := tx.lock(ctx, "cohort", lockCohort, row.CohortID); err != nil {
			return err
		}
		_, err := tx.exec(ctx, `UPDATE students SET withdrawn_at = ?, updated_at = ? WHERE id = ? AND withdrawn_at IS NULL`,
			stamp(at), stamp(at), id)
		if err != nil {
			return err
		}
		_, err = tx.exec(ctx, `UPDATE workspaces SET desired = 'deleted', updated_at = ? WHERE student_id = ? AND desired <> 'deleted'`,
			stamp(at), id)
		if err != nil {
			return err
		}
		if err := tx.find(ctx, "student", id, &row, selectStudents+`WHERE id = ?`, id); err != nil {
			return err
		}
		student = row.student()
		return record(ctx, tx, audit)
	})
	return student, err
}

func enrolledStudents(ctx context.Context, tx session, cohortID string) ([]lab.Student, error) {
	var rows []studentRow
	if err := tx.list(ctx, &rows, selectStudents+`WHERE cohort_id = ? AND withdrawn_at IS NULL ORDER BY id`, cohortID); err != nil {
		return nil, err
	}
	return convert(rows, studentRow.student), nil
}
