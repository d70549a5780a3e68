package client_test

import (
	"context"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/bothylabs/bothy/service/client"
	"github.com/bothylabs/bothy/service/lab"
)

func TestChangesCarryTheirConditions(t *testing.T) {
	plain, seen := serve(t, http.StatusAccepted, "application/json", `{"affected": 0, "workspaces": []}`)
	c := plain.With(client.Conditions{IfMatch: `"7"`, IdempotencyKey: "monday", DryRun: true})
	if _, err := c.LaunchClass(t.Context(), "fall-26/py101"); err != nil {
		t.Fatal(err)
	}
	_, _ = c.Class(t.Context(), "fall-26/py101")
	if _, err := plain.LaunchClass(t.Context(), "fall-26/py101"); err != nil {
		t.Fatal(err)
	}
	var got [][]string
	for _, r := range *seen {
		got = append(got, []string{r.Header.Get("If-Match"), r.Header.Get("Idempotency-Key"), r.URL.RawQuery})
	}
	own := got[2][1]
	if diff := cmp.Diff([][]string{{`"7"`, "monday", "dry_run=true"}, {"", "", ""}, {"", own, ""}}, got); diff != "" || len(own) != 32 {
		t.Error(diff, own)
	}
}

func TestWhatIsReadComesWithItsETag(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		w.Header().Set("ETag", `"7"`)
		_, _ = io.WriteString(w, `{"key": "py101"}`)
	}))
	defer server.Close()
	course, tag, err := connect(t, server.URL).CourseTagged(t.Context(), "py101")
	if err != nil || course.Key != "py101" || tag != `"7"` {
		t.Errorf("%+v, %s, %v", course, tag, err)
	}
}

func TestAStaleChangeSaysWhatTheThingIsNow(t *testing.T) {
	c, _ := serve(t, http.StatusPreconditionFailed, "application/problem+json",
		`{"code": "stale", "detail": "changed", "status": 412, "current": {"name": "Python"}}`)
	name := "Snakes"
	_, err := c.With(client.Conditions{IfMatch: `"1"`}).UpdateCourse(t.Context(), "py101", client.CoursePatch{Name: &name})
	if lab.CodeOf(err) != lab.CodeStale {
		t.Fatal(err)
	}
	problem := problemOf(t, err)
	if problem.Current == nil || (*problem.Current)["name"] != "Python" {
		t.Errorf("%+v", problem)
	}
}

// breaking loses the connections of the first requests, after it has read them.
type breaking struct {
	mu       sync.Mutex
	failures int
	// after is what is sent before the connection is lost.
	after string
	seen  []string
}

func (b *breaking) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body)
	b.mu.Lock()
	defer b.mu.Unlock()
	b.seen = append(b.seen, r.Method+" "+r.Header.Get("Idempotency-Key")+" "+string(body))
	if len(b.seen) <= b.failures {
		conn, _, err := http.NewResponseController(w).Hijack()
		if err != nil {
			panic(err)
		}
		_, _ = io.WriteString(conn, b.after)
		_ = conn.Close()
		return
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(http.StatusCreated)
	_, _ = io.WriteString(w, `{"key": "fall-26"}`)
}

func (b *breaking) connect(t *testing.T) *client.Client {
	t.Helper()
	server := httptest.NewServer(b)
	t.Cleanup(server.Close)
	c, err := client.New(server.URL, token, client.WithRandom(strings.NewReader(strings.Repeat("0123456789abcdef", 8))), client.WithFirstRetry(time.Millisecond))
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func TestALostCreationIsSentAgainUnderItsKey(t *testing.T) {
	for name, after := range map[string]string{
		"no answer":      "",
		"half an answer": "HTTP/1.1 201 Created\r\nContent-Type: application/json\r\nContent-Length: 100\r\n\r\n{",
	} {
		t.Run(name, func(t *testing.T) {
			b := &breaking{failures: 2, after: after}
			cohort, err := b.connect(t).CreateCohort(t.Context(), client.CohortInput{Name: "Fall 26"})
			if err != nil || cohort.Key != "fall-26" {
				t.Fatalf("%+v, %v", cohort, err)
			}
			one := "POST 30313233343536373839616263646566 " + `{"name":"Fall 26"}`
			if diff := cmp.Diff([]string{one, one, one}, b.seen); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestARosterIsSentAgainWhole(t *testing.T) {
	b := &breaking{failures: 1}
	_, _ = b.connect(t).With(client.Conditions{IdempotencyKey: "monday"}).ImportRoster(t.Context(), "fall-26", io.MultiReader(strings.NewReader("name,email\n"), strings.NewReader("Ada,a@b.c\n")), client.RosterOptions{})
	one := "POST monday name,email\nAda,a@b.c\n"
	if diff := cmp.Diff([]string{one, one}, b.seen); diff != "" {
		t.Error(diff)
	}
}

func TestTryingAgainHasAnEnd(t *testing.T) {
	b := &breaking{failures: 100}
	_, err := b.connect(t).CreateCohort(t.Context(), client.CohortInput{Name: "Fall 26"})
	if lab.CodeOf(err) != lab.CodeUnavailable || len(b.seen) != 4 {
		t.Errorf("%d tries, %v", len(b.seen), err)
	}
}

func TestWhatCannotBeRepeatedIsSentOnce(t *testing.T) {
	name := "Python"
	for what, call := range map[string]func(context.Context, *client.Client) error{
		"a patch": func(ctx context.Context, c *client.Client) error {
			_, err := c.UpdateCourse(ctx, "py101", client.CoursePatch{Name: &name})
			return err
		},
		"a dry run": func(ctx context.Context, c *client.Client) error {
			_, err := c.With(client.Conditions{DryRun: true}).CreateCohort(ctx, client.CohortInput{Name: "Fall 26"})
			return err
		},
	} {
		t.Run(what, func(t *testing.T) {
			b := &breaking{failures: 100}
			if err := call(t.Context(), b.connect(t)); lab.CodeOf(err) != lab.CodeUnavailable || len(b.seen) != 1 {
				t.Errorf("%d tries, %v", len(b.seen), err)
			}
		})
	}
}

func TestAServerThatWasNeverReachedIsNotTriedAgain(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	addr := "http://" + listener.Addr().String()
	if err := listener.Close(); err != nil {
		t.Fatal(err)
	}
	// A retry would wait for an hour.
	c, err := client.New(addr, token, client.WithFirstRetry(time.Hour))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := c.CreateCohort(t.Context(), client.CohortInput{Name: "Fall 26"}); lab.CodeOf(err) != lab.CodeUnavailable {
		t.Error(err)
	}
}
