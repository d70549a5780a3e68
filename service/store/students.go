package store

import (
	"context"
	"time"

	"github.com/bothylabs/bothy/service/lab"
)

const (
	selectStudents = `SELECT id, cohort_id, user_id, name, email, email_key, revision, created_at, updated_at, withdrawn_at FROM students `
	// A student who exists keeps cohort and time of enrolment.
	upsertStudent = `INSERT INTO students (id, cohort_id, user_id, name, email, email_key, search, created_at, updated_at, withdrawn_at)
		VALUES (:id, :cohort_id, :user_id, :name, :email, :email_key, :search, :created_at, :updated_at, :withdrawn_at)
		ON CONFLICT (id) DO UPDATE SET user_id = excluded.user_id, name = excluded.name, email = excluded.email, email_key = excluded.email_key,
			search = excluded.search, revision = students.revision + 1, updated_at = excluded.updated_at`
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
	student, err := findStudent(ctx, s.reader(), id)
	if err != nil {
		return lab.Student{}, s.failed(ctx, "read a student", err)
	}
	return student, nil
}

// Enroll writes the students that decide makes of those who are enrolled, the
// withdrawn not among them: new ones, and changed names and addresses. New ones become
// users where nobody signs in with their address, and it fills in whose they are. It
// gives the cohort as that leaves it. CodeConflict when an address would belong to two.
func (s *Store) Enroll(
	ctx context.Context, intent lab.Intent, cohortID string, decide func(enrolled []lab.Student) ([]lab.Student, lab.Audit, error),
) (lab.Cohort, error) {
	var cohort lab.Cohort
	err := s.act(ctx, intent, "enroll students", func(tx session) (audit lab.Audit, err error) {
		if cohort, err = holdCohort(ctx, tx, intent, cohortID); err != nil {
			return lab.Audit{}, err
		}
		enrolled, err := enrolledStudents(ctx, tx, cohortID)
		if err != nil {
			return lab.Audit{}, err
		}
		students, audit, err := decide(enrolled)
		if err != nil {
			return lab.Audit{}, err
		}
		if err := enroll(ctx, tx, cohortID, enrolled, students, audit.At); err != nil {
			return lab.Audit{}, err
		}
		cohort, err = readCohort(ctx, tx, cohortID)
		return audit, err
	})
	return cohort, err
}

// enroll writes students of a cohort, which must be held, where enrolled are there
// before, and says of the new ones who they are.
func enroll(ctx context.Context, tx session, cohortID string, enrolled, students []lab.Student, at time.Time) error {
	if len(students) == 0 {
		return nil
	}
	if err := addPersons(ctx, tx, enrolled, students, at); err != nil {
		return err
	}
	if err := insert(ctx, tx, upsertStudent, convert(students, rowOfStudent)...); err != nil {
		return err
	}
	if err := tx.tellEnrolled(ctx, enrolled, students); err != nil {
		return err
	}
	return changedRoster(ctx, tx, cohortID, at)
}

// Withdraw ends a student's membership at the time given: their workspaces are
// to be deleted, their homes kept, and with the last membership their user is
// disabled. One who is withdrawn already stays as they are.
func (s *Store) Withdraw(ctx context.Context, intent lab.Intent, id string, at time.Time, audit lab.Audit) (lab.Student, error) {
	var student lab.Student
	err := s.act(ctx, intent, "withdraw a student", func(tx session) (_ lab.Audit, err error) {
		if student, err = findStudent(ctx, tx, id); err != nil {
			return lab.Audit{}, err
		}
		// The cohort is held as a launch holds it, so that none gives this student a workspace meanwhile.
		if err := tx.lock(ctx, "cohort", lockCohort, student.CohortID); err != nil {
			return lab.Audit{}, err
		}
		// Read again what may have changed before it was held.
		if student, err = findStudent(ctx, tx, id); err != nil {
			return lab.Audit{}, err
		}
		if err := intent.Admits(student.Revision, student); err != nil {
			return lab.Audit{}, err
		}
		lapsed, err := withdraw(ctx, tx, student, at)
		if err != nil {
			return lab.Audit{}, err
		}
		student, err = findStudent(ctx, tx, id)
		return lapsed.with(audit), err
	})
	return student, err
}

// withdraw writes a student's withdrawal, and gives what access ended with it; the
// cohort must be held.
func withdraw(ctx context.Context, tx session, student lab.Student, at time.Time) (lapsed access, err error) {
	if student.WithdrawnAt != nil {
		return access{}, nil
	}
	_, err = tx.exec(ctx, `UPDATE students SET withdrawn_at = ?, revision = revision + 1, updated_at = ? WHERE id = ?`,
		stamp(at), stamp(at), student.ID)
	if err != nil {
		return access{}, err
	}
	if lapsed, err = lapse(ctx, tx, []string{student.UserID}, at); err != nil {
		return access{}, err
	}
	if err := tx.tellStudents(ctx, lab.EventStudentChanged, student.ID); err != nil {
		return access{}, err
	}
	if err := deleteWorkspacesOf(ctx, tx, student.ID, at); err != nil {
		return access{}, err
	}
	return lapsed, changedRoster(ctx, tx, student.CohortID, at)
}

// deleteWorkspacesOf wants all workspaces of a student deleted.
func deleteWorkspacesOf(ctx context.Context, tx session, studentID string, at time.Time) error {
	var ids []string
	err := tx.list(ctx, &ids, `SELECT id FROM workspaces WHERE student_id = ? AND desired <> 'deleted' ORDER BY id`+tx.locks.own, studentID)
	if err != nil {
		return err
	}
	_, err = tx.exec(ctx, `UPDATE workspaces SET desired = 'deleted', revision = revision + 1, updated_at = ?
		WHERE student_id = ? AND desired <> 'deleted'`, stamp(at), studentID)
	if err != nil {
		return err
	}
	if err := tx.tellWorkspaces(ctx, lab.EventWorkspaceChanged, ids...); err != nil {
		return err
	}
	return settle(ctx, tx, ids, at)
}

func findStudent(ctx context.Context, s session, id string) (lab.Student, error) {
	var row studentRow
	err := s.find(ctx, "student", id, &row, selectStudents+`WHERE id = ?`, id)
	return row.student(), err
}

func enrolledStudents(ctx context.Context, tx session, cohortID string) ([]lab.Student, error) {
	var rows []studentRow
	if err := tx.list(ctx, &rows, selectStudents+`WHERE cohort_id = ? AND withdrawn_at IS NULL ORDER BY id`, cohortID); err != nil {
		return nil, err
	}
	return convert(rows, studentRow.student), nil
}
