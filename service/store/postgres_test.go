package store_test

import (
	"context"
	"errors"
	"net"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/jmoiron/sqlx"

	"github.com/bothylabs/bothy/service/lab"
	"github.com/bothylabs/bothy/service/store"
)

// eventually waits for what a database has no signal for.
func eventually(t testing.TB, what string, ok func() bool) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	for !ok() {
		select {
		case <-ctx.Done():
			t.Fatalf("waited in vain: %s", what)
		case <-time.After(5 * time.Millisecond):
		}
	}
}

func openRaw(t testing.TB, d database, where string) *sqlx.DB {
	t.Helper()
	raw, err := d.open(where)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = raw.Close() })
	return raw
}

func onlyPostgres(t *testing.T) (*fixture, *sqlx.DB) {
	t.Helper()
	d := databases()[1]
	f := newFixture(t, d)
	return f, openRaw(t, d, f.where)
}

func TestATransactionThatIsSacrificedForADeadlockRunsAgain(t *testing.T) {
	t.Parallel()
	f, raw := onlyPostgres(t)
	ctx := t.Context()
	cohort := f.cohort("fall-26")
	class := f.class(cohort, f.course("py101"))
	ada := f.student(cohort, "Ada", "ada@example.org")

	// Another transaction gives the slug that the act will want, and then wants the cohort that the act holds.
	conn, err := raw.Connx(ctx)
	f.must(err)
	defer func() { _ = conn.Close() }()
	exec := func(query string, args ...any) {
		t.Helper()
		_, err := conn.ExecContext(ctx, query, args...)
		f.must(err)
	}
	exec(`SET deadlock_timeout = '1h'`) // the other side finds the deadlock, and gives way
	exec(`BEGIN`)
	exec(`INSERT INTO slugs (slug, workspace_id, created_at) VALUES ('fall-26-py101-ada', 'x', 0)`)
	var pid int
	f.must(conn.GetContext(ctx, &pid, `SELECT pg_backend_pid()`))
	done := make(chan error, 1)
	tries := 0
	f.must(changeClass(ctx, f.Store, class.ID, func(lab.ClassState) (lab.ClassChange, error) {
		if tries++; tries == 1 {
			go func() {
				_, err := conn.ExecContext(ctx, `SELECT id FROM cohorts FOR UPDATE`)
				_, rollback := conn.ExecContext(ctx, `ROLLBACK`)
				done <- errors.Join(err, rollback)
			}()
			eventually(t, "the other transaction waits", func() bool {
				var waits bool
				f.must(raw.GetContext(ctx, &waits, `SELECT COALESCE(wait_event_type = 'Lock', FALSE) FROM pg_stat_activity WHERE pid = $1`, pid))
				return waits
			})
		}
		return lab.ClassChange{
			Add: []lab.Workspace{f.newWorkspace(class, ada, "fall-26-py101-ada")}, Audit: f.audit("class.launch", class.ID),
		}, nil
	}))
	f.must(<-done)
	wantEqual(t, tries, 2)
	workspaces, err := f.Workspaces(ctx, class.ID, "", false)
	f.must(err)
	wantEqual(t, len(workspaces), 1)
}

func TestWhatPostgresHoldsIsReadCommitted(t *testing.T) {
	t.Parallel()
	f, _ := onlyPostgres(t)
	// A default of the server's does not make transactions fail that would have waited.
	where := f.where + "&default_transaction_isolation=serializable"
	f.where = where
	s := f.reopen()
	cohort := f.cohort("fall-26")
	for _, err := range together(16, func(int) error {
		return enrollIn(t.Context(), s, cohort.ID, func(enrolled []lab.Student) ([]lab.Student, lab.Audit, error) {
			name := strings.Repeat("x", len(enrolled)+1)
			return []lab.Student{f.newStudent(cohort, name, name+"@example.org")}, f.audit("student.enroll", cohort.ID), nil
		})
	}) {
		f.must(err)
	}
	students, err := studentsOf(t.Context(), s, cohort.ID)
	f.must(err)
	wantEqual(t, len(students), 16)
}

