package e2e

import (
	"context"
	"database/sql"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"

	_ "github.com/lib/pq"

	"github.com/bothylabs/bothy/jobspecs"
	"github.com/bothylabs/bothy/service/client"
	"github.com/bothylabs/bothy/service/store/storetest"
)

// trouble asks a second server, which has a PostgreSQL and a file for its Nomad
// token of its own, while the token is not valid, then while its tables are not
// there, and then while its database is not.
func (e endpoint) trouble(t *testing.T, d *dev) {
	var postgres storetest.Server
	if code := postgres.Run(func() int {
		t.Run("of its own", func(t *testing.T) { e.troubled(t, d, postgres.Empty(t)) })
		return 0
	}); code != 0 {
		t.Error("the second server's PostgreSQL did not end")
	}
}

func (e endpoint) troubled(t *testing.T, d *dev, dsn string) {
	good, err := os.ReadFile(filepath.Join(d.state(), "secrets", "nomad-bothy.token"))
	if err != nil {
		t.Fatal(err)
	}
	token, dsnFile := filepath.Join(t.TempDir(), "nomad.token"), filepath.Join(t.TempDir(), "store.dsn")
	write(t, token, string(good))
	write(t, dsnFile, dsn)
	s := newServerWith(t, d, "troubled", fmt.Sprintf("\nstore {\n  driver   = \"postgres\"\n  dsn_file = %q\n}\n", dsnFile), token)
	troubled := endpoint{contract: e.contract, base: s.base, token: s.token}

	t.Run("Nomad does not know its token", func(t *testing.T) { troubled.strange(t, s, token, string(good)) })
	admin := connect(t, databaseOf(t, dsn, "postgres"))
	t.Run("its tables are gone", func(t *testing.T) {
		own := connect(t, dsn)
		execute(t, own, `ALTER SCHEMA public RENAME TO away`)
		troubled.all(t, http.StatusInternalServerError)
		execute(t, own, `ALTER SCHEMA away RENAME TO public`)
	})
	t.Run("its database is gone", func(t *testing.T) {
		name := strings.TrimPrefix(mustParse(t, dsn).Path, "/")
		for _, statement := range []string{
			`ALTER DATABASE %[1]s WITH ALLOW_CONNECTIONS false`,
			`SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '%[1]s'`,
			`ALTER DATABASE %[1]s RENAME TO %[1]s_away`,
		} {
			execute(t, admin, fmt.Sprintf(statement, name))
		}
		troubled.all(t, http.StatusServiceUnavailable)
		execute(t, admin, fmt.Sprintf(`ALTER DATABASE %[1]s_away RENAME TO %[1]s`, name))
	})
}

// all wants the same answer to every operation that declares it, but those that
// can't give it.
func (e endpoint) all(t *testing.T, status int) {
	t.Helper()
	for _, id := range e.ids() {
		op := e.operations[id]
		if _, held := heldElsewhere()[fmt.Sprint(id, " ", status)]; op.declares(status) && !held {
			c := sample(op)
			if id == "streamEvents" {
				c.query.Set("cohort", "fall-26") // a stream without a filter asks the database nothing
			}
			switch id { // the operator's token is nobody's: it has to be said whose
			case "createToken":
				c.body = map[string]any{"name": "troubled", "user": "ada@example.edu"}
			case "endSessions":
				c.query.Set("user", "ada@example.edu")
			}
			if id == "pushTemplate" {
				c.body = map[string]any{"source": shellSource(t)}
			}
			e.expect(t, id, c, status)
		}
	}
}

// shellSource is a template that can be registered.
func shellSource(t *testing.T) string {
	t.Helper()
	source, err := jobspecs.FS.ReadFile("shell.nomad.hcl")
	if err != nil {
		t.Fatal(err)
	}
	return string(source)
}

// strange is everything that a server asks Nomad for, with a token that Nomad does not know.
func (e endpoint) strange(t *testing.T, s *server, token, good string) {
	template := "shell"
	class, err := s.api.CreateClass(t.Context(), client.ClassInput{
		Cohort: "Troubled", Course: "troubled shell", Template: &template, Students: &[]client.StudentInput{student("Tove", 1)},
	})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.api.LaunchClass(t.Context(), class.Key); err != nil {
		t.Fatal(err)
	}
	list, err := s.api.Workspaces(t.Context(), client.WorkspaceFilter{Class: class.Key})
	if err != nil || len(list) != 1 {
		t.Fatalf("%d workspaces, %v", len(list), err)
	}
	if _, err := s.api.EnrollStudent(t.Context(), class.Cohort, student("Una", 2)); err != nil {
		t.Fatal(err)
	}
	on := call{path: map[string]string{"class": strings.ReplaceAll(class.Key, "/", "~"), "workspace": list[0].Slug}}

	write(t, token, "00000000-0000-0000-0000-000000000000")
	for _, id := range e.ids() {
		if _, held := heldElsewhere()[id+" 502"]; held {
			continue
		}
		if op := e.operations[id]; op.declares(http.StatusBadGateway) && !strings.HasPrefix(id, "start") && id != "execInWorkspace" {
			c := sample(op)
			c.path = maps.Clone(on.path)
			e.expect(t, id, c, http.StatusBadGateway)
		}
	}
	e.expect(t, "execInWorkspace", socket(on), http.StatusBadGateway)
	e.expect(t, "stopClass", on, http.StatusAccepted)
	e.expect(t, "startClass", on, http.StatusBadGateway)
	e.expect(t, "startWorkspace", on, http.StatusBadGateway)
	write(t, token, good)

	if _, err := s.api.DeleteClass(t.Context(), class.Key, true); err != nil {
		t.Fatal(err)
	}
	classGone(t, s.api, class.Key)
}

func write(t *testing.T, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

func mustParse(t *testing.T, text string) *url.URL {
	t.Helper()
	parsed, err := url.Parse(text)
	if err != nil {
		t.Fatal(err)
	}
	return parsed
}

// databaseOf is the URL of another database of the same server.
func databaseOf(t *testing.T, dsn, name string) string {
	t.Helper()
	parsed := mustParse(t, dsn)
	parsed.Path = "/" + name
	return parsed.String()
}

func connect(t *testing.T, dsn string) *sql.DB {
	t.Helper()
	db, err := sql.Open("postgres", dsn)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close() }) // the server ends with the test
	return db
}

func execute(t *testing.T, db *sql.DB, statement string) {
	t.Helper()
	if _, err := db.ExecContext(context.WithoutCancel(t.Context()), statement); err != nil {
		t.Fatalf("%s: %v", statement, err)
	}
}
