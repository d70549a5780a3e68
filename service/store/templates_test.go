package store_test

import (
	"bytes"
	"crypto/sha256"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jmoiron/sqlx"
	"github.com/pressly/goose/v3"

	"github.com/bothylabs/bothy/service/lab"
	"github.com/bothylabs/bothy/service/store"
)

func (f *fixture) newVersion(name, source string) lab.TemplateVersion {
	return lab.TemplateVersion{
		ID: f.id("version"), Name: name, Digest: fmt.Sprintf("%x", sha256.Sum256([]byte(source))), Description: "It's \"50%\" ✓", Source: source,
		Origin: lab.TemplateOrigin{Kind: lab.OriginGit, URL: "https://git.example.org/labs.git", Path: "a/b", Revision: "5f0c", Dirty: true},
		Author: lab.Author{Name: "Žofie", Email: "zofie@example.org"}, RegisteredBy: "token:test", Message: "New.\nTwo lines.", CreatedAt: f.now,
	}
}

// registerOn registers a source as the next version unless the newest has it already.
func (f *fixture) registerOn(s *store.Store, name, source string) lab.TemplateVersion {
	f.t.Helper()
	v := f.newVersion(name, source)
	f.must(s.RegisterTemplate(f.t.Context(), somebody(), name, v.Digest, func(state lab.TemplateState) (*lab.TemplateVersion, lab.Audit, error) {
		if state.Newest.Digest == v.Digest {
			v = state.Newest
			return nil, lab.Audit{}, nil
		}
		v.Version = state.Newest.Version + 1
		return &v, f.audit("template.push", v.ID), nil
	}))
	return v
}

func (f *fixture) register(name, source string) lab.TemplateVersion {
	f.t.Helper()
	return f.registerOn(f.Store, name, source)
}

// listed is a version as lists have it.
func listed(v lab.TemplateVersion) lab.TemplateVersion {
	v.Source = ""
	return v
}

func TestVersionsOfATemplateAreKept(t *testing.T) {
	t.Parallel()
	onEach(t, func(t *testing.T, f *fixture) {
		ctx := t.Context()
		one := f.register("shell", "job \"one\" {}\n# ✓ \\ % ? $1\r\n")
		two := f.register("shell", "two")
		wantEqual(t, []int64{one.Version, two.Version}, []int64{1, 2})
		wantEqual(t, f.register("shell", "two"), listed(two))
		for version, want := range map[int64]lab.TemplateVersion{0: two, 1: one, 2: two} {
			got, err := f.TemplateVersion(ctx, "shell", version)
			f.must(err)
			wantEqual(t, got, want)
		}
		if e := wantCode(t, second(f.TemplateVersion(ctx, "shell", 3)), lab.CodeNotFound); !strings.Contains(e.Hint, "newest version is 2") {
			t.Errorf("the hint is %q", e.Hint)
		}
		wantCode(t, second(f.TemplateVersion(ctx, "none", 0)), lab.CodeNotFound)
		wantCode(t, second(f.TemplateVersion(ctx, "none", 1)), lab.CodeNotFound)
		wantCode(t, second(f.TemplateVersions(ctx, "none", lab.Page{Limit: 10})), lab.CodeNotFound)
	})
}

func TestAnOldVersionIsKnownByItsDigest(t *testing.T) {
	t.Parallel()
	onEach(t, func(t *testing.T, f *fixture) {
		one := f.register("shell", "one")
		two := f.register("shell", "two")
		f.must(f.RegisterTemplate(t.Context(), somebody(), "shell", one.Digest, func(state lab.TemplateState) (*lab.TemplateVersion, lab.Audit, error) {
			wantEqual(t, state, lab.TemplateState{Newest: listed(two), Same: listed(one)})
			return nil, lab.Audit{}, nil
		}))
	})
}

