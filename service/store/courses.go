package store

import (
	"context"

	"github.com/bothylabs/bothy/service/lab"
)

const (
	selectCourses = `SELECT id, key, name, template, template_version, parameters, revision, created_at, updated_at FROM courses `
	insertCourse  = `INSERT INTO courses (id, key, name, template, template_version, parameters, search, created_at, updated_at)
		VALUES (:id, :key, :name, :template, :template_version, :parameters, :search, :created_at, :updated_at)`
	lockCourse = `SELECT id FROM courses WHERE id = ?`
)

// Courses gives a page of the courses that a filter chooses.
func (s *Store) Courses(ctx context.Context, f lab.CourseFilter, p lab.Page) (lab.List[lab.Course], error) {
	var chosen conditions
	chosen.seenBy(f.For, map[lab.Role]string{lab.RoleInstructor: `id IN (` + coursesOfUser + `)`})
	chosen.search(f.Search, "search")
	chosen.is("template", "template", f.Template)
	return page(ctx, s, listing[courseRow]{
		name: "courses", from: selectCourses, standard: "key",
		sorts: map[string]order[courseRow]{
			"key":        by(text("key", func(r courseRow) string { return r.Key })),
			"name":       by(text("name", func(r courseRow) string { return r.Name })),
			"template":   by(text("template", func(r courseRow) string { return r.Template })),
			"created_at": by(moment("created_at", func(r courseRow) stamp { return r.CreatedAt })),
			"updated_at": by(moment("updated_at", func(r courseRow) stamp { return r.UpdatedAt })),
		},
		id: text("id", func(r courseRow) string { return r.ID }),
	}, chosen, p, courseRow.course)
}

// Course gives the course with an id or a key.
func (s *Store) Course(ctx context.Context, ref string) (lab.Course, error) {
	var row courseRow
	if err := s.reader().find(ctx, "course", ref, &row, selectCourses+`WHERE id = ? OR key = ?`, ref, ref); err != nil {
		return lab.Course{}, s.failed(ctx, "read a course", err)
	}
	return row.course(), nil
}

// CreateCourse adds a course, which the instructor has who makes it; CodeConflict
// when its key is taken.
func (s *Store) CreateCourse(ctx context.Context, intent lab.Intent, course lab.Course, audit lab.Audit) error {
	return s.act(ctx, intent, "create a course", func(tx session) (lab.Audit, error) {
		return audit, addCourse(ctx, tx, intent, course)
	})
}

func addCourse(ctx context.Context, tx session, intent lab.Intent, course lab.Course) error {
	tx.tellCourse(lab.EventCourseCreated, course)
	if err := insert(ctx, tx, insertCourse, rowOfCourse(course)); err != nil {
		return err
	}
	return appointMaker(ctx, tx, intent, lab.TrustCourse, course.ID)
}

// ChangeCourse writes the name, template, its version, parameters and time of
// change that decide makes of the course as it is. Until it has, no class of the
// course gets other parameters.
func (s *Store) ChangeCourse(
	ctx context.Context, intent lab.Intent, id string, decide func(lab.CourseState) (lab.Course, lab.Audit, error),
) (lab.Course, error) {
	var changed lab.Course
	err := s.act(ctx, intent, "change a course", func(tx session) (lab.Audit, error) {
		state, err := courseState(ctx, tx, id)
		if err != nil {
			return lab.Audit{}, err
		}
		if err := intent.Admits(state.Revision, state.Course); err != nil {
			return lab.Audit{}, err
		}
		next := state.Revision + 1
		course, audit, err := decide(state)
		if err != nil {
			return lab.Audit{}, err
		}
		changed = course
		changed.Revision = next
		tx.tellCourse(lab.EventCourseChanged, changed)
		_, err = tx.exec(ctx, `UPDATE courses SET name = ?, template = ?, template_version = ?, parameters = ?, search = ?, revision = ?, updated_at = ?
			WHERE id = ?`, course.Name, course.Template, course.TemplateVersion, document(course.Parameters),
			fold(course.Key, course.Name), next, stamp(course.UpdatedAt), id)
		return audit, err
	})
	return changed, err
}

// courseState holds a course, and reads what a change of it or of a class's
// parameters is decided from. A course is held before any of its classes.
func courseState(ctx context.Context, tx session, id string) (lab.CourseState, error) {
	if err := tx.lock(ctx, "course", lockCourse, id); err != nil {
		return lab.CourseState{}, err
	}
	var course courseRow
	if err := tx.find(ctx, "course", id, &course, selectCourses+`WHERE id = ?`, id); err != nil {
		return lab.CourseState{}, err
	}
	var classes []classRow
	if err := tx.list(ctx, &classes, selectClasses+`WHERE c.course_id = ? ORDER BY h.key`, id); err != nil {
		return lab.CourseState{}, err
	}
	return lab.CourseState{
		Course: course.course(), Classes: convert(classes, classRow.class),
		Lookup: func(name string, version int64) (lab.TemplateVersion, error) {
			return findVersion(ctx, tx, name, version)
		},
	}, nil
}

// DeleteCourse removes a course; CodeConflict while it has classes.
func (s *Store) DeleteCourse(ctx context.Context, intent lab.Intent, id string, audit lab.Audit) error {
	return s.act(ctx, intent, "delete a course", func(tx session) (lab.Audit, error) {
		course, err := holdCourse(ctx, tx, intent, id)
		if err != nil {
			return lab.Audit{}, err
		}
		if err := hasNoClasses(ctx, tx, "course", `WHERE c.course_id = ?`, id); err != nil {
			return lab.Audit{}, err
		}
		if _, err := tx.exec(ctx, `DELETE FROM course_instructors WHERE course_id = ?`, id); err != nil {
			return lab.Audit{}, err
		}
		tx.tellCourse(lab.EventCourseDeleted, course)
		_, err = tx.exec(ctx, `DELETE FROM courses WHERE id = ?`, id)
		return audit, err
	})
}

// holdCourse holds a course that the intent admits to be changed.
func holdCourse(ctx context.Context, tx session, intent lab.Intent, id string) (lab.Course, error) {
	if err := tx.lock(ctx, "course", lockCourse, id); err != nil {
		return lab.Course{}, err
	}
	var row courseRow
	if err := tx.find(ctx, "course", id, &row, selectCourses+`WHERE id = ?`, id); err != nil {
		return lab.Course{}, err
	}
	course := row.course()
	return course, intent.Admits(course.Revision, course)
}
