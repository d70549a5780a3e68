package store

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/cenkalti/backoff/v5"
	"github.com/jmoiron/sqlx"
	"github.com/pressly/goose/v3"
	driver "modernc.org/sqlite"
	sqlite3 "modernc.org/sqlite/lib"

	"github.com/bothylabs/bothy/service/lab"
)

const (
	// sqliteReaders bounds the connections that read; each has its own page cache.
	sqliteReaders = 4
	// sqlitePatience is how long others' locks are waited for, sqliteAgain the
	// interval where that is not SQLite's to do.
	sqlitePatience = 10 * time.Second
	sqliteAgain    = 50 * time.Millisecond
)

func sqlite() dialect {
	return dialect{
		goose:     goose.DialectSQLite3,
		settle:    settleSQLite,
		openWrite: openSQLiteWriter,
		openRead:  openSQLiteReaders,
		violated:  sqliteViolated,
		// Transactions queue for the one writer, and never lose against each other.
		passing: func(error) bool { return false },
		explain: explainSQLite,
	}
}

// openSQLiteWriter opens the one connection that writes.
func openSQLiteWriter(ctx context.Context, cfg Config) (*sqlx.DB, error) {
	// The journal files take the database file's mode.
	file, err := os.OpenFile(cfg.Path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, fmt.Errorf("open the database file: %w", err)
	}
	if err := errors.Join(file.Chmod(0o600), file.Close()); err != nil {
		return nil, fmt.Errorf("keep the database file to its owner: %w", err)
	}
	// synchronous: a slug once given must not be forgotten in a power cut.
	// A fresh database that others open at the same time can't be given its write-ahead
	// log meanwhile, and SQLite does not wait for that by itself.
	db, err := backoff.Retry(ctx, func() (*sqlx.DB, error) {
		db, err := openSQLite(ctx, cfg.Path, "journal_mode(WAL)", "synchronous(FULL)")
		if err != nil && !sqliteBusy(err) {
			return nil, backoff.Permanent(err)
		}
		return db, err
	}, backoff.WithMaxElapsedTime(sqlitePatience), backoff.WithBackOff(backoff.NewConstantBackOff(sqliteAgain)))
	if err != nil {
		return nil, err
	}
	db.SetMaxOpenConns(1)
	return db, nil
}

func sqliteBusy(err error) bool {
	var refused *driver.Error
	return errors.As(err, &refused) && refused.Code()&0xff == sqlite3.SQLITE_BUSY
}

// openSQLiteReaders opens the connections that read; beside a write-ahead log they wait for nobody.
func openSQLiteReaders(ctx context.Context, cfg Config, _ *sqlx.DB) (*sqlx.DB, error) {
	db, err := openSQLite(ctx, cfg.Path, "query_only(1)")
	if err != nil {
		return nil, err
	}
	db.SetMaxOpenConns(sqliteReaders)
	db.SetMaxIdleConns(sqliteReaders)
	return db, nil
}

func openSQLite(ctx context.Context, path string, pragmas ...string) (*sqlx.DB, error) {
	absolute, err := filepath.Abs(path)
	if err != nil {
		return nil, fmt.Errorf("resolve the database's path: %w", err)
	}
	name := url.URL{Scheme: "file", Path: filepath.ToSlash(absolute), RawQuery: url.Values{
		// immediate: a transaction that reads before it writes never has to give up half-way.
		"_txlock": {"immediate"},
		"_pragma": append([]string{fmt.Sprintf("busy_timeout(%d)", sqlitePatience.Milliseconds()), "foreign_keys(1)"}, pragmas...),
	}.Encode()}
	db, err := sqlx.ConnectContext(ctx, "sqlite", name.String())
	if err != nil {
		return nil, fmt.Errorf("open %s: %w", path, err)
	}
	return db, nil
}

// sqliteViolated reads the constraint from SQLite's message, which is the only
// place that has it: "UNIQUE constraint failed: classes.cohort_id, classes.course_id".
func sqliteViolated(err error) (string, bool) {
	var refused *driver.Error
	if !errors.As(err, &refused) {
		return "", false
	}
	switch refused.Code() {
	case sqlite3.SQLITE_CONSTRAINT_FOREIGNKEY:
		return foreignKey, true
	case sqlite3.SQLITE_CONSTRAINT_UNIQUE, sqlite3.SQLITE_CONSTRAINT_PRIMARYKEY:
		for name, columns := range uniqueColumns() {
			if strings.Contains(refused.Error(), "UNIQUE constraint failed: "+columns+" (") {
				return name, true
			}
		}
	}
	return "", false
}

// uniqueColumns says which columns SQLite names for which constraint of the schema.
func uniqueColumns() map[string]string {
	return map[string]string{
		cohortKey:        "cohorts.key",
		courseKey:        "courses.key",
		studentEmail:     "students.cohort_id, students.email_key",
		userLogin:        "users.login_key",
		userSubject:      "users.issuer, users.subject",
		classOfCourse:    "classes.cohort_id, classes.course_id",
		slugGiven:        "slugs.slug",
		slugUsed:         "workspaces.slug",
		workspaceStudent: "workspaces.class_id, workspaces.student_id",
	}
}

func explainSQLite(err error) *lab.Error {
	if !sqliteUnavailable(err) {
		return nil
	}
	return lab.Wrap(lab.CodeUnavailable, err, "the database can't do this now").
		WithHint("try again; when it stays so, look at the server's log and at the space left on its disk")
}

func sqliteUnavailable(err error) bool {
	var file *fs.PathError
	if errors.As(err, &file) {
		return true
	}
	var failed *driver.Error
	if !errors.As(err, &failed) {
		return false
	}
	switch failed.Code() & 0xff { // the low byte is the primary code
	case sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED, sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR,
		sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_READONLY, sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB:
		return true
	default:
		return false
	}
}
