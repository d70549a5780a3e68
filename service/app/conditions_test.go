package app_test

import (
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"

	"github.com/bothylabs/bothy/service/api"
	"github.com/bothylabs/bothy/service/auth"
	"github.com/bothylabs/bothy/service/config"
	"github.com/bothylabs/bothy/service/lab"
	"github.com/bothylabs/bothy/service/registrar"
	"github.com/bothylabs/bothy/service/store"
)

// installation is one or more servers over one database.
type installation struct {
	servers []*running
	// store says where the database is.
	store store.Config
}

// onEachDatabase runs a test with one server over SQLite and with two over PostgreSQL.
func onEachDatabase(t *testing.T, test func(t *testing.T, i installation)) {
	t.Helper()
	t.Run("sqlite", func(t *testing.T) {
		cfg := settings(t)
		test(t, installation{
			[]*running{start(t, cfg)}, store.Config{Driver: store.SQLite, Path: filepath.Join(cfg.DataDir, "bothy.db")},
		})
	})
	t.Run("postgres", func(t *testing.T) {
		cfg, dsn := settings(t), postgres.Empty(t)
		cfg.Store.Driver = "postgres"
		cfg.Store.DSN = config.Credential{Value: config.NewSecret(dsn)}
		test(t, installation{
			[]*running{start(t, cfg), start(t, cfg)},
			store.Config{Driver: store.Postgres, DSN: func() (string, error) { return dsn, nil }},
		})
	})
}

// answer is what a server said.
type answer struct {
	status   int
	replayed string
	etag     string
	body     string
}

// send sends a request with some headers: "Name: value".
func (s *running) send(method, path, body string, headers ...string) answer {
	r, err := http.NewRequestWithContext(s.t.Context(), method, "http://"+s.address+path, strings.NewReader(body))
	if err != nil {
		s.t.Error(err)
		return answer{}
	}
	r.Header.Set("Authorization", "Bearer "+token)
	if body != "" {
		r.Header.Set("Content-Type", "application/json")
	}
	for _, h := range headers {
		name, value, _ := strings.Cut(h, ": ")
		r.Header.Set(name, value)
	}
	got, err := http.DefaultClient.Do(r)
	if err != nil {
		s.t.Error(err)
		return answer{}
	}
	defer func() { _ = got.Body.Close() }()
	text, err := io.ReadAll(got.Body)
	if err != nil {
		s.t.Error(err)
	}
	return answer{got.StatusCode, got.Header.Get("Idempotency-Replayed"), got.Header.Get("ETag"), string(text)}
}

// race sends the same request n times at once, to all servers in turn.
func (i installation) race(n int, method, path, body string, headers ...string) []answer {
	answers := make([]answer, n)
	var ready, done sync.WaitGroup
	ready.Add(n)
	for k := range n {
		done.Go(func() {
			ready.Done()
			ready.Wait()
			answers[k] = i.servers[k%len(i.servers)].send(method, path, body, headers...)
		})
	}
	done.Wait()
	return answers
}

const many = 16

func TestARequestThatIsSentManyTimesUnderOneKeyHappensOnce(t *testing.T) {
	onEachDatabase(t, func(t *testing.T, i installation) {
		first := 0
		answers := i.race(many, http.MethodPost, "/v1/cohorts", `{"name":"Fall 26"}`, "Idempotency-Key: monday")
		for _, a := range answers {
			if a.replayed == "" {
				first++
			}
			a.replayed, answers[0].replayed = "", ""
			if diff := cmp.Diff(answers[0], a, cmp.AllowUnexported(answer{})); diff != "" || a.status != http.StatusCreated {
				t.Errorf("%d: %s", a.status, diff)
			}
		}
		if first != 1 {
			t.Errorf("%d say that they did it", first)
		}
		other := i.servers[0].send(http.MethodPost, "/v1/cohorts", `{"name":"Spring 27"}`, "Idempotency-Key: monday")
		if other.status != http.StatusConflict || !strings.Contains(other.body, "was used for another request") {
			t.Errorf("%+v", other)
		}
	})
}

