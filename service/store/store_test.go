package store_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/jmoiron/sqlx"

	"github.com/bothylabs/bothy/service/lab"
	"github.com/bothylabs/bothy/service/store"
	"github.com/bothylabs/bothy/service/store/storetest"
)

var (
	server = storetest.Server{Prepare: func(ctx context.Context, dsn string) error { return migrated(ctx, onPostgres(dsn)) }}
	files  = storetest.File{Prepare: func(ctx context.Context, path string) error { return migrated(ctx, onSQLite(path)) }}
)

// migrated makes a database that has the schema and nothing else.
func migrated(ctx context.Context, cfg store.Config) error {
	s, err := store.Open(ctx, cfg)
	if err != nil {
		return err
	}
	return s.Close()
}

func TestMain(m *testing.M) { os.Exit(server.Run(m.Run)) }

func onPostgres(dsn string) store.Config {
	return store.Config{Driver: store.Postgres, DSN: func() (string, error) { return dsn, nil }}
}

func onSQLite(path string) store.Config { return store.Config{Driver: store.SQLite, Path: path} }

// A database that the store runs on. Every test of the store's behaviour runs on each.
type database struct {
	driver string
	// fresh says where a database is that ends with the test; empty has no schema yet.
	fresh, empty func(t testing.TB) string
	config       func(where string) store.Config
	// open opens it beside the store.
	open func(where string) (*sqlx.DB, error)
	// columns lists the schema as "table.column".
	columns string
}

func databases() []database {
	file := func(t testing.TB) string { return filepath.Join(t.TempDir(), "bothy.db") }
	return []database{
		{
			driver: store.SQLite, fresh: files.Database, empty: file, config: onSQLite,
			open: func(path string) (*sqlx.DB, error) { return sqlx.Open("sqlite", path) },
			columns: `SELECT m.name || '.' || c.name FROM sqlite_master m JOIN pragma_table_info(m.name) c
				WHERE m.type = 'table' AND m.name NOT LIKE 'sqlite_%' ORDER BY 1`,
		},
		{
			driver: store.Postgres, fresh: server.Database, empty: server.Empty, config: onPostgres,
			open: func(dsn string) (*sqlx.DB, error) { return sqlx.Open("postgres", dsn) },
			columns: `SELECT table_name || '.' || column_name FROM information_schema.columns
				WHERE table_schema = 'public' ORDER BY 1`,
		},
	}
}

func onEach(t *testing.T, test func(t *testing.T, f *fixture)) {
	t.Helper()
	for _, d := range databases() {
		t.Run(d.driver, func(t *testing.T) {
			t.Parallel()
			test(t, newFixture(t, d))
		})
	}
}

// fixture is an open store with builders for what tests put into it.
type fixture struct {
	*store.Store
	t     testing.TB
	db    database
	where string
	now   time.Time
	ids   atomic.Int64
}

func newFixture(t testing.TB, d database) *fixture {
	t.Helper()
	f := &fixture{t: t, db: d, where: d.fresh(t), now: time.Date(2026, 9, 1, 8, 0, 0, 123_456_000, time.UTC)}
	f.Store = f.reopen()
	return f
}

func (f *fixture) config() store.Config { return f.db.config(f.where) }

// reopen opens the database once more, as another instance does.
func (f *fixture) reopen() *store.Store {
	f.t.Helper()
	cfg := f.config()
	cfg.Now = func() time.Time { return f.now }
	s, err := store.Open(f.t.Context(), cfg)
	if err != nil {
		f.t.Fatalf("open: %v", err)
	}
	f.t.Cleanup(func() {
		if err := s.Close(); err != nil {
			f.t.Errorf("close: %v", err)
		}
	})
	return s
}

// instances are two on the same database; of an SQLite file there is only ever one.
func (f *fixture) instances() []*store.Store {
	f.t.Helper()
	if f.db.driver == store.SQLite {
		return []*store.Store{f.Store, f.Store}
	}
	return []*store.Store{f.Store, f.reopen()}
}

// id makes ids that sort in the order in which they were made, as UUIDv7 do.
func (f *fixture) id(kind string) string { return fmt.Sprintf("%06d-%s", f.ids.Add(1), kind) }

