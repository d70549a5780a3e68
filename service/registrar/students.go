package registrar

import (
	"context"
	"time"

	"github.com/bothylabs/bothy/service/lab"
)

// StudentInput is a student to be enrolled.
type StudentInput struct {
	Name  string
	Email string
	// UserID is whose membership it is; "" for whoever has the address as their login.
	UserID string
}

// EnrollStudent adds one student to a cohort, and makes them a user if nobody signs in
// with the address; CodeConflict when the address belongs to one of the cohort already.
// Someone who was withdrawn comes back as a new student of the same user.
func (r *Registrar) EnrollStudent(ctx context.Context, intent lab.Intent, cohortRef string, in StudentInput) (lab.Student, error) {
	cohort, err := r.Store.Cohort(ctx, cohortRef)
	if err != nil {
		return lab.Student{}, err
	}
	var p problems
	checked := StudentInput{Name: p.name("name", in.Name), Email: p.email("email", in.Email), UserID: in.UserID}
	if err := p.err("the student can't be enrolled"); err != nil {
		return lab.Student{}, err
	}
	student := newStudent(cohort.ID, checked, r.now(), r.NewID)
	audit := r.audit(intent, "student.enroll", student.ID, map[string]any{
		"cohort": cohort.Key, "name": student.Name, "email": student.Email,
	})
	audit = came(audit, stateOfStudent(student))
	// Whether the address is free is the database's to say.
	var enrolled []lab.Student
	_, err = r.Store.Enroll(ctx, intent, cohort.ID, func([]lab.Student) ([]lab.Student, lab.Audit, error) {
		enrolled = []lab.Student{student}
		return enrolled, audit, nil
	})
	if err := r.done(intent, err); err != nil {
		return lab.Student{}, err
	}
	return enrolled[0], nil
}

// Students gives a page of a cohort's students that a filter chooses, in the order
// of their enrolment where no other sort is asked for: name, email, updated_at.
func (r *Registrar) Students(
	ctx context.Context, cohortRef string, filter lab.StudentFilter, page lab.Page,
) (lab.List[lab.Student], error) {
	page, err := checkList(filter.Search, page)
	if err != nil {
		return lab.List[lab.Student]{}, err
	}
	cohort, err := r.Store.Cohort(ctx, cohortRef)
	if err != nil {
		return lab.List[lab.Student]{}, err
	}
	return r.Store.Students(ctx, cohort.ID, filter, page)
}

// Student gives one student by id.
func (r *Registrar) Student(ctx context.Context, id string) (lab.Student, error) {
	return r.Store.Student(ctx, id)
}

// WithdrawStudent ends a student's membership: their workspaces are to be
// deleted, their homes are kept, and with the last membership they may not sign in any
// more. Once more changes nothing.
func (r *Registrar) WithdrawStudent(ctx context.Context, intent lab.Intent, id string) (lab.Student, error) {
	student, err := r.Store.Student(ctx, id)
	if err != nil {
		return lab.Student{}, err
	}
	audit := r.audit(intent, "student.withdraw", student.ID, map[string]any{"name": student.Name, "email": student.Email})
	if student.WithdrawnAt == nil {
		after := student
		after.WithdrawnAt = &audit.At
		audit = became(audit, stateOfStudent(student), stateOfStudent(after))
	}
	student, err = r.Store.Withdraw(ctx, intent, student.ID, audit.At, audit)
	return student, r.done(intent, err)
}

func newStudent(cohortID string, in StudentInput, now time.Time, newID func() string) lab.Student {
	return lab.Student{ID: newID(), CohortID: cohortID, UserID: in.UserID, Name: in.Name, Email: in.Email, Revision: 1, CreatedAt: now, UpdatedAt: now}
}

// merge gives the new and changed students that a list makes of those who are enrolled.
func merge(enrolled []lab.Student, cohortID string, list []StudentInput, now time.Time, newID func() string) []lab.Student {
	known := byEmail(enrolled)
	var toWrite []lab.Student
	for _, in := range list {
		student, ok := known[foldEmail(in.Email)]
		switch {
		case !ok:
			toWrite = append(toWrite, newStudent(cohortID, in, now, newID))
		case student.Name != in.Name || student.Email != in.Email:
			toWrite = append(toWrite, changedStudent(student, in, now))
		}
	}
	return toWrite
}

func changedStudent(student lab.Student, in StudentInput, now time.Time) lab.Student {
	student.Name, student.Email, student.Revision, student.UpdatedAt = in.Name, in.Email, student.Revision+1, now
	return student
}

func byEmail(students []lab.Student) map[string]lab.Student {
	known := make(map[string]lab.Student, len(students))
	for _, s := range students {
		known[foldEmail(s.Email)] = s
	}
	return known
}
