package retention_test

import (
	"context"
	"errors"
	"log/slog"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"

	"github.com/bothylabs/bothy/service/retention"
)

var noon = time.Date(2026, 9, 1, 12, 0, 0, 0, time.UTC)

// record notes what it is asked, and fails the first time.
type record struct {
	asked chan time.Time
	fails int
}

func (r *record) CleanAudit(_ context.Context, before time.Time) (int64, error) {
	r.asked <- before
	if r.fails > 0 {
		r.fails--
		return 0, errors.New("away")
	}
	return 3, nil
}

func run(t *testing.T, cfg retention.Config) {
	t.Helper()
	k, err := retention.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- k.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
}

func TestOldRowsAreRemovedAgainAndAgain(t *testing.T) {
	r, registry := &record{asked: make(chan time.Time), fails: 1}, prometheus.NewRegistry()
	run(t, retention.Config{
		Record: r, MaxAge: time.Hour, Every: time.Millisecond, Registry: registry, Logger: slog.New(slog.DiscardHandler),
		Active: func() bool { return true }, Now: func() time.Time { return noon },
	})
	for range 3 { // the first one fails
		if before := <-r.asked; !before.Equal(noon.Add(-time.Hour)) {
			t.Errorf("what is older than %s was to be removed", before)
		}
	}
	if n, err := testutil.GatherAndCount(registry, "bothy_audit_removed_total"); err != nil || n != 1 {
		t.Errorf("%d metrics, %v", n, err)
	}
}

func TestNothingIsRemovedWhereItIsKeptForEverOrByAnotherInstance(t *testing.T) {
	looked := make(chan bool)
	r := &record{asked: make(chan time.Time)} // nobody takes from it: asking would hang
	run(t, retention.Config{
		Record: r, MaxAge: time.Hour, Every: time.Millisecond, Logger: slog.New(slog.DiscardHandler),
		Active: func() bool { looked <- true; return false }, Now: func() time.Time { return noon },
	})
	<-looked
	<-looked
	go func() {
		for range looked {
		}
	}()
	run(t, retention.Config{
		Record: r, Every: time.Millisecond, Logger: slog.New(slog.DiscardHandler),
		Active: func() bool { return true }, Now: func() time.Time { return noon },
	})
}
