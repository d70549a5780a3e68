package reconcile

import (
	"context"
	"errors"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"

	"github.com/bothylabs/bothy/service/lab"
)

// life is a running loop in a bubble of simulated time.
type life struct {
	*Loop
	world    *world
	registry *prometheus.Registry
	cancel   context.CancelFunc
	ended    chan error
}

// live starts a loop over a world.
func live(t *testing.T, w *world, change ...func(*Config)) *life {
	t.Helper()
	l := &life{world: w, registry: prometheus.NewRegistry(), ended: make(chan error, 1)}
	cfg := Config{
		Store: w, Nomad: w, Health: consul{w}, Secrets: w, Jobs: w, Installation: here,
		Logger: slog.New(slog.DiscardHandler), Registry: l.registry,
	}
	for _, c := range change {
		c(&cfg)
	}
	loop, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	l.Loop = loop
	ctx, cancel := context.WithCancel(t.Context())
	l.cancel = cancel
	go func() { l.ended <- loop.Run(ctx) }()
	return l
}

// stop ends the loop as its owner would.
func (l *life) stop(t *testing.T) {
	t.Helper()
	l.cancel()
	if err := <-l.ended; err != nil {
		t.Errorf("run: %v", err)
	}
}

// pass lets simulated time go by, with Nomad's clients at work.
func (l *life) pass(d time.Duration) {
	for range 4 {
		<-time.After(d / 4)
		synctest.Wait()
		l.world.step()
	}
	synctest.Wait()
}

func (w *world) phases() string {
	w.mu.Lock()
	defer w.mu.Unlock()
	count := map[lab.Phase]int{}
	for _, item := range w.items {
		count[item.Status.Phase]++
	}
	var parts []string
	for _, phase := range phases() {
		if count[phase] > 0 {
			parts = append(parts, string(phase)+"="+string(rune('0'+count[phase])))
		}
	}
	return strings.Join(parts, " ")
}

func (w *world) reason(id string) string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.items[id].Status.Reason
}

func (w *world) count(op string) int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.calls[op]
}

// do changes the world as others would, and tells the loop if it is told.
func (w *world) do(change func()) {
	w.mu.Lock()
	defer w.mu.Unlock()
	change()
}

func TestAClassIsLaunchedStoppedStartedAndDeleted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld()
		w.add(3, lab.DesiredStopped)
		l := live(t, w)
		defer l.stop(t)
		l.pass(time.Second)
		if w.count("register") != 0 {
			t.Fatal("something was started that nobody asked for")
		}
		for _, act := range []struct {
			wish   lab.Desired
			phases string
		}{
			{lab.DesiredRunning, "ready=3"}, {lab.DesiredStopped, "stopped=3"}, {lab.DesiredRunning, "ready=3"},
		} {
			w.wish(act.wish)
			l.Wake()
			l.pass(2 * time.Second)
			if got := w.phases(); got != act.phases {
				t.Fatalf("after %s: %s, want %s", act.wish, got, act.phases)
			}
		}
		if w.count("home") != 6 || len(w.homes) != 3 {
			t.Errorf("%d homes after %d asks", len(w.homes), w.count("home"))
		}
		w.wish(lab.DesiredDeleted)
		l.Wake()
		l.pass(2 * time.Second)
		for id, item := range w.items {
			if item.DeletedAt == nil {
				t.Errorf("%s is not gone: %s", id, item.Status.Reason)
			}
		}
		if len(w.homes) != 3 || len(w.secrets) != 0 {
			t.Errorf("%d homes, %d secrets left; want the homes kept and the secrets gone", len(w.homes), len(w.secrets))
		}
	})
}

func TestNothingIsDoneWhileNomadIsUnreadable(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld()
		w.add(2, lab.DesiredRunning)
		l := live(t, w)
		defer l.stop(t)
		l.pass(2 * time.Second)
		w.do(func() { w.unreadable = "Nomad does not answer" })
		w.wish(lab.DesiredStopped)
		w.do(func() {
			w.items["w3"] = &lab.WorkItem{Workspace: lab.Workspace{ID: "w3", Slug: "f26-py-s3", Desired: lab.DesiredRunning}}
		})
		l.Wake()
		l.pass(time.Minute)
		if got := w.phases(); got != "queued=1 ready=2" || w.count("stop") != 0 || w.count("register") != 2 {
			t.Errorf("%s after %d stops and %d registers", got, w.count("stop"), w.count("register"))
		}
		if got := w.reason("w3"); got != "waiting: Nomad does not answer" {
			t.Errorf("the new one's reason: %q", got)
		}
		w.do(func() { w.unreadable = "" })
		l.pass(20 * time.Second)
		if got := w.phases(); got != "ready=1 stopped=2" {
			t.Errorf("after Nomad came back: %s", got)
		}
	})
}

func TestConsulAwayLeavesReadyWorkspacesReady(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld()
		w.add(1, lab.DesiredRunning)
		l := live(t, w)
		defer l.stop(t)
		l.pass(2 * time.Second)
		w.do(func() { w.unread = "Consul does not answer" })
		l.pass(time.Minute)
		if got := w.phases(); got != "ready=1" || w.reason("w1") != "it runs; Consul can't be asked for its health" {
			t.Errorf("%s: %q", got, w.reason("w1"))
		}
	})
}

