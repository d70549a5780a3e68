package app

import (
	"context"
	"errors"
	"log/slog"
	"testing"
	"testing/synctest"
	"time"

	"github.com/bothylabs/bothy/service/consul"
	"github.com/bothylabs/bothy/service/lab"
	"github.com/bothylabs/bothy/service/reconcile"
)

// fakeLock gives the lock or an error, as each test says; no Consul is needed to
// see what the election makes of it.
type fakeLock struct {
	hold   func(ctx context.Context, work func(context.Context) error) error
	holder consul.Holder
}

func (f *fakeLock) Hold(ctx context.Context, work func(context.Context) error) error {
	return f.hold(ctx, work)
}
func (f *fakeLock) Holder() (consul.Holder, bool) { return f.holder, f.holder != consul.Holder{} }

// elect runs an election until the test is over. Its delays are not random.
func elect(t *testing.T, l lock, run func(context.Context) error) *election {
	t.Helper()
	e := &election{lock: l, run: run, role: &role{instance: "one"}, log: slog.New(slog.DiscardHandler), now: time.Now}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- e.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Errorf("the election ended with %v", err)
		}
	})
	return e
}

func untilEnd(ctx context.Context) error {
	<-ctx.Done()
	return nil
}

func free(ctx context.Context, work func(context.Context) error) error { return work(ctx) }

func TestWhoGetsTheLockReconcilesAndSaysSo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := &fakeLock{hold: free}
		e := elect(t, l, untilEnd)
		synctest.Wait()
		s := e.role.state(l)
		if !s.Active || s.Holder != "one" || s.HeldSince.IsZero() || s.Err != nil {
			t.Errorf("got %+v", s)
		}
	})
}

func TestAStandbyNamesWhoReconciles(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := &fakeLock{
			hold:   func(ctx context.Context, _ func(context.Context) error) error { return untilEnd(ctx) },
			holder: consul.Holder{Instance: "two", Since: time.Now()},
		}
		e := elect(t, l, untilEnd)
		synctest.Wait()
		if s := e.role.state(l); s.Active || s.Holder != "two" || s.HeldSince.IsZero() || s.Err != nil {
			t.Errorf("got %+v", s)
		}
	})
}

func TestAFencedHolderTriesAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		begun := time.Now()
		var turns []time.Duration
		l := &fakeLock{hold: free}
		e := elect(t, l, func(ctx context.Context) error {
			turns = append(turns, time.Since(begun))
			if len(turns) == 4 {
				return untilEnd(ctx)
			}
			return reconcile.ErrFenced
		})
		time.Sleep(time.Second - time.Millisecond) // of the bubble's clock
		synctest.Wait()
		if s := e.role.state(l); s.Active || !errors.Is(s.Err, reconcile.ErrFenced) {
			t.Errorf("while it waits: %+v", s)
		}
		time.Sleep(time.Minute)
		synctest.Wait()
		want := []time.Duration{0, time.Second, 3 * time.Second, 7 * time.Second}
		if len(turns) != len(want) {
			t.Fatalf("turns at %v, want %v", turns, want)
		}
		for i := range want {
			if turns[i] != want[i] {
				t.Errorf("turns at %v, want %v: for longer each time", turns, want)
			}
		}
		if s := e.role.state(l); !s.Active || s.Err != nil {
			t.Errorf("at last: %+v", s)
		}
	})
}

func TestALongTurnMakesTheNextWaitShortAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var ends []time.Time
		var waits []time.Duration
		elect(t, &fakeLock{hold: free}, func(ctx context.Context) error {
			if len(ends) > 0 {
				waits = append(waits, time.Since(ends[len(ends)-1]))
			}
			if len(ends) == 5 {
				return untilEnd(ctx)
			}
			if len(ends) == 3 {
				time.Sleep(settled)
			}
			ends = append(ends, time.Now())
			return consul.ErrLost
		})
		time.Sleep(time.Hour)
		synctest.Wait()
		want := []time.Duration{time.Second, 2 * time.Second, 4 * time.Second, time.Second, 2 * time.Second}
		for i := range want {
			if waits[i] != want[i] {
				t.Fatalf("waits %v, want %v", waits, want)
			}
		}
	})
}

func TestWithoutConsulNobodyReconcilesAndTheReasonIsShown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		tries := 0
		l := &fakeLock{hold: func(context.Context, func(context.Context) error) error {
			tries++
			return lab.Errorf(lab.CodeUnavailable, "Consul does not answer")
		}}
		e := elect(t, l, func(context.Context) error {
			t.Error("it reconciles without the lock")
			return nil
		})
		time.Sleep(time.Minute)
		synctest.Wait()
		if s := e.role.state(l); s.Active || lab.CodeOf(s.Err) != lab.CodeUnavailable || s.Holder != "" {
			t.Errorf("got %+v", s)
		}
		if tries < 6 || tries > 10 { // 1, 2, 4, 8, 10, 10, … s
			t.Errorf("%d tries in a minute", tries)
		}
	})
}

func TestWithoutALockAFencedInstanceStaysFenced(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		turns := 0
		l := noLock{log: slog.New(slog.DiscardHandler)}
		e := elect(t, l, func(context.Context) error {
			turns++
			return reconcile.ErrFenced
		})
		time.Sleep(time.Hour)
		synctest.Wait()
		if turns != 1 || e.role.state(l).Active {
			t.Errorf("%d turns; two instances without a lock would take the role from each other for ever", turns)
		}
	})
}
