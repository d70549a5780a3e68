package app_test

import (
	"context"
	"database/sql" //nolint:depguard // it looks at the database beside the store
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"

	"github.com/bothylabs/bothy/service/api"
	"github.com/bothylabs/bothy/service/app"
	"github.com/bothylabs/bothy/service/auth"
	"github.com/bothylabs/bothy/service/door"
	"github.com/bothylabs/bothy/service/jobspec"
	"github.com/bothylabs/bothy/service/lab"
	"github.com/bothylabs/bothy/service/placement"
	"github.com/bothylabs/bothy/service/registrar"
	"github.com/bothylabs/bothy/service/store"
)

// attacks is how many requests the tests make, on a new store in each round.
const (
	attacks = 6_000
	rounds  = 6
)

// absent is a Nomad that can be reached by nobody.
type absent struct{}

func (absent) error() error { return lab.Errorf(lab.CodeUnavailable, "Nomad does not answer") }

func (a absent) Survey(context.Context, placement.Question) (placement.Cluster, error) {
	return placement.Cluster{}, a.error()
}

func (a absent) PlanJob(context.Context, []byte) (placement.JobPlan, error) {
	return placement.JobPlan{}, a.error()
}

func (a absent) Parse(context.Context, []byte, []byte) error { return a.error() }

// unreachable are tasks that can be reached by nobody.
type unreachable struct {
	absent
	api.Tasks
}

func (u unreachable) Logs(context.Context, lab.LogRequest) (io.ReadCloser, error) {
	return nil, u.error()
}

func (u unreachable) RunningTask(context.Context, string, lab.Mark, string) (lab.TaskRef, error) {
	return lab.TaskRef{}, u.error()
}

// target is the API over a registrar and a store that are real, and a cluster that
// has room for everything. Nothing but requests changes the store.
type target struct {
	http.Handler
	t   testing.TB
	log *buffer
	doc *openapi3.T
	// raw reads the database beside the store.
	raw *sql.Conn
	*hostile
}

// state is all that the database holds.
type state struct {
	// version is SQLite's own number, another after each commit of the store's.
	version string
	tables  map[string][]string
}

func newTarget(t testing.TB) *target {
	t.Helper()
	path := filepath.Join(t.TempDir(), "bothy.db")
	s, err := store.Open(t.Context(), store.Config{Driver: store.SQLite, Path: path})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	library, err := registrar.NewLibrary(s)
	if err != nil {
		t.Fatal(err)
	}
	catalog, err := app.Templates("")
	if err != nil {
		t.Fatal(err)
	}
	operator, err := auth.NewStatic("operator", token)
	if err != nil {
		t.Fatal(err)
	}
	newID := func() string { return uuid.Must(uuid.NewV7()).String() }
	credentials, err := auth.NewPeople(auth.Config{
		Store: s, Passwords: noPasswords{}, Idle: time.Hour, Lifetime: time.Hour, Operator: operator, Log: slog.New(slog.DiscardHandler), NewID: newID,
	})
	if err != nil {
		t.Fatal(err)
	}
	people := registrar.New(registrar.Config{
		Store: s, Library: library, Parser: absent{}, Preflight: placing{}, Cluster: absent{}, Vault: anyVault{}, Mails: true,
		Settings: jobspec.Settings{
			InstallationID: "test", Namespace: "bothy", NodePool: "default", Datacenters: []string{"dc1"},
			HomeType: jobspec.HomeHost, HomeUID: 1000, HomeGID: 1000, LabsURL: "http://labs.localhost:9999",
		},
		NewID: newID, Now: time.Now, Notify: func() {},
	})
	if err := people.TakeUpTemplates(t.Context(), catalog); err != nil {
		t.Fatal(err)
	}
	g := &target{t: t, log: &buffer{}}
	guard, err := door.New(door.Config{
		Store: s, Allows: auth.Allows, ConsoleURL: "http://bothy.example.org", LabsURL: "http://labs.example.org", OwnHosts: true,
		Logger: slog.New(slog.DiscardHandler), NewID: uuid.NewString,
	})
	if err != nil {
		t.Fatal(err)
	}
	if g.Handler, err = api.New(api.Config{
		Registrar:     people,
		Authenticator: credentials, Belongings: s, Credentials: credentials, Receipts: s, Tasks: unreachable{}, Door: guard, AnswerWait: 50 * time.Millisecond,
		Log: slog.New(slog.NewJSONHandler(g.log, &slog.HandlerOptions{Level: slog.LevelError})),
	}); err != nil {
		t.Fatal(err)
	}
	db, err := sql.Open("sqlite", path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close() })
	if g.raw, err = db.Conn(t.Context()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = g.raw.Close() })
	g.fill()
	return g
}

// anyVault takes every secret, and forgets it.
type anyVault struct{}

func (anyVault) PutSecret(context.Context, lab.SecretOwner, string, string, string) error { return nil }

