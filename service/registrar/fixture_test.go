package registrar_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"sync"
	"sync/atomic"
	"testing"
	"testing/fstest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/bothylabs/bothy/service/jobspec"
	"github.com/bothylabs/bothy/service/lab"
	"github.com/bothylabs/bothy/service/placement"
	"github.com/bothylabs/bothy/service/registrar"
	"github.com/bothylabs/bothy/service/store"
	"github.com/bothylabs/bothy/service/store/storetest"
)

// editor is a template with all that a workspace needs, and parameters of every kind.
const editor = `# An editor for tests.
variable "slug" {
  type = string
}
variable "installation_id" {
  type    = string
  default = ""
}
variable "workspace_id" {
  type    = string
  default = ""
}
variable "namespace" {
  type    = string
  default = "default"
}
variable "home_volume" {
  type    = string
  default = ""
}
variable "cpu" {
  description = "MHz."
  type        = number
  default     = 500
  validation {
    condition     = var.cpu >= 100
    error_message = "At least 100."
  }
}
variable "extensions" {
  type    = list(string)
  default = []
}
job "editor" {
  id        = "bothy-${var.slug}"
  namespace = var.namespace
  meta {
    bothy_installation_id = var.installation_id
    bothy_workspace_id    = var.workspace_id
  }
  group "workspace" {
    network {
      mode = "bridge"
      port "http" {}
    }
    volume "home" {
      type   = "host"
      source = var.home_volume
    }
    service {
      name = var.slug
      port = "http"
      tags = ["bothy"]
      check {
        type = "http"
        path = "/healthz"
      }
    }
    task "editor" {
      driver = "exec"
      volume_mount {
        volume      = "home"
        destination = "/home/coder"
      }
    }
  }
}
`

var (
	server = storetest.Server{Prepare: func(ctx context.Context, dsn string) error { return migrated(ctx, onPostgres(dsn)) }}
	files  = storetest.File{Prepare: func(ctx context.Context, path string) error { return migrated(ctx, onSQLite(path)) }}
	// database gives a test its database. The whole suite runs once on each kind.
	database func(t testing.TB) store.Config
	// databaseKind names it.
	databaseKind string
)

func TestMain(m *testing.M) {
	os.Exit(server.Run(func() (code int) {
		for name, kind := range map[string]func(t testing.TB) store.Config{
			store.SQLite:   func(t testing.TB) store.Config { return onSQLite(files.Database(t)) },
			store.Postgres: func(t testing.TB) store.Config { return onPostgres(server.Database(t)) },
		} {
			database, databaseKind = kind, name
			if failed := m.Run(); failed != 0 {
				fmt.Fprintf(os.Stderr, "these tests ran on %s\n", name)
				code = failed
			}
		}
		return code
	}))
}

// migrated makes a database that has the schema and nothing else.
func migrated(ctx context.Context, cfg store.Config) error {
	s, err := store.Open(ctx, cfg)
	if err != nil {
		return err
	}
	return s.Close()
}

func onSQLite(path string) store.Config { return store.Config{Driver: store.SQLite, Path: path} }

func onPostgres(dsn string) store.Config {
	return store.Config{Driver: store.Postgres, DSN: func() (string, error) { return dsn, nil }}
}

// cluster is a Preflight and a Cluster that keeps what it was asked, and answers with
// err, or with what it was given.
type cluster struct {
	mu   sync.Mutex
	jobs []string
	err  error

	survey    placement.Cluster
	plan      placement.JobPlan
	questions []placement.Question
	planned   []string

	// read are the templates that its parser read, and unread its answer.
	read   []string
	unread error
}

func (c *cluster) Parse(_ context.Context, source, variables []byte) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.read = append(c.read, string(source)+string(variables))
	return c.unread
}

func (c *cluster) Survey(_ context.Context, q placement.Question) (placement.Cluster, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.questions = append(c.questions, q)
	return c.survey, c.err
}

