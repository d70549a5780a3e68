package store

import (
	"context"
	"database/sql"
	"embed"
	"fmt"
	"io/fs"

	"github.com/jmoiron/sqlx"
	"github.com/pressly/goose/v3"

	"github.com/bothylabs/bothy/service/lab"
)

//go:embed migrations/*.sql
var migrations embed.FS

// dialect is all in which one database differs from another. The schema and the
// queries are the same for each.
type dialect struct {
	goose     goose.Dialect
	openWrite func(ctx context.Context, dsn string) (*sqlx.DB, error)
	// openRead may give the writing pool back, where readers and writers need not be told apart.
	openRead func(ctx context.Context, dsn string, write *sqlx.DB) (*sqlx.DB, error)
	// violated gives the name of the constraint that refused a statement.
	violated func(error) (string, bool)
	// unavailable says that the database could not work, whatever it was asked.
	unavailable func(error) bool
}

func dialectOf(driver string) (dialect, bool) {
	switch driver {
	case "sqlite":
		return sqlite(), true
	default:
		return dialect{}, false
	}
}

// migrate brings the schema up to date.
func (d dialect) migrate(ctx context.Context, db *sql.DB) error {
	files, err := fs.Sub(migrations, "migrations")
	if err != nil {
		return fmt.Errorf("open the migrations: %w", err)
	}
	provider, err := goose.NewProvider(d.goose, db, files,
		goose.WithTableName("schema_version"), goose.WithDisableGlobalRegistry(true))
	if err != nil {
		return fmt.Errorf("read the migrations: %w", err)
	}
	for {
		current, target, err := provider.GetVersions(ctx)
		switch {
		case err != nil:
			return fmt.Errorf("read the schema's version: %w", err)
		case current == target:
			return nil
		case current > target:
			return lab.Errorf(lab.CodeRefused, "the database was written by a newer Bothy: its schema is version %d, this program knows %d", current, target).
				WithHint("run the newer version, or restore the backup that was made before it")
		}
		if _, err := provider.Up(ctx); err != nil {
			// Another instance may have taken the same step first. Then the version
			// has moved on, and what is left is less each time.
			if after, versionErr := provider.GetDBVersion(ctx); versionErr != nil || after <= current {
				return fmt.Errorf("migrate: %w", err)
			}
		}
	}
}
