package consul

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strconv"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/bothylabs/bothy/service/lab"
)

// fakeConsul answers blocking queries as Consul does.
type fakeConsul struct {
	t       *testing.T
	mu      sync.Mutex
	index   uint64
	body    string
	status  int
	headers map[string]string
	changed chan struct{}
	asked   []uint64
}

func newFake(t *testing.T) (*fakeConsul, *Watcher) {
	t.Helper()
	f := &fakeConsul{t: t, index: 10, body: "[]", status: http.StatusOK, changed: make(chan struct{}), headers: map[string]string{}}
	server := httptest.NewServer(f)
	t.Cleanup(server.Close)
	w, err := New(Config{
		Address: server.URL, Token: func() (string, error) { return "token-1", nil },
		Logger: slog.New(slog.DiscardHandler), Pause: time.Millisecond, Wait: 30 * time.Second,
	})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- w.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Errorf("run: %v", err)
		}
	})
	return f, w
}

func (f *fakeConsul) ServeHTTP(answer http.ResponseWriter, request *http.Request) {
	if got := request.URL.Query().Get("filter"); got != `"bothy" in ServiceTags` {
		f.t.Errorf("filter %q", got)
	}
	if got := request.Header.Get("X-Consul-Token"); got != "token-1" {
		f.t.Errorf("token %q", got)
	}
	index, _ := strconv.ParseUint(request.URL.Query().Get("index"), 10, 64)
	for {
		f.mu.Lock()
		f.asked = append(f.asked, index)
		now, changed := f.index, f.changed
		if index != now || f.status != http.StatusOK {
			defer f.mu.Unlock()
			answer.Header().Set("X-Consul-Index", strconv.FormatUint(now, 10))
			answer.Header().Set("X-Consul-LastContact", "0")
			answer.Header().Set("X-Consul-KnownLeader", "true")
			for name, value := range f.headers {
				answer.Header().Set(name, value)
			}
			answer.WriteHeader(f.status)
			fmt.Fprint(answer, f.body)
			return
		}
		f.mu.Unlock()
		select {
		case <-changed:
		case <-request.Context().Done():
			return
		}
	}
}

// says changes what the fake answers from now on.
func (f *fakeConsul) says(index uint64, status int, body string, headers ...string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.index, f.status, f.body = index, status, body
	f.headers = map[string]string{}
	for i := 0; i < len(headers); i += 2 {
		f.headers[headers[i]] = headers[i+1]
	}
	close(f.changed)
	f.changed = make(chan struct{})
}

func await(t *testing.T, w *Watcher, want map[string]lab.Health, unread string) {
	t.Helper()
	limit := time.After(20 * time.Second)
	for {
		services, why := w.Services()
		if cmp.Equal(want, services) && why == unread {
			return
		}
		select {
		case <-w.Changed():
		case <-limit:
			t.Fatalf("services %v, unread %q; want %v, %q", services, why, want, unread)
		}
	}
}

const twoServices = `[
	{"ServiceName":"ada","Status":"passing","ServiceTags":["bothy"]},
	{"ServiceName":"ada","Status":"passing","ServiceTags":["bothy"]},
	{"ServiceName":"bob","Status":"passing","ServiceTags":["bothy"]},
	{"ServiceName":"bob","Status":"warning","ServiceTags":["bothy"]}
]`

func TestTheChecksOfAServiceCountTogether(t *testing.T) {
	f, w := newFake(t)
	f.says(11, http.StatusOK, twoServices)
	await(t, w, map[string]lab.Health{"ada": lab.HealthPassing, "bob": lab.HealthCritical}, "")
	f.says(12, http.StatusOK, `[{"ServiceName":"bob","Status":"passing"}]`)
	await(t, w, map[string]lab.Health{"bob": lab.HealthPassing}, "")
}

func TestWhileConsulCannotBeReadNothingIsKnown(t *testing.T) {
	f, w := newFake(t)
	f.says(11, http.StatusOK, twoServices)
	await(t, w, map[string]lab.Health{"ada": lab.HealthPassing, "bob": lab.HealthCritical}, "")
	f.says(12, http.StatusInternalServerError, "No cluster leader")
	await(t, w, nil, "Consul at "+w.cfg.Address+" failed")
	f.says(13, http.StatusForbidden, "ACL not found")
	await(t, w, nil, "Consul refused: the token is unknown or lacks service:read and node:read")
	f.says(14, http.StatusOK, `[]`, "X-Consul-KnownLeader", "false")
	await(t, w, nil, "Consul has no leader")
	f.says(15, http.StatusOK, `[]`)
	await(t, w, map[string]lab.Health{}, "")
}

func TestWhatTheTokenMayNotSeeIsNotAbsent(t *testing.T) {
	f, w := newFake(t)
	f.says(11, http.StatusOK, `[{"ServiceName":"ada","Status":"passing"}]`, "X-Consul-Results-Filtered-By-ACLs", "true")
	await(t, w, map[string]lab.Health{"ada": lab.HealthPassing}, "Consul does not show all services to this token")
}

func TestAnIndexThatWentBackwardsIsNotWaitedFor(t *testing.T) {
	f, w := newFake(t)
	f.says(900, http.StatusOK, twoServices)
	await(t, w, map[string]lab.Health{"ada": lab.HealthPassing, "bob": lab.HealthCritical}, "")
	// Consul was set up anew: it counts from the beginning.
	f.says(5, http.StatusOK, `[]`)
	await(t, w, map[string]lab.Health{}, "")
	f.says(6, http.StatusOK, `[{"ServiceName":"ada","Status":"passing"}]`)
	await(t, w, map[string]lab.Health{"ada": lab.HealthPassing}, "")
}

func TestFollowing(t *testing.T) {
	for _, test := range []struct{ before, now, want uint64 }{{0, 7, 7}, {7, 9, 9}, {9, 7, 0}, {0, 0, 1}, {9, 9, 9}} {
		if got := following(test.before, test.now); got != test.want {
			t.Errorf("after %d then %d: wait for %d, want %d", test.before, test.now, got, test.want)
		}
	}
}

func TestThePauseGrowsWithTheServices(t *testing.T) {
	w := &Watcher{client: client{cfg: Config{Pause: 250 * time.Millisecond}}}
	for services, want := range map[int]time.Duration{0: 250 * time.Millisecond, 300: 250 * time.Millisecond, 10_000: time.Second} {
		if got := w.pause(services); got != want {
			t.Errorf("%d services: %s, want %s", services, got, want)
		}
	}
}

func TestATokenThatCannotBeReadIsTheReason(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, err := New(Config{
			Address: "http://127.0.0.1:1", Logger: slog.New(slog.DiscardHandler),
			Token: func() (string, error) { return "", errors.New("no such file") },
		})
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error, 1)
		go func() { done <- w.Run(ctx) }()
		synctest.Wait()
		if _, unread := w.Services(); unread != "Consul can't be asked: its token can't be read" {
			t.Errorf("unread: %q", unread)
		}
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
}

func TestABadAddressIsNamed(t *testing.T) {
	if _, err := New(Config{Address: "127.0.0.1:8500"}); lab.CodeOf(err) != lab.CodeInvalid {
		t.Errorf("new: %v, want invalid", err)
	}
}
