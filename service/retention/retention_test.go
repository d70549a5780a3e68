package retention_test

import (
	"context"
	"errors"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"

	"github.com/bothylabs/bothy/service/retention"
)

var noon = time.Date(2026, 9, 1, 12, 0, 0, 0, time.UTC)

// shelf notes what it is asked, and fails the first time.
type shelf struct {
	asked chan time.Time
	fails int
}

func (s *shelf) clean(ctx context.Context, before time.Time) (int64, error) {
	select {
	case s.asked <- before:
	case <-ctx.Done():
		return 0, nil
	}
	if s.fails > 0 {
		s.fails--
		return 1, errors.New("away")
	}
	return 3, nil
}

// run runs a keeper until end is called, or the test ends.
func run(t *testing.T, cfg retention.Config) (end func()) {
	t.Helper()
	cfg.Every, cfg.Logger, cfg.Now = time.Millisecond, slog.New(slog.DiscardHandler), func() time.Time { return noon }
	k, err := retention.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- k.Run(ctx) }()
	end = sync.OnceFunc(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
	t.Cleanup(end)
	return end
}

func TestOldRowsAreRemovedAgainAndAgain(t *testing.T) {
	one, other, registry := &shelf{asked: make(chan time.Time), fails: 1}, &shelf{asked: make(chan time.Time)}, prometheus.NewRegistry()
	end := run(t, retention.Config{
		Rules: []retention.Rule{
			{Kind: "sessions", Age: time.Hour, Clean: one.clean},
			{Kind: "for ever", Clean: func(context.Context, time.Time) (int64, error) { panic("it is kept for ever") }},
			{Kind: "devices", Age: 2 * time.Hour, Clean: other.clean},
		},
		Registry: registry, Active: func() bool { return true },
	})
	for range 2 { // the first one fails, and keeps nothing else
		if before := <-one.asked; !before.Equal(noon.Add(-time.Hour)) {
			t.Errorf("what was over before %s was to be removed", before)
		}
		if before := <-other.asked; !before.Equal(noon.Add(-2 * time.Hour)) {
			t.Errorf("what was over before %s was to be removed", before)
		}
	}
	end()
	if err := testutil.GatherAndCompare(registry, strings.NewReader(`
		# HELP bothy_retention_removed_total Rows that were removed because their time was over, by what they were.
		# TYPE bothy_retention_removed_total counter
		bothy_retention_removed_total{kind="devices"} 6
		bothy_retention_removed_total{kind="for ever"} 0
		bothy_retention_removed_total{kind="sessions"} 4
	`)); err != nil {
		t.Error(err)
	}
}

func TestNothingIsRemovedByAnotherInstance(t *testing.T) {
	looked := make(chan bool)
	run(t, retention.Config{
		Rules: []retention.Rule{{Kind: "sessions", Age: time.Hour, Clean: func(context.Context, time.Time) (int64, error) {
			t.Error("it was removed")
			return 0, nil
		}}},
		Active: func() bool { looked <- true; return false },
	})
	<-looked
	<-looked
	go func() {
		for range looked {
		}
	}()
}