func TestOfManyEqualCreationsOneIsMade(t *testing.T) {
	onEachDatabase(t, func(t *testing.T, i installation) {
		for _, made := range []struct{ path, body string }{
			{"/v1/cohorts", `{"name":"Fall 26"}`},
			{"/v1/cohorts/fall-26/students", `{"name":"Ada","email":"ada@example.edu"}`},
			{"/v1/courses", `{"name":"py101","template":"shell"}`},
			{"/v1/classes", `{"cohort":"fall-26","course":"py101"}`},
			{"/v1/classes", `{"cohort":"Spring 27","course":"Go 1","template":"shell","students":[{"name":"Bo","email":"bo@example.edu"}]}`},
		} {
			statuses := map[int]int{}
			for _, a := range i.race(many, http.MethodPost, made.path, made.body) {
				statuses[a.status]++
			}
			if diff := cmp.Diff(map[int]int{http.StatusCreated: 1, http.StatusConflict: many - 1}, statuses); diff != "" {
				t.Errorf("%s %s: %s", made.path, made.body, diff)
			}
		}
	})
}

func TestOfManyChangesOfWhatAllSawOneIsMade(t *testing.T) {
	onEachDatabase(t, func(t *testing.T, i installation) {
		made := i.servers[0].send(http.MethodPost, "/v1/courses", `{"name":"py101","template":"shell"}`)
		if made.status != http.StatusCreated || made.etag != `"1"` {
			t.Fatalf("%+v", made)
		}
		won := 0
		for _, a := range i.race(many, http.MethodPatch, "/v1/courses/py101", `{"name":"Python"}`, `If-Match: "1"`) {
			if a.etag != `"2"` {
				t.Errorf("the ETag is %s", a.etag)
			}
			if a.status == http.StatusOK {
				won++
				continue
			}
			var problem struct {
				Code    string
				Current struct{ Name string }
			}
			if err := json.Unmarshal([]byte(a.body), &problem); err != nil || a.status != http.StatusPreconditionFailed ||
				problem.Code != "stale" || problem.Current.Name != "Python" {
				t.Errorf("%+v, %v", a, err)
			}
		}
		if won != 1 {
			t.Errorf("%d won", won)
		}
	})
}

// dying is a server that ends between the commit of a change and its answer.
type dying struct{ *store.Store }

func (dying) KeepAnswer(context.Context, lab.Intent, lab.Answer) error { panic(http.ErrAbortHandler) }

// placing is a cluster with room for everything.
type placing struct{}

func (placing) Check(context.Context, []byte) error { return nil }

// serveDying serves the API over the installation's database until its first change under a key.
func (i installation) serveDying(t *testing.T) *running {
	t.Helper()
	s, err := store.Open(t.Context(), i.store)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	library, err := registrar.NewLibrary(s)
	if err != nil {
		t.Fatal(err)
	}
	authenticator, err := auth.NewStatic("operator", token)
	if err != nil {
		t.Fatal(err)
	}
	handler, err := api.New(api.Config{
		Registrar: registrar.New(registrar.Config{
			Store: s, Library: library, Preflight: placing{},
			NewID: uuid.NewString, Now: time.Now, Notify: func() {},
		}),
		Authenticator: authenticator, Belongings: s, Receipts: dying{s}, Tasks: struct{ api.Tasks }{}, Door: struct{ api.Door }{},
		Log: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(handler)
	t.Cleanup(server.Close)
	return &running{t: t, address: server.Listener.Addr().String()}
}

func TestAnAnswerIsGivenEvenWhenTheServerEndedBeforeIt(t *testing.T) {
	onEachDatabase(t, func(t *testing.T, i installation) {
		const body = `{"cohort":"Fall 26","course":"py101","template":"shell","students":[{"name":"Ada","email":"ada@example.edu"}]}`
		dead := i.serveDying(t)
		r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "http://"+dead.address+"/v1/classes", strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("Authorization", "Bearer "+token)
		r.Header.Set("Content-Type", "application/json")
		r.Header.Set("Idempotency-Key", "monday")
		if got, err := http.DefaultClient.Do(r); err == nil {
			t.Errorf("got %s from a dead server", got.Status)
			_ = got.Body.Close()
		}

		class := i.servers[0].send(http.MethodGet, "/v1/classes/fall-26~py101", "")
		for range 2 {
			again := i.servers[0].send(http.MethodPost, "/v1/classes", body, "Idempotency-Key: monday")
			want := class
			want.status, want.replayed = http.StatusCreated, "true"
			if diff := cmp.Diff(want, again, cmp.AllowUnexported(answer{})); diff != "" {
				t.Error(diff)
			}
		}
		students := i.servers[0].send(http.MethodGet, "/v1/cohorts/fall-26/students", "")
		if n := strings.Count(students.body, "ada@example.edu"); n != 1 {
			t.Errorf("%d students: %s", n, students.body)
		}
	})
}