// changed gives the URL of a database with a part of it changed.
func changed(t testing.TB, dsn string, change func(u *url.URL, query url.Values)) string {
	t.Helper()
	u, err := url.Parse(dsn)
	if err != nil {
		t.Fatal(err)
	}
	query := u.Query()
	change(u, query)
	u.RawQuery = query.Encode()
	return u.String()
}

// closedPort is a port of this machine that nobody listens on.
func closedPort(t testing.TB) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	return l.Addr().String()
}

func TestADatabaseThatCannotBeReachedSaysWhyAndWhatToDo(t *testing.T) {
	t.Parallel()
	const secret = "hunter2hunter2"
	good := server.Database(t)
	for name, test := range map[string]struct {
		dsn     string
		code    lab.Code
		message string
		hint    string
	}{
		"nobody listens": {
			"postgres://bothy:" + secret + "@" + closedPort(t) + "/bothy?sslmode=disable", lab.CodeUnavailable, "no PostgreSQL answers at 127.0.0.1:", "start it",
		},
		"no socket": {
			"postgres://bothy:" + secret + "@/bothy?host=" + t.TempDir(), lab.CodeUnavailable, "no PostgreSQL answers at the socket in /", "start it",
		},
		"a wrong password": {
			changed(t, good, func(u *url.URL, _ url.Values) { u.User = url.UserPassword(u.User.Username(), secret) }),
			lab.CodeRefused, `does not let the user "tests" in`, "correct user and password",
		},
		"a user that is not there": {
			changed(t, good, func(u *url.URL, _ url.Values) { u.User = url.UserPassword("nobody", secret) }),
			lab.CodeRefused, `does not let the user "nobody" in`, "correct user and password",
		},
		"a database that is not there": {
			changed(t, good, func(u *url.URL, _ url.Values) { u.Path = "/missing" }),
			lab.CodeRefused, `has no database "missing"`, "createdb --owner=tests missing",
		},
		"a host that is not there": {
			"postgres://bothy:" + secret + "@db.invalid/bothy", lab.CodeUnavailable, "host db.invalid is not known", "correct the host",
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := store.Open(t.Context(), onPostgres(test.dsn))
			coded := wantCode(t, err, test.code)
			if !strings.Contains(coded.Message, test.message) || !strings.Contains(coded.Hint, test.hint) {
				t.Errorf("got %q, hint %q", coded.Message, coded.Hint)
			}
			if strings.Contains(err.Error()+coded.Hint, secret) {
				t.Errorf("the password shows: %v", err)
			}
		})
	}
}

func TestAWrongURLIsRefusedWithoutShowingIt(t *testing.T) {
	t.Parallel()
	for name, dsn := range map[string]string{
		"no URL at all":              "host=db user=bothy password=hunter2",
		"another scheme":             "mysql://bothy:hunter2@db/bothy",
		"no user":                    "postgres://db/hunter2",
		"no database":                "postgres://bothy:hunter2@db",
		"a # in the password":        "postgres://bothy:12#hunter2@db/bothy",
		"a ? in the password":        "postgres://bothy:12?hunter2@db/bothy",
		"a / in the password":        "postgres://bothy:12/hunter2@db/bothy",
		"a [ in the password":        "postgres://bothy:[hunter2@db/bothy",
		"a % in the password":        "postgres://bothy:hunter2%zz@db/bothy",
		"a space in the password":    "postgres://bothy:hunter2 x@db/bothy",
		"an sslmode that is not one": "postgres://bothy:hunter2@db/bothy?sslmode=hunter2",
		"a port that is not one":     "postgres://bothy:x@db:hunter2/bothy",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := store.Open(t.Context(), onPostgres(dsn))
			coded := wantCode(t, err, lab.CodeInvalid)
			if len(coded.Fields) != 1 || coded.Fields[0].Name != "store.dsn" || coded.Fields[0].Remedy == "" {
				t.Errorf("got %+v", coded)
			}
			if strings.Contains(err.Error(), "hunter2") {
				t.Errorf("the password shows: %v", err)
			}
		})
	}
}

