package api_test

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"

	"github.com/bothylabs/bothy/service/api"
	"github.com/bothylabs/bothy/service/client"
	"github.com/bothylabs/bothy/service/lab"
)

func TestAStreamIsMadeOfServerSentEvents(t *testing.T) {
	f := newFakeEvents(anEvent(41, lab.EventCourseCreated, ""))
	f.end <- lab.ErrEventsEnd
	answer := follow(t, newBench(t, withEvents(f)), "/v1/events")
	for header, want := range map[string]string{
		"Content-Type": "text/event-stream", "Cache-Control": "no-store", "X-Accel-Buffering": "no", "Content-Length": "",
	} {
		if got := answer.Header.Get(header); got != want {
			t.Errorf("%s: %q", header, got)
		}
	}
	want := "retry: 2000\n\n" +
		"id: 40" + mark + "\nevent: hello\ndata: {\"id\":\"40" + mark + "\"}\n\n" +
		"id: 41" + mark + "\nevent: course.created\n" +
		"data: {\"id\":\"41" + mark + "\",\"type\":\"course.created\",\"at\":\"2026-09-01T12:00:00Z\",\"course\":{\"id\":\"k\",\"key\":\"b\",\"name\":\"B\",\"template\":\"shell\",\"revision\":7}}\n\n" +
		": ends: the server is ending\n\n"
	if got := whole(t, answer); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
	if got := f.asked(); !slices.Equal(got, []int64{lab.EventsFromNow}) {
		t.Errorf("asked for what comes after %v", got)
	}
}

func TestAStreamIsResumedWhereItWas(t *testing.T) {
	f := newFakeEvents(anEvent(42, lab.EventCourseCreated, ""))
	f.end <- lab.ErrEventsEnd
	got := whole(t, follow(t, newBench(t, withEvents(f)), "/v1/events", resuming("41"+mark)))
	if strings.Contains(got, "hello") || strings.Contains(got, "reset") || !strings.Contains(got, "id: 42"+mark) {
		t.Errorf("got %s", got)
	}
	if got := f.asked(); !slices.Equal(got, []int64{41}) {
		t.Errorf("asked for what comes after %v", got)
	}
}

func TestWhatCannotBeResumedIsReset(t *testing.T) {
	for why, c := range map[string]struct {
		id    string
		lost  bool
		after int64
	}{
		"not kept any more":    {"1" + mark, true, 1},
		"another installation": {"41-ffffffff", false, lab.EventsFromNow},
	} {
		t.Run(why, func(t *testing.T) {
			f := newFakeEvents()
			f.lost = c.lost
			f.end <- lab.ErrEventsEnd
			got := whole(t, follow(t, newBench(t, withEvents(f)), "/v1/events", resuming(c.id)))
			if !strings.Contains(got, "id: 40"+mark+"\nevent: reset\ndata: {\"id\":\"40"+mark+"\"}\n\n") || strings.Contains(got, "hello") {
				t.Errorf("got %s", got)
			}
			if got := f.asked(); !slices.Equal(got, []int64{c.after}) {
				t.Errorf("asked for what comes after %v", got)
			}
		})
	}
}

func TestALastEventIDThatIsNoneIsRefused(t *testing.T) {
	b := newBench(t, withEvents(newFakeEvents()))
	for _, id := range []string{"x", "-1" + mark, "01" + mark, "41", "41-", "41-FFFFFFFF", "99999999999999999999" + mark, "41" + mark + " "} {
		r := request(http.MethodGet, "/v1/events", "")
		r.Header["Last-Event-Id"] = []string{id}
		if got := fieldNames(problem(t, b.do(r), http.StatusBadRequest)); !slices.Equal(got, []string{"Last-Event-ID"}) {
			t.Errorf("%q: named %v", id, got)
		}
	}
}

