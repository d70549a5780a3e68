package store

import (
	"context"
	"time"

	"github.com/bothylabs/bothy/service/lab"
)

// dueHomes bounds how many kept homes are given at a time.
const dueHomes = 100

type keptHomeRow struct {
	Slug        string `db:"slug"`
	WorkspaceID string `db:"workspace_id"`
	StudentID   string `db:"student_id"`
	Since       stamp  `db:"since"`
}

func (r keptHomeRow) home() lab.KeptHome {
	return lab.KeptHome{Slug: lab.Slug(r.Slug), WorkspaceID: r.WorkspaceID, StudentID: r.StudentID, Since: time.Time(r.Since)}
}

// keepHome notes that the home of a deleted workspace is kept.
func keepHome(ctx context.Context, tx session, w lab.Workspace, at time.Time) error {
	_, err := tx.exec(ctx, `INSERT INTO kept_homes (slug, workspace_id, student_id, user_id, since, unwanted)
		SELECT w.slug, w.id, w.student_id, s.user_id, ?, s.erased_at IS NOT NULL
		FROM workspaces w JOIN students s ON s.id = w.student_id WHERE w.id = ?`, stamp(at), w.ID)
	return err
}

// DueHomes gives the homes that were kept before a moment, and those that are not
// wanted any longer; of many the first ones.
func (s *Store) DueHomes(ctx context.Context, before time.Time) ([]lab.KeptHome, error) {
	var rows []keptHomeRow
	err := s.reader().list(ctx, &rows, `SELECT slug, workspace_id, student_id, since FROM kept_homes
		WHERE unwanted OR since < ? ORDER BY since, slug LIMIT ?`, stamp(before), dueHomes)
	if err != nil {
		return nil, s.failed(ctx, "list homes whose time is over", err)
	}
	return convert(rows, keptHomeRow.home), nil
}

// AnnounceHomeRelease writes that a kept home is about to be deleted.
func (s *Store) AnnounceHomeRelease(ctx context.Context, epoch int64, slug lab.Slug, at time.Time) error {
	return s.update(ctx, "announce the end of a home", func(tx session) error {
		if err := hold(ctx, tx, epoch); err != nil {
			return err
		}
		_, err := tx.exec(ctx, `UPDATE kept_homes SET releasing_at = ? WHERE slug = ?`, stamp(at), string(slug))
		return err
	})
}

// RecordHomeReleased writes that a kept home was deleted, with its audit row. A
// second time changes nothing.
func (s *Store) RecordHomeReleased(ctx context.Context, epoch int64, slug lab.Slug, audit lab.Audit) error {
	return s.update(ctx, "record the end of a home", func(tx session) error {
		if err := hold(ctx, tx, epoch); err != nil {
			return err
		}
		n, err := tx.exec(ctx, `DELETE FROM kept_homes WHERE slug = ?`, string(slug))
		if err != nil || n == 0 {
			return err
		}
		return record(ctx, tx, audit)
	})
}
