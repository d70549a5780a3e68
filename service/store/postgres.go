package store

import (
	"cmp"
	"context"
	"crypto/x509"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"io"
	"net"
	"net/url"
	"strings"
	"syscall"
	"time"

	"github.com/jmoiron/sqlx"
	"github.com/lib/pq"
	"github.com/lib/pq/pqerror"
	"github.com/pressly/goose/v3"
	"github.com/pressly/goose/v3/lock"

	"github.com/bothylabs/bothy/service/lab"
)

const (
	// migrationWait is how long another instance may take to migrate, in seconds.
	migrationWait = 120
	// connectTimeout bounds the making of one connection where the URL does not.
	connectTimeout = 10 * time.Second
	// idleInTransaction ends the transaction of an instance that hangs or whose
	// machine is gone, so that what it held is free again. A setting of PostgreSQL.
	idleInTransaction = "60s"
)

// postgres locks what a decision is made from, in one order everywhere (course,
// cohort, class, workspaces by id, operations by id), under READ COMMITTED. Stricter
// levels would make every act on a class fail whenever the state of one of its
// workspaces moves, and so starve those on large classes.
func postgres() dialect {
	return dialect{
		goose: goose.DialectPostgres,
		migrationLock: func() (lock.SessionLocker, error) {
			return lock.NewPostgresSessionLocker(lock.WithLockTimeout(1, migrationWait))
		},
		isolation: sql.LevelReadCommitted,
		// NO KEY: rows that refer to the one held can still be added.
		locks:      rowLocks{own: " FOR NO KEY UPDATE", share: " FOR SHARE", free: " FOR UPDATE SKIP LOCKED"},
		lockTables: `LOCK TABLE %s IN EXCLUSIVE MODE`,
		notify:     `SELECT pg_notify('` + eventChannel + `', '')`,
		listen:     listenPostgres,
		clock:      `SELECT CAST(EXTRACT(EPOCH FROM clock_timestamp()) * 1000 AS BIGINT)`,
		byteOrder:  ` COLLATE "C"`,
		settle:     settlePostgres,
		openWrite:  openPostgres,
		openRead:   func(_ context.Context, _ Config, write *sqlx.DB) (*sqlx.DB, error) { return write, nil },
		violated:   postgresViolated,
		passing: func(err error) bool {
			return pq.As(err, pqerror.TRSerializationFailure, pqerror.TRDeadlockDetected) != nil
		},
		explain: explainPostgres,
	}
}

func openPostgres(ctx context.Context, cfg Config) (*sqlx.DB, error) {
	db := sqlx.NewDb(sql.OpenDB(connector{cfg.DSN}), Postgres)
	maxOpen := max(cmp.Or(cfg.Pool.MaxOpen, 20), 2)
	db.SetMaxOpenConns(maxOpen)
	db.SetMaxIdleConns(min(cmp.Or(cfg.Pool.MaxIdle, 5), maxOpen))
	db.SetConnMaxLifetime(cmp.Or(cfg.Pool.MaxLifetime, 30*time.Minute))
	if err := db.PingContext(ctx); err != nil {
		return nil, errors.Join(fmt.Errorf("connect: %w", err), db.Close())
	}
	return db, nil
}

// connector makes connections from a DSN that may change.
type connector struct {
	dsn func() (string, error)
}

// Connect implements driver.Connector. Its errors say where it tried to connect
// to, and never the password.
func (c connector) Connect(ctx context.Context) (driver.Conn, error) {
	dsn, err := c.dsn()
	if err != nil {
		return nil, lab.Wrap(lab.CodeUnavailable, err, "the database's URL can't be read").
			WithHint("make the file that store.dsn_file names readable for Bothy")
	}
	cfg, err := parseDSN(dsn)
	if err != nil {
		return nil, err
	}
	made, err := pq.NewConnectorConfig(cfg)
	if err != nil {
		return nil, invalidDSN(withoutPassword(err, cfg))
	}
	conn, err := made.Connect(ctx)
	if err != nil {
		return nil, &connectError{cfg: cfg, err: err}
	}
	return conn, nil
}

