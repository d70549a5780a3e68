package storetest

import (
	"database/sql"
	"os"
	"testing"

	"github.com/pressly/goose/v3"

	_ "modernc.org/sqlite" // the driver
)

// Older makes an SQLite database as an earlier release left it: with the
// migrations of a folder up to a version, and what the statements put in.
func Older(t testing.TB, path, migrations string, version int64, statements ...string) {
	t.Helper()
	db, err := sql.Open("sqlite", path)
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := db.Close(); err != nil {
			t.Error(err)
		}
	}()
	provider, err := goose.NewProvider(goose.DialectSQLite3, db, os.DirFS(migrations),
		goose.WithTableName("schema_version"), goose.WithDisableGlobalRegistry(true))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := provider.UpTo(t.Context(), version); err != nil {
		t.Fatal(err)
	}
	for _, statement := range statements {
		if _, err := db.ExecContext(t.Context(), statement); err != nil {
			t.Fatalf("%s: %v", statement, err)
		}
	}
}
