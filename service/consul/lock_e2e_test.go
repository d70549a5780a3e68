//go:build e2e

package consul

import (
	"errors"
	"fmt"
	"log/slog"
	"os"
	"testing"
	"time"

	"github.com/hashicorp/consul/api"

	"github.com/bothylabs/bothy/service/lab"
)

// TestALockOfARealConsul needs what TestAServiceOfARealConsul needs. Bothy's own
// policy must be enough for the lock.
func TestALockOfARealConsul(t *testing.T) {
	operator, err := api.NewClient(&api.Config{Address: os.Getenv("CONSUL_HTTP_ADDR"), Token: os.Getenv("OPERATOR_CONSUL_TOKEN")})
	if err != nil {
		t.Fatal(err)
	}
	path := fmt.Sprintf("bothy/e2e-%x/reconciler", time.Now().UnixNano())
	t.Cleanup(func() { _, _ = operator.KV().Delete(path, nil) })
	lock := func(instance, token string) *Lock {
		l, err := NewLock(Config{
			Address: os.Getenv("CONSUL_HTTP_ADDR"), Logger: slog.New(slog.DiscardHandler),
			Token: func() (string, error) { return token, nil },
		}, LockConfig{Path: path, Instance: instance, TTL: 10 * time.Second, Delay: time.Second})
		if err != nil {
			t.Fatal(err)
		}
		return l
	}
	own := os.Getenv("CONSUL_HTTP_TOKEN")
	one, two := lock("one", own), lock("two", own)
	first := hold(t, one)
	within(t, first.held, "the lock is held")
	second := hold(t, two)
	within(t, second.holds(two, "one"), "the standby knows the holder")

	at := time.Now()
	first.cancel()
	within(t, second.held, "the lock is handed over")
	t.Logf("handed over by a clean end after %s", time.Since(at).Round(time.Millisecond))
	if err := <-first.err; err != nil {
		t.Error(err)
	}

	// An operator ends the holder's session: the next one has the lock after the delay.
	third := hold(t, one)
	within(t, third.holds(one, "two"), "the standby knows the holder")
	pair, _, err := operator.KV().Get(path, nil)
	if err != nil || pair == nil {
		t.Fatalf("read the lock: %v, %v", pair, err)
	}
	at = time.Now()
	if _, err := operator.Session().Destroy(pair.Session, nil); err != nil {
		t.Fatal(err)
	}
	if err := <-second.err; !errors.Is(err, ErrLost) {
		t.Errorf("the one whose session was ended: %v", err)
	}
	within(t, third.held, "the lock passes on")
	t.Logf("passed on by a lost session after %s, with a delay of 1s", time.Since(at).Round(time.Millisecond))
	third.cancel()
	if err := <-third.err; err != nil {
		t.Error(err)
	}

	if err := lock("three", "00000000-0000-0000-0000-00000000dead").Hold(t.Context(), nil); lab.CodeOf(err) != lab.CodeRefused {
		t.Errorf("with an unknown token: %v, want it refused", err)
	}
}

// holds is closed once the lock is seen to be held by the instance.
func (h *turn) holds(l *Lock, instance string) chan struct{} {
	seen := make(chan struct{})
	go func() {
		tick := time.NewTicker(50 * time.Millisecond)
		defer tick.Stop()
		for {
			if holder, ok := l.Holder(); ok && holder.Instance == instance {
				close(seen)
				return
			}
			select {
			case <-h.over:
				return
			case <-tick.C:
			}
		}
	}()
	return seen
}

func within(t *testing.T, c chan struct{}, what string) {
	t.Helper()
	select {
	case <-c:
	case <-time.After(40 * time.Second):
		t.Fatalf("not within 40s: %s", what)
	}
}
