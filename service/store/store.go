// Package store keeps what should be: cohorts, courses, students, classes,
// workspaces and every slug ever given, in SQL that SQLite and PostgreSQL
// share. Uniqueness is the database's to hold; what it refuses comes back as
// lab.CodeConflict with the field and the remedy.
//
// Every method that writes is one transaction, with the audit row of the act in
// it where a person acted. Functions handed in are called inside that
// transaction: they decide, talk to nothing but the store's own look-up, and may
// be called again when the transaction lost against others and is run again.
// Reads that find nothing are lab.CodeNotFound. A database that is busy, full or
// gone is lab.CodeUnavailable.
package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"github.com/cenkalti/backoff/v5"
	"github.com/jmoiron/sqlx"
	"go.opentelemetry.io/otel/trace"

	"github.com/bothylabs/bothy/service/lab"
	"github.com/bothylabs/bothy/service/tracing"
)

// A transaction that lost against others is run again after 10 ms at first, and
// given up after 12 tries or 15 s.
const (
	firstRetry  = 10 * time.Millisecond
	lastRetry   = time.Second
	maxTries    = 12
	maxRetrying = 15 * time.Second
)

// The drivers.
const (
	SQLite   = "sqlite"
	Postgres = "postgres"
)

// Config says where the database is.
type Config struct {
	// Driver is SQLite or Postgres.
	Driver string
	// Path is SQLite's database file. The file is made when it is missing, its folder is not.
	Path string
	// DSN gives the URL of a PostgreSQL database
	// ("postgres://bothy:password@db.example.org/bothy"). It is asked anew for each
	// connection, so that a rotated password is taken up without a restart.
	DSN func() (string, error)
	// Pool bounds the connections to PostgreSQL.
	Pool Pool
	// Traces takes the spans of transactions; nil for none.
	Traces trace.TracerProvider
	// Now stamps what the caller gives no time for; nil is time.Now.
	Now func() time.Time
}

// Pool bounds connections; of each field, zero is the default.
type Pool struct {
	// MaxOpen is the most connections at a time, 2 at least. Default 20.
	MaxOpen int
	// MaxIdle is the most that are kept while they have nothing to do. Default 5.
	MaxIdle int
	// MaxLifetime is how long one is used before a new one takes its place. Default 30 minutes.
	MaxLifetime time.Duration
}

// Store is an open database. Its methods may be called at the same time.
type Store struct {
	dialect dialect
	// write and read are the same database. An embedded one has a single writer,
	// which is queued for here and not inside the database, where waiting is unfair.
	write *sqlx.DB
	read  *sqlx.DB
	now   func() time.Time
	dsn   func() (string, error)
	// news holds something after a commit of events.
	news  chan struct{}
	trace trace.Tracer
}

// Open opens the database and brings its schema up to date; instances that start
// at the same time do that one after the other. A database that a newer version
// of Bothy has written is CodeRefused. Close ends it.
func Open(ctx context.Context, cfg Config) (*Store, error) {
	d, err := cfg.check()
	if err != nil {
		return nil, err
	}
	s := &Store{dialect: d, now: cfg.Now, dsn: cfg.DSN, news: make(chan struct{}, 1), trace: tracing.Tracer(cfg.Traces)}
	if s.now == nil {
		s.now = time.Now
	}
	if s.write, err = d.openWrite(ctx, cfg); err != nil {
		return nil, s.explained(ctx, "open the database for writing", err)
	}
	if err := d.migrate(ctx, s.write.DB); err != nil {
		return nil, errors.Join(s.explained(ctx, "bring the database's schema up to date", err), s.write.Close())
	}
	if err := s.settle(ctx); err != nil {
		return nil, errors.Join(err, s.write.Close())
	}
	if s.read, err = d.openRead(ctx, cfg, s.write); err != nil {
		return nil, errors.Join(s.explained(ctx, "open the database for reading", err), s.write.Close())
	}
	return s, nil
}

func (c Config) check() (dialect, error) {
	d, ok := dialectOf(c.Driver)
	var wrong lab.Field
	switch {
	case !ok:
		wrong = lab.Field{
			Name: "store.driver", Problem: fmt.Sprintf("%q is not a database that Bothy knows", c.Driver), Remedy: "use sqlite or postgres",
		}
	case c.Driver == SQLite && c.Path == "":
		wrong = lab.Field{Name: "store.path", Problem: "is empty", Remedy: "name the database file"}
	case c.Driver == Postgres && c.DSN == nil:
		wrong = lab.Field{Name: "store.dsn_file", Problem: "is not set", Remedy: "name the file with the URL of the database"}
	default:
		return d, nil
	}
	return d, lab.Invalid("the store can't be opened", wrong)
}

