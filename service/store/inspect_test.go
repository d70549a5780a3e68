package store_test

import (
	"net/url"
	"path/filepath"
	"testing"
	"time"

	"github.com/jmoiron/sqlx"

	"github.com/bothylabs/bothy/service/lab"
	"github.com/bothylabs/bothy/service/store"
)

func TestADatabaseIsInspectedAndNotChanged(t *testing.T) {
	sqlite := onSQLite(filepath.Join(t.TempDir(), "bothy.db"))
	if _, err := store.Inspect(t.Context(), sqlite); lab.CodeOf(err) != lab.CodeNotFound {
		t.Errorf("a file that is not there: %v", err)
	}
	dsn := server.Empty(t)
	for name, cfg := range map[string]store.Config{
		"SQLite": sqlite, "PostgreSQL": onPostgres(dsn),
	} {
		t.Run(name, func(t *testing.T) {
			if cfg.Driver == store.Postgres {
				if i, err := store.Inspect(t.Context(), cfg); err != nil || i.Version != 0 || i.Known == 0 {
					t.Errorf("an empty one: %+v, %v", i, err)
				}
				if i, err := store.Inspect(t.Context(), cfg); err != nil || i.Version != 0 {
					t.Errorf("it was changed by looking: %+v, %v", i, err)
				}
			}
			s, err := store.Open(t.Context(), cfg)
			if err != nil {
				t.Fatal(err)
			}
			if _, err := s.Installation(t.Context(), func() string { return "i-1" }); err != nil {
				t.Fatal(err)
			}
			// The server may run all the while.
			t.Cleanup(func() { _ = s.Close() })
			i, err := store.Inspect(t.Context(), cfg)
			if err != nil {
				t.Fatal(err)
			}
			if i.Version != i.Known || i.ReadOnly != nil || i.Installation != "i-1" || i.Ready != "" || len(i.Templates) != 0 {
				t.Errorf("got %+v", i)
			}
			if told := !i.Now.IsZero(); told != (cfg.Driver == store.Postgres) || told && time.Since(i.Now).Abs() > time.Minute {
				t.Errorf("its clock says %s", i.Now)
			}
		})
	}
}

func TestADatabaseThatTakesNoChangesSaysSo(t *testing.T) {
	dsn := server.Database(t)
	db, err := sqlx.ConnectContext(t.Context(), "postgres", dsn)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	if _, err := db.ExecContext(t.Context(), `CREATE ROLE looker LOGIN PASSWORD 'looker'; GRANT SELECT ON ALL TABLES IN SCHEMA public TO looker`); err != nil {
		t.Fatal(err)
	}
	u, err := url.Parse(dsn)
	if err != nil {
		t.Fatal(err)
	}
	u.User = url.UserPassword("looker", "looker")
	i, err := store.Inspect(t.Context(), onPostgres(u.String()))
	if err != nil || i.ReadOnly == nil {
		t.Errorf("got %+v, %v", i, err)
	}
}
