package reconcile

import (
	"fmt"

	"github.com/bothylabs/bothy/service/jobspec"
	"github.com/bothylabs/bothy/service/lab"
)

// Catalog knows the templates.
type Catalog interface {
	// Template gives the template of this name; CodeNotFound when there is none.
	Template(name string) (*jobspec.Template, error)
}

// Rendering renders workspaces from a catalog's templates, as Jobs.
type Rendering struct {
	Catalog  Catalog
	Settings jobspec.Settings
}

// Fingerprint identifies what Render would give, but for whom.
func (r Rendering) Fingerprint(item lab.WorkItem) (string, error) {
	template, err := r.Catalog.Template(item.Template)
	if err != nil {
		return "", fmt.Errorf("find template: %w", err)
	}
	return jobspec.Fingerprint(template, r.Settings, item.Parameters), nil
}

// Render gives the workspace's files.
func (r Rendering) Render(item lab.WorkItem) (Rendered, error) {
	template, err := r.Catalog.Template(item.Template)
	if err != nil {
		return Rendered{}, fmt.Errorf("find template: %w", err)
	}
	rendered, err := jobspec.Render(template, r.Settings, jobspec.Subject{
		Slug: item.Slug, WorkspaceID: item.ID, CohortKey: item.CohortKey, CourseKey: item.CourseKey,
	}, item.Parameters)
	if err != nil {
		return Rendered{}, fmt.Errorf("render template: %w", err)
	}
	return Rendered{
		Job: rendered.Job, Volume: rendered.Volume,
		Fingerprint: jobspec.Fingerprint(template, r.Settings, item.Parameters),
	}, nil
}