func TestAUserWithoutRightsIsTold(t *testing.T) {
	t.Parallel()
	where := server.Empty(t)
	raw := openRaw(t, databases()[1], where)
	user := "weak" + strings.Trim(databaseOf(t, where), "/")
	for _, statement := range []string{
		`CREATE ROLE ` + user + ` LOGIN PASSWORD 'pw'`, `REVOKE CREATE ON SCHEMA public FROM PUBLIC`,
	} {
		if _, err := raw.ExecContext(t.Context(), statement); err != nil {
			t.Fatal(err)
		}
	}
	_, err := store.Open(t.Context(), onPostgres(changed(t, where, func(u *url.URL, _ url.Values) { u.User = url.UserPassword(user, "pw") })))
	coded := wantCode(t, err, lab.CodeRefused)
	if !strings.Contains(coded.Hint, "GRANT ALL ON SCHEMA public") {
		t.Errorf("got %+v", coded)
	}
}

func databaseOf(t testing.TB, dsn string) string {
	t.Helper()
	u, err := url.Parse(dsn)
	if err != nil {
		t.Fatal(err)
	}
	return u.Path
}

func TestARotatedPasswordIsTakenUpWithoutARestart(t *testing.T) {
	t.Parallel()
	good := server.Database(t)
	raw := openRaw(t, databases()[1], good)
	user := "rotated" + strings.Trim(databaseOf(t, good), "/")
	alter := func(statement string) {
		t.Helper()
		if _, err := raw.ExecContext(t.Context(), statement); err != nil {
			t.Fatal(err)
		}
	}
	alter(`CREATE ROLE ` + user + ` LOGIN SUPERUSER PASSWORD 'one'`)
	password := "one"
	s, err := store.Open(t.Context(), store.Config{
		Driver: store.Postgres, Pool: store.Pool{MaxOpen: 2, MaxIdle: 1},
		DSN: func() (string, error) {
			return changed(t, good, func(u *url.URL, _ url.Values) { u.User = url.UserPassword(user, password) }), nil
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = s.Close() }()
	alter(`ALTER ROLE ` + user + ` PASSWORD 'two'`)
	end := `SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = '` + user + `'`
	alter(end)
	var refused error
	eventually(t, "the old password is refused", func() bool {
		refused = s.Ready(t.Context())
		return lab.CodeOf(refused) == lab.CodeRefused
	})
	password = "two"
	if err := s.Ready(t.Context()); err != nil {
		t.Errorf("with the new password: %v", err)
	}
}

func TestALostConnectionIsUnavailableAndThenReplaced(t *testing.T) {
	t.Parallel()
	f, raw := onlyPostgres(t)
	cohort := f.cohort("fall-26")
	err := enrollIn(t.Context(), f.Store, cohort.ID, func([]lab.Student) ([]lab.Student, lab.Audit, error) {
		_, err := raw.ExecContext(t.Context(), `SELECT pg_terminate_backend(pid) FROM pg_stat_activity
			WHERE datname = current_database() AND pid <> pg_backend_pid() AND state LIKE 'idle in transaction%'`)
		return []lab.Student{f.newStudent(cohort, "Ada", "ada@example.org")}, f.audit("x", "x"), err
	})
	wantCode(t, err, lab.CodeUnavailable)
	students, err := f.Students(t.Context(), cohort.ID)
	f.must(err)
	wantEqual(t, students, []lab.Student{})
}

// Whatever the language of the database, and of whichever migration a column is.
func TestPostgresComparesTextByItsBytes(t *testing.T) {
	t.Parallel()
	f, raw := onlyPostgres(t)
	var others []string
	f.must(raw.SelectContext(t.Context(), &others, `SELECT table_name || '.' || column_name FROM information_schema.columns
		WHERE table_schema = 'public' AND data_type = 'text' AND collation_name IS DISTINCT FROM 'C' ORDER BY 1`))
	wantEqual(t, others, []string{})
	var linguistic bool
	f.must(raw.GetContext(t.Context(), &linguistic, `SELECT 'a' < 'B'`))
	if !linguistic {
		t.Error("the database of the tests sorts by bytes itself: these tests would prove nothing")
	}
}
