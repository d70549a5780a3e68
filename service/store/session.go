package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/jmoiron/sqlx"

	"github.com/bothylabs/bothy/service/lab"
)

// batchRows keeps a statement's parameters far below the databases' limits (32,766 in SQLite, 65,535 in PostgreSQL).
const batchRows = 250

// session is a transaction, or the pool for single reads. Queries are written
// with ? and take each driver's own form here.
type session struct {
	sqlx.ExtContext
	locks rowLocks
	// outbox is nil outside of a transaction.
	outbox *outbox
}

// get reads one row; sql.ErrNoRows when there is none.
func (s session) get(ctx context.Context, dest any, query string, args ...any) error {
	if err := sqlx.GetContext(ctx, s, dest, s.Rebind(query), args...); err != nil {
		return fmt.Errorf("read one row: %w", err)
	}
	return nil
}

// find reads one row; CodeNotFound names kind and ref when there is none.
func (s session) find(ctx context.Context, kind, ref string, dest any, query string, args ...any) error {
	err := s.get(ctx, dest, query, args...)
	if errors.Is(err, sql.ErrNoRows) {
		return lab.NotFound(kind, ref)
	}
	return err
}

// list reads all rows of a query into the slice that dest points to.
func (s session) list(ctx context.Context, dest any, query string, args ...any) error {
	if err := sqlx.SelectContext(ctx, s, dest, s.Rebind(query), args...); err != nil {
		return fmt.Errorf("read rows: %w", err)
	}
	return nil
}

// exec runs a statement and gives the number of rows that it wrote.
func (s session) exec(ctx context.Context, query string, args ...any) (int64, error) {
	result, err := s.ExecContext(ctx, s.Rebind(query), args...)
	if err != nil {
		return 0, fmt.Errorf("write: %w", err)
	}
	n, err := result.RowsAffected()
	if err != nil {
		return 0, fmt.Errorf("count the rows written: %w", err)
	}
	return n, nil
}

// lock holds the row of a query until the transaction ends, so that decisions
// made from what hangs on it are made one after the other. What is decided from
// is read after it. CodeNotFound when there is no such row.
func (s session) lock(ctx context.Context, kind, query, id string) error {
	var held string
	return s.find(ctx, kind, id, &held, query+s.locks.own, id)
}

// insert writes rows in batches; query is an INSERT whose values are named after the rows' columns.
func insert[T any](ctx context.Context, s session, query string, rows ...T) error {
	for batch := range slices.Chunk(rows, batchRows) {
		if _, err := sqlx.NamedExecContext(ctx, s, query, batch); err != nil {
			return fmt.Errorf("insert: %w", err)
		}
	}
	return nil
}

// updateRows writes different values into many rows, a batch a statement. In
// statement, $rows stands for the batch, a table whose columns both SQLite and
// PostgreSQL call column1, column2, …; types are theirs.
func (s session) updateRows(ctx context.Context, statement string, types []string, rows [][]any) error {
	casts := make([]string, len(types))
	for i, t := range types {
		casts[i] = "CAST(? AS " + t + ")"
	}
	row := "(" + strings.Join(casts, ", ") + ")"
	for batch := range slices.Chunk(rows, batchRows) {
		values := "(VALUES " + strings.Join(slices.Repeat([]string{row}, len(batch)), ", ") + ")"
		if _, err := s.exec(ctx, strings.Replace(statement, "$rows", values, 1), slices.Concat(batch...)...); err != nil {
			return err
		}
	}
	return nil
}

// in gives the rows of a query whose one list parameter holds any number of values.
func in[T, V any](ctx context.Context, s session, query string, values []V) ([]T, error) {
	var all []T
	for batch := range slices.Chunk(values, batchRows) {
		q, args, err := sqlx.In(query, batch)
		if err != nil {
			return nil, fmt.Errorf("expand the list of a query: %w", err)
		}
		var rows []T
		if err := s.list(ctx, &rows, q, args...); err != nil {
			return nil, err
		}
		all = append(all, rows...)
	}
	return all, nil
}
