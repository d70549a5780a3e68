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
	return r.preflight(ctx, class, subject)
}

func wantedRunning(w lab.Workspace) bool { return w.Desired == lab.DesiredRunning }

func (r *Registrar) preflightWorkspace(ctx context.Context, w lab.WorkspaceDetail) error {
	class, err := r.Store.Class(ctx, w.ClassID)
	if err != nil {
		return err
	}
	return r.preflight(ctx, class, jobspec.Subject{
		Slug: w.Slug, WorkspaceID: w.ID, CohortKey: w.CohortKey, CourseKey: w.CourseKey,
	})
}

// preflight renders a class's job for one subject and asks the cluster about it.
func (r *Registrar) preflight(ctx context.Context, class lab.Class, subject jobspec.Subject) error {
	pattern, err := r.patternOf(ctx, class)
	if err != nil {
		return err
	}
	rendered, err := pattern.render(subject)
	if err != nil {
		return err
	}
	return r.Preflight.Check(ctx, rendered.Job)
}

// pattern is what the jobs of a class are rendered from, now.
type pattern struct {
	courseKey string
	template  *jobspec.Template
	settings  jobspec.Settings
	params    jobspec.Params
}

// patternOf gives the pattern of a class's jobs; CodeConflict when its template is gone.
func (r *Registrar) patternOf(ctx context.Context, class lab.Class) (pattern, error) {
	course, err := r.Store.Course(ctx, class.CourseID)
	if err != nil {
		return pattern{}, err
	}
	template, err := r.Library.Template(ctx, course.Template, course.TemplateVersion)
	if lab.CodeOf(err) == lab.CodeNotFound {
		return pattern{}, templateGone(course)
	}
	if err != nil {
		return pattern{}, err
	}
	return pattern{
		courseKey: course.Key, template: template, settings: r.Settings,
		params: lab.MergeParameters(course.Parameters, class.Parameters),
	}, nil
}

// fingerprint identifies what a start would submit now.
func (p pattern) fingerprint() string { return jobspec.Fingerprint(p.template, p.settings, p.params) }

// render gives one subject's files; CodeConflict when the pattern does not fit any more.
func (p pattern) render(subject jobspec.Subject) (*jobspec.Rendered, error) {
	rendered, err := jobspec.Render(p.template, p.settings, subject, p.params)
	var misfit *lab.Error
	if errors.As(err, &misfit) && misfit.Code == lab.CodeInvalid {
		// Not this request's input is wrong: the template or the settings have changed under the course.
		return nil, &lab.Error{
			Code:    lab.CodeConflict,
			Message: fmt.Sprintf("course %s can't be rendered any more", p.courseKey),
			Hint:    "change the parameters of the course or class to suit the template; settings are the operator's to change",
			Fields:  misfit.Fields,
			Cause:   err,
		}
	}
	if err != nil {
		return nil, fmt.Errorf("render a job of course %s: %w", p.courseKey, err)
	}
	return rendered, nil
}

// templateGone says that the version which a course is made from was never
// registered. That can only be where the course is older than the registering of
// versions and the file of its template was gone by then.
func templateGone(course lab.Course) error {
	return lab.Errorf(lab.CodeConflict, "course %s is made from version %d of the template %q, which is not there",
		course.Key, course.TemplateVersion, course.Template).
		WithHint("give the course another template, or push that one")
}
