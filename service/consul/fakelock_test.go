package consul

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/hashicorp/consul/api"
)

// fakeKV has sessions and one key, with Consul's rules for both: a session ends
// after twice its TTL, and a key whose holder ended stays free for the lock delay.
// The real Consul is in lock_e2e_test.go; this one has the clock of a test's bubble.
type fakeKV struct {
	mu       sync.Mutex
	away     bool // it does not answer
	sessions map[string]*fakeSession
	made     int
	index    uint64
	holder   string
	value    string
	freeAt   time.Time
	changed  chan struct{}
}

type fakeSession struct {
	ttl, delay time.Duration
	end        *time.Timer
}

func newFakeKV() *fakeKV {
	return &fakeKV{sessions: map[string]*fakeSession{}, index: 1, changed: make(chan struct{})}
}

// lock makes a lock of an instance that asks the fake.
func (f *fakeKV) lock(t *testing.T, instance string) *Lock {
	t.Helper()
	l, err := NewLock(Config{Address: "http://127.0.0.1:1", Logger: slog.New(slog.DiscardHandler)}, LockConfig{
		Path: "bothy/i/reconciler", Instance: instance, TTL: 15 * time.Second, Delay: 5 * time.Second,
	})
	if err != nil {
		t.Fatal(err)
	}
	if l.api, err = api.NewClient(&api.Config{Address: "http://127.0.0.1:1", HttpClient: &http.Client{Transport: f}}); err != nil {
		t.Fatal(err)
	}
	return l
}

// set changes the fake.
func (f *fakeKV) set(change func()) {
	f.mu.Lock()
	defer f.mu.Unlock()
	change()
	f.wake()
}

func (f *fakeKV) wake() {
	f.index++
	close(f.changed)
	f.changed = make(chan struct{})
}

// end ends a session; f.mu is held.
func (f *fakeKV) end(id string) {
	s, ok := f.sessions[id]
	if !ok {
		return
	}
	s.end.Stop()
	delete(f.sessions, id)
	if f.holder == id {
		f.holder, f.freeAt = "", time.Now().Add(s.delay)
		f.wake()
	}
}

// RoundTrip implements http.RoundTripper.
func (f *fakeKV) RoundTrip(r *http.Request) (*http.Response, error) {
	var body []byte
	if r.Body != nil {
		body, _ = io.ReadAll(r.Body)
	}
	for {
		f.mu.Lock()
		if f.away {
			f.mu.Unlock()
			return nil, errors.New("connection refused")
		}
		status, answer, waits := f.answer(r, body)
		index, changed := f.index, f.changed
		f.mu.Unlock()
		if !waits {
			return &http.Response{
				StatusCode: status, Body: io.NopCloser(strings.NewReader(answer)), Request: r,
				Header: http.Header{"X-Consul-Index": {strconv.FormatUint(index, 10)}, "X-Consul-Knownleader": {"true"}},
			}, nil
		}
		limit, _ := time.ParseDuration(r.URL.Query().Get("wait"))
		timer := time.NewTimer(limit)
		select {
		case <-changed:
		case <-timer.C:
			q := r.URL.Query()
			q.Del("index")
			r.URL.RawQuery = q.Encode()
		case <-r.Context().Done():
			return nil, r.Context().Err()
		}
		timer.Stop()
	}
}

// answer is what Consul answers now; waits says that nothing has changed yet.
func (f *fakeKV) answer(r *http.Request, body []byte) (status int, answer string, waits bool) {
	id := r.URL.Path[strings.LastIndex(r.URL.Path, "/")+1:]
	q := r.URL.Query()
	switch {
	case r.URL.Path == "/v1/session/create":
		return http.StatusOK, fmt.Sprintf(`{"ID":%q}`, f.begin(body)), false
	case strings.HasPrefix(r.URL.Path, "/v1/session/renew/"):
		s, ok := f.sessions[id]
		if !ok {
			return http.StatusNotFound, "", false
		}
		s.end.Reset(2 * s.ttl)
		return http.StatusOK, `[]`, false
	case strings.HasPrefix(r.URL.Path, "/v1/session/destroy/"):
		f.end(id)
		return http.StatusOK, `true`, false
	case q.Has("acquire"):
		by := q.Get("acquire")
		if _, ok := f.sessions[by]; !ok || f.holder != "" && f.holder != by || time.Now().Before(f.freeAt) {
			return http.StatusOK, `false`, false
		}
		f.holder, f.value = by, string(body)
		f.wake()
		return http.StatusOK, `true`, false
	case q.Has("release"):
		if f.holder == q.Get("release") {
			f.holder, f.value = "", string(body)
			f.wake()
		}
		return http.StatusOK, `true`, false
	}
	if seen, _ := strconv.ParseUint(q.Get("index"), 10, 64); seen >= f.index {
		return 0, "", true
	}
	return http.StatusOK, fmt.Sprintf(`[{"Key":"bothy/i/reconciler","Session":%q,"Value":%q}]`,
		f.holder, base64.StdEncoding.EncodeToString([]byte(f.value))), false
}

// begin begins a session; f.mu is held.
func (f *fakeKV) begin(body []byte) string {
	var asked struct{ TTL, LockDelay string }
	_ = json.Unmarshal(body, &asked)
	f.made++
	id := fmt.Sprintf("session-%d", f.made)
	s := &fakeSession{}
	s.ttl, _ = time.ParseDuration(asked.TTL)
	s.delay, _ = time.ParseDuration(asked.LockDelay)
	s.end = time.AfterFunc(2*s.ttl, func() { f.set(func() { f.end(id) }) })
	f.sessions[id] = s
	return id
}
