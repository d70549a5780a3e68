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
