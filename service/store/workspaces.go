package store

import (
	"context"
	"slices"
	"time"

	"github.com/bothylabs/bothy/service/lab"
)

const (
	insertSlug      = `INSERT INTO slugs (slug, workspace_id, created_at) VALUES (:slug, :workspace_id, :created_at)`
	insertWorkspace = `INSERT INTO workspaces (id, class_id, student_id, slug, desired, restarts_wanted, resets_wanted, release_home,
			fingerprint, source_sha256, job_modify_index, restarts_done, submitted_at, resets_done,
			phase, reason, drifted, outdated, alloc_id, node_name, phase_since, created_at, updated_at, deleted_at)
		VALUES (:id, :class_id, :student_id, :slug, :desired, :restarts_wanted, :resets_wanted, :release_home,
			:fingerprint, :source_sha256, :job_modify_index, :restarts_done, :submitted_at, :resets_done,
			:phase, :reason, :drifted, :outdated, :alloc_id, :node_name, :phase_since, :created_at, :updated_at, :deleted_at)`
	updateWorkspace = `UPDATE workspaces SET desired = changed.column2, restarts_wanted = changed.column3,
			resets_wanted = changed.column4, release_home = changed.column5, updated_at = changed.column6, revision = revision + 1
		FROM $rows AS changed WHERE workspaces.id = changed.column1 AND workspaces.deleted_at IS NULL`
	lockWorkspace = `SELECT id FROM workspaces WHERE id = ?`
	selectOpen    = `SELECT ` + workspaceColumns + ` FROM workspaces w WHERE w.class_id = ? AND w.deleted_at IS NULL ORDER BY w.id`
	selectDetails = detailsOf + `workspaces` + namesOf
	detailsOf     = `SELECT ` + workspaceColumns + `,
			s.name AS student_name, s.email AS student_email, s.revision AS student_revision, h.key AS cohort_key, k.key AS course_key
		FROM `
	namesOf = ` w
		JOIN students s ON s.id = w.student_id
		JOIN classes c ON c.id = w.class_id
		JOIN cohorts h ON h.id = c.cohort_id
		JOIN courses k ON k.id = c.course_id `
)

type detailRow struct {
	workspaceRow
	StudentName     string `db:"student_name"`
	StudentEmail    string `db:"student_email"`
	StudentRevision int64  `db:"student_revision"`
	CohortKey       string `db:"cohort_key"`
	CourseKey       string `db:"course_key"`
}

func (r detailRow) detail() lab.WorkspaceDetail {
	return lab.WorkspaceDetail{
		Workspace: r.workspace(), StudentName: r.StudentName, StudentEmail: r.StudentEmail, StudentRevision: r.StudentRevision,
		CohortKey: r.CohortKey, CourseKey: r.CourseKey,
	}
}

// Workspaces gives a page of the workspaces that a filter chooses.
func (s *Store) Workspaces(ctx context.Context, f lab.WorkspaceFilter, p lab.Page) (lab.List[lab.WorkspaceDetail], error) {
	return page(ctx, s, workspaceListing(), workspaceConditions(f), p, detailRow.detail)
}

func workspaceConditions(f lab.WorkspaceFilter) conditions {
	var chosen conditions
	// An OR would be read past all indexes.
	const (
		theirs = `SELECT id FROM workspaces WHERE student_id IN (` + studentsOfUser + `)`
		of     = `SELECT id FROM workspaces WHERE class_id IN `
	)
	chosen.seenBy(f.For, map[lab.Role]string{
		lab.RoleInstructor: `w.id IN (` + of + `(` + taughtByUser + `) UNION ` + theirs + `)`,
		lab.RoleAssistant:  `w.id IN (` + of + `(` + assistedByUser + `) UNION ` + theirs + `)`,
		lab.RoleStudent:    `w.id IN (` + theirs + `)`,
	})
	chosen.is("class", "w.class_id", f.ClassID)
	chosen.is("student", "w.student_id", f.StudentID)
	if f.CohortID != "" {
		chosen.and("cohort", f.CohortID, `w.class_id IN (SELECT id FROM classes WHERE cohort_id = ?)`, f.CohortID)
	}
	if f.CourseID != "" {
		chosen.and("course", f.CourseID, `w.class_id IN (SELECT id FROM classes WHERE course_id = ?)`, f.CourseID)
	}
	chosen.is("desired", "w.desired", string(f.Desired))
	if phases := slices.Compact(slices.Sorted(slices.Values(f.Phases))); len(phases) > 0 {
		chosen.and("phase", phases, `w.phase IN (`+marks(len(phases))+`)`, convert(phases, func(p lab.Phase) any { return string(p) })...)
	}
	chosen.whether("drifted", "w.drifted", f.Drifted)
	chosen.whether("outdated", "w.outdated", f.Outdated)
	chosen.search(f.Search, "w.slug", "(SELECT search FROM students WHERE students.id = w.student_id)")
	if !f.Released {
		chosen.and("released", false, "w.deleted_at IS NULL")
	}
	return chosen
}

