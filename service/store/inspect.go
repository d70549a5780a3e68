package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"time"

	"github.com/jmoiron/sqlx"

	"github.com/bothylabs/bothy/service/lab"
)

// Inspection is how a database is, without anything having been changed.
type Inspection struct {
	// Version is of the schema, 0 for an empty database; Known is the newest that
	// this program knows.
	Version, Known int64
	// ReadOnly is why nothing can be written; nil when something can.
	ReadOnly error
	// Installation is this installation's id, "" before the first start of a server.
	Installation string
	// Templates are those that courses use.
	Templates []string
	// Ready is the slug of a workspace that is ready, "" when none is.
	Ready string
	// Now is the database's clock, which was asked for at Asked and answered after
	// Took; zero where that clock is this machine's.
	Now, Asked time.Time
	Took       time.Duration
}

// Inspect looks at a database and changes nothing: it does not migrate, and what
// it writes to see whether that is possible is rolled back. CodeNotFound when
// there is no SQLite file.
func Inspect(ctx context.Context, cfg Config) (_ Inspection, err error) {
	d, err := cfg.check()
	if err != nil {
		return Inspection{}, err
	}
	db, err := inspected(ctx, d, cfg)
	if err != nil {
		return Inspection{}, err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	s := &Store{dialect: d, write: db, read: db, now: time.Now}
	var i Inspection
	if i.Known, err = d.known(db.DB); err != nil {
		return Inspection{}, err
	}
	if err := s.reader().get(ctx, &i.Version, `SELECT MAX(version_id) FROM schema_version`); err != nil {
		if known := d.explain(err); known != nil {
			return Inspection{}, known
		}
		return i, nil // an empty database has no such table
	}
	if i.Version != i.Known {
		return i, nil // what it holds is another version's
	}
	return i, s.look(ctx, &i)
}

// inspected opens the database as it is.
func inspected(ctx context.Context, d dialect, cfg Config) (*sqlx.DB, error) {
	if cfg.Driver == SQLite {
		if _, err := os.Stat(cfg.Path); errors.Is(err, fs.ErrNotExist) {
			return nil, lab.NotFound("database file", cfg.Path)
		}
		db, err := openSQLite(ctx, cfg.Path)
		if err != nil {
			return nil, (&Store{dialect: d}).failed(ctx, "open the database", err)
		}
		return db, nil
	}
	db, err := d.openWrite(ctx, cfg)
	if err != nil {
		return nil, (&Store{dialect: d}).failed(ctx, "open the database", err)
	}
	return db, nil
}

// known gives the newest version of the schema.
func (d dialect) known(db *sql.DB) (int64, error) {
	provider, err := d.provider(db)
	if err != nil {
		return 0, err
	}
	sources := provider.ListSources()
	return sources[len(sources)-1].Version, nil
}

// look reads what the schema has, and tries to write.
func (s *Store) look(ctx context.Context, i *Inspection) error {
	read := s.reader()
	err := read.get(ctx, &i.Installation, `SELECT id FROM installation`)
	if err != nil && !errors.Is(err, sql.ErrNoRows) {
		return s.failed(ctx, "read the installation", err)
	}
	if err := read.list(ctx, &i.Templates, `SELECT DISTINCT template FROM courses ORDER BY template`); err != nil {
		return s.failed(ctx, "list the templates in use", err)
	}
	err = read.get(ctx, &i.Ready, `SELECT slug FROM workspaces WHERE phase = ? AND desired = ? AND deleted_at IS NULL ORDER BY slug LIMIT 1`,
		string(lab.PhaseReady), string(lab.DesiredRunning))
	if err != nil && !errors.Is(err, sql.ErrNoRows) {
		return s.failed(ctx, "find a ready workspace", err)
	}
	if s.dialect.clock != "" {
		var ms int64
		begun := s.now()
		if err := read.get(ctx, &ms, s.dialect.clock); err != nil {
			return s.failed(ctx, "read the database's clock", err)
		}
		i.Now, i.Asked, i.Took = time.UnixMilli(ms), begun, s.now().Sub(begun)
	}
	undone := errors.New("rolled back")
	err = s.transact(ctx, func(tx session) error {
		if _, err := tx.exec(ctx, `UPDATE installation SET created_at = created_at`); err != nil {
			return err
		}
		return undone
	})
	if !errors.Is(err, undone) {
		i.ReadOnly = fmt.Errorf("try to write: %w", err)
	}
	return nil
}
