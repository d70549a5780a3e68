package registrar

import (
	"context"
	"fmt"

	"github.com/bothylabs/bothy/service/lab"
)

// CourseInput is a course to be made. Without a Key it is made from the name.
type CourseInput struct {
	Name     string
	Key      string
	Template string
	// TemplateVersion is the version that the course is made from; 0 takes the newest.
	TemplateVersion int64
	// Parameters are values for the template's variables, as JSON decodes them.
	Parameters map[string]any
}

// CoursePatch changes what is not nil of a course; Parameters replaces all of
// them. Another Template without its version takes that one's newest; the same
// one again stays at its version.
type CoursePatch struct {
	Name            *string
	Template        *string
	TemplateVersion *int64
	Parameters      *map[string]any
}

// CreateCourse makes a course; CodeConflict when its key is taken.
func (r *Registrar) CreateCourse(ctx context.Context, intent lab.Intent, in CourseInput) (lab.Course, error) {
	var p problems
	course := r.newCourse(p.name("name", in.Name), in.Template, in.Parameters)
	course.Key = p.key(in.Key, course.Name)
	var err error
	if course.TemplateVersion, err = r.checkTemplate(ctx, &p, in.Template, in.TemplateVersion, in.Parameters); err != nil {
		return lab.Course{}, err
	}
	if err := p.err("the course can't be made"); err != nil {
		return lab.Course{}, err
	}
	audit := r.audit(intent, "course.create", course.ID, map[string]any{
		"key": course.Key, "name": course.Name, "template": course.Template,
		"template_version": course.TemplateVersion, "parameters": course.Parameters,
	})
	audit = came(audit, stateOfCourse(course))
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
// their next start. What the course's classes set for themselves must suit it too:
// where it does not, fields are "classes[fall-26/py101].parameters.memory".
func (r *Registrar) UpdateCourse(ctx context.Context, intent lab.Intent, ref string, patch CoursePatch) (lab.Course, error) {
	course, err := r.Store.Course(ctx, ref)
	if err != nil {
		return lab.Course{}, err
	}
	course, err = r.Store.ChangeCourse(ctx, intent, course.ID, func(state lab.CourseState) (lab.Course, lab.Audit, error) {
		changed, detail, err := r.patch(state, patch)
		audit := r.audit(intent, "course.update", state.ID, detail)
		return changed, became(audit, stateOfCourse(state.Course), stateOfCourse(changed)), err
	})
	return course, r.done(intent, err)
}

// patch is the course with a patch applied and checked as a whole: parameters
// that suited the old template may not suit the new one.
func (r *Registrar) patch(state lab.CourseState, patch CoursePatch) (lab.Course, map[string]any, error) {
	var p problems
	course := state.Course
	detail := map[string]any{"key": course.Key}
	if patch.Name != nil {
		course.Name = p.name("name", *patch.Name)
		detail["name"] = course.Name
	}
	if patch.Parameters != nil {
		course.Parameters = orEmpty(*patch.Parameters)
		detail["parameters"] = course.Parameters
	}
	if patch.Template != nil && *patch.Template != course.Template {
		course.Template, course.TemplateVersion = *patch.Template, 0
	}
	if patch.TemplateVersion != nil {
		course.TemplateVersion = *patch.TemplateVersion
	}
	if patch.Template != nil || patch.TemplateVersion != nil || patch.Parameters != nil {
		if err := r.checkCourse(&p, &course, state); err != nil {
			return lab.Course{}, nil, err
		}
	}
	if course.Template != state.Template || course.TemplateVersion != state.TemplateVersion {
		detail["template"], detail["template_version"] = course.Template, course.TemplateVersion
	}
	course.UpdatedAt = r.now()
	return course, detail, p.err("the course can't be changed so")
}

// checkCourse finds the version that the course is to be made from and collects
// what is wrong with its parameters, and with its classes', for that one.
func (r *Registrar) checkCourse(p *problems, course *lab.Course, state lab.CourseState) error {
	v, t, err := r.versionOf(p, course.Template, course.TemplateVersion, state.Lookup)
	if err != nil || t == nil {
		return err
	}
	course.TemplateVersion = v.Version
	if err := p.take(t.CheckParams(course.Parameters)); err != nil {
		return err
	}
	for _, class := range state.Classes {
		if err := p.overrides(t, fmt.Sprintf("classes[%s].", class.Key()), course.Parameters, class.Parameters); err != nil {
			return err
		}
	}
	return nil
}

// DeleteCourse removes a course; CodeConflict while it has classes.
func (r *Registrar) DeleteCourse(ctx context.Context, intent lab.Intent, ref string) error {
	course, err := r.Store.Course(ctx, ref)
	if err != nil {
		return err
	}
	audit := went(r.audit(intent, "course.delete", course.ID, map[string]any{"key": course.Key, "name": course.Name}), stateOfCourse(course))
	return r.done(intent, r.Store.DeleteCourse(ctx, intent, course.ID, audit))
}
