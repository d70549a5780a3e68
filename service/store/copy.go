package store

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"strings"

	"github.com/jmoiron/sqlx"

	"github.com/bothylabs/bothy/service/lab"
)

// CopiedTable is a table and how many rows of it were copied and found equal.
type CopiedTable struct {
	Table string `json:"table"`
	Rows  int64  `json:"rows"`
}

// copied are the tables that Copy copies, each after those it refers to, and the
// columns that its rows are ordered by. The version of the schema is each database's own.
func copied() []struct{ name, key string } {
	return []struct{ name, key string }{
		{"installation", "one"},
		{"reconciler", "one"},
		{"templates", "name"},
		{"template_versions", "id"},
		{"users", "id"},
		{"cohorts", "id"},
		{"cohort_instructors", "cohort_id, user_id"},
		{"courses", "id"},
		{"course_instructors", "course_id, user_id"},
		{"students", "id"},
		{"classes", "id"},
		{"class_assistants", "class_id, user_id"},
		{"slugs", "slug"},
		{"workspaces", "id"},
		{"kept_homes", "slug"},
		{"sessions", "id"},
		{"session_tokens", "hash"},
		{"devices", "user_id, hash"},
		{"api_tokens", "id"},
		{"mail_links", "id"},
		{"sign_in_attempts", "key"},
		{"tickets", "hash"},
		{"passes", "id"},
		{"browsers", "hash"},
		{"look_ins", "id"},
		{"secret_owners", "kind, id"},
		{"secrets", "kind, owner_id, name"},
		{"audit", "id"},
		{"audit_guard", "one"},
		{"idempotency_keys", "actor, key"},
		{"operations", "id"},
		{"operation_items", "operation_id, workspace_id"},
		{"event_counter", "one"},
		{"events", "id"},
	}
}

// Copy fills an empty database with all that another holds: in one transaction,
// at whose end every row of the one is compared with that of the other. Until
// then nothing is written for good, and nobody else can write to either. It tells
// report how many of a table's rows are copied.
//
// CodeConflict when the target is not empty, CodeNotFound when the source is not
// there, CodeRefused when it is of another version than this program.
func Copy(ctx context.Context, from, to Config, report func(table string, done, all int64)) (_ []CopiedTable, err error) {
	source, err := openSource(ctx, from)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, source.Close()) }()
	target, err := Open(ctx, to)
	if err != nil {
		return nil, fmt.Errorf("open the target: %w", err)
	}
	defer func() { err = errors.Join(err, target.Close()) }()

	var tables []CopiedTable
	err = source.snapshot(ctx, func(old session) error {
		// Not run again by itself: report has been told already.
		err := target.transact(ctx, func(tx session) error {
			tables, err = copyAll(ctx, copier{
				old: old, tx: tx, report: report, oldOrder: source.dialect.byteOrder, order: target.dialect.byteOrder,
			}, target.dialect.lockTables)
			return err
		})
		if err != nil {
			return target.failed(ctx, "copy", err)
		}
		return nil
	})
	if err != nil {
		return nil, source.failed(ctx, "copy", err)
	}
	return tables, nil
}

// openSource opens a database as it is: nothing is made, and no schema is brought up to date.
func openSource(ctx context.Context, cfg Config) (*Store, error) {
	d, err := cfg.check()
	if err != nil {
		return nil, err
	}
	if cfg.Driver == SQLite {
		if _, err := os.Stat(cfg.Path); errors.Is(err, fs.ErrNotExist) {
			return nil, lab.NotFound("database", cfg.Path).WithHint("name the file that Bothy stored in: store.path, or bothy.db in data_dir")
		}
	}
	s := &Store{dialect: d}
	if s.write, err = d.openWrite(ctx, cfg); err != nil {
		return nil, s.failed(ctx, "open the source", err)
	}
	s.read = s.write
	return s, nil
}

// snapshot runs fn in a transaction that nobody writes beside.
func (s *Store) snapshot(ctx context.Context, fn func(session) error) error {
	provider, err := s.dialect.provider(s.write.DB)
	if err != nil {
		return err
	}
	sources := provider.ListSources()
	known := sources[len(sources)-1].Version
	return s.transact(ctx, func(tx session) error {
		var version int64
		if err := tx.get(ctx, &version, `SELECT MAX(version_id) FROM schema_version`); err != nil {
			if s.dialect.explain(err) != nil || ctx.Err() != nil {
				return err
			}
			return lab.Wrap(lab.CodeRefused, err, "the source is not a store of Bothy's")
		}
		if version != known {
			return lab.Errorf(lab.CodeRefused, "the schema of the source has the version %d, and this program knows %d", version, known).
				WithHint("start the server of this version on it once, or use the program of its own version")
		}
		if err := lockAll(ctx, tx, s.dialect.lockTables); err != nil {
			return err
		}
		return fn(tx)
	})
}

// lockAll keeps others from writing to any table, where a transaction does not do that by itself.
func lockAll(ctx context.Context, tx session, statement string) error {
	if statement == "" {
		return nil
	}
	names := convert(copied(), func(t struct{ name, key string }) string { return t.name })
	_, err := tx.exec(ctx, fmt.Sprintf(statement, strings.Join(names, ", ")))
	return err
}

// copier copies from one transaction to another.
type copier struct {
	old, tx         session
	oldOrder, order string
	report          func(table string, done, all int64)
}

