package store

import (
	"context"
	"database/sql"
	"errors"
	"time"

	"github.com/bothylabs/bothy/service/lab"
)

const (
	// versionColumns are all but the source, which lists leave out.
	versionColumns = `v.id, v.name, v.version, v.digest, v.description, v.origin_kind, v.origin_url, v.origin_path,
		v.origin_revision, v.origin_dirty, v.author_name, v.author_email, v.registered_by, v.message, v.created_at`
	selectVersions = `SELECT ` + versionColumns + ` FROM template_versions v `
	insertVersion  = `INSERT INTO template_versions (id, name, version, digest, description, source,
			origin_kind, origin_url, origin_path, origin_revision, origin_dirty,
			author_name, author_email, registered_by, message, search, created_at)
		VALUES (:id, :name, :version, :digest, :description, :source,
			:origin_kind, :origin_url, :origin_path, :origin_revision, :origin_dirty,
			:author_name, :author_email, :registered_by, :message, :search, :created_at)`
	newestVersions = `v.version = (SELECT MAX(n.version) FROM template_versions n WHERE n.name = v.name)`
	lockTemplate   = `SELECT name FROM templates WHERE name = ?`
)

type versionRow struct {
	ID             string `db:"id"`
	Name           string `db:"name"`
	Version        int64  `db:"version"`
	Digest         string `db:"digest"`
	Description    string `db:"description"`
	Source         string `db:"source"`
	OriginKind     string `db:"origin_kind"`
	OriginURL      string `db:"origin_url"`
	OriginPath     string `db:"origin_path"`
	OriginRevision string `db:"origin_revision"`
	OriginDirty    bool   `db:"origin_dirty"`
	AuthorName     string `db:"author_name"`
	AuthorEmail    string `db:"author_email"`
	RegisteredBy   string `db:"registered_by"`
	Message        string `db:"message"`
	Search         string `db:"search"`
	CreatedAt      stamp  `db:"created_at"`
}

func (r versionRow) version() lab.TemplateVersion {
	return lab.TemplateVersion{
		ID: r.ID, Name: r.Name, Version: r.Version, Digest: r.Digest, Description: r.Description, Source: r.Source,
		Origin: lab.TemplateOrigin{
			Kind: lab.OriginKind(r.OriginKind), URL: r.OriginURL, Path: r.OriginPath, Revision: r.OriginRevision, Dirty: r.OriginDirty,
		},
		Author:       lab.Author{Name: r.AuthorName, Email: r.AuthorEmail},
		RegisteredBy: r.RegisteredBy, Message: r.Message, CreatedAt: time.Time(r.CreatedAt),
	}
}

func rowOfVersion(v lab.TemplateVersion) versionRow {
	return versionRow{
		ID: v.ID, Name: v.Name, Version: v.Version, Digest: v.Digest, Description: v.Description, Source: v.Source,
		OriginKind: string(v.Origin.Kind), OriginURL: v.Origin.URL, OriginPath: v.Origin.Path,
		OriginRevision: v.Origin.Revision, OriginDirty: v.Origin.Dirty,
		AuthorName: v.Author.Name, AuthorEmail: v.Author.Email,
		RegisteredBy: v.RegisteredBy, Message: v.Message, Search: fold(v.Name, v.Description), CreatedAt: stamp(v.CreatedAt),
	}
}

// Templates gives a page of the newest versions of the templates that a filter
// chooses, without their sources.
func (s *Store) Templates(ctx context.Context, f lab.TemplateFilter, p lab.Page) (lab.List[lab.TemplateVersion], error) {
	var chosen conditions
	chosen.sql = append(chosen.sql, newestVersions)
	chosen.search(f.Search, "v.search")
	return page(ctx, s, listing[versionRow]{
		name: "templates", from: selectVersions, standard: "name",
		sorts: map[string]order[versionRow]{"name": by(text("v.name", func(r versionRow) string { return r.Name }))},
		id:    text("v.id", func(r versionRow) string { return r.ID }),
	}, chosen, p, versionRow.version)
}