// Driver implements driver.Connector.
func (connector) Driver() driver.Driver { return &pq.Driver{} }

// parseDSN reads a URL. What net/url and pq say about one may quote it, and with
// it the password: their words are not passed on.
func parseDSN(dsn string) (pq.Config, error) {
	u, err := url.Parse(dsn)
	switch {
	case err != nil:
		return pq.Config{}, invalidDSN("is not a URL")
	case u.Scheme != "postgres" && u.Scheme != "postgresql":
		return pq.Config{}, invalidDSN("does not begin with postgres://")
	case u.User.Username() == "" || u.Fragment != "":
		// A password that is not encoded looks like this too; so nothing that follows quotes any of it.
		return pq.Config{}, invalidDSN("names no user before an @")
	case strings.Trim(u.Path, "/") == "":
		return pq.Config{}, invalidDSN("names no database")
	}
	cfg, err := pq.NewConfig(dsn)
	if err != nil {
		password, _ := u.User.Password()
		return pq.Config{}, invalidDSN(withoutPassword(err, pq.Config{Password: password}))
	}
	cfg.FallbackApplicationName = "bothy"
	cfg.ApplicationName = cmp.Or(cfg.ApplicationName, "bothy")
	cfg.ConnectTimeout = cmp.Or(cfg.ConnectTimeout, connectTimeout)
	if cfg.Runtime == nil {
		cfg.Runtime = map[string]string{}
	}
	const name = "idle_in_transaction_session_timeout"
	cfg.Runtime[name] = cmp.Or(cfg.Runtime[name], idleInTransaction)
	return cfg, nil
}

func withoutPassword(err error, cfg pq.Config) string {
	text := err.Error()
	if cfg.Password != "" {
		text = strings.ReplaceAll(text, cfg.Password, "(hidden)")
	}
	return text
}

func invalidDSN(problem string) *lab.Error {
	return lab.Invalid("the store can't be opened", lab.Field{ //nolint:gosec // G101: a form, no password
		Name: "store.dsn", Problem: problem,
		Remedy: "write postgres://user:password@host:5432/database, with what is special in a URL encoded (# is %23, / is %2F)",
	})
}

// connectError is a connection that could not be made.
type connectError struct {
	cfg pq.Config
	err error
}

// Error says where to, and why not.
func (e *connectError) Error() string {
	return "connect to " + e.where() + ": " + withoutPassword(e.err, e.cfg)
}

func (e *connectError) Unwrap() error { return e.err }

func (e *connectError) where() string {
	if strings.HasPrefix(e.cfg.Host, "/") {
		return "the socket in " + e.cfg.Host
	}
	return net.JoinHostPort(e.cfg.Host, fmt.Sprint(e.cfg.Port))
}

func postgresViolated(err error) (string, bool) {
	refused := pq.As(err, pqerror.UniqueViolation, pqerror.ForeignKeyViolation)
	switch {
	case refused == nil:
		return "", false
	case refused.Code == pqerror.ForeignKeyViolation:
		return foreignKey, true
	default:
		return refused.Constraint, true
	}
}

// explainPostgres translates what the server, or the way to it, says.
func explainPostgres(err error) *lab.Error {
	var connect *connectError
	if errors.As(err, &connect) {
		if known := connect.explain(); known != nil {
			return known
		}
	}
	if failed := pq.As(err); failed != nil {
		return explainSQLState(failed, err)
	}
	var network net.Error
	if errors.Is(err, driver.ErrBadConn) || errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) ||
		errors.Is(err, sql.ErrConnDone) || errors.As(err, &network) {
		return lab.Wrap(lab.CodeUnavailable, err, "the connection to the database was lost").
			WithHint("try again; when it stays so, look at PostgreSQL's log")
	}
	return nil
}