func workspaceListing() listing[detailRow] {
	slug := text("w.slug", func(r detailRow) string { return r.Slug })
	return listing[detailRow]{
		name: "workspaces", from: `SELECT w.* FROM workspaces w `, around: detailsOf + `$page` + namesOf, standard: "slug",
		sorts: map[string]order[detailRow]{
			"slug": by(slug),
			"student": {
				keys: []column[detailRow]{text("s.name", func(r detailRow) string { return r.StudentName }), slug},
				from: `SELECT w.* FROM workspaces w JOIN students s ON s.id = w.student_id `, lead: true, least: `s.name >= ''`,
			},
			"phase": by(text("w.phase", func(r detailRow) string { return r.Phase }), slug),
			"since": {
				keys: []column[detailRow]{moment("COALESCE(w.phase_since, 0)", func(r detailRow) stamp { return r.PhaseSince })},
				lead: true,
			},
			"created_at": by(moment("w.created_at", func(r detailRow) stamp { return r.CreatedAt })),
			"updated_at": by(moment("w.updated_at", func(r detailRow) stamp { return r.UpdatedAt })),
		},
		id: text("w.id", func(r detailRow) string { return r.ID }),
	}
}

// WorkspacesOfClass gives all workspaces of a class that are not yet released, in the order of their ids.
func (s *Store) WorkspacesOfClass(ctx context.Context, classID string) ([]lab.Workspace, error) {
	var rows []workspaceRow
	err := s.reader().list(ctx, &rows, selectOpen, classID)
	if err != nil {
		return nil, s.failed(ctx, "list the workspaces of a class", err)
	}
	return convert(rows, workspaceRow.workspace), nil
}

// Workspace gives the workspace with an id or a slug, also when it is released.
func (s *Store) Workspace(ctx context.Context, ref string) (lab.WorkspaceDetail, error) {
	detail, err := findDetail(ctx, s.reader(), ref)
	if err != nil {
		return lab.WorkspaceDetail{}, s.failed(ctx, "read a workspace", err)
	}
	return detail, nil
}

// ChangeWorkspace writes Desired, RestartsWanted, ResetsWanted, ReleaseHome and
// UpdatedAt of what decide makes of a workspace as it is, and ends what operations
// wanted of it otherwise. decide must refuse one that is released.
func (s *Store) ChangeWorkspace(
	ctx context.Context, intent lab.Intent, id string, decide func(lab.Workspace) (lab.Workspace, lab.Audit, error),
) (lab.WorkspaceDetail, error) {
	var changed lab.WorkspaceDetail
	err := s.act(ctx, intent, "change a workspace", func(tx session) (lab.Audit, error) {
		if err := tx.lock(ctx, "workspace", lockWorkspace, id); err != nil {
			return lab.Audit{}, err
		}
		detail, err := findDetail(ctx, tx, id)
		if err != nil {
			return lab.Audit{}, err
		}
		if err := intent.Admits(detail.Version(), detail); err != nil {
			return lab.Audit{}, err
		}
		workspace, audit, err := decide(detail.Workspace)
		if err != nil {
			return lab.Audit{}, err
		}
		if workspace != detail.Workspace {
			if err := updateWorkspaces(ctx, tx, []lab.Workspace{workspace}); err != nil {
				return lab.Audit{}, err
			}
			if err := tx.tellWorkspaces(ctx, lab.EventWorkspaceChanged, id); err != nil {
				return lab.Audit{}, err
			}
		}
		if err := settle(ctx, tx, []string{id}, s.now()); err != nil {
			return lab.Audit{}, err
		}
		changed, err = findDetail(ctx, tx, id)
		return audit, err
	})
	return changed, err
}

func findDetail(ctx context.Context, s session, ref string) (lab.WorkspaceDetail, error) {
	var row detailRow
	err := s.find(ctx, "workspace", ref, &row, selectDetails+`WHERE w.id = ? OR w.slug = ?`, ref, ref)
	return row.detail(), err
}

// addWorkspaces gives each new workspace's slug, for ever, and then adds the workspaces.
func addWorkspaces(ctx context.Context, tx session, workspaces []lab.Workspace) error {
	type slugRow struct {
		Slug        string `db:"slug"`
		WorkspaceID string `db:"workspace_id"`
		CreatedAt   stamp  `db:"created_at"`
	}
	slugs := convert(workspaces, func(w lab.Workspace) slugRow {
		return slugRow{Slug: string(w.Slug), WorkspaceID: w.ID, CreatedAt: stamp(w.CreatedAt)}
	})
	if err := insert(ctx, tx, insertSlug, slugs...); err != nil {
		return err
	}
	return insert(ctx, tx, insertWorkspace, convert(workspaces, rowOfWorkspace)...)
}

// updateWorkspaces writes what the registrar alone may write.
func updateWorkspaces(ctx context.Context, tx session, workspaces []lab.Workspace) error {
	rows := convert(workspaces, func(w lab.Workspace) []any {
		return []any{w.ID, string(w.Desired), w.RestartsWanted, w.ResetsWanted, w.ReleaseHome, stamp(w.UpdatedAt)}
	})
	return tx.updateRows(ctx, updateWorkspace, []string{"TEXT", "TEXT", "BIGINT", "BIGINT", "BOOLEAN", "BIGINT"}, rows)
}

func givenSlugs(ctx context.Context, tx session, slugs []lab.Slug) (map[lab.Slug]bool, error) {
	rows, err := in[lab.Slug](ctx, tx, `SELECT slug FROM slugs WHERE slug IN (?)`, slugs)
	if err != nil {
		return nil, err
	}
	given := make(map[lab.Slug]bool, len(rows))
	for _, slug := range rows {
		given[slug] = true
	}
	return given, nil
}

// releasedReason says in one sentence how a released workspace ended.
func releasedReason(releaseHome bool) string {
	if releaseHome {
		return "Deleted, with its home."
	}
	return "Deleted; its home is kept."
}

// equalButSince says whether two states differ in nothing but the moment of their phase.
func equalButSince(a, b lab.Status) bool {
	a.Since, b.Since = time.Time{}, time.Time{}
	return a == b
}
