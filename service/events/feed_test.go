package events_test

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"
	"pgregory.net/rapid"

	"github.com/bothylabs/bothy/service/events"
	"github.com/bothylabs/bothy/service/lab"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// log is a database of events.
type log struct {
	mu      sync.Mutex
	kept    []lab.Event
	last    int64
	err     error
	deaf    bool // it does not tell of what is new
	wake    func()
	cleaned chan [2]int64
	asked   chan struct{} // holds something after each read
	heard   chan struct{} // closed once somebody listens
}

func newLog() *log {
	return &log{cleaned: make(chan [2]int64, 1), asked: make(chan struct{}, 1), heard: make(chan struct{})}
}

func (l *log) Events(_ context.Context, after int64, limit int) ([]lab.Event, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	select {
	case l.asked <- struct{}{}:
	default:
	}
	if l.err != nil {
		return nil, l.err
	}
	var found []lab.Event
	for _, e := range l.kept {
		if e.ID > after && len(found) < limit {
			found = append(found, e)
		}
	}
	return found, nil
}

func (l *log) EventRange(context.Context) (first, last int64, err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.last - int64(len(l.kept)) + 1, l.last, l.err
}

func (l *log) Listen(ctx context.Context, wake func()) error {
	l.mu.Lock()
	if l.deaf {
		l.mu.Unlock()
		return errors.New("no line")
	}
	l.wake = wake
	l.mu.Unlock()
	close(l.heard)
	wake()
	<-ctx.Done()
	return nil
}

func (l *log) CleanEvents(_ context.Context, before time.Time, keep int64) (int64, error) {
	select {
	case l.cleaned <- [2]int64{before.Unix(), keep}:
	default:
	}
	return 0, nil
}

// add commits events of a class.
func (l *log) add(n int, class string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for range n {
		l.last++
		l.kept = append(l.kept, lab.Event{ID: l.last, ClassID: class})
	}
	if l.wake != nil {
		l.wake()
	}
}

// forget removes all but the newest.
func (l *log) forget(keep int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.kept = slices.Clone(l.kept[len(l.kept)-keep:])
}

func (l *log) fails(err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.err = err
}

// run runs a feed until the test ends.
func run(t *testing.T, l *log, change ...func(*events.Config)) *events.Feed {
	t.Helper()
	feed, stop := runUntil(t, l, change...)
	t.Cleanup(stop)
	return feed
}

func runUntil(t *testing.T, l *log, change ...func(*events.Config)) (*events.Feed, func()) {
	t.Helper()
	cfg := events.Config{Log: l, Logger: slog.New(slog.DiscardHandler), Poll: time.Hour}
	for _, c := range change {
		c(&cfg)
	}
	feed, err := events.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.WithoutCancel(t.Context()))
	done := make(chan error, 1)
	go func() { done <- feed.Run(ctx) }()
	return feed, func() {
		cancel()
		if err := <-done; err != nil {
			t.Errorf("run: %v", err)
		}
	}
}

func all(lab.Event) bool { return true }