// TemplateVersions gives a page of the versions of a template, without their
// sources. CodeNotFound when there is no template of that name.
func (s *Store) TemplateVersions(ctx context.Context, name string, p lab.Page) (lab.List[lab.TemplateVersion], error) {
	if _, err := s.TemplateVersion(ctx, name, 0); err != nil {
		return lab.List[lab.TemplateVersion]{}, err
	}
	var chosen conditions
	chosen.is("name", "v.name", name)
	return page(ctx, s, listing[versionRow]{
		name: "versions", from: selectVersions, standard: "-version",
		sorts: map[string]order[versionRow]{"version": by(column[versionRow]{"v.version", func(r versionRow) any { return r.Version }})},
		id:    text("v.id", func(r versionRow) string { return r.ID }),
	}, chosen, p, versionRow.version)
}

// TemplateVersion gives one version of a template with its source, the newest for 0.
func (s *Store) TemplateVersion(ctx context.Context, name string, version int64) (lab.TemplateVersion, error) {
	found, err := findVersion(ctx, s.reader(), name, version)
	if err != nil {
		return lab.TemplateVersion{}, s.failed(ctx, "read a template", err)
	}
	return found, nil
}

func findVersion(ctx context.Context, s session, name string, version int64) (lab.TemplateVersion, error) {
	const query = `SELECT ` + versionColumns + `, v.source FROM template_versions v WHERE v.name = ? AND `
	var row versionRow
	var err error
	if version == 0 {
		err = s.get(ctx, &row, query+newestVersions, name)
	} else {
		err = s.get(ctx, &row, query+`v.version = ?`, name, version)
	}
	if !errors.Is(err, sql.ErrNoRows) {
		return row.version(), err
	}
	newest, err := newestVersion(ctx, s, name, "")
	switch {
	case err != nil:
		return lab.TemplateVersion{}, err
	case newest.Version == 0:
		return lab.TemplateVersion{}, lab.NotFound("template", name)
	}
	return lab.TemplateVersion{}, lab.Errorf(lab.CodeNotFound, "template %q has no version %d", name, version).
		WithHint("its newest version is %d", newest.Version)
}

// RegisterTemplate adds the version that decide makes of a template's state, with
// its audit row, and nothing when that is nil. Those who register versions of the
// same template are decided one after the other.
func (s *Store) RegisterTemplate(
	ctx context.Context, intent lab.Intent, name, digest string, decide func(lab.TemplateState) (*lab.TemplateVersion, lab.Audit, error),
) error {
	return s.act(ctx, intent, "register a template", func(tx session) (lab.Audit, error) {
		_, err := tx.exec(ctx, `INSERT INTO templates (name, created_at) VALUES (?, ?) ON CONFLICT (name) DO NOTHING`, name, stamp(s.now()))
		if err != nil {
			return lab.Audit{}, err
		}
		if err := tx.lock(ctx, "template", lockTemplate, name); err != nil {
			return lab.Audit{}, err
		}
		var state lab.TemplateState
		if state.Newest, err = newestVersion(ctx, tx, name, ""); err != nil {
			return lab.Audit{}, err
		}
		if state.Same, err = newestVersion(ctx, tx, name, digest); err != nil {
			return lab.Audit{}, err
		}
		version, audit, err := decide(state)
		if err != nil || version == nil {
			return lab.Audit{Target: state.Same.ID}, err
		}
		tx.tellTemplate(*version)
		return audit, insert(ctx, tx, insertVersion, rowOfVersion(*version))
	})
}

// newestVersion gives the newest version, or the newest with a digest; a zero one when there is none.
func newestVersion(ctx context.Context, s session, name, digest string) (lab.TemplateVersion, error) {
	query, args := `SELECT `+versionColumns+` FROM template_versions v WHERE v.name = ?`, []any{name}
	if digest != "" {
		query, args = query+` AND v.digest = ?`, append(args, digest)
	}
	var rows []versionRow
	if err := s.list(ctx, &rows, query+` ORDER BY v.version DESC LIMIT 1`, args...); err != nil || len(rows) == 0 {
		return lab.TemplateVersion{}, err
	}
	return rows[0].version(), nil
}
