package store

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/lib/pq"
)

// settle does what migrations in the SQL of both databases can't: whatever it
// finds done it leaves alone. Several instances may do it at once.
func (s *Store) settle(ctx context.Context) error {
	if s.dialect.settle != nil {
		if err := s.update(ctx, "settle the schema", func(tx session) error { return s.dialect.settle(ctx, tx) }); err != nil {
			return err
		}
	}
	for _, t := range []struct {
		name string
		// of are the columns that searches look into.
		of string
	}{
		{"cohorts", "key, name"},
		{"courses", "key, name"},
		{"students", "name, email"},
		{"users", "login, name"},
	} {
		if err := s.fillSearch(ctx, t.name, t.of); err != nil {
			return err
		}
	}
	return nil
}

// fillSearch fills in what searches compare, in rows of versions that did not.
func (s *Store) fillSearch(ctx context.Context, table, columns string) error {
	type row struct {
		ID     string `db:"id"`
		First  string `db:"first"`
		Second string `db:"second"`
	}
	first, second, _ := strings.Cut(columns, ", ")
	unfilled := `SELECT id, ` + first + ` AS first, ` + second + ` AS second FROM ` + table + ` WHERE search = '' ORDER BY id`
	return s.update(ctx, "fill in what searches compare", func(tx session) error {
		var rows []row
		if err := tx.list(ctx, &rows, unfilled+tx.locks.own); err != nil || len(rows) == 0 {
			return err
		}
		return tx.updateRows(ctx,
			`UPDATE `+table+` SET search = filled.column2 FROM $rows AS filled WHERE `+table+`.id = filled.column1`,
			[]string{"TEXT", "TEXT"},
			convert(rows, func(r row) []any { return []any{r.ID, fold(r.First, r.Second)} }))
	})
}

// settlePostgres makes every text column of Bothy's tables one that is compared
// and indexed by its bytes, as SQLite does it, whatever the database's language.
func settlePostgres(ctx context.Context, tx session) error {
	const settling = 0x626f746879 // "bothy": one instance at a time
	if _, err := tx.exec(ctx, `SELECT pg_advisory_xact_lock(?)`, settling); err != nil {
		return err
	}
	var columns []struct {
		Table  string `db:"table_name"`
		Column string `db:"column_name"`
	}
	err := tx.list(ctx, &columns, `SELECT table_name, column_name FROM information_schema.columns
		WHERE table_schema = current_schema() AND data_type = 'text' AND collation_name IS DISTINCT FROM 'C'
		ORDER BY table_name, ordinal_position`)
	if err != nil {
		return err
	}
	own := convert(copied(), func(t struct{ name, key string }) string { return t.name })
	for _, c := range columns {
		if !slices.Contains(own, c.Table) {
			continue
		}
		_, err := tx.exec(ctx, fmt.Sprintf(`ALTER TABLE %s ALTER COLUMN %s TYPE TEXT COLLATE "C"`,
			pq.QuoteIdentifier(c.Table), pq.QuoteIdentifier(c.Column)))
		if err != nil {
			return err
		}
	}
	return guardPostgres(ctx, tx)
}