// Audits are the newest rows of the record of changes.
func (f *fixture) Audits(ctx context.Context, limit int) ([]lab.Audit, error) {
	all, err := f.Store.Audits(ctx, lab.AuditFilter{}, lab.Page{Limit: limit})
	return all.Items, err
}

func (f *fixture) audit(action, target string) lab.Audit {
	return lab.Audit{
		ID: f.id("audit"), At: f.now, Actor: somebody().Actor,
		Action: action, Target: target, Detail: map[string]any{"key": "value"}, Result: lab.AuditDone,
	}
}

// somebody asks for something without conditions.
func somebody() lab.Intent {
	return lab.Intent{Actor: lab.Actor{Name: "token:test", Remote: "192.0.2.1"}}
}

func changeClass(ctx context.Context, s *store.Store, id string, decide func(lab.ClassState) (lab.ClassChange, error)) error {
	_, err := s.ChangeClass(ctx, somebody(), id, decide)
	return err
}

func enrollIn(ctx context.Context, s *store.Store, cohortID string, decide func([]lab.Student) ([]lab.Student, lab.Audit, error)) error {
	_, err := s.Enroll(ctx, somebody(), cohortID, decide)
	return err
}

func (f *fixture) newCohort(key string) lab.Cohort {
	return lab.Cohort{ID: f.id("cohort"), Key: key, Name: "Cohort " + key, Revision: 1, CreatedAt: f.now, UpdatedAt: f.now}
}

func (f *fixture) newCourse(key string) lab.Course {
	return lab.Course{
		ID: f.id("course"), Key: key, Name: "Course " + key, Template: "code-server", TemplateVersion: 1,
		Parameters: map[string]any{"cpu": 500.0, "extensions": []any{"go", "python"}, "notes": nil},
		Revision:   1, CreatedAt: f.now, UpdatedAt: f.now,
	}
}

func (f *fixture) newStudent(cohort lab.Cohort, name, email string) lab.Student {
	return lab.Student{ID: f.id("student"), CohortID: cohort.ID, Name: name, Email: email, Revision: 1, CreatedAt: f.now, UpdatedAt: f.now}
}

func (f *fixture) newWorkspace(class lab.Class, student lab.Student, slug lab.Slug) lab.Workspace {
	return lab.Workspace{
		ID: f.id("workspace"), ClassID: class.ID, StudentID: student.ID, Slug: slug, Desired: lab.DesiredRunning,
		Status: lab.Status{Phase: lab.PhaseUnknown}, Revision: 1, CreatedAt: f.now, UpdatedAt: f.now,
	}
}

func (f *fixture) cohort(key string) lab.Cohort {
	f.t.Helper()
	c := f.newCohort(key)
	f.must(f.CreateCohort(f.t.Context(), somebody(), c, f.audit("cohort.create", c.ID)))
	return c
}

func (f *fixture) course(key string) lab.Course {
	f.t.Helper()
	c := f.newCourse(key)
	f.must(f.CreateCourse(f.t.Context(), somebody(), c, f.audit("course.create", c.ID)))
	return c
}

func (f *fixture) student(cohort lab.Cohort, name, email string) lab.Student {
	f.t.Helper()
	s := []lab.Student{f.newStudent(cohort, name, email)}
	f.must(f.enroll(cohort, s...)) // which fills in who it is
	return s[0]
}

func (f *fixture) enroll(cohort lab.Cohort, students ...lab.Student) error {
	return enrollIn(f.t.Context(), f.Store, cohort.ID, func([]lab.Student) ([]lab.Student, lab.Audit, error) {
		return students, f.audit("student.enroll", cohort.ID), nil
	})
}

func (f *fixture) newClass(cohort lab.Cohort, course lab.Course) lab.NewClass {
	id := f.id("class")
	return lab.NewClass{
		Class: lab.Class{
			ID: id, CohortID: cohort.ID, CourseID: course.ID, CohortKey: cohort.Key, CourseKey: course.Key,
			Revision: 1, CreatedAt: f.now, UpdatedAt: f.now,
		},
		Audit: f.audit("class.create", id),
	}
}