func TestAFailingActionWaitsLongerEachTimeAndSaysWhy(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld()
		w.add(2, lab.DesiredRunning)
		tries := 0
		w.refuse = func(op, jobID string) error {
			if op == "secret" && jobID == "bothy-f26-py-s1" {
				tries++
				return lab.Errorf(lab.CodeUnavailable, "Vault is sealed").WithHint("unseal it")
			}
			return nil
		}
		l := live(t, w)
		defer l.stop(t)
		l.pass(10 * time.Minute)
		if got := w.phases(); got != "queued=1 ready=1" || w.reason("w1") != "Vault is sealed (unseal it)" {
			t.Errorf("%s: %q", got, w.reason("w1"))
		}
		if tries < 8 || tries > 25 {
			t.Errorf("%d tries in ten minutes, want about a dozen", tries)
		}
		if got := testutil.ToFloat64(l.metrics.actions.WithLabelValues("register", "unavailable")); int(got) != tries {
			t.Errorf("%v failures counted, %d met", got, tries)
		}

		// Another wish is not made to wait for the last one's next try.
		before := tries
		w.do(func() { w.items["w1"].RestartsWanted++ })
		l.Wake()
		l.pass(400 * time.Millisecond)
		if tries != before+1 {
			t.Errorf("%d tries right after a restart was asked for, want one", tries-before)
		}
		w.do(func() { w.refuse = nil })
		l.pass(3 * time.Minute)
		if got := w.phases(); got != "ready=2" {
			t.Errorf("after Vault was unsealed: %s", got)
		}
	})
}

func TestARefusedUpdateLeavesWhatRunsAsItIs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld()
		w.add(1, lab.DesiredRunning)
		l := live(t, w)
		defer l.stop(t)
		l.pass(2 * time.Second)
		submitted := w.items["w1"].Submitted
		w.do(func() {
			w.version = "v2"
			w.items["w1"].RestartsWanted++
			w.refuse = func(op, _ string) error {
				if op == "register" {
					return lab.Errorf(lab.CodeRefused, "Nomad refused: no")
				}
				return nil
			}
		})
		l.Wake()
		l.pass(10 * time.Second)
		item := w.items["w1"]
		if item.Submitted != submitted || item.Status.Phase != lab.PhaseReady || item.Status.Reason != "Nomad refused: no" || !item.Status.Outdated {
			t.Errorf("submitted %+v, status %+v", item.Submitted, item.Status)
		}
		w.do(func() { w.version = "v1" })
		l.Wake()
		l.pass(10 * time.Second)
		if item.Status.Outdated || item.Submitted.RestartsDone != 1 {
			t.Errorf("after the change was taken back: %+v, %+v", item.Status, item.Submitted)
		}
	})
}

func TestWhatRestartsHasItsSecretsWhereTheyWereLost(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld()
		w.add(1, lab.DesiredRunning)
		l := live(t, w)
		defer l.stop(t)
		l.pass(2 * time.Second)
		job := w.items["w1"].Slug.JobID()
		w.do(func() {
			delete(w.secrets, job)
			w.items["w1"].RestartsWanted++
			w.refuse = func(op, _ string) error {
				if op == "restart" && !w.secrets[job] {
					t.Error("it restarts without its secrets")
				}
				return nil
			}
		})
		l.Wake()
		l.pass(10 * time.Second)
		if item := w.items["w1"]; item.Submitted.RestartsDone != 1 || !w.secrets[job] {
			t.Errorf("restarts done: %d, secrets: %v", item.Submitted.RestartsDone, w.secrets[job])
		}
	})
}

func TestAChangeByAnotherHandIsShownAndLeft(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld()
		w.add(1, lab.DesiredRunning)
		l := live(t, w)
		defer l.stop(t)
		l.pass(2 * time.Second)
		w.do(func() {
			w.index++
			w.jobs["bothy-f26-py-s1"].index = w.index
			w.jobs["bothy-f26-py-s1"].source = "theirs"
		})
		l.pass(time.Minute)
		if s := w.items["w1"].Status; !s.Drifted || s.Phase != lab.PhaseReady || w.count("register") != 1 {
			t.Errorf("status %+v after %d registers", s, w.count("register"))
		}
		if got := testutil.ToFloat64(l.metrics.reported.WithLabelValues("drifted")); got != 1 {
			t.Errorf("%v drifted counted", got)
		}
		// A start replaces it.
		w.wish(lab.DesiredStopped)
		l.pass(time.Minute)
		w.wish(lab.DesiredRunning)
		l.pass(time.Minute)
		if s := w.items["w1"].Status; s.Drifted || s.Phase != lab.PhaseReady {
			t.Errorf("after a start: %+v", s)
		}
	})
}

