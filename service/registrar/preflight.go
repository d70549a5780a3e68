package registrar

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/bothylabs/bothy/service/jobspec"
	"github.com/bothylabs/bothy/service/lab"
	"github.com/bothylabs/bothy/service/slug"
)

// preflightClass asks the cluster about one workspace of a class, before
// anything is written. What the act can't be done to is refused before that.
func (r *Registrar) preflightClass(ctx context.Context, act Act, class lab.Class) error {
	students, err := r.Store.EnrolledStudents(ctx, class.CohortID)
	if err != nil {
		return err
	}
	workspaces, err := r.Store.WorkspacesOfClass(ctx, class.ID)
	if err != nil {
		return err
	}
	state := lab.ClassState{Class: class, Students: students, Workspaces: workspaces}
	result, err := actOnClass(act, state, r.now())
	if err != nil {
		return err
	}
	subject := jobspec.Subject{CohortKey: class.CohortKey, CourseKey: class.CourseKey}
	switch starts := slices.IndexFunc(result.update, wantedRunning); {
	case starts >= 0:
		subject.Slug, subject.WorkspaceID = result.update[starts].Slug, result.update[starts].ID
	case len(result.without) > 0:
		// Which slug it will be is decided later; all are alike to the cluster.
		subject.Slug = firstOf(slug.Candidates(class.CohortKey, class.CourseKey, result.without[0].Name))
		subject.WorkspaceID = r.NewID()
	default:
		return nil
	}
	return r.preflight(ctx, class.CourseID, subject)
}

func wantedRunning(w lab.Workspace) bool { return w.Desired == lab.DesiredRunning }

func (r *Registrar) preflightWorkspace(ctx context.Context, w lab.WorkspaceDetail) error {
	class, err := r.Store.Class(ctx, w.ClassID)
	if err != nil {
		return err
	}
	return r.preflight(ctx, class.CourseID, jobspec.Subject{
		Slug: w.Slug, WorkspaceID: w.ID, CohortKey: w.CohortKey, CourseKey: w.CourseKey,
	})
}

// preflight renders a course's job for one subject and asks the cluster about it.
func (r *Registrar) preflight(ctx context.Context, courseID string, subject jobspec.Subject) error {
	course, err := r.Store.Course(ctx, courseID)
	if err != nil {
		return err
	}
	template, err := r.Catalog.Template(course.Template)
	if lab.CodeOf(err) == lab.CodeNotFound {
		return lab.Errorf(lab.CodeConflict, "course %s is made from the template %q, which is not there any more", course.Key, course.Template).
			WithHint("give the course another template, or bring this one back; there are: %s", r.templateNames())
	}
	if err != nil {
		return err
	}
	rendered, err := jobspec.Render(template, r.Settings, subject, course.Parameters)
	var misfit *lab.Error
	if errors.As(err, &misfit) && misfit.Code == lab.CodeInvalid {
		// Not this request's input is wrong: the template or the settings have changed under the course.
		return &lab.Error{
			Code:    lab.CodeConflict,
			Message: fmt.Sprintf("course %s can't be rendered any more", course.Key),
			Hint:    "change the course's parameters to suit its template; settings are the operator's to change",
			Fields:  misfit.Fields,
			Cause:   err,
		}
	}
	if err != nil {
		return fmt.Errorf("render a job of course %s: %w", course.Key, err)
	}
	return r.Preflight.Check(ctx, rendered.Job)
}