// explain says why no connection was made; nil leaves it to the server's own code.
func (e *connectError) explain() *lab.Error {
	where := e.where()
	var (
		name        *net.DNSError
		network     net.Error
		untrusted   x509.UnknownAuthorityError
		wrongName   x509.HostnameError
		wrongFormed x509.CertificateInvalidError
	)
	switch {
	case errors.As(e.err, &name):
		return lab.Wrap(lab.CodeUnavailable, e, "the name of the database's host %s is not known", e.cfg.Host).
			WithHint("correct the host in the URL that store.dsn_file or BOTHY_STORE_DSN gives")
	case errors.Is(e.err, syscall.ECONNREFUSED), errors.Is(e.err, syscall.ENOENT):
		return lab.Wrap(lab.CodeUnavailable, e, "no PostgreSQL answers at %s", where).
			WithHint("start it, or correct host and port in the URL that store.dsn_file or BOTHY_STORE_DSN gives")
	case errors.As(e.err, &untrusted), errors.As(e.err, &wrongName), errors.As(e.err, &wrongFormed):
		return lab.Wrap(lab.CodeRefused, e, "the certificate of PostgreSQL at %s is not to be trusted", where).
			WithHint("name its CA with sslrootcert=… in the URL, and the host as the certificate does")
	case errors.Is(e.err, pq.ErrSSLNotSupported):
		return lab.Wrap(lab.CodeRefused, e, "PostgreSQL at %s does not speak TLS", where).
			WithHint("turn its ssl on; on a network that you trust, sslmode=disable in the URL does without")
	}
	if failed := pq.As(e.err); failed != nil {
		switch failed.Code {
		case pqerror.InvalidPassword, pqerror.InvalidAuthorizationSpecification:
			return lab.Wrap(lab.CodeRefused, e, "PostgreSQL at %s does not let the user %q in", where, e.cfg.User).
				WithHint("correct user and password in the URL that store.dsn_file or BOTHY_STORE_DSN gives, or the server's pg_hba.conf")
		case pqerror.InvalidCatalogName:
			return lab.Wrap(lab.CodeRefused, e, "PostgreSQL at %s has no database %q", where, e.cfg.Database).
				WithHint("make it, as the server's administrator: createdb --owner=%s %s", e.cfg.User, e.cfg.Database)
		default:
			return nil
		}
	}
	if errors.As(e.err, &network) && network.Timeout() {
		return lab.Wrap(lab.CodeUnavailable, e, "PostgreSQL at %s does not answer in time", where).
			WithHint("look at the network between here and there, and at the server's load")
	}
	return nil
}

func explainSQLState(failed *pq.Error, err error) *lab.Error {
	switch failed.Code {
	case pqerror.InsufficientPrivilege, pqerror.InvalidSchemaName:
		return lab.Wrap(lab.CodeRefused, err, "the user of the database lacks a right: %s", failed.Message).
			WithHint("make it the owner of its database: ALTER DATABASE … OWNER TO …; GRANT ALL ON SCHEMA public TO …")
	case pqerror.TooManyConnections:
		return lab.Wrap(lab.CodeUnavailable, err, "the database has no connection left").
			WithHint("raise max_connections in PostgreSQL, or lower store.max_connections for each instance")
	case pqerror.ReadOnlySQLTransaction:
		return lab.Wrap(lab.CodeUnavailable, err, "the database is read-only, as a standby is").
			WithHint("name the primary in the URL; with several hosts, add target_session_attrs=read-write")
	case pqerror.AdminShutdown, pqerror.CrashShutdown, pqerror.CannotConnectNow:
		return lab.Wrap(lab.CodeUnavailable, err, "the database is starting or ending").WithHint("try again")
	case pqerror.TRSerializationFailure, pqerror.TRDeadlockDetected:
		return lab.Wrap(lab.CodeUnavailable, err, "too many want to change the same at the same time").WithHint("try again")
	}
	switch failed.Code.Class() {
	case "08", "53", "57", "58": // connection, resources, intervention, the system around it
		return lab.Wrap(lab.CodeUnavailable, err, "the database can't do this now").
			WithHint("try again; when it stays so, look at PostgreSQL's log and at the space left on its disk")
	default:
		return nil
	}
}
