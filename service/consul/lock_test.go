package consul

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/bothylabs/bothy/service/lab"
)

// turn is one Hold, under way.
type turn struct {
	cancel context.CancelFunc
	// held is closed when the lock is held, over when its work has ended; err
	// receives what Hold returned.
	held, over chan struct{}
	err        chan error
}

// hold has l held until the turn is canceled or the lock is lost.
func hold(t *testing.T, l *Lock) *turn {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	h := &turn{cancel: cancel, held: make(chan struct{}), over: make(chan struct{}), err: make(chan error, 1)}
	go func() {
		h.err <- l.Hold(ctx, func(ctx context.Context) error {
			close(h.held)
			<-ctx.Done()
			close(h.over)
			return nil
		})
	}()
	t.Cleanup(cancel)
	return h
}

// isClosed says whether something has happened by now, everything else having come to rest.
func isClosed(c chan struct{}) bool {
	synctest.Wait()
	select {
	case <-c:
		return true
	default:
		return false
	}
}

func TestOneHoldsTheLockAndTheOtherKnowsWho(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFakeKV()
		one, two := f.lock(t, "one"), f.lock(t, "two")
		first := hold(t, one)
		<-first.held
		begun := time.Now()
		second := hold(t, two)
		time.Sleep(time.Hour) // of the bubble's clock: sessions are renewed all along
		if isClosed(second.held) || isClosed(first.over) {
			t.Error("two hold it, or none")
		}
		if h, ok := two.Holder(); !ok || h.Instance != "one" || h.Since.IsZero() {
			t.Errorf("the holder is %+v", h)
		}
		// Handing over needs no time.
		at := time.Now()
		first.cancel()
		<-second.held
		if err := <-first.err; err != nil || time.Since(at) != 0 {
			t.Errorf("handed over after %s: %v", time.Since(at), err)
		}
		synctest.Wait()
		if h, _ := two.Holder(); h.Instance != "two" || !h.Since.After(begun) {
			t.Errorf("the holder is %+v", h)
		}
		second.cancel()
		if err := <-second.err; err != nil || len(f.sessions) != 0 {
			t.Errorf("%v; %d sessions are left", err, len(f.sessions))
		}
	})
}

func TestAHolderThatDiesIsFollowedWithinTwiceTheTTLAndTheDelay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFakeKV()
		// Somebody holds the lock and shows no sign of life.
		f.set(func() { f.holder = f.begin([]byte(`{"TTL":"15s","LockDelay":"5s"}`)) })
		at := time.Now()
		h := hold(t, f.lock(t, "two"))
		<-h.held
		if took := time.Since(at); took < 30*time.Second || took > 36*time.Second {
			t.Errorf("taken over after %s", took)
		}
		h.cancel()
		<-h.err
	})
}

func TestAHolderWorksOnWhileConsulIsAwayForLessThanTheTTL(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFakeKV()
		h := hold(t, f.lock(t, "one"))
		<-h.held
		for range 5 {
			time.Sleep(7 * time.Second)
			f.set(func() { f.away = true })
			time.Sleep(9 * time.Second)
			f.set(func() { f.away = false })
		}
		if isClosed(h.over) {
			t.Error("it gave up")
		}
		h.cancel()
		<-h.err
	})
}

func TestAHolderEndsBeforeItsSessionCanHaveEnded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFakeKV()
		l := f.lock(t, "one")
		h := hold(t, l)
		<-h.held
		at := time.Now()
		f.set(func() { f.away = true })
		<-h.over
		if took := time.Since(at); took > 15*time.Second || took < 10*time.Second {
			t.Errorf("it worked on for %s, with a TTL of 15 s and a renewal each 5 s", took)
		}
		if err := <-h.err; !errors.Is(err, ErrLost) {
			t.Errorf("got %v", err)
		}
		if _, known := l.Holder(); known {
			t.Error("who holds it now is not known")
		}
		if err := l.Hold(t.Context(), nil); lab.CodeOf(err) != lab.CodeUnavailable {
			t.Errorf("while Consul is away: %v", err)
		}
		// Its old session still holds the lock, and does not stand in its way.
		f.set(func() { f.away = false })
		at = time.Now()
		h = hold(t, l)
		<-h.held
		if took := time.Since(at); took != 0 || len(f.sessions) != 1 {
			t.Errorf("held again after %s, with %d sessions", took, len(f.sessions))
		}
		h.cancel()
		<-h.err
	})
}

func TestALockThatIsTakenAwayIsLostAtOnce(t *testing.T) {
	for name, take := range map[string]func(f *fakeKV){
		"its session is ended": func(f *fakeKV) { f.end(f.holder) },
		"it is released":       func(f *fakeKV) { f.holder = "" },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				f := newFakeKV()
				h := hold(t, f.lock(t, "one"))
				<-h.held
				at := time.Now()
				f.set(func() { take(f) })
				if err := <-h.err; !errors.Is(err, ErrLost) || time.Since(at) != 0 {
					t.Errorf("after %s: %v", time.Since(at), err)
				}
			})
		})
	}
}

func TestAnInstanceThatComesBackTakesItsOwnLock(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFakeKV()
		// Its earlier run was killed.
		f.set(func() {
			f.holder, f.value = f.begin([]byte(`{"TTL":"15s","LockDelay":"5s"}`)), `{"instance":"one","since":"2026-09-01T08:00:00Z"}`
		})
		at := time.Now()
		one := hold(t, f.lock(t, "one"))
		<-one.held
		if took := time.Since(at); took != 0 {
			t.Errorf("after %s", took)
		}
		// Another instance of that name takes it once, at its start, and not back and forth.
		again := f.lock(t, "one")
		two := hold(t, again)
		<-two.held
		if err := <-one.err; !errors.Is(err, ErrLost) {
			t.Errorf("the first one: %v", err)
		}
		two.cancel()
		<-two.err
		one = hold(t, f.lock(t, "three"))
		<-one.held
		waiting := hold(t, again)
		time.Sleep(time.Hour)
		if isClosed(waiting.held) {
			t.Error("it takes what another one holds")
		}
		one.cancel()
		<-waiting.held
		waiting.cancel()
		<-waiting.err
		<-one.err
	})
}

func TestTheErrorOfTheWorkIsGivenBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFakeKV()
		fenced := errors.New("fenced")
		if err := f.lock(t, "one").Hold(t.Context(), func(context.Context) error { return fenced }); !errors.Is(err, fenced) {
			t.Errorf("got %v", err)
		}
		if f.holder != "" || len(f.sessions) != 0 {
			t.Error("the lock is still held")
		}
	})
}