func subscribe(t testing.TB, feed *events.Feed, after int64, matches func(lab.Event) bool) *events.Subscription {
	t.Helper()
	s, err := feed.Subscribe(t.Context(), after, matches)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// ids reads until n events have come.
func ids(t testing.TB, s *events.Subscription, n int) []int64 {
	t.Helper()
	var got []int64
	for len(got) < n {
		batch, err := s.Next(t.Context())
		if err != nil {
			t.Fatalf("after %v: %v", got, err)
		}
		for _, e := range batch {
			got = append(got, e.ID)
		}
	}
	return got
}

func upTo(first, last int64) []int64 {
	var want []int64
	for id := first; id <= last; id++ {
		want = append(want, id)
	}
	return want
}

func wantIDs(t testing.TB, got, want []int64) {
	t.Helper()
	if !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
}

func TestWhoSubscribesNowGetsWhatComes(t *testing.T) {
	l := newLog()
	l.add(5, "a")
	feed := run(t, l)
	s := subscribe(t, feed, lab.EventsFromNow, all)
	if s.Position() != 5 || s.Lost() {
		t.Errorf("begins at %d, lost %v", s.Position(), s.Lost())
	}
	l.add(3, "a")
	wantIDs(t, ids(t, s, 3), upTo(6, 8))
}

func TestEachGetsWhatMatches(t *testing.T) {
	l := newLog()
	feed := run(t, l)
	of := func(class string) func(lab.Event) bool {
		return func(e lab.Event) bool { return e.ClassID == class }
	}
	a, b, both := subscribe(t, feed, lab.EventsFromNow, of("a")), subscribe(t, feed, lab.EventsFromNow, of("b")), subscribe(t, feed, lab.EventsFromNow, all)
	l.add(2, "a")
	l.add(1, "b")
	l.add(1, "a")
	wantIDs(t, ids(t, a, 3), []int64{1, 2, 4})
	wantIDs(t, ids(t, b, 1), []int64{3})
	wantIDs(t, ids(t, both, 4), upTo(1, 4))
}

func TestWhatIsPassedOverMovesThePositionToo(t *testing.T) {
	l := newLog()
	feed := run(t, l)
	s := subscribe(t, feed, lab.EventsFromNow, func(e lab.Event) bool { return e.ClassID == "a" })
	l.add(7, "b")
	l.add(1, "a")
	wantIDs(t, ids(t, s, 1), []int64{8})
	l.add(4, "b")
	l.add(1, "a")
	wantIDs(t, ids(t, s, 1), []int64{13})
	if s.Position() != 13 {
		t.Errorf("at %d", s.Position())
	}
}

// However reading and writing meet, and wherever somebody resumes: no gap, nothing twice.
func TestAResumedSubscriptionHasNoGap(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		l := newLog()
		l.add(rapid.IntRange(0, 1200).Draw(rt, "before the start"), "a")
		feed, stop := runUntil(t, l, func(c *events.Config) { c.Backlog = 600 })
		defer stop()
		from := rapid.Int64Range(0, l.last).Draw(rt, "from")
		s := subscribe(t, feed, from, all)
		position := from
		for _, n := range rapid.SliceOfN(rapid.IntRange(0, 200), 0, 6).Draw(rt, "bursts") {
			l.add(n, "a")
			if position == l.last {
				continue
			}
			batch, err := s.Next(t.Context())
			if errors.Is(err, lab.ErrFollowerSlow) { // comes again, as a reader does
				s = subscribe(t, feed, position, all)
				continue
			}
			if err != nil {
				rt.Fatal(err)
			}
			for _, e := range batch {
				if position++; e.ID != position {
					rt.Fatalf("got %d in place of %d", e.ID, position)
				}
			}
		}
		if position < l.last {
			s = subscribe(t, feed, position, all)
			if got := ids(t, s, int(l.last-position)); !slices.Equal(got, upTo(position+1, l.last)) {
				rt.Fatalf("got %v, want those after %d up to %d", got, position, l.last)
			}
		}
	})
}

func TestWhoIsTooSlowIsDroppedAndNobodyElse(t *testing.T) {
	l := newLog()
	feed := run(t, l, func(c *events.Config) { c.Backlog = 8 })
	slow, quick := subscribe(t, feed, lab.EventsFromNow, all), subscribe(t, feed, lab.EventsFromNow, all)
	l.add(1, "a")
	wantIDs(t, ids(t, slow, 1), upTo(1, 1))
	wantIDs(t, ids(t, quick, 1), upTo(1, 1))
	for id := int64(2); id <= 20; id++ {
		l.add(1, "a")
		wantIDs(t, ids(t, quick, 1), []int64{id})
	}
	if _, err := slow.Next(t.Context()); !errors.Is(err, lab.ErrFollowerSlow) {
		t.Errorf("got %v", err)
	}
	wantIDs(t, ids(t, subscribe(t, feed, slow.Position(), all), 19), upTo(2, 20))
}

func TestWhatIsNotKeptCannotBeResumed(t *testing.T) {
	l := newLog()
	l.add(10, "a")
	l.forget(4)
	feed := run(t, l)
	for after, lost := range map[int64]bool{0: true, 5: true, 6: false, 9: false, 10: false, 11: true} {
		s := subscribe(t, feed, after, all)
		if s.Lost() != lost || (lost && s.Position() != 10) || (!lost && s.Position() != after) {
			t.Errorf("after %d: lost %v, at %d", after, s.Lost(), s.Position())
		}
	}
}

