package registrar

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"

	"github.com/bothylabs/bothy/service/lab"
	"github.com/bothylabs/bothy/service/slug"
)

// ClassInput is a class to be made, with what it takes.
type ClassInput struct {
	// Cohort is a ref, or the name of a cohort to be made.
	Cohort string
	// Course is a ref, or, with a Template, the name of a course to be made.
	Course     string
	Template   string
	Parameters map[string]any
	// Students are enrolled as ImportRoster does it.
	Students []StudentInput
	// Admits says whether the class may be made of a cohort or course that there is;
	// nil admits all. Its CodeNotFound is what is answered for one that there is not.
	Admits func(lab.Belonging) error
}

// admits is the input's own Admits. It is asked before anything is told of what there
// is; that there is something of the name is told, since no other can have it.
func (in ClassInput) admits(b lab.Belonging, kind, ref string) error {
	if in.Admits == nil {
		return nil
	}
	err := in.Admits(b)
	if lab.CodeOf(err) == lab.CodeNotFound {
		return lab.Unseen(kind, ref)
	}
	return err
}

// CreateClass lets a cohort take a course, and makes what is missing for it:
// all of it or nothing. CodeConflict when the cohort takes the course already.
func (r *Registrar) CreateClass(ctx context.Context, intent lab.Intent, in ClassInput) (lab.Class, error) {
	var p problems
	cohort, newCohort, err := r.cohortOf(ctx, &p, in)
	if err != nil {
		return lab.Class{}, err
	}
	course, newCourse, err := r.courseOf(ctx, &p, in)
	if err != nil {
		return lab.Class{}, err
	}
	students := p.people("students", in.Students)
	if err := p.err("the class can't be made"); err != nil {
		return lab.Class{}, err
	}
	now := r.now()
	class := lab.NewClass{
		Class: lab.Class{
			ID: r.NewID(), CohortID: cohort.ID, CourseID: course.ID,
			CohortKey: cohort.Key, CourseKey: course.Key, Parameters: orEmpty(nil), Revision: 1, CreatedAt: now, UpdatedAt: now,
		},
	}
	if newCohort {
		class.Cohort = &cohort
	}
	if newCourse {
		class.Course = &course
	}
	class.Audit = r.audit(intent, "class.create", class.ID, map[string]any{
		"key": class.Key(), "students": len(students), "new_cohort": newCohort, "new_course": newCourse,
	})
	class.Audit = came(class.Audit, stateOfClass(class.Class))
	err = r.done(intent, r.Store.CreateClass(ctx, intent, class, func(enrolled []lab.Student) ([]lab.Student, error) {
		return merge(enrolled, cohort.ID, students, now, r.NewID), nil
	}))
	if err != nil {
		return lab.Class{}, err
	}
	return class.Class, nil
}

// cohortOf finds the cohort that an input means, or makes one of that name.
func (r *Registrar) cohortOf(ctx context.Context, p *problems, in ClassInput) (lab.Cohort, bool, error) {
	name := p.name("cohort", in.Cohort)
	if len(p.fields) > 0 {
		return lab.Cohort{}, false, nil
	}
	key := slug.Key(name)
	cohort, err := r.Store.Cohort(ctx, name)
	like := lab.CodeOf(err) == lab.CodeNotFound
	if like {
		cohort, err = r.Store.Cohort(ctx, key)
	}
	switch {
	case like && lab.CodeOf(err) == lab.CodeNotFound:
		cohort = r.newCohort(name)
		cohort.Key = key
		return cohort, true, nil
	case err != nil:
		return lab.Cohort{}, false, err
	}
	if err := in.admits(lab.Belonging{CohortID: cohort.ID}, "cohort", in.Cohort); err != nil {
		return lab.Cohort{}, false, err
	}
	if like && !strings.EqualFold(cohort.Name, name) {
		return lab.Cohort{}, false, sameKey("cohort", name, cohort.Name, key)
	}
	return cohort, false, nil
}

