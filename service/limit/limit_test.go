package limit_test

import (
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/bothylabs/bothy/service/lab"
	"github.com/bothylabs/bothy/service/limit"
)

// gate is a Handler with a clock that a test moves.
type gate struct {
	*limit.Handler
	now time.Time
	err error
}

func newGate(t *testing.T, cfg limit.Config) *gate {
	t.Helper()
	g := &gate{now: time.Date(2026, 9, 1, 12, 0, 0, 0, time.UTC)}
	cfg.Now = func() time.Time { return g.now }
	cfg.Refuse = func(w http.ResponseWriter, _ *http.Request, err error) {
		g.err = err
		w.WriteHeader(http.StatusTooManyRequests)
	}
	var err error
	g.Handler, err = limit.New(cfg, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusOK) }))
	if err != nil {
		t.Fatal(err)
	}
	return g
}

// passes counts how many of n requests go through.
func (g *gate) passes(n int, change func(*http.Request)) int {
	passed := 0
	for range n {
		r := httptest.NewRequest(http.MethodGet, "/v1/status", nil)
		r.RemoteAddr = "192.0.2.1:1000"
		if change != nil {
			change(r)
		}
		w := httptest.NewRecorder()
		g.ServeHTTP(w, r)
		if w.Code == http.StatusOK {
			passed++
		}
	}
	return passed
}

func from(address string) func(*http.Request) {
	return func(r *http.Request) { r.RemoteAddr = address }
}

func TestAnAddressThatAsksTooFastWaits(t *testing.T) {
	g := newGate(t, limit.Config{PerAddress: 2})
	if n := g.passes(50, nil); n != 20 {
		t.Errorf("%d at once, of 2 a second for ten seconds", n)
	}
	var e *lab.Error
	if !errors.As(g.err, &e) || e.Code != lab.CodeTooMany || e.RetryAfter != 500*time.Millisecond {
		t.Errorf("refused with %+v", g.err)
	}
	if n := g.passes(5, from("192.0.2.2:1")); n != 5 {
		t.Errorf("another address: %d of 5", n)
	}
	g.now = g.now.Add(time.Second)
	if n := g.passes(5, nil); n != 2 {
		t.Errorf("after a second, %d", n)
	}
}

func TestACallerThatAsksTooFastWaitsFromEveryAddress(t *testing.T) {
	g := newGate(t, limit.Config{PerCaller: 1, Cookies: []string{"session"}})
	n := 0
	with := func(credential func(*http.Request)) func(*http.Request) {
		return func(r *http.Request) {
			n++
			r.RemoteAddr = fmt.Sprintf("192.0.2.%d:1", n%200)
			credential(r)
		}
	}
	token := with(func(r *http.Request) { r.Header.Set("Authorization", "Bearer one") })
	session := with(func(r *http.Request) { r.AddCookie(&http.Cookie{Name: "session", Value: "two"}) })
	for name, who := range map[string]func(*http.Request){"token": token, "session": session} {
		if passed := g.passes(30, who); passed != 10 {
			t.Errorf("%s: %d", name, passed)
		}
	}
	if passed := g.passes(30, nil); passed != 30 {
		t.Errorf("without a credential: %d", passed)
	}
}

func TestOnlyATrustedProxySaysWhoAsks(t *testing.T) {
	for name, c := range map[string]struct {
		remote string
		one    bool // all requests count as one address's
	}{
		"a trusted proxy": {"10.0.0.1:1", false},
		"anybody else":    {"192.0.2.1:1", true},
	} {
		g := newGate(t, limit.Config{PerAddress: 1, TrustedProxies: []string{"10.0.0.0/8"}})
		n := 0
		passed := g.passes(30, func(r *http.Request) {
			n++
			r.RemoteAddr = c.remote
			r.Header.Set("X-Forwarded-For", fmt.Sprintf("198.51.100.7, 203.0.113.%d, 10.0.0.2", n))
		})
		if (passed == 10) != c.one {
			t.Errorf("%s: %d of 30", name, passed)
		}
	}
}

func TestAnIPv6SubscriberIsOneAddress(t *testing.T) {
	g := newGate(t, limit.Config{PerAddress: 1})
	n := 0
	passed := g.passes(30, func(r *http.Request) {
		n++
		r.RemoteAddr = fmt.Sprintf("[2001:db8::%x]:1", n)
	})
	if passed != 10 {
		t.Errorf("%d of 30", passed)
	}
}

func TestProbesAndServersWithoutALimitAreNeverRefused(t *testing.T) {
	g := newGate(t, limit.Config{PerAddress: 1, Exempt: []string{"/healthz"}})
	if n := g.passes(50, func(r *http.Request) { r.URL.Path = "/healthz" }); n != 50 {
		t.Errorf("probes: %d of 50", n)
	}
	g = newGate(t, limit.Config{})
	if n := g.passes(1000, nil); n != 1000 {
		t.Errorf("without a limit: %d of 1000", n)
	}
}