func TestWhatGoesWhileOneCatchesUpIsNotPassedOver(t *testing.T) {
	l := newLog()
	l.add(1000, "a")
	feed := run(t, l)
	s := subscribe(t, feed, 0, all)
	if _, err := s.Next(t.Context()); err != nil {
		t.Fatal(err)
	}
	l.forget(10)
	if _, err := s.Next(t.Context()); !errors.Is(err, lab.ErrEventsGone) {
		t.Errorf("got %v", err)
	}
}

func TestAnInstanceThatIsBehindGoesOnWhereAnotherWas(t *testing.T) {
	l := newLog()
	l.add(1, "a")
	feed := run(t, l)
	subscribe(t, feed, lab.EventsFromNow, all)
	<-l.heard
	l.mu.Lock()
	wake := l.wake
	l.wake = nil // not told of for now
	l.mu.Unlock()
	l.add(4, "a")
	s := subscribe(t, feed, 4, all) // as read from another instance
	if s.Lost() {
		t.Fatal("lost")
	}
	wake()
	wantIDs(t, ids(t, s, 1), []int64{5})
}

func TestSubscriptionsEndWithTheFeed(t *testing.T) {
	l := newLog()
	feed, stop := runUntil(t, l)
	s := subscribe(t, feed, lab.EventsFromNow, all)
	ended := make(chan error, 1)
	go func() {
		_, err := s.Next(t.Context())
		ended <- err
	}()
	stop()
	if err := <-ended; !errors.Is(err, lab.ErrEventsEnd) {
		t.Errorf("got %v", err)
	}
	if _, err := feed.Subscribe(t.Context(), lab.EventsFromNow, all); lab.CodeOf(err) != lab.CodeUnavailable {
		t.Errorf("got %v", err)
	}
}

func TestWhoLeavesIsNotHeld(t *testing.T) {
	feed := run(t, newLog())
	s := subscribe(t, feed, lab.EventsFromNow, all)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := s.Next(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
}

func TestADatabaseThatDoesNotTellIsAsked(t *testing.T) {
	l := newLog()
	l.deaf = true
	feed := run(t, l, func(c *events.Config) { c.Poll = time.Millisecond })
	s := subscribe(t, feed, lab.EventsFromNow, all)
	l.add(2, "a")
	wantIDs(t, ids(t, s, 2), upTo(1, 2))
}

func TestADatabaseThatWasAwayIsReadOn(t *testing.T) {
	l := newLog()
	feed := run(t, l, func(c *events.Config) { c.Poll = time.Millisecond })
	s := subscribe(t, feed, lab.EventsFromNow, all)
	l.fails(lab.Errorf(lab.CodeUnavailable, "away"))
	l.add(3, "a")
	for range 3 {
		<-l.asked
	}
	if _, err := feed.Subscribe(t.Context(), 0, all); lab.CodeOf(err) != lab.CodeUnavailable {
		t.Errorf("got %v", err)
	}
	l.fails(nil)
	wantIDs(t, ids(t, s, 3), upTo(1, 3))
}

func TestUntilTheDatabaseAnsweredNobodyCanSubscribe(t *testing.T) {
	l := newLog()
	l.fails(errors.New("away"))
	feed := run(t, l)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := feed.Subscribe(ctx, lab.EventsFromNow, all); lab.CodeOf(err) != lab.CodeUnavailable {
		t.Errorf("got %v", err)
	}
}

func TestOldEventsAreRemovedByOneInstanceOnly(t *testing.T) {
	now := time.Unix(1_000_000, 0)
	every := func(c *events.Config) {
		c.CleanEvery, c.MaxAge, c.MaxRows, c.Now = time.Millisecond, time.Hour, 77, func() time.Time { return now }
	}
	other, asked := newLog(), make(chan struct{}, 1)
	run(t, other, every, func(c *events.Config) {
		c.Cleans = func() bool {
			select {
			case asked <- struct{}{}:
			default:
			}
			return false
		}
	})
	one := newLog()
	run(t, one, every, func(c *events.Config) { c.Cleans = func() bool { return true } })
	if got := <-one.cleaned; got != [2]int64{now.Add(-time.Hour).Unix(), 77} {
		t.Errorf("got %v", got)
	}
	<-asked
	<-asked
	if len(other.cleaned) > 0 {
		t.Error("an instance without the role removed events")
	}
}