// courseOf finds the course that a text means, or makes one of that name from the template given.
func (r *Registrar) courseOf(ctx context.Context, p *problems, in ClassInput) (lab.Course, bool, error) {
	before := len(p.fields)
	name := p.name("course", in.Course)
	if len(p.fields) > before {
		return lab.Course{}, false, nil
	}
	course, err := r.Store.Course(ctx, name)
	like := lab.CodeOf(err) == lab.CodeNotFound
	if like {
		course, err = r.Store.Course(ctx, slug.Key(name))
	}
	switch {
	case err == nil:
		if err := in.admits(lab.Belonging{CourseID: course.ID}, "course", in.Course); err != nil {
			return lab.Course{}, false, err
		}
		if like && !strings.EqualFold(course.Name, name) {
			return lab.Course{}, false, sameKey("course", name, course.Name, course.Key)
		}
		return course, false, agrees(course, in)
	case lab.CodeOf(err) != lab.CodeNotFound:
		return lab.Course{}, false, err
	case in.Template == "":
		p.add("course", fmt.Sprintf("there is no course %q", name), "name one that exists, or give a template to make it from")
		return lab.Course{}, false, nil
	}
	course = r.newCourse(name, in.Template, in.Parameters)
	course.Key = slug.Key(name)
	course.TemplateVersion, err = r.checkTemplate(ctx, p, in.Template, 0, in.Parameters)
	return course, true, err
}

// agrees refuses to take a course for what it is not.
func agrees(course lab.Course, in ClassInput) error {
	e := lab.Errorf(lab.CodeConflict, "there is a course %q already, and it is another", course.Key).
		WithHint("leave out template and parameters to use it as it is, change the course, or choose another name")
	if in.Template != "" && in.Template != course.Template {
		e.Fields = append(e.Fields, lab.Field{
			Name:    "template",
			Problem: fmt.Sprintf("the course is made from %q, not from %q", course.Template, in.Template),
			Remedy:  "leave it out",
		})
	}
	if len(in.Parameters) > 0 && !sameJSON(in.Parameters, course.Parameters) {
		e.Fields = append(e.Fields, lab.Field{Name: "parameters", Problem: "the course has others", Remedy: "leave them out"})
	}
	if len(e.Fields) == 0 {
		return nil
	}
	return e
}

func sameJSON(a, b map[string]any) bool {
	left, leftErr := json.Marshal(a)
	right, rightErr := json.Marshal(b)
	return leftErr == nil && rightErr == nil && string(left) == string(right)
}

func sameKey(kind, name, other, key string) error {
	return &lab.Error{
		Code:    lab.CodeConflict,
		Message: fmt.Sprintf("a %s named %q would share its key with another", kind, name),
		Fields: []lab.Field{{
			Name:    kind,
			Problem: fmt.Sprintf("has the same key %q as the %s %q", key, kind, other),
			Remedy:  fmt.Sprintf("give %q to use that one, or choose another name", key),
		}},
	}
}

// ClassFilter chooses classes; the zero value all. Those that are being deleted
// are among them until their last workspace is gone.
type ClassFilter struct {
	// For is whose list it is.
	For lab.Viewer
	// Search is a text that the key, or a name of cohort or course, has in it, in whatever case.
	Search string
	// Cohort and Course are refs, "" for any.
	Cohort string
	Course string
	// Deleting, where it is not nil, wants those alone that are being deleted, or are not.
	Deleting *bool
}

// Classes gives a page of the classes that a filter chooses, by cohort and course
// where no other sort is asked for: course, created_at, updated_at.
func (r *Registrar) Classes(ctx context.Context, filter ClassFilter, page lab.Page) (lab.List[lab.Class], error) {
	page, err := checkList(filter.Search, page)
	if err != nil {
		return lab.List[lab.Class]{}, err
	}
	chosen := lab.ClassFilter{For: filter.For, Search: filter.Search, Deleting: filter.Deleting}
	if chosen.CohortID, err = r.cohortID(ctx, filter.Cohort); err != nil {
		return lab.List[lab.Class]{}, err
	}
	if chosen.CourseID, err = r.courseID(ctx, filter.Course); err != nil {
		return lab.List[lab.Class]{}, err
	}
	return r.Store.Classes(ctx, chosen, page)
}