// fill makes one of each thing, and a generator that knows them.
func (g *target) fill() {
	g.t.Helper()
	if g.doc = must(openapi3.NewLoader().LoadFromData([]byte(g.make(http.MethodGet, "/v1/openapi.json", "")))); g.t.Failed() {
		return
	}
	g.make(http.MethodPost, "/v1/classes", `{"cohort":"Fall 26","course":"py101","template":"shell","students":[
		{"name":"Ada","email":"ada@example.edu"},{"name":"Bo","email":"bo@example.edu"}]}`)
	var operation struct{ ID string }
	g.read(g.make(http.MethodPost, "/v1/classes/fall-26~py101/launch", ""), &operation)
	var students, workspaces struct {
		Items []struct{ ID, Slug string }
	}
	g.read(g.make(http.MethodGet, "/v1/cohorts/fall-26/students", ""), &students)
	g.read(g.make(http.MethodGet, "/v1/workspaces", ""), &workspaces)
	var user struct{ ID string }
	g.read(g.make(http.MethodPost, "/v1/users", `{"login":"eve@example.edu","name":"Eve","role":"assistant"}`), &user)
	var made struct{ ID string }
	g.read(g.make(http.MethodPost, "/v1/tokens", `{"name":"eve","scope":"read","user":"eve@example.edu"}`), &made)
	g.hostile = newHostile(g.doc, map[string][]string{
		"cohort": {"fall-26"}, "course": {"py101"}, "class": {"fall-26~py101"}, "operation": {operation.ID}, "template": {"shell"},
		"student": {students.Items[0].ID}, "workspace": {workspaces.Items[0].Slug, workspaces.Items[1].ID}, "version": {"1"},
		"user": {user.ID, "BO@example.edu"}, "secret": {"TOKEN"}, "token": {made.ID}, "session": {"no-such"},
	})
}

func must[T any](value T, err error) T {
	if err != nil {
		panic(err)
	}
	return value
}

func (g *target) make(method, path, body string) string {
	g.t.Helper()
	r := httptest.NewRequest(method, path, strings.NewReader(body))
	r.Header.Set("Authorization", "Bearer "+token)
	if body != "" {
		r.Header.Set("Content-Type", "application/json")
	}
	w := httptest.NewRecorder()
	g.ServeHTTP(w, r)
	if w.Code >= http.StatusMultipleChoices {
		g.t.Fatalf("%s %s: %d: %s", method, path, w.Code, w.Body)
	}
	return w.Body.String()
}

func (g *target) read(text string, into any) {
	g.t.Helper()
	if err := json.Unmarshal([]byte(text), into); err != nil {
		g.t.Fatal(err)
	}
}

// state is every row of every table; before is given back where nothing was committed since.
func (g *target) state(before state) state {
	g.t.Helper()
	version := g.list(`PRAGMA data_version`)[0]
	if version == before.version {
		return before
	}
	tables := map[string][]string{}
	for _, table := range g.list(`SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%'`) {
		tables[table] = g.list(`SELECT * FROM ` + table)
		slices.Sort(tables[table])
	}
	return state{version, tables}
}

// list gives the rows of a query as text.
func (g *target) list(query string) []string {
	g.t.Helper()
	rows, err := g.raw.QueryContext(g.t.Context(), query)
	if err != nil {
		g.t.Fatal(err)
	}
	defer func() { _ = rows.Close() }()
	columns, err := rows.Columns()
	if err != nil {
		g.t.Fatal(err)
	}
	var all []string
	for rows.Next() {
		values, into := make([]any, len(columns)), make([]any, len(columns))
		for i := range values {
			into[i] = &values[i]
		}
		if err := rows.Scan(into...); err != nil {
			g.t.Fatal(err)
		}
		if text, ok := values[0].(string); ok && len(values) == 1 {
			all = append(all, text)
			continue
		}
		all = append(all, fmt.Sprintf("%q", values))
	}
	if err := rows.Err(); err != nil {
		g.t.Fatal(err)
	}
	return all
}

// fate is what became of an attack.
type fate struct {
	status int
	// wrote says that the store is another than before.
	wrote bool
}

