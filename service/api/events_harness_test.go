package api_test

import (
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/bothylabs/bothy/service/api"
	"github.com/bothylabs/bothy/service/lab"
)

// mark is what ids of the bench's installation end with.
const mark = "-640c1f72"

// fakeEvents is a source of events: whatever is put into it comes, and then its end.
type fakeEvents struct {
	events chan lab.Event
	end    chan error
	lost   bool

	mu    sync.Mutex
	after []int64
}

func newFakeEvents(events ...lab.Event) *fakeEvents {
	f := &fakeEvents{events: make(chan lab.Event, 100), end: make(chan error, 10)}
	for _, e := range events {
		f.events <- e
	}
	return f
}

func (f *fakeEvents) source(_ context.Context, after int64, matches func(lab.Event) bool) (api.EventStream, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.after = append(f.after, after)
	return &fakeStream{fakeEvents: f, matches: matches, position: max(after, 40)}, nil
}

func (f *fakeEvents) asked() []int64 {
	f.mu.Lock()
	defer f.mu.Unlock()
	return slices.Clone(f.after)
}

type fakeStream struct {
	*fakeEvents
	matches  func(lab.Event) bool
	position int64
}

func (s *fakeStream) Next(ctx context.Context) ([]lab.Event, error) {
	for {
		select {
		case e := <-s.events:
			if s.position = e.ID; s.matches(e) {
				return []lab.Event{e}, nil
			}
			continue
		default:
		}
		select {
		case e := <-s.events:
			if s.position = e.ID; s.matches(e) {
				return []lab.Event{e}, nil
			}
		case err := <-s.end:
			return nil, err
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}

func (s *fakeStream) Position() int64 { return s.position }
func (s *fakeStream) Lost() bool      { return s.lost }

func anEvent(id int64, kind lab.EventType, class string) lab.Event {
	data := map[string]string{
		"workspace": `{"id":"w","slug":"s","class_id":"c","class":"a/b","student_id":"x","desired":"running","phase":"ready","reason":"It runs.","since":null,"drifted":false,"outdated":false,"node":"","revision":7}`,
		"class":     `{"id":"c","key":"a/b","cohort_id":"h","course_id":"k","deleting":false,"revision":7}`,
		"cohort":    `{"id":"h","key":"a","name":"A","revision":7}`,
		"student":   `{"id":"x","cohort_id":"h","withdrawn_at":null,"revision":7}`,
		"course":    `{"id":"k","key":"b","name":"B","template":"shell","revision":7}`,
		"operation": `{"id":"o","kind":"class.launch","class_id":"c","class":"a/b","state":"running","counts":{"total":3,"pending":1,"done":2,"failed":0,"superseded":0},"created_at":"2026-09-01T08:00:00Z","ended_at":null}`,
		"template":  `{"id":"v","name":"shell","version":3,"digest":"0f"}`,
	}
	subject, _, _ := strings.Cut(string(kind), ".")
	return lab.Event{ID: id, At: noon, Type: kind, ClassID: class, Data: json.RawMessage(data[subject])}
}

// stream is an answer that is read while it comes.
type stream struct {
	Header http.Header
	Body   io.Reader
}

// follow opens a stream at a real server, until the test ends.
func follow(t *testing.T, b http.Handler, target string, change ...func(*http.Request)) stream {
	t.Helper()
	server := httptest.NewServer(b)
	t.Cleanup(server.Close)
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, server.URL+target, nil)
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Authorization", "Bearer "+token)
	for _, c := range change {
		c(r)
	}
	answer, err := server.Client().Do(r)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = answer.Body.Close() })
	return stream{answer.Header, answer.Body}
}

func resuming(id string) func(*http.Request) {
	return func(r *http.Request) { r.Header.Set("Last-Event-ID", id) }
}

func whole(t *testing.T, answer stream) string {
	t.Helper()
	text, err := io.ReadAll(answer.Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func withEvents(f *fakeEvents) func(*api.Config) {
	return func(c *api.Config) { c.Events = f.source }
}
