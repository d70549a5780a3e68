package e2e

import (
	"context"
	"testing"
	"time"
)

// pollEvery is how often a real server that has no signal of its own is asked again.
const pollEvery = 150 * time.Millisecond

// eventually asks again and again until check gives nil, and fails the test
// with the last reason when within has passed. It is the one place of these
// tests that polls.
func eventually(t *testing.T, within time.Duration, what string, check func(ctx context.Context) error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), within)
	defer cancel()
	if err := poll(ctx, check); err != nil {
		t.Fatalf("not within %s: %s: %v", within, what, err)
	}
}

// throughout fails the test when check fails at any moment of the span.
func throughout(t *testing.T, span time.Duration, what string, check func(ctx context.Context) error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), span)
	defer cancel()
	tick := time.NewTicker(pollEvery)
	defer tick.Stop()
	for {
		if err := check(t.Context()); err != nil {
			t.Fatalf("%s: %v", what, err)
		}
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

// poll asks until check gives nil or ctx ends; then it gives check's last reason.
func poll(ctx context.Context, check func(ctx context.Context) error) error {
	tick := time.NewTicker(pollEvery)
	defer tick.Stop()
	var last error
	for {
		err := check(ctx)
		if err == nil {
			return nil
		}
		// What a check says once its time is up is about the time, not about the subject.
		if last == nil || ctx.Err() == nil {
			last = err
		}
		select {
		case <-ctx.Done():
			return last
		case <-tick.C:
		}
	}
}