// ClassProgress says how far the classes with some ids are; one that has no
// workspaces is not among them.
func (r *Registrar) ClassProgress(ctx context.Context, ids []string) (map[string]lab.ClassProgress, error) {
	return r.Store.ClassProgress(ctx, ids)
}

// Class gives one class.
func (r *Registrar) Class(ctx context.Context, ref string) (lab.Class, error) {
	return r.Store.Class(ctx, ref)
}

// UpdateClass sets what a class's parameters are in the place of its course's: all
// of them at once. Workspaces that run stay as they are until their next start.
// CodeConflict when the class is being deleted.
func (r *Registrar) UpdateClass(ctx context.Context, intent lab.Intent, ref string, parameters map[string]any) (lab.Class, error) {
	class, err := r.Store.Class(ctx, ref)
	if err != nil {
		return lab.Class{}, err
	}
	class, err = r.Store.SetClassParameters(ctx, intent, class.ID, func(class lab.Class, course lab.CourseState) (lab.Class, lab.Audit, error) {
		if class.Deleting {
			return lab.Class{}, lab.Audit{}, lab.Errorf(lab.CodeConflict, "class %s is being deleted", class.Key())
		}
		before := stateOfClass(class)
		class.Parameters, class.UpdatedAt = orEmpty(parameters), r.now()
		audit := r.audit(intent, "class.update", class.ID, map[string]any{"key": class.Key(), "parameters": class.Parameters})
		audit = became(audit, before, stateOfClass(class))
		return class, audit, r.checkClass(class, course)
	})
	return class, r.done(intent, err)
}

// checkClass holds a class's parameters against the version of the template that its course is made from.
func (r *Registrar) checkClass(class lab.Class, course lab.CourseState) error {
	v, err := course.Lookup(course.Template, course.TemplateVersion)
	if lab.CodeOf(err) == lab.CodeNotFound {
		return templateGone(course.Course)
	}
	if err != nil {
		return err
	}
	t, err := r.Library.parse(v)
	if err != nil {
		return err
	}
	var p problems
	if err := p.overrides(t, "", course.Parameters, class.Parameters); err != nil {
		return err
	}
	return p.err("the class can't be changed so")
}

// DeleteClass wants all workspaces of a class deleted, and the class gone with
// the last of them: at once when it has none.
func (r *Registrar) DeleteClass(ctx context.Context, intent lab.Intent, ref string, releaseHomes bool) (Started, error) {
	class, err := r.Store.Class(ctx, ref)
	if err != nil {
		return Started{}, err
	}
	var operation lab.Operation
	class, err = r.Store.ChangeClass(ctx, intent, class.ID, func(state lab.ClassState) (lab.ClassChange, error) {
		change := lab.ClassChange{Delete: true}
		var keep []lab.Workspace
		for _, w := range state.Workspaces {
			if deleted, changed := toDelete(w, releaseHomes, r.now()); changed {
				change.Update = append(change.Update, deleted)
			} else {
				keep = append(keep, w)
			}
		}
		r.operate(intent, lab.OperationDelete, state.Class, &change, keep)
		operation = change.Operation
		change.Audit = r.audit(intent, "class.delete", state.ID, map[string]any{
			"key": state.Key(), "release_homes": releaseHomes, "workspaces": len(change.Update), "operation": operation.ID,
		})
		change.Audit = went(change.Audit, stateOfClass(state.Class))
		return change, nil
	})
	if err := r.done(intent, err); err != nil {
		return Started{}, err
	}
	return Started{operation, class}, nil
}