// Close waits for what is under way and closes the database.
func (s *Store) Close() error {
	// The writer goes last: the last connection of an SQLite file folds the journal into it.
	var err error
	if s.read != s.write {
		err = s.read.Close()
	}
	if err := errors.Join(err, s.write.Close()); err != nil {
		return fmt.Errorf("close the database: %w", err)
	}
	return nil
}

// Ready says whether the database answers; CodeUnavailable when it does not,
// CodeRefused when it does not let Bothy in.
func (s *Store) Ready(ctx context.Context) error {
	var epoch int64 // something that has to be read from the database itself
	err := s.reader().get(ctx, &epoch, `SELECT epoch FROM reconciler`)
	if err == nil {
		return nil
	}
	if known := s.dialect.explain(err); known != nil {
		return known
	}
	return lab.Wrap(lab.CodeUnavailable, err, "the database does not answer")
}

// Installation gives the id of this installation, which is made with newID at
// the first call and never changes: it marks every job as Bothy's own.
func (s *Store) Installation(ctx context.Context, newID func() string) (string, error) {
	var id string
	err := s.update(ctx, "name the installation", func(tx session) error {
		_, err := tx.exec(ctx, `INSERT INTO installation (one, id, created_at) VALUES (1, ?, ?) ON CONFLICT (one) DO NOTHING`,
			newID(), stamp(s.now()))
		if err != nil {
			return err
		}
		return tx.get(ctx, &id, `SELECT id FROM installation`)
	})
	return id, err
}

// update runs fn in a transaction that writes; any error undoes it. A transaction
// that lost against others (a deadlock, a serialization failure) is run again, for
// some seconds at most: fn may be called more than once.
func (s *Store) update(ctx context.Context, what string, fn func(session) error) (err error) {
	ctx, span := tracing.Child(ctx, s.trace, "store "+what)
	defer func() { tracing.End(span, err) }()
	delays := backoff.NewExponentialBackOff()
	delays.InitialInterval, delays.MaxInterval = firstRetry, lastRetry
	_, err = backoff.Retry(ctx, func() (struct{}, error) {
		err := s.transact(ctx, fn)
		if err != nil && !s.dialect.passing(err) {
			err = backoff.Permanent(err)
		}
		return struct{}{}, err
	}, backoff.WithBackOff(delays), backoff.WithMaxTries(maxTries), backoff.WithMaxElapsedTime(maxRetrying))
	if err != nil {
		return s.failed(ctx, what, err)
	}
	return nil
}

func (s *Store) transact(ctx context.Context, fn func(session) error) error {
	tx, err := s.write.BeginTxx(ctx, &sql.TxOptions{Isolation: s.dialect.isolation})
	if err != nil {
		return fmt.Errorf("begin: %w", err)
	}
	open := session{tx, s.dialect.locks, &outbox{}}
	if err = fn(open); err == nil {
		err = s.publish(ctx, open)
	}
	if err != nil {
		// A failed rollback has no more to undo: the connection is dropped with its transaction.
		_ = tx.Rollback()
		return err
	}
	if err := tx.Commit(); err != nil {
		return fmt.Errorf("commit: %w", err)
	}
	if len(open.outbox.events) > 0 {
		select {
		case s.news <- struct{}{}:
		default: // it is known already that there are some
		}
	}
	return nil
}

// reader gives a session for single reads outside of a transaction.
func (s *Store) reader() session { return session{s.read, rowLocks{}, nil} }

// failed gives an error of the database its code: a refused row is a conflict
// that names its field, a database that can't work or lets Bothy in no more is
// unavailable, and the rest is Bothy's own fault. Coded errors stay as they are.
func (s *Store) failed(ctx context.Context, what string, err error) error {
	var coded *lab.Error
	if errors.As(err, &coded) {
		return err
	}
	err = s.explained(ctx, what, err)
	if errors.As(err, &coded) && coded.Code == lab.CodeRefused {
		// That matters to who starts Bothy; for who asks, the database is away.
		coded.Code = lab.CodeUnavailable
	}
	return err
}

// explained is failed for the start, which tells a database that does not let
// Bothy in (CodeRefused) from one that does not answer.
func (s *Store) explained(ctx context.Context, what string, err error) error {
	var coded *lab.Error
	if errors.As(err, &coded) {
		return err
	}
	if ctx.Err() != nil {
		return fmt.Errorf("%s: %w", what, ctx.Err())
	}
	if name, ok := s.dialect.violated(err); ok {
		return conflict(name, err)
	}
	if known := s.dialect.explain(err); known != nil {
		known.Cause = fmt.Errorf("%s: %w", what, err)
		return known
	}
	return fmt.Errorf("%s: %w", what, err)
}
