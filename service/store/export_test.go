package store

import (
	"context"

	"github.com/bothylabs/bothy/service/lab"
)

// PlanWorkspaces gives how the database reads a page of workspaces.
func (s *Store) PlanWorkspaces(ctx context.Context, f lab.WorkspaceFilter, p lab.Page) ([]string, error) {
	q, err := workspaceListing().query(workspaceConditions(f), p)
	if err != nil {
		return nil, err
	}
	if s.write.DriverName() == Postgres {
		var lines []string
		err := s.reader().list(ctx, &lines, `EXPLAIN `+q.sql, q.args...)
		return lines, err
	}
	var rows []struct {
		ID, Parent, NotUsed int
		Detail              string
	}
	if err := s.reader().list(ctx, &rows, `EXPLAIN QUERY PLAN `+q.sql, q.args...); err != nil {
		return nil, err
	}
	var lines []string
	for _, row := range rows {
		lines = append(lines, row.Detail)
	}
	return lines, nil
}

// PersonalTables are the tables that exports and erasures look at.
func PersonalTables() []string {
	return convert(personalTables(), func(t personalTable) string { return t.name })
}

// PlanAdmission gives how SQLite reads what is known of a pass; nothing for
// PostgreSQL, whose plans for empty tables say nothing.
func (s *Store) PlanAdmission(ctx context.Context) ([]string, error) {
	if s.write.DriverName() == Postgres {
		return nil, nil
	}
	type step struct {
		ID, Parent, NotUsed int
		Detail              string
	}
	var steps []step
	err := s.reader().list(ctx, &steps, `EXPLAIN QUERY PLAN `+admissions+`WHERE p.hash IN (?) AND w.slug = ? AND p.host = ? AND p.browser = ?`, 0, 0, 0, 0, "", "", "", "")
	return convert(steps, func(s step) string { return s.Detail }), err
}