func TestTemplatesArePaged(t *testing.T) {
	t.Parallel()
	onEach(t, func(t *testing.T, f *fixture) {
		ctx := t.Context()
		for _, name := range []string{"b", "a-b", "a", "B", "a_b", "a.b"} {
			f.register(name, "one")
			f.register(name, "two of "+name)
		}
		names := ofItems(f, func(v lab.TemplateVersion) string {
			wantEqual(t, []any{v.Version, v.Source}, []any{int64(2), ""})
			return v.Name
		})
		first, err := f.Templates(ctx, lab.TemplateFilter{}, lab.Page{Limit: 3})
		wantEqual(t, names(first, err), "B a a-b")
		wantEqual(t, names(f.Templates(ctx, lab.TemplateFilter{}, lab.Page{Limit: 10, Cursor: first.Next})), "a.b a_b b")
		wantEqual(t, names(f.Templates(ctx, lab.TemplateFilter{}, lab.Page{Limit: 2, Sort: "-name"})), "b a_b")
		wantEqual(t, names(f.Templates(ctx, lab.TemplateFilter{Search: "A_b"}, lab.Page{Limit: 10})), "a_b")
		wantEqual(t, names(f.Templates(ctx, lab.TemplateFilter{Search: "%✓"}, lab.Page{Limit: 10})), "")

		var versions []int64
		for page := (lab.Page{Limit: 1}); ; {
			list, err := f.TemplateVersions(ctx, "a", page)
			f.must(err)
			versions = append(versions, list.Items[0].Version)
			if page.Cursor = list.Next; page.Cursor == "" {
				break
			}
		}
		wantEqual(t, versions, []int64{2, 1})
	})
}

func TestTwoWhoRegisterAtTheSameTimeMakeOneVersion(t *testing.T) {
	t.Parallel()
	onEach(t, func(t *testing.T, f *fixture) {
		const many = 20
		instances := f.instances()
		versions := make([]lab.TemplateVersion, many)
		var all sync.WaitGroup
		for i := range many {
			all.Go(func() { versions[i] = f.registerOn(instances[i%2], "shell", fmt.Sprintf("source %d", i/10)) })
		}
		all.Wait()
		// Two sources, each pushed again and again: a version for each change of the newest, numbered without a gap.
		list, err := f.TemplateVersions(t.Context(), "shell", lab.Page{Limit: 100})
		f.must(err)
		stored := list.Items
		for i, v := range stored {
			wantEqual(t, v.Version, int64(len(stored)-i))
			if i > 0 && v.Digest == stored[i-1].Digest {
				t.Errorf("versions %d and %d are the same", v.Version, v.Version+1)
			}
		}
		for _, v := range versions {
			if !slices.ContainsFunc(stored, func(s lab.TemplateVersion) bool { return s.ID == v.ID && s.Version == v.Version }) {
				t.Errorf("version %d was answered and is not stored", v.Version)
			}
		}
	})
}