func (c *cluster) PlanJob(_ context.Context, job []byte) (placement.JobPlan, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.planned = append(c.planned, string(job))
	return c.plan, c.err
}

func (c *cluster) Check(_ context.Context, job []byte) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.jobs = append(c.jobs, string(job))
	return c.err
}

func (c *cluster) asked() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return len(c.jobs)
}

// failer is what the builders need of *testing.T and *rapid.T alike.
type failer interface {
	Helper()
	Errorf(format string, args ...any)
	Fatal(args ...any)
	Fatalf(format string, args ...any)
}

// office is a registrar over a real store, with builders for what tests begin with.
type office struct {
	*registrar.Registrar
	t        failer
	store    *store.Store
	cluster  *cluster
	ids      atomic.Int64
	notified atomic.Int64
	now      time.Time
	intent   lab.Intent
	database store.Config
}

func open(t testing.TB) *office {
	t.Helper()
	o := &office{
		t: t, cluster: &cluster{}, now: time.Date(2026, 9, 1, 8, 0, 0, 123_456_789, time.UTC),
		intent: lab.Intent{Actor: lab.Actor{Name: "token:teacher", Remote: "192.0.2.7"}},
	}
	o.database = database(t)
	o.database.Now = func() time.Time { return o.now }
	o.start(t)
	return o
}

// instances are two servers over the same database; over an SQLite file there is only ever one.
func (o *office) instances(t *testing.T) []*registrar.Registrar {
	t.Helper()
	if o.database.Driver == store.SQLite {
		return []*registrar.Registrar{o.Registrar, o.Registrar}
	}
	other := &office{t: o.t, cluster: o.cluster, now: o.now, intent: o.intent, database: o.database}
	other.ids.Store(500_000) // ids are never given twice
	other.start(t)
	return []*registrar.Registrar{o.Registrar, other.Registrar}
}

// start makes the registrar over the office's database.
func (o *office) start(t testing.TB) {
	t.Helper()
	var err error
	o.store, err = store.Open(context.Background(), o.database)
	o.must(err)
	t.Cleanup(func() {
		if err := o.store.Close(); err != nil {
			t.Error(err)
		}
	})
	library, err := registrar.NewLibrary(o.store)
	o.must(err)
	o.Registrar = registrar.New(registrar.Config{
		Store: o.store, Library: library, Parser: o.cluster, Preflight: o.cluster, Cluster: o.cluster, Mails: true,
		Settings: jobspec.Settings{
			InstallationID: "test", Namespace: "bothy", NodePool: "default", Datacenters: []string{"dc1"},
			HomeType: jobspec.HomeHost, HomeUID: 1000, HomeGID: 1000, LabsURL: "http://labs.localhost:9999",
		},
		NewID:  func() string { return fmt.Sprintf("id-%06d", o.ids.Add(1)) },
		Now:    o.database.Now,
		Notify: func() { o.notified.Add(1) },
	})
	o.takeUp(map[string]string{"editor": editor, "other": editor})
}

// takeUp is what a server does at its start with the templates that it holds.
func (o *office) takeUp(sources map[string]string) {
	o.t.Helper()
	folder := fstest.MapFS{}
	for name, source := range sources {
		folder[name+".nomad.hcl"] = &fstest.MapFile{Data: []byte(source)}
	}
	catalog, err := registrar.NewCatalog(registrar.Folder{FS: folder, Kind: lab.OriginBuiltin})
	o.must(err)
	o.must(o.TakeUpTemplates(context.Background(), catalog))
}

func (o *office) must(err error) {
	o.t.Helper()
	if err != nil {
		o.t.Fatal(err)
	}
}

// person is a student of one name, whose address is made from a number.
func person(name string, n int) registrar.StudentInput {
	return registrar.StudentInput{Name: name, Email: fmt.Sprintf("s%d@example.org", n)}
}

// class makes the class "fall-26/py101" with students of the names given.
func (o *office) class(names ...string) lab.Class {
	o.t.Helper()
	in := registrar.ClassInput{Cohort: "Fall 26", Course: "py101", Template: "editor"}
	for i, name := range names {
		in.Students = append(in.Students, person(name, i))
	}
	class, err := o.CreateClass(context.Background(), o.intent, in)
	o.must(err)
	return class
}