func TestAStreamIsFiltered(t *testing.T) {
	some := []lab.Event{
		anEvent(41, lab.EventWorkspaceChanged, "id-class"), anEvent(42, lab.EventWorkspaceChanged, "another"), anEvent(43, lab.EventClassChanged, "id-class"),
		{ID: 44, Type: lab.EventWorkspaceChanged, SubjectID: "id-workspace", Data: json.RawMessage("{}")},
		{ID: 45, Type: lab.EventCohortCreated, CohortID: "id-cohort", Data: json.RawMessage("{}")},
	}
	for query, want := range map[string][]string{
		"":                                        {"41", "42", "43", "44", "45"},
		"?class=fall-26~py101":                    {"41", "43"},
		"?class=id-class&type=class.changed":      {"43"},
		"?type=class.changed,workspace.changed":   {"41", "42", "43", "44"},
		"?workspace=fall-26-py101-ada-lovelace":   {"44"},
		"?cohort=fall-26":                         {"45"},
		"?cohort=fall-26&class=fall-26~py101":     {},
		"?type=course.deleted":                    {},
		"?class=fall-26~py101&type=class.deleted": {},
	} {
		t.Run(query, func(t *testing.T) {
			f := newFakeEvents(some...)
			f.end <- lab.ErrEventsEnd
			got := []string{}
			for line := range strings.Lines(whole(t, follow(t, newBench(t, withEvents(f)), "/v1/events"+query, resuming("40"+mark)))) {
				if id, is := strings.CutPrefix(line, "id: "); is {
					got = append(got, strings.TrimSuffix(id, mark+"\n"))
				}
			}
			if !slices.Equal(got, want) {
				t.Errorf("got %v, want %v", got, want)
			}
		})
	}
}

func TestAFilterThatIsNoneIsRefused(t *testing.T) {
	b := newBench(t, withEvents(newFakeEvents()))
	for query, field := range map[string]string{
		"type=workspace.exploded": "type", "type=": "type", "class=A": "class", "cohort=a/b": "cohort", "workspace=_": "workspace", "node=x": "node",
	} {
		if got := fieldNames(problem(t, b.do(request(http.MethodGet, "/v1/events?"+query, "")), http.StatusBadRequest)); !slices.Equal(got, []string{field}) {
			t.Errorf("%s: named %v", query, got)
		}
	}
	b.registrar.answers(lab.NotFound("class", "fall-26/none"))
	problem(t, b.do(request(http.MethodGet, "/v1/events?class=fall-26~none", "")), http.StatusNotFound)
}

// one is an authenticator whose caller sees what it is told.
type one struct {
	mu     sync.Mutex
	caller lab.Caller
	err    error
	// asks counts down to the closing of known: who is asked for the second time
	// has made something of the first answer.
	asks  int
	known chan struct{}
}

func (o *one) Again(ctx context.Context, _ lab.Caller) (lab.Caller, error) {
	return o.Authenticate(ctx, nil, "", nil)
}

func (o *one) Authenticate(context.Context, *http.Request, string, http.Header) (lab.Caller, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.asks--; o.asks == 0 {
		close(o.known)
	}
	return o.caller, o.err
}

// becomes changes who they are, and gives what is closed once that is known.
func (o *one) becomes(caller lab.Caller, err error) (known <-chan struct{}) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.caller, o.err, o.asks, o.known = caller, err, 2, make(chan struct{})
	return o.known
}

func seeing(classes ...string) lab.Caller {
	return lab.Caller{Name: "user:ada", UserID: "id-ada", Role: lab.RoleAssistant, Scope: lab.Scope{Classes: classes}}
}

func TestACallerIsToldOfNothingButWhatTheySee(t *testing.T) {
	f := newFakeEvents(
		anEvent(41, lab.EventWorkspaceChanged, "theirs"), anEvent(42, lab.EventWorkspaceChanged, "another"),
		anEvent(43, lab.EventCourseCreated, ""), anEvent(44, lab.EventClassChanged, "theirs"))
	f.end <- lab.ErrEventsEnd
	b := newBench(t, withEvents(f), func(c *api.Config) { c.Authenticator = &one{caller: seeing("theirs")} })
	got := whole(t, follow(t, b, "/v1/events"))
	for id, told := range map[string]bool{"41": true, "42": false, "43": false, "44": true} {
		if strings.Contains(got, "id: "+id+mark) != told {
			t.Errorf("%s: told %v\n%s", id, !told, got)
		}
	}
}

// lines gives the lines of a stream as they come.
func lines(answer stream) func() string {
	scanner := bufio.NewScanner(answer.Body)
	return func() string {
		scanner.Scan()
		return scanner.Text()
	}
}

