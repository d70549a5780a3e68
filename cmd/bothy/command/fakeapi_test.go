package command

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/bothylabs/bothy/service/client"
)

// fakeAPI answers as Bothy would. Each route answers its queue one by one, and the
// last answer for ever.
type fakeAPI struct {
	t *testing.T

	mu      sync.Mutex
	answers map[string][]func(http.ResponseWriter)
	// asked are the requests: method, path and query.
	asked  []string
	bodies map[string]string
	keys   map[string]string
	tokens map[string]bool
	// events is the stream of events, piece by piece; nil for a server that has
	// none. Once it is closed there is none any more.
	events chan string
	ended  atomic.Bool
}

// newFakeAPI serves w's commands.
func newFakeAPI(t *testing.T, w *world) *fakeAPI {
	t.Helper()
	f := &fakeAPI{t: t, answers: map[string][]func(http.ResponseWriter){}, bodies: map[string]string{}, keys: map[string]string{}, tokens: map[string]bool{}}
	server := httptest.NewServer(f)
	t.Cleanup(server.Close)
	w.vars["BOTHY_ADDR"], w.vars["BOTHY_TOKEN"] = server.URL, "a-token-of-the-tests"
	return f
}

// on queues a JSON answer for "METHOD /path".
func (f *fakeAPI) on(route string, status int, body any) *fakeAPI {
	f.answers[route] = append(f.answers[route], func(w http.ResponseWriter) {
		w.Header().Set("Content-Type", "application/json")
		if status == http.StatusAccepted {
			w.Header().Set("Location", "/v1/operations/op-1")
		}
		w.WriteHeader(status)
		if err := json.NewEncoder(w).Encode(body); err != nil {
			f.t.Error(err)
		}
	})
	return f
}

// gone queues the answer to a deletion.
func (f *fakeAPI) gone(route string) *fakeAPI {
	f.answers[route] = append(f.answers[route], func(w http.ResponseWriter) { w.WriteHeader(http.StatusNoContent) })
	return f
}

// problem queues an error.
func (f *fakeAPI) problem(route string, p client.Problem) *fakeAPI {
	f.answers[route] = append(f.answers[route], func(w http.ResponseWriter) {
		w.Header().Set("Content-Type", "application/problem+json")
		w.WriteHeader(p.Status)
		if err := json.NewEncoder(w).Encode(p); err != nil {
			f.t.Error(err)
		}
	})
	return f
}

// stream answers for the stream of events.
func (f *fakeAPI) stream(w http.ResponseWriter, r *http.Request) {
	if f.events == nil || f.ended.Load() {
		w.Header().Set("Content-Type", "application/problem+json")
		w.WriteHeader(http.StatusNotFound)
		_, _ = w.Write([]byte(`{"code":"not_found","status":404,"detail":"there is no such path"}`))
		return
	}
	w.Header().Set("Content-Type", "text/event-stream")
	for {
		select {
		case piece, more := <-f.events:
			if !more {
				f.ended.Store(true)
				return
			}
			_, _ = w.Write([]byte(piece))
			w.(http.Flusher).Flush()
		case <-r.Context().Done():
			return
		}
	}
}

func (f *fakeAPI) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.URL.Path == "/v1/events" {
		if f.events != nil { // else it is between any others: who waits asks beside
			f.mu.Lock()
			f.asked = append(f.asked, r.Method+" "+r.URL.RequestURI()+" after "+r.Header.Get("Last-Event-ID"))
			f.mu.Unlock()
		}
		f.stream(w, r)
		return
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	route := r.Method + " " + r.URL.Path
	asked := route
	if r.URL.RawQuery != "" {
		asked += "?" + r.URL.RawQuery
	}
	f.asked = append(f.asked, asked)
	f.tokens[r.Header.Get("Authorization")] = true
	body := make([]byte, r.ContentLength+1)
	n, _ := r.Body.Read(body)
	f.bodies[route] = string(body[:n])
	f.keys[route] = r.Header.Get("Idempotency-Key")
	queue := f.answers[route]
	if len(queue) == 0 && strings.HasSuffix(route, "/plan") {
		// Whoever launches asks first; unless a test says otherwise, all find a place.
		f.on(route, http.StatusOK, client.ClassPlan{})
		queue = f.answers[route]
	}
	if len(queue) == 0 {
		f.t.Errorf("nobody expects %s", route)
		http.NotFound(w, r)
		return
	}
	if len(queue) > 1 {
		f.answers[route] = queue[1:]
	}
	queue[0](w)
}

// list is a page of items as the API gives it.
func list[T any](items ...T) any {
	if items == nil {
		items = []T{}
	}
	return map[string]any{"items": items, "next_cursor": nil}
}

// ws is a workspace of the class fall-26/py101.
func ws(name, slug string, phase client.Phase, reason string) client.Workspace {
	at := time.Date(2026, 9, 1, 7, 59, 0, 0, time.UTC)
	return client.Workspace{
		ID: "id-" + slug, Slug: "fall-26-py101-" + slug, URL: "http://labs.localhost:9999/fall-26-py101-" + slug + "/",
		Class: "fall-26/py101", ClassID: "class-1", Cohort: "fall-26", Course: "py101", Desired: "running",
		Phase: phase, Reason: reason, Since: &at, Due: []string{}, Student: client.WorkspaceStudent{ID: "s-" + slug, Name: name, Email: slug + "@example.edu"},
	}
}

// anOperation is a launch of fall-26/py101 with so many items done, pending and failed.
func anOperation(done, pending, failed int) client.Operation {
	o := client.Operation{
		ID: "op-1", Kind: "class.launch", Class: "fall-26/py101", ClassID: "class-1", Actor: "token:ana", State: "running",
		Counts:    client.OperationCounts{Total: done + pending + failed, Done: done, Pending: pending, Failed: failed},
		Affected:  done + pending + failed,
		CreatedAt: time.Date(2026, 9, 1, 7, 59, 0, 0, time.UTC),
	}
	if pending > 0 {
		return o
	}
	ended := o.CreatedAt.Add(30 * time.Second)
	o.State, o.EndedAt = "done", &ended
	if failed > 0 {
		o.State = "failed"
	}
	return o
}

// anItem is what became of the workspace of that name.
func anItem(slug string, outcome client.Outcome, reason string) client.OperationItem {
	item := client.OperationItem{WorkspaceID: "id-" + slug, Slug: "fall-26-py101-" + slug, Outcome: outcome, Reason: reason}
	if outcome != "pending" {
		at := time.Date(2026, 9, 1, 7, 59, 20, 0, time.UTC)
		item.EndedAt = &at
	}
	return item
}
