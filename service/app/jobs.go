package app

import (
	"context"

	"github.com/bothylabs/bothy/service/config"
	"github.com/bothylabs/bothy/service/jobspec"
	"github.com/bothylabs/bothy/service/lab"
	"github.com/bothylabs/bothy/service/reconcile"
	"github.com/bothylabs/bothy/service/registrar"
)

// JobSettings is what the deployment puts into every job. Files that no server
// keeps have no installation.
func JobSettings(c config.Config, installation string) jobspec.Settings {
	return jobspec.Settings{
		InstallationID: installation,
		Namespace:      c.Nomad.Namespace,
		NodePool:       c.Nomad.NodePool,
		Datacenters:    c.Nomad.Datacenters,
		HomeType:       jobspec.HomeType(c.Home.Type),
		CSIPlugin:      c.Home.CSI.PluginID,
		CSIFileSystem:  c.Home.CSI.FileSystem,
		HomeUID:        c.Home.UID,
		HomeGID:        c.Home.GID,
		LabsURL:        c.LabsURL,
		ConsoleURL:     c.ConsoleURL,
		DoorURL:        c.Door.URL,
		DoorResolver:   c.Door.Resolver,
		VaultRole:      c.Vault.Role,
		VaultMount:     c.Vault.Mount,
	}
}

// jobs renders workspaces for the reconciler.
type jobs struct {
	library  *registrar.Library
	settings jobspec.Settings
}

var _ reconcile.Jobs = jobs{}

// Fingerprint implements reconcile.Jobs.
func (j jobs) Fingerprint(ctx context.Context, item lab.WorkItem) (string, error) {
	template, err := j.library.Template(ctx, item.Template, item.TemplateVersion)
	if err != nil {
		return "", err
	}
	return jobspec.Fingerprint(template, j.settings, item.Parameters), nil
}

// Render implements reconcile.Jobs.
func (j jobs) Render(ctx context.Context, item lab.WorkItem) (reconcile.Rendered, error) {
	template, err := j.library.Template(ctx, item.Template, item.TemplateVersion)
	if err != nil {
		return reconcile.Rendered{}, err
	}
	fingerprint := jobspec.Fingerprint(template, j.settings, item.Parameters)
	subject := jobspec.Subject{Slug: item.Slug, WorkspaceID: item.ID, CohortKey: item.CohortKey, CourseKey: item.CourseKey}
	rendered, err := jobspec.Render(template, j.settings, subject, item.Parameters)
	if err != nil {
		return reconcile.Rendered{}, err
	}
	return reconcile.Rendered{Job: rendered.Job, Volume: rendered.Volume, Fingerprint: fingerprint}, nil
}
