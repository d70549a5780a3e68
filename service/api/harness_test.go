package api_test

import (
	"bytes"
	"context"
	"encoding/json"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/bothylabs/bothy/service/api"
	"github.com/bothylabs/bothy/service/auth"
	"github.com/bothylabs/bothy/service/lab"
)

// bench is an API over a fake registrar, with its log at hand.
type bench struct {
	http.Handler
	registrar *fakeRegistrar
	receipts  *fakeReceipts
	tasks     *fakeTasks
	streams   *api.Streams
	log       *bytes.Buffer
}

// newBench makes an API; change may alter its settings.
func newBench(t testing.TB, change ...func(*api.Config)) *bench {
	t.Helper()
	static, err := auth.NewStatic("test", token)
	if err != nil {
		t.Fatal(err)
	}
	b := &bench{
		registrar: &fakeRegistrar{}, receipts: &fakeReceipts{}, tasks: &fakeTasks{}, streams: api.NewStreams(), log: &bytes.Buffer{},
	}
	config := api.Config{
		Registrar:      b.registrar,
		Tasks:          b.tasks,
		Door:           fakeDoor{b.registrar},
		Streams:        b.streams,
		Authenticator:  static,
		Belongings:     fakeBelongings{},
		Receipts:       b.receipts,
		Log:            slog.New(slog.NewJSONHandler(b.log, &slog.HandlerOptions{Level: slog.LevelDebug})),
		Version:        "1.2.3",
		InstallationID: "id-installation",
		Dependencies: []api.Dependency{
			{Name: "store", Required: true, Ready: func(context.Context) error { return nil }},
		},
		// Streams end by themselves, for those who read an answer whole.
		Events: func(ctx context.Context, after int64, matches func(lab.Event) bool) (api.EventStream, error) {
			f := newFakeEvents(anEvent(41, lab.EventCourseCreated, ""))
			f.end <- lab.ErrEventsEnd
			return f.source(ctx, after, matches)
		},
		Reconciler: func() api.ReconcilerState { return api.ReconcilerState{Active: true, LastPassAt: noon} },
	}
	for _, c := range change {
		c(&config)
	}
	if b.Handler, err = api.New(config); err != nil {
		t.Fatal(err)
	}
	return b
}

// request builds a request with the token; a body is declared as JSON.
func request(method, target, body string) *http.Request {
	r := httptest.NewRequest(method, target, nil)
	if body != "" {
		r = httptest.NewRequest(method, target, strings.NewReader(body))
		r.Header.Set("Content-Type", "application/json")
	}
	r.Header.Set("Authorization", "Bearer "+token)
	return r
}

// answer is what came back.
type answer struct {
	StatusCode int
	Header     http.Header
	Body       string
}

// do sends a request and gives the answer.
func (b *bench) do(r *http.Request) answer {
	w := httptest.NewRecorder()
	b.ServeHTTP(w, r)
	return answer{w.Code, w.Header(), w.Body.String()}
}

// problem reads an answer that must be a problem with the status.
func problem(t testing.TB, answer answer, status int) api.Problem {
	t.Helper()
	if answer.StatusCode != status || answer.Header.Get("Content-Type") != "application/problem+json" {
		t.Fatalf("got %d, %s: %s; want a problem with the status %d", answer.StatusCode, answer.Header.Get("Content-Type"), answer.Body, status)
	}
	decoder := json.NewDecoder(strings.NewReader(answer.Body))
	decoder.DisallowUnknownFields()
	var p api.Problem
	if err := decoder.Decode(&p); err != nil {
		t.Fatalf("%v: %s", err, answer.Body)
	}
	if p.Status != status || p.RequestID == "" || p.RequestID != answer.Header.Get("X-Request-Id") ||
		p.Type != "urn:bothy:problem:"+p.Code || p.Title == "" || p.Detail == "" {
		t.Fatalf("the problem is not whole: %s", answer.Body)
	}
	return p
}

// fieldNames gives the names of a problem's fields.
func fieldNames(p api.Problem) []string {
	names := []string{}
	for _, f := range p.Fields {
		names = append(names, f.Name)
	}
	return names
}

func discard() *slog.Logger { return slog.New(slog.DiscardHandler) }