// until reads lines up to the one that is waited for.
func until(t *testing.T, next func() string, want string) {
	t.Helper()
	for range 1000 {
		if next() == want {
			return
		}
	}
	t.Fatalf("%q did not come", want)
}

func TestAQuietStreamGivesSignsOfLifeAndMovesItsReaderOn(t *testing.T) {
	f := newFakeEvents()
	next := lines(follow(t, newBench(t, withEvents(f), func(c *api.Config) { c.Heartbeat = time.Millisecond }), "/v1/events?type=class.changed"))
	until(t, next, ": alive")
	if got := next(); got != "id: 40"+mark {
		t.Errorf("got %q", got)
	}
	f.events <- anEvent(77, lab.EventCourseCreated, "") // not asked for
	until(t, next, "id: 77"+mark)
}

func TestWhatACallerSeesIsAskedAgainWhileTheyFollow(t *testing.T) {
	f := newFakeEvents()
	who := &one{caller: seeing("a")}
	next := lines(follow(t, newBench(t, withEvents(f), func(c *api.Config) { c.Authenticator, c.Heartbeat = who, time.Millisecond }), "/v1/events"))
	f.events <- anEvent(41, lab.EventClassChanged, "a")
	until(t, next, "event: class.changed")

	<-who.becomes(lab.Caller{}, errors.New("the directory is away")) // and so nothing is known to have changed
	f.events <- anEvent(42, lab.EventClassChanged, "a")
	until(t, next, "id: 42"+mark)
	until(t, next, "event: class.changed")

	<-who.becomes(seeing("b"), nil)
	f.events <- anEvent(43, lab.EventClassChanged, "a")
	f.events <- anEvent(44, lab.EventClassChanged, "b")
	until(t, next, "event: class.changed")
	if got := next(); !strings.Contains(got, `"id":"44`) {
		t.Errorf("got %q", got)
	}

	who.becomes(lab.Caller{}, lab.Errorf(lab.CodeUnauthenticated, "withdrawn"))
	until(t, next, ": ends: the token is not good any more")
}

func TestTheServersTimeLimitsDoNotCutAStream(t *testing.T) {
	f := newFakeEvents()
	server := httptest.NewUnstartedServer(newBench(t, withEvents(f), func(c *api.Config) { c.Heartbeat = 10 * time.Millisecond }))
	server.Config.WriteTimeout, server.Config.ReadTimeout = 50*time.Millisecond, 50*time.Millisecond
	server.Start()
	defer server.Close()
	r := request(http.MethodGet, server.URL+"/v1/events", "")
	r.RequestURI = ""
	answer, err := server.Client().Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	next := lines(stream{answer.Header, answer.Body})
	for range 20 { // four times the limits
		until(t, next, ": alive")
	}
}

func TestAReaderThatTakesNothingIsDropped(t *testing.T) {
	f := newFakeEvents()
	registry := prometheus.NewRegistry()
	f.end <- lab.ErrFollowerSlow
	b := newBench(t, withEvents(f), func(c *api.Config) { c.Metrics = registry })
	if got := whole(t, follow(t, b, "/v1/events")); !strings.HasSuffix(got, ": ends: too slow: more came than is held ready\n\n") {
		t.Errorf("got %s", got)
	}
	want := `
		# HELP bothy_event_streams Streams of events that are followed now.
		# TYPE bothy_event_streams gauge
		bothy_event_streams 0
		# HELP bothy_event_streams_ended_total Streams of events that ended, by why: left, slow (the reader was dropped), token, shutdown, failed.
		# TYPE bothy_event_streams_ended_total counter
		bothy_event_streams_ended_total{why="slow"} 1
	`
	if err := testutil.GatherAndCompare(registry, strings.NewReader(want), "bothy_event_streams", "bothy_event_streams_ended_total"); err != nil {
		t.Error(err)
	}
	if n, err := testutil.GatherAndCount(registry, "bothy_http_request_duration_seconds"); err != nil || n != 0 {
		t.Errorf("how long a stream was followed is taken for how slow Bothy is: %d, %v", n, err)
	}
}