// answer sends an attack and holds what comes back against the contract. before
// is the store; what it is after is given back.
func (g *target) answer(t testing.TB, a attack, before state) (fate, state) {
	t.Helper()
	w := httptest.NewRecorder()
	g.ServeHTTP(w, a.request)
	after := g.state(before)
	if text := w.Body.String(); w.Code >= http.StatusBadRequest {
		for _, problem := range g.spoken(a, w) {
			t.Errorf("%s\n%d: %s\n%.1000s", a, w.Code, problem, text)
		}
	} else if problem := g.promised(a, w); problem != "" {
		t.Errorf("%s\n%d: %s\n%.1000s", a, w.Code, problem, text)
	}
	diff := ""
	if !maps.EqualFunc(before.tables, after.tables, slices.Equal) {
		diff = cmp.Diff(before.tables, after.tables)
	}
	dry := a.request.URL.Query().Get("dry_run") == "true"
	reads := a.request.Method == http.MethodGet && a.id != "exportStudent" && a.id != "exportUser" // which writes down that it was given away
	if diff != "" && (w.Code >= http.StatusMultipleChoices || dry || reads || w.Header().Get("Idempotency-Replayed") != "") {
		t.Errorf("%s\n%d: the store has changed: %.2000s", a, w.Code, diff)
	}
	if strings.Contains(g.log.String(), "panic") {
		t.Errorf("%s\n%d: a panic: %.2000s", a, w.Code, g.log)
	}
	return fate{w.Code, diff != ""}, after
}

// promised holds a success against the contract.
func (g *target) promised(a attack, w *httptest.ResponseRecorder) string {
	if a.strays {
		return ""
	}
	declared := a.Responses.Status(w.Code)
	if declared == nil {
		return "is not declared"
	}
	media := declared.Value.Content["application/json"]
	answered, _, _ := strings.Cut(w.Header().Get("Content-Type"), ";")
	if media == nil || answered != "application/json" && declared.Value.Content[answered] != nil {
		return "" // an export, which may break off
	}
	var value any
	if err := json.Unmarshal(w.Body.Bytes(), &value); err != nil {
		return err.Error()
	}
	if err := media.Schema.Value.VisitJSON(value, openapi3.VisitAsResponse()); err != nil {
		return err.Error()
	}
	return ""
}

// spoken holds an error against the contract.
func (g *target) spoken(a attack, w *httptest.ResponseRecorder) []string {
	var all []string
	var problem struct {
		Type, Title, Code, Detail string
		Status                    int
		RequestID                 string `json:"request_id"`
		Fields                    []struct{ Name, Problem, Remedy string }
	}
	if err := json.Unmarshal(w.Body.Bytes(), &problem); err != nil || w.Header().Get("Content-Type") != "application/problem+json" {
		return append(all, fmt.Sprintf("is no problem document: %v", err))
	}
	if problem.Status != w.Code || problem.Type != "urn:bothy:problem:"+problem.Code || problem.Title == "" || problem.Detail == "" ||
		problem.RequestID == "" || problem.RequestID != w.Header().Get("X-Request-Id") {
		all = append(all, "is not a whole problem")
	}
	if w.Code == http.StatusBadRequest && len(problem.Fields) == 0 {
		all = append(all, "names no field")
	}
	for _, f := range problem.Fields {
		if f.Problem == "" || f.Remedy == "" {
			all = append(all, fmt.Sprintf("the field %q has no problem or no remedy", f.Name))
		}
	}
	if w.Code == http.StatusInternalServerError {
		all = append(all, "is a fault of Bothy's: "+g.log.String())
	}
	routed := !a.strays && w.Code != http.StatusMethodNotAllowed
	declared := a.Responses.Status(w.Code)
	if routed && declared == nil {
		all = append(all, "is not declared")
	}
	if routed && declared != nil {
		var value any
		_ = json.Unmarshal(w.Body.Bytes(), &value) // it was read before
		if err := declared.Value.Content["application/problem+json"].Schema.Value.VisitJSON(value, openapi3.VisitAsResponse()); err != nil {
			all = append(all, err.Error())
		}
	}
	for _, word := range []string{"goroutine ", ".go:", "runtime error", "SQLITE", "sql:", "sqlite", "json: cannot", "openapi3", "constraint failed"} {
		if strings.Contains(w.Body.String(), word) {
			all = append(all, fmt.Sprintf("shows something internal: %q", word))
		}
	}
	return all
}

func TestWhateverIsSentTheAnswerIsTheContracts(t *testing.T) {
	statuses, operations, wrote, rows := map[int]int{}, map[string]bool{}, 0, 0
	for round := range uint64(rounds) {
		g := newTarget(t)
		before := g.state(state{})
		for seed := range uint64(attacks / rounds) {
			a := g.attack(t, round<<32+seed)
			var f fate
			f, before = g.answer(t, a, before)
			if t.Failed() {
				t.FailNow() // the rest follows from it
			}
			statuses[f.status]++
			operations[a.id] = true
			if f.wrote {
				wrote++
			}
		}
		for _, table := range before.tables {
			rows += len(table)
		}
	}
	t.Logf("%d requests to %d operations: answers %v; %d of them wrote, and left %d rows", attacks, len(operations), statuses, wrote, rows)
}

// FuzzTheContract looks for a request to a new store that is answered otherwise.
func FuzzTheContract(f *testing.F) {
	g := newTarget(f)
	for seed := range uint64(20) {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, seed uint64) {
		g.t = t // f may not be used in here
		g.answer(t, g.attack(t, seed), g.state(state{}))
	})
}
