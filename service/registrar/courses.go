package registrar

import (
	"context"

	"github.com/bothylabs/bothy/service/lab"
)

// CourseInput is a course to be made. Without a Key it is made from the name.
type CourseInput struct {
	Name     string
	Key      string
	Template string
	// Parameters are values for the template's variables, as JSON decodes them.
	Parameters map[string]any
}

// CoursePatch changes what is not nil of a course; Parameters replaces all of them.
type CoursePatch struct {
	Name       *string
	Template   *string
	Parameters *map[string]any
}

// CreateCourse makes a course; CodeConflict when its key is taken.
func (r *Registrar) CreateCourse(ctx context.Context, intent lab.Intent, in CourseInput) (lab.Course, error) {
	var p problems
	course := r.newCourse(p.name("name", in.Name), in.Template, in.Parameters)
	course.Key = p.key(in.Key, course.Name)
	if err := r.checkTemplate(&p, in.Template, in.Parameters); err != nil {
		return lab.Course{}, err
	}
	if err := p.err("the course can't be made"); err != nil {
		return lab.Course{}, err
	}
	audit := r.audit(intent, "course.create", course.ID, map[string]any{
		"key": course.Key, "name": course.Name, "template": course.Template, "parameters": course.Parameters,
	})
	if err := r.done(intent, r.Store.CreateCourse(ctx, intent, course, audit)); err != nil {
		return lab.Course{}, err
	}
	return course, nil
}

func (r *Registrar) newCourse(name, template string, parameters map[string]any) lab.Course {
	now := r.now()
	return lab.Course{
		ID: r.NewID(), Name: name, Template: template, Parameters: orEmpty(parameters), Revision: 1, CreatedAt: now, UpdatedAt: now,
	}
}

// orEmpty is parameters as a later reading gives them.
func orEmpty(parameters map[string]any) map[string]any {
	if parameters == nil {
		return map[string]any{}
	}
	return parameters
}

// Courses gives a page of the courses that a filter chooses, by key where no
// other sort is asked for: name, template, created_at, updated_at.
func (r *Registrar) Courses(ctx context.Context, filter lab.CourseFilter, page lab.Page) (lab.List[lab.Course], error) {
	page, err := checkList(filter.Search, page)
	if err != nil {
		return lab.List[lab.Course]{}, err
	}
	return r.Store.Courses(ctx, filter, page)
}

// Course gives one course.
func (r *Registrar) Course(ctx context.Context, ref string) (lab.Course, error) {
	return r.Store.Course(ctx, ref)
}

// UpdateCourse changes a course. Workspaces that run stay as they are until
// their next start.
func (r *Registrar) UpdateCourse(ctx context.Context, intent lab.Intent, ref string, patch CoursePatch) (lab.Course, error) {
	course, err := r.Store.Course(ctx, ref)
	if err != nil {
		return lab.Course{}, err
	}
	course, err = r.Store.ChangeCourse(ctx, intent, course.ID, func(course lab.Course) (lab.Course, lab.Audit, error) {
		changed, detail, err := r.patch(course, patch)
		return changed, r.audit(intent, "course.update", course.ID, detail), err
	})
	return course, r.done(intent, err)
}

// patch is the course with a patch applied and checked as a whole: parameters
// that suited the old template may not suit the new one.
func (r *Registrar) patch(course lab.Course, patch CoursePatch) (lab.Course, map[string]any, error) {
	var p problems
	detail := map[string]any{"key": course.Key}
	if patch.Name != nil {
		course.Name = p.name("name", *patch.Name)
		detail["name"] = course.Name
	}
	if patch.Template != nil {
		course.Template = *patch.Template
		detail["template"] = course.Template
	}
	if patch.Parameters != nil {
		course.Parameters = orEmpty(*patch.Parameters)
		detail["parameters"] = course.Parameters
	}
	if patch.Template != nil || patch.Parameters != nil {
		if err := r.checkTemplate(&p, course.Template, course.Parameters); err != nil {
			return lab.Course{}, nil, err
		}
	}
	course.UpdatedAt = r.now()
	return course, detail, p.err("the course can't be changed so")
}

// DeleteCourse removes a course; CodeConflict while it has classes.
func (r *Registrar) DeleteCourse(ctx context.Context, intent lab.Intent, ref string) error {
	course, err := r.Store.Course(ctx, ref)
	if err != nil {
		return err
	}
	audit := r.audit(intent, "course.delete", course.ID, map[string]any{"key": course.Key, "name": course.Name})
	return r.done(intent, r.Store.DeleteCourse(ctx, intent, course.ID, audit))
}