func nobody([]lab.Student) ([]lab.Student, error) { return nil, nil }

func (f *fixture) class(cohort lab.Cohort, course lab.Course) lab.Class {
	f.t.Helper()
	c := f.newClass(cohort, course)
	f.must(f.CreateClass(f.t.Context(), somebody(), c, nobody))
	return c.Class
}

// change applies a change to a class without looking at its state.
func (f *fixture) change(class lab.Class, change lab.ClassChange) error {
	change.Audit = f.audit("class.change", class.ID)
	return changeClass(f.t.Context(), f.Store, class.ID,
		func(lab.ClassState) (lab.ClassChange, error) {
			return change, nil
		})
}

// workspace makes a running workspace for a student of a class.
func (f *fixture) workspace(class lab.Class, student lab.Student, slug lab.Slug) lab.Workspace {
	f.t.Helper()
	w := f.newWorkspace(class, student, slug)
	f.must(f.change(class, lab.ClassChange{Add: []lab.Workspace{w}}))
	return w
}

// workspaces makes running workspaces for n new students of a class.
func (f *fixture) workspaces(class lab.Class, cohort lab.Cohort, n int) []lab.Workspace {
	f.t.Helper()
	students, workspaces := make([]lab.Student, n), make([]lab.Workspace, n)
	for i := range n {
		students[i] = f.newStudent(cohort, fmt.Sprintf("Ada %d", i), fmt.Sprintf("ada%d@%s.example.org", i, cohort.Key))
		workspaces[i] = f.newWorkspace(class, students[i], lab.Slug(fmt.Sprintf("%s-%s-ada-%d", class.CohortKey, class.CourseKey, i)))
	}
	f.must(f.enroll(cohort, students...))
	f.must(f.change(class, lab.ClassChange{Add: workspaces}))
	return workspaces
}

// remove asks for a workspace to be deleted.
func (f *fixture) remove(w lab.Workspace, releaseHome bool) {
	f.t.Helper()
	_, err := f.ChangeWorkspace(f.t.Context(), somebody(), w.ID, func(w lab.Workspace) (lab.Workspace, lab.Audit, error) {
		w.Desired, w.ReleaseHome = lab.DesiredDeleted, releaseHome
		return w, f.audit("workspace.delete", w.ID), nil
	})
	f.must(err)
}

func (f *fixture) epoch() int64 {
	f.t.Helper()
	epoch, err := f.ClaimEpoch(f.t.Context())
	f.must(err)
	return epoch
}

func (f *fixture) stored(w lab.Workspace) lab.Workspace {
	f.t.Helper()
	detail, err := f.Workspace(f.t.Context(), w.ID)
	f.must(err)
	return detail.Workspace
}

func (f *fixture) must(err error) {
	f.t.Helper()
	if err != nil {
		f.t.Fatal(err)
	}
}

func wantCode(t testing.TB, err error, want lab.Code) *lab.Error {
	t.Helper()
	var coded *lab.Error
	if !errors.As(err, &coded) || coded.Code != want {
		t.Fatalf("got error %v, want one with the code %q", err, want)
	}
	return coded
}

func wantEqual(t testing.TB, got, want any) {
	t.Helper()
	if diff := cmp.Diff(want, got, cmpopts.EquateEmpty()); diff != "" {
		t.Fatalf("-want +got\n%s", diff)
	}
}

func TestOpenRefusesWhatItCannotOpen(t *testing.T) {
	t.Parallel()
	garbage := filepath.Join(t.TempDir(), "garbage.db")
	if err := os.WriteFile(garbage, []byte("this is a text file, and long enough to be taken for more than an empty one\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for name, test := range map[string]struct {
		config store.Config
		want   lab.Code
	}{
		"an unknown driver":  {store.Config{Driver: "mysql", Path: "x"}, lab.CodeInvalid},
		"no path":            {onSQLite(""), lab.CodeInvalid},
		"no URL":             {store.Config{Driver: store.Postgres}, lab.CodeInvalid},
		"a missing folder":   {onSQLite(filepath.Join(t.TempDir(), "missing", "bothy.db")), lab.CodeUnavailable},
		"not a database":     {onSQLite(garbage), lab.CodeUnavailable},
		"a folder as a file": {onSQLite(t.TempDir()), lab.CodeUnavailable},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := store.Open(t.Context(), test.config)
			wantCode(t, err, test.want)
		})
	}
}