// What a course was made from must be what it was: nothing in the program changes or deletes a version,
// but for the names in it of somebody who is erased.
func TestNoStatementChangesAVersion(t *testing.T) {
	t.Parallel()
	forbidden := regexp.MustCompile(`(?is)(UPDATE|DELETE\s+FROM|REPLACE\s+INTO)\s+template(_version)?s\b|template_versions[^;]*ON\s+CONFLICT[^;]*DO\s+UPDATE`)
	err := filepath.WalkDir(".", func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || strings.HasSuffix(path, "_test.go") {
			return err
		}
		text, err := os.ReadFile(path)
		text = bytes.ReplaceAll(text, []byte("UPDATE template_versions SET author_name = ?, author_email = ''"), nil)
		if found := forbidden.Find(text); found != nil {
			t.Errorf("%s: %s", path, found)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}

func TestAClassHasItsOwnParameters(t *testing.T) {
	t.Parallel()
	onEach(t, func(t *testing.T, f *fixture) {
		ctx := t.Context()
		cohort, course := f.cohort("fall-26"), f.course("py101")
		class := f.class(cohort, course)
		plain := f.class(f.cohort("spring-27"), course)
		f.workspace(class, f.student(cohort, "Ada", "ada@example.org"), "fall-26-py101-ada")
		f.workspace(plain, f.student(lab.Cohort{ID: plain.CohortID}, "Bob", "bob@example.org"), "spring-27-py101-bob")
		version := f.register("code-server", "source")
		for _, c := range []*lab.Class{&class, &plain} { // their workspaces have raised their revisions
			var err error
			*c, err = f.Class(ctx, c.ID)
			f.must(err)
		}

		later := f.now.Add(time.Hour)
		changed, err := f.SetClassParameters(ctx, somebody(), class.ID, func(c lab.Class, state lab.CourseState) (lab.Class, lab.Audit, error) {
			wantEqual(t, c, class)
			wantEqual(t, state.Course, course)
			wantEqual(t, state.Classes, []lab.Class{class, plain})
			found, err := state.Lookup("code-server", 0)
			f.must(err)
			wantEqual(t, found, version)
			wantCode(t, second(state.Lookup("code-server", 7)), lab.CodeNotFound)
			c.Parameters, c.UpdatedAt = map[string]any{"cpu": 900.0}, later
			return c, f.audit("class.update", c.ID), nil
		})
		f.must(err)
		want := class
		want.Parameters, want.UpdatedAt, want.Revision = map[string]any{"cpu": 900.0}, later, class.Revision+1
		wantEqual(t, changed, want)
		stored, err := f.Class(ctx, class.ID)
		f.must(err)
		wantEqual(t, stored, want)

		items, err := f.ReconcileList(ctx)
		f.must(err)
		for i, cpu := range []float64{900, 500} {
			wantEqual(t, items[i].Parameters, map[string]any{"cpu": cpu, "extensions": []any{"go", "python"}, "notes": nil})
			wantEqual(t, items[i].TemplateVersion, int64(1))
		}
	})
}

// at opens a database as the release with a migration left it.
func at(t *testing.T, d database, version int64) (where string, raw *sqlx.DB) {
	t.Helper()
	where = d.empty(t)
	raw, err := d.open(where)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = raw.Close() })
	dialect := goose.DialectSQLite3
	if d.driver == store.Postgres {
		dialect = goose.DialectPostgres
	}
	provider, err := goose.NewProvider(dialect, raw.DB, os.DirFS("migrations"), goose.WithTableName("schema_version"), goose.WithDisableGlobalRegistry(true))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := provider.UpTo(t.Context(), version); err != nil {
		t.Fatal(err)
	}
	return where, raw
}

func TestACourseFromBeforeVersionsHasTheFirst(t *testing.T) {
	t.Parallel()
	for _, d := range databases() {
		t.Run(d.driver, func(t *testing.T) {
			t.Parallel()
			where, raw := at(t, d, 1)
			for _, statement := range []string{
				`INSERT INTO courses VALUES ('id-course', 'py101', 'Python', 'shell', '{"cpu":700}', 1, 2)`,
				`INSERT INTO cohorts VALUES ('id-cohort', 'fall-26', 'Fall 26', 1, 2)`,
				`INSERT INTO classes VALUES ('id-class', 'id-cohort', 'id-course', FALSE, 1, 2)`,
			} {
				if _, err := raw.ExecContext(t.Context(), statement); err != nil {
					t.Fatal(err)
				}
			}
			f := &fixture{t: t, db: d, where: where}
			f.Store = f.reopen()
			course, err := f.Course(t.Context(), "py101")
			f.must(err)
			wantEqual(t, []any{course.Template, course.TemplateVersion, course.Parameters}, []any{"shell", int64(1), map[string]any{"cpu": 700.0}})
			class, err := f.Class(t.Context(), "fall-26/py101")
			f.must(err)
			wantEqual(t, class.Parameters, map[string]any{})
		})
	}
}
