package store

import (
	"context"
	"database/sql"
	"embed"
	"fmt"
	"io/fs"

	"github.com/jmoiron/sqlx"
	"github.com/pressly/goose/v3"
	"github.com/pressly/goose/v3/lock"

	"github.com/bothylabs/bothy/service/lab"
)

//go:embed migrations/*.sql
var migrations embed.FS

// dialect is all in which one database differs from another. The schema and the
// queries are the same for each.
type dialect struct {
	goose goose.Dialect
	// migrationLock is what instances that start at the same time queue for; nil
	// where a migration is one writer's anyway.
	migrationLock func() (lock.SessionLocker, error)
	// isolation is that of every transaction that writes.
	isolation sql.IsolationLevel
	locks     rowLocks
	// lockTables keeps all others from writing to the tables named in place of %s;
	// empty where a transaction that writes does so by itself.
	lockTables string
	// notify tells other instances, once the transaction commits, that there are new
	// events; empty where there are no others.
	notify string
	// listen calls wake when others notify, until ctx ends or it cannot any more.
	listen func(ctx context.Context, dsn func() (string, error), wake func()) error
	// clock reads the database's time in ms since 1970; empty where it is this machine's.
	clock string
	// byteOrder makes ORDER BY sort text by its bytes.
	byteOrder string
	// settle does after a migration what the shared SQL can't; nil where there is nothing.
	settle    func(ctx context.Context, tx session) error
	openWrite func(ctx context.Context, cfg Config) (*sqlx.DB, error)
	// openRead may give the writing pool back, where readers and writers need not be told apart.
	openRead func(ctx context.Context, cfg Config, write *sqlx.DB) (*sqlx.DB, error)
	// violated gives the name of the constraint that refused a statement.
	violated func(error) (string, bool)
	// passing says that a transaction lost against others and would do better on its own.
	passing func(error) bool
	// explain gives what a database that could not work, whatever it was asked, says to people; nil for any other error.
	explain func(error) *lab.Error
}

// rowLocks are the clauses that make a SELECT hold what it reads until the
// transaction ends. They are empty where a transaction has the database to itself.
type rowLocks struct {
	// own keeps others from changing or locking the row.
	own string
	// share keeps others from changing the row.
	share string
	// free is own for rows that nobody else holds; the others are passed over.
	free string
}

func dialectOf(driver string) (dialect, bool) {
	switch driver {
	case SQLite:
		return sqlite(), true
	case Postgres:
		return postgres(), true
	default:
		return dialect{}, false
	}
}

// migrate brings the schema up to date.
func (d dialect) migrate(ctx context.Context, db *sql.DB) error {
	provider, err := d.provider(db)
	if err != nil {
		return err
	}
	sources := provider.ListSources()
	target := sources[len(sources)-1].Version
	for {
		// Unlike the other ways to ask, this one asks under the lock.
		current, err := provider.GetDBVersion(ctx)
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
			// Without a lock, another instance may have taken the same step first. Then
			// the version has moved on, and what is left is less each time.
			if after, versionErr := provider.GetDBVersion(ctx); versionErr != nil || after <= current {
				return fmt.Errorf("migrate: %w", err)
			}
		}
	}
}

func (d dialect) provider(db *sql.DB) (*goose.Provider, error) {
	files, err := fs.Sub(migrations, "migrations")
	if err != nil {
		return nil, fmt.Errorf("open the migrations: %w", err)
	}
	options := []goose.ProviderOption{goose.WithTableName("schema_version"), goose.WithDisableGlobalRegistry(true)}
	if d.migrationLock != nil {
		locker, err := d.migrationLock()
		if err != nil {
			return nil, fmt.Errorf("make the lock of migrations: %w", err)
		}
		options = append(options, goose.WithSessionLocker(locker))
	}
	provider, err := goose.NewProvider(d.goose, db, files, options...)
	if err != nil {
		return nil, fmt.Errorf("read the migrations: %w", err)
	}
	return provider, nil
}