func TestOpenTakesAnyPath(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "a path? with #50% of 'specials' & spaces.db")
	s, err := store.Open(t.Context(), onSQLite(path))
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(path); err != nil {
		t.Fatal(err)
	}
}

func TestSQLiteFilesAreTheirOwnersAlone(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "bothy.db")
	if err := os.WriteFile(path, nil, 0o644); err != nil {
		t.Fatal(err)
	}
	s, err := store.Open(t.Context(), onSQLite(path))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = s.Close() }()
	for _, name := range []string{path, path + "-wal", path + "-shm"} {
		info, err := os.Stat(name)
		if err != nil {
			t.Fatal(err)
		}
		if got := info.Mode().Perm(); got != 0o600 {
			t.Errorf("%s has the mode %o, want 600", filepath.Base(name), got)
		}
	}
}

func TestOpenRefusesADatabaseOfANewerVersion(t *testing.T) {
	t.Parallel()
	onEach(t, func(t *testing.T, f *fixture) {
		raw, err := f.db.open(f.where)
		f.must(err)
		defer func() { _ = raw.Close() }()
		_, err = raw.ExecContext(t.Context(), `INSERT INTO schema_version (version_id, is_applied) VALUES (9999, TRUE)`)
		f.must(err)
		_, err = store.Open(t.Context(), f.config())
		wantCode(t, err, lab.CodeRefused)
	})
}

func TestWhatIsStoredSurvivesAReopening(t *testing.T) {
	t.Parallel()
	onEach(t, func(t *testing.T, f *fixture) {
		course := f.course("py101")
		got, err := f.reopen().Course(t.Context(), "py101")
		f.must(err)
		wantEqual(t, got, course)
	})
}

// Every column is named in columns.txt, so that adding one is a moment to ask whether it could hold a secret. None may.
func TestNothingSecretHasAPlaceInTheSchema(t *testing.T) {
	t.Parallel()
	onEach(t, func(t *testing.T, f *fixture) {
		raw, err := f.db.open(f.where)
		f.must(err)
		defer func() { _ = raw.Close() }()
		var got []string
		f.must(raw.SelectContext(t.Context(), &got, f.db.columns))
		named, err := os.ReadFile(filepath.Join("testdata", "columns.txt"))
		f.must(err)
		wantEqual(t, got, strings.Fields(string(named)))
	})
}

func TestInstallationIsMadeOnce(t *testing.T) {
	t.Parallel()
	onEach(t, func(t *testing.T, f *fixture) {
		first, err := f.Installation(t.Context(), func() string { return "first" })
		f.must(err)
		second, err := f.Installation(t.Context(), func() string { return "second" })
		f.must(err)
		wantEqual(t, []string{first, second}, []string{"first", "first"})
	})
}

func TestReadySaysWhetherTheDatabaseAnswers(t *testing.T) {
	t.Parallel()
	onEach(t, func(t *testing.T, f *fixture) {
		f.must(f.Ready(t.Context()))
		s, err := store.Open(t.Context(), f.config())
		f.must(err)
		f.must(s.Close())
		wantCode(t, s.Ready(t.Context()), lab.CodeUnavailable)
	})
}

func TestACancelledRequestChangesNothing(t *testing.T) {
	t.Parallel()
	onEach(t, func(t *testing.T, f *fixture) {
		ctx, cancel := context.WithCancel(t.Context())
		cohort := f.cohort("fall-26")
		err := enrollIn(ctx, f.Store, cohort.ID, func([]lab.Student) ([]lab.Student, lab.Audit, error) {
			cancel()
			return []lab.Student{f.newStudent(cohort, "Ada", "ada@example.org")}, f.audit("student.enroll", cohort.ID), nil
		})
		if !errors.Is(err, context.Canceled) {
			t.Fatalf("got %v, want context.Canceled", err)
		}
		students, err := f.Students(t.Context(), cohort.ID)
		f.must(err)
		wantEqual(t, students, []lab.Student{})
	})
}