// launched makes the class and launches it.
func (o *office) launched(names ...string) lab.Class {
	o.t.Helper()
	class := o.class(names...)
	_, err := o.ActOnClass(context.Background(), o.intent, class.ID, registrar.ActLaunch)
	o.must(err)
	return class
}

// state is slug and wish of every workspace, the released ones too.
func (o *office) state() map[lab.Slug]lab.Desired {
	o.t.Helper()
	views, err := o.Workspaces(context.Background(), registrar.WorkspaceFilter{IncludeDeleted: true})
	o.must(err)
	state := make(map[lab.Slug]lab.Desired)
	for _, v := range views {
		state[v.Slug] = v.Desired
	}
	return state
}

// release does what the reconciler does once everything of a workspace is gone.
func (o *office) release(ref string) {
	o.t.Helper()
	w, err := o.Workspace(context.Background(), ref)
	o.must(err)
	epoch, err := o.store.ClaimEpoch(context.Background())
	o.must(err)
	o.must(o.store.RecordDeleted(context.Background(), epoch, w.ID, o.now))
}

// everything is all that can be read, the audit included.
func (o *office) everything() map[string]any {
	o.t.Helper()
	ctx := context.Background()
	cohorts, err := o.Cohorts(ctx)
	o.must(err)
	courses, err := o.Courses(ctx)
	o.must(err)
	classes, err := o.Classes(ctx)
	o.must(err)
	workspaces, err := o.Workspaces(ctx, registrar.WorkspaceFilter{IncludeDeleted: true})
	o.must(err)
	audits, err := o.store.Audits(ctx, lab.AuditFilter{}, lab.Page{Limit: 1_000})
	o.must(err)
	templates, err := o.Templates(ctx)
	o.must(err)
	all := map[string]any{"cohorts": cohorts, "courses": courses, "classes": classes, "workspaces": workspaces, "audits": audits.Items, "templates": templates}
	for _, c := range cohorts {
		all["students of "+c.Key], err = o.Students(ctx, c.ID)
		o.must(err)
	}
	return all
}

// lastAct is the newest row of the audit.
func (o *office) lastAct() lab.Audit {
	o.t.Helper()
	audits, err := o.store.Audits(context.Background(), lab.AuditFilter{}, lab.Page{Limit: 1})
	o.must(err)
	if len(audits.Items) == 0 {
		o.t.Fatal("nothing was recorded")
	}
	return audits.Items[0]
}

// refused says that an act fails with a code and changes nothing.
func (o *office) refused(code lab.Code, act func() error) *lab.Error {
	o.t.Helper()
	before, notified := o.everything(), o.notified.Load()
	coded := wantCode(o.t, act(), code)
	wantEqual(o.t, o.everything(), before)
	if o.notified.Load() != notified {
		o.t.Fatal("the reconciler was woken for nothing")
	}
	return coded
}

func wantCode(t failer, err error, want lab.Code) *lab.Error {
	t.Helper()
	var coded *lab.Error
	if !errors.As(err, &coded) || coded.Code != want {
		t.Fatalf("got error %v, want one with the code %q", err, want)
	}
	return coded
}

// wantFields says which values an error names.
func wantFields(t failer, err *lab.Error, want ...string) {
	t.Helper()
	var got []string
	for _, f := range err.Fields {
		got = append(got, f.Name)
		if f.Problem == "" || f.Remedy == "" {
			t.Errorf("field %s has no problem or no remedy: %+v", f.Name, f)
		}
	}
	wantEqual(t, got, want)
}

func wantEqual(t failer, got, want any) {
	t.Helper()
	if diff := cmp.Diff(want, got, cmpopts.EquateEmpty()); diff != "" {
		t.Fatalf("-want +got\n%s", diff)
	}
}

func second[T any](_ T, err error) error { return err }