func copyAll(ctx context.Context, c copier, lockStatement string) ([]CopiedTable, error) {
	if err := lockAll(ctx, c.tx, lockStatement); err != nil {
		return nil, err
	}
	if err := c.wantEmpty(ctx); err != nil {
		return nil, err
	}
	var tables []CopiedTable
	for _, t := range copied() {
		n, err := c.copy(ctx, t.name, t.key)
		if err != nil {
			return nil, fmt.Errorf("copy %s: %w", t.name, err)
		}
		tables = append(tables, CopiedTable{t.name, n})
	}
	for i, t := range copied() {
		n, err := c.compare(ctx, t.name, t.key)
		if err != nil {
			return nil, fmt.Errorf("compare %s: %w", t.name, err)
		}
		if n != tables[i].Rows {
			return nil, fmt.Errorf("compare %s: %d rows were copied, %d compared", t.name, tables[i].Rows, n)
		}
	}
	return tables, nil
}

// wantEmpty refuses a target in which anything was ever stored, and clears the rows that a new one has.
func (c copier) wantEmpty(ctx context.Context) error {
	var used []string
	for _, t := range copied() {
		query := `SELECT COUNT(*) FROM ` + t.name
		switch t.name {
		case "reconciler":
			query += ` WHERE epoch > 0`
		case "event_counter":
			query += ` WHERE last > 0`
		case "audit_guard":
			query += ` WHERE before > 0 OR erasing`
		}
		var n int64
		if err := c.tx.get(ctx, &n, query); err != nil {
			return err
		}
		if n > 0 {
			used = append(used, fmt.Sprintf("%s (%d)", t.name, n))
		}
	}
	if len(used) > 0 {
		return lab.Errorf(lab.CodeConflict, "the target is not empty: it has rows in %s", strings.Join(used, ", ")).
			WithHint("nothing was changed; name a new database in which no server was started")
	}
	for _, name := range []string{"reconciler", "event_counter", "audit_guard"} {
		if _, err := c.tx.exec(ctx, `DELETE FROM `+name); err != nil {
			return err
		}
	}
	return nil
}

func (c copier) copy(ctx context.Context, table, key string) (done int64, err error) {
	var all int64
	if err := c.old.get(ctx, &all, `SELECT COUNT(*) FROM `+table); err != nil {
		return 0, err
	}
	rows, err := openRows(ctx, c.old, table, nil, key, c.oldOrder)
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, rows.Close()) }()
	one := "(" + strings.TrimSuffix(strings.Repeat("?, ", len(rows.columns)), ", ") + ")"
	insert := `INSERT INTO ` + table + ` (` + strings.Join(rows.columns, ", ") + `) VALUES `
	var batch [][]any
	flush := func() error {
		if len(batch) == 0 {
			return nil
		}
		statement := insert + strings.Join(slices.Repeat([]string{one}, len(batch)), ", ")
		if _, err := c.tx.exec(ctx, statement, slices.Concat(batch...)...); err != nil {
			return err
		}
		done += int64(len(batch))
		batch = batch[:0]
		c.report(table, done, all)
		return nil
	}
	for {
		row, err := rows.next()
		if err != nil {
			return done, err
		}
		if row == nil {
			return done, flush()
		}
		if batch = append(batch, row); len(batch) == batchRows {
			if err := flush(); err != nil {
				return done, err
			}
		}
	}
}

// compare reads a table of both, in the same order, and wants each row equal.
func (c copier) compare(ctx context.Context, table, key string) (n int64, err error) {
	old, err := openRows(ctx, c.old, table, nil, key, c.oldOrder)
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, old.Close()) }()
	copied, err := openRows(ctx, c.tx, table, old.columns, key, c.order)
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, copied.Close()) }()
	for {
		want, err := old.next()
		if err != nil {
			return n, err
		}
		got, err := copied.next()
		if err != nil {
			return n, err
		}
		if want == nil && got == nil {
			return n, nil
		}
		if !slices.Equal(want, got) {
			return n, fmt.Errorf("row %d differs: the source has %v, the target %v", n+1, want, got)
		}
		n++
	}
}

// tableRows reads a table row by row, each value as one of int64, string, bool and nil.
type tableRows struct {
	*sqlx.Rows
	columns []string
	boolean []bool
}

// openRows reads the columns given, or all of them, in the order of key.
func openRows(ctx context.Context, s session, table string, columns []string, key, order string) (*tableRows, error) {
	list := "*"
	if columns != nil {
		list = strings.Join(columns, ", ")
	}
	if key == "one" || table == "events" { // their keys are numbers
		order = ""
	}
	rows, err := s.QueryxContext(ctx, `SELECT `+list+` FROM `+table+` ORDER BY `+strings.ReplaceAll(key, ",", order+",")+order)
	if err != nil {
		return nil, fmt.Errorf("read: %w", err)
	}
	types, err := rows.ColumnTypes()
	if err != nil {
		return nil, errors.Join(fmt.Errorf("read the columns: %w", err), rows.Close()) //nolint:sqlclosecheck // good rows are the caller's to close
	}
	t := &tableRows{Rows: rows}
	for _, column := range types {
		t.columns = append(t.columns, column.Name())
		t.boolean = append(t.boolean, strings.HasPrefix(column.DatabaseTypeName(), "BOOL"))
	}
	return t, nil
}

// next gives nil at the end.
func (t *tableRows) next() ([]any, error) {
	if !t.Next() {
		if err := t.Err(); err != nil {
			return nil, fmt.Errorf("read a row: %w", err)
		}
		return nil, nil
	}
	row, err := t.SliceScan()
	if err != nil {
		return nil, fmt.Errorf("read a row: %w", err)
	}
	for i, value := range row {
		switch v := value.(type) {
		case nil, string, bool:
		case []byte:
			row[i] = string(v)
		case int64:
			if t.boolean[i] {
				row[i] = v != 0
			}
		default:
			return nil, fmt.Errorf("column %s holds a %T", t.columns[i], value)
		}
	}
	return row, nil
}