func TestWorkIsBoundedAndStatusesGoOn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld()
		w.add(9, lab.DesiredStopped)
		l := live(t, w, func(c *Config) { c.Workers = 3 })
		defer l.stop(t)
		l.pass(time.Second)
		w.add(1, lab.DesiredRunning)
		l.pass(20 * time.Second)
		gate := make(chan struct{})
		w.do(func() {
			w.busiest = 0
			w.refuse = func(op, _ string) error {
				if op == "secret" {
					w.mu.Unlock()
					<-gate
					w.mu.Lock()
				}
				return nil
			}
		})
		for i := 1; i <= 9; i++ {
			w.do(func() { w.items["w"+string(rune('0'+i))].Desired = lab.DesiredRunning })
		}
		l.Wake()
		l.pass(time.Second)
		// Three hang at their secrets. The tenth is stopped by another hand meanwhile.
		w.do(func() {
			job := w.jobs["bothy-f26-py-s10"]
			job.allocs[0].Client = lab.AllocFailed
		})
		l.pass(time.Second)
		if got := w.items["w10"].Status.Phase; got != lab.PhaseFailed {
			t.Errorf("the tenth is %s while others are worked on, want failed", got)
		}
		if got := testutil.ToFloat64(l.metrics.waiting); got != 6 {
			t.Errorf("%v actions wait, want 6", got)
		}
		close(gate)
		l.pass(10 * time.Second)
		if got := w.phases(); got != "ready=9 failed=1" {
			t.Errorf("after all went through: %s", got)
		}
	})
}

func TestManyWakesCostFewPasses(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld()
		w.add(1, lab.DesiredRunning)
		l := live(t, w)
		defer l.stop(t)
		l.pass(2 * time.Second)
		before := testutil.ToFloat64(l.metrics.passes.WithLabelValues("ok"))
		for range 1000 {
			l.Wake()
			<-time.After(time.Millisecond)
		}
		synctest.Wait()
		if passes := testutil.ToFloat64(l.metrics.passes.WithLabelValues("ok")) - before; passes < 4 || passes > 6 {
			t.Errorf("%v passes in a second with a thousand wakes, want one each 200 ms", passes)
		}
	})
}

func TestOneWhoWasReplacedDoesNothingMore(t *testing.T) {
	for _, wish := range []lab.Desired{lab.DesiredRunning, lab.DesiredStopped, lab.DesiredDeleted} {
		synctest.Test(t, func(t *testing.T) {
			w := newWorld()
			w.add(2, lab.DesiredRunning)
			l := live(t, w)
			l.pass(2 * time.Second)
			before := w.index
			w.do(func() {
				w.epoch++ // another instance has claimed the role
				for _, item := range w.items {
					item.Desired = wish
					item.RestartsWanted++
				}
			})
			l.Wake()
			if err := <-l.ended; !errors.Is(err, ErrFenced) {
				t.Errorf("it ended with %v, want that it was fenced", err)
			}
			if w.index != before || w.count("restart") != 0 || w.count("delete secret") != 0 {
				t.Error("it changed something all the same")
			}
			l.cancel()
		})
	}
}

func TestItEndsOnlyAfterWhatIsUnderWay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld()
		w.add(1, lab.DesiredRunning)
		gate := make(chan struct{})
		w.refuse = func(op, _ string) error {
			if op == "home" {
				w.mu.Unlock()
				<-gate
				w.mu.Lock()
			}
			return nil
		}
		l := live(t, w)
		l.pass(time.Second)
		l.cancel()
		synctest.Wait()
		select {
		case <-l.ended:
			t.Error("it ended while an action was under way")
		default:
		}
		close(gate)
		if err := <-l.ended; err != nil {
			t.Errorf("run: %v", err)
		}
	})
}

func TestADatabaseThatIsAwayIsTriedAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld()
		w.add(1, lab.DesiredRunning)
		w.killAt = 0
		l := live(t, w)
		defer l.stop(t)
		l.pass(time.Minute)
		if got := testutil.ToFloat64(l.metrics.passes.WithLabelValues("failed")); got < 3 || got > 60 {
			t.Errorf("%v failed passes in a minute", got)
		}
		w.do(func() { w.killAt = -1 })
		l.pass(2 * time.Minute)
		if got := w.phases(); got != "ready=1" {
			t.Errorf("after it came back: %s", got)
		}
	})
}

func TestConnectionsAreEndedOnceTheDoorsYesIsForgotten(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld()
		w.add(1, lab.DesiredRunning)
		l := live(t, w)
		defer l.stop(t)
		l.pass(10 * time.Second)
		w.do(func() {
			for _, item := range w.items {
				item.EvictionsWanted, item.EvictAfter = 1, time.Now().Add(6*time.Second)
			}
		})
		l.Wake()
		l.pass(4 * time.Second)
		if n := w.count("end connections"); n != 0 {
			t.Fatalf("connections were ended %d times, too early", n)
		}
		l.pass(3 * time.Second)
		if ended, recorded := w.count("end connections"), w.count("record eviction"); ended != 1 || recorded != 1 {
			t.Fatalf("connections were ended %d times, recorded %d times", ended, recorded)
		}
		l.pass(time.Minute)
		if n := w.count("end connections"); n != 1 {
			t.Errorf("connections were ended %d times", n)
		}
	})
}