func TestAStreamThatFailsIsLogged(t *testing.T) {
	f := newFakeEvents()
	f.end <- errors.New("the disk is full at 10.0.0.7")
	b := newBench(t, withEvents(f))
	answer := b.do(request(http.MethodGet, "/v1/events", ""))
	if strings.Contains(answer.Body, "10.0.0.7") || !strings.Contains(answer.Body, ": ends: it cannot go on") {
		t.Errorf("got %s", answer.Body)
	}
	if log := b.log.String(); !strings.Contains(log, "the disk is full") || !strings.Contains(log, `"level":"INFO"`) {
		t.Errorf("the log lacks the cause: %s", log)
	}
}

func TestAStreamHasNoHead(t *testing.T) {
	b := newBench(t, withEvents(newFakeEvents()))
	problem(t, b.do(request(http.MethodHead, "/v1/events", "")), http.StatusMethodNotAllowed)
}

func TestWhereNothingIsToldThatIsSaid(t *testing.T) {
	problem(t, newBench(t, func(c *api.Config) { c.Events = nil }).do(request(http.MethodGet, "/v1/events", "")), http.StatusServiceUnavailable)
}

func TestEachEventIsAsTheContractSays(t *testing.T) {
	doc := document(t, newBench(t))
	schema := doc.Components.Schemas["Event"].Value
	for _, kind := range schema.Properties["type"].Value.Enum {
		name, _ := kind.(string)
		f := newFakeEvents(anEvent(41, lab.EventType(name), ""))
		f.end <- lab.ErrEventsEnd
		for line := range strings.Lines(whole(t, follow(t, newBench(t, withEvents(f)), "/v1/events", resuming("40"+mark)))) {
			data, is := strings.CutPrefix(line, "data: ")
			if !is {
				continue
			}
			var event map[string]any
			if err := json.Unmarshal([]byte(data), &event); err != nil {
				t.Fatal(err)
			}
			subject, _, _ := strings.Cut(name, ".")
			if err := schema.VisitJSON(event, openapi3.MultiErrors()); err != nil || event[subject] == nil {
				t.Errorf("%s: %v", line, err)
			}
		}
	}
}

func TestTheClientFollowsAcrossConnections(t *testing.T) {
	f := newFakeEvents(anEvent(41, lab.EventWorkspaceChanged, "id-class"))
	f.end <- lab.ErrEventsEnd
	server := httptest.NewServer(newBench(t, withEvents(f)))
	defer server.Close()
	c, err := client.New(server.URL, token)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for event, err := range c.Events(t.Context(), client.EventFilter{Class: "fall-26/py101", Types: []client.EventType{"workspace.changed"}}, "") {
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, string(event.Type)+" "+event.ID)
		switch len(got) {
		case 2: // the server ends the stream, and another connection goes on
			if event.Workspace == nil || event.Workspace.Phase != "ready" {
				t.Errorf("got %+v", event)
			}
			f.events <- anEvent(42, lab.EventWorkspaceChanged, "id-class")
		case 3:
			if want := []string{"hello 40" + mark, "workspace.changed 41" + mark, "workspace.changed 42" + mark}; !slices.Equal(got, want) {
				t.Errorf("got %v, want %v", got, want)
			}
			if asked := f.asked(); !slices.Equal(asked, []int64{lab.EventsFromNow, 41}) && !slices.Equal(asked, []int64{lab.EventsFromNow}) {
				t.Errorf("asked for what comes after %v", asked)
			}
			return
		}
	}
	t.Fatalf("it ended after %v", got)
}

func TestTheClientEndsWhereTryingAgainIsNoUse(t *testing.T) {
	b := newBench(t, withEvents(newFakeEvents()))
	server := httptest.NewServer(b)
	defer server.Close()
	c, err := client.New(server.URL, token)
	if err != nil {
		t.Fatal(err)
	}
	b.registrar.answers(lab.NotFound("class", "fall-26/none"))
	var codes []lab.Code
	for _, err := range c.Events(t.Context(), client.EventFilter{Class: "fall-26/none"}, "") {
		codes = append(codes, lab.CodeOf(err))
	}
	if !slices.Equal(codes, []lab.Code{lab.CodeNotFound}) {
		t.Errorf("got %v", codes)
	}
}
