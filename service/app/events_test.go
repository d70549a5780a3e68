package app_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/bothylabs/bothy/service/client"
	"github.com/bothylabs/bothy/service/config"
)

// following is somebody who follows a server's events, from now on.
type following struct {
	events <-chan client.Event
	stop   func()
}

// follow begins after an event, or with "" from now on, and does not return before the server has said hello.
func follow(t *testing.T, c *client.Client, after string) following {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	events := make(chan client.Event, 1000)
	var reading sync.WaitGroup
	reading.Go(func() {
		for event, err := range c.Events(ctx, client.EventFilter{}, after) {
			if err == nil {
				events <- event
			}
		}
	})
	f := following{events: events, stop: func() { cancel(); reading.Wait() }}
	t.Cleanup(f.stop)
	if after == "" {
		if first := <-events; first.Type != client.EventHello {
			t.Fatalf("the first message is %q", first.Type)
		}
	}
	return f
}

// until gives the events up to that of a cohort, each as "id type".
func (f following) until(key string) []string {
	var got []string
	for event := range f.events {
		got = append(got, event.ID+" "+string(event.Type))
		if event.Cohort != nil && event.Cohort.Key == key {
			return got
		}
	}
	return got
}

func TestEveryInstanceTellsTheSame(t *testing.T) {
	cfg := settings(t)
	cfg.Store.Driver = "postgres"
	cfg.Store.DSN = config.Credential{Value: config.NewSecret(postgres.Empty(t))}
	servers := []*running{start(t, cfg), start(t, cfg)}
	one, two := follow(t, servers[0].client, ""), follow(t, servers[1].client, "")
	var changing sync.WaitGroup
	for i, s := range servers {
		changing.Go(func() {
			for n := range 20 {
				if _, err := s.client.CreateCohort(t.Context(), client.CohortInput{Name: fmt.Sprintf("Cohort %d %d", i, n)}); err != nil {
					t.Errorf("create a cohort: %v", err)
				}
			}
		})
	}
	changing.Wait()
	began := time.Now()
	if _, err := servers[0].client.CreateCohort(t.Context(), client.CohortInput{Name: "Last"}); err != nil {
		t.Fatal(err)
	}
	first, second := one.until("last"), two.until("last")
	t.Logf("told on both %s after the change was asked for", time.Since(began).Round(time.Millisecond))
	if len(first) != 41 || !slices.Equal(first, second) {
		t.Errorf("one tells %d: %v\nthe other %d: %v", len(first), first, len(second), second)
	}

	// Whoever was told by one may go on at the other.
	at, _, _ := strings.Cut(first[9], " ")
	if rest := follow(t, servers[1].client, at).until("last"); !slices.Equal(rest, first[10:]) {
		t.Errorf("after %s: %v, want %v", at, rest, first[10:])
	}
}

func TestAStreamDoesNotHoldUpTheEndOfTheServer(t *testing.T) {
	s := start(t, settings(t))
	f := follow(t, s.client, "")
	began := time.Now()
	s.stop()
	t.Logf("ended after %s", time.Since(began).Round(time.Millisecond))
	if strings.Contains(s.log.String(), "requests were cut off") {
		t.Errorf("it was cut off:\n%s", s.log)
	}
	f.stop()
}
