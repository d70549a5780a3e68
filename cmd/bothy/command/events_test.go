package command

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"
)

// told is a message of the stream of events.
func told(id int, kind, data string) string {
	subject, _, _ := strings.Cut(kind, ".")
	return fmt.Sprintf("id: %d-9f3c2a1b\nevent: %s\ndata: {\"id\":\"%d-9f3c2a1b\",\"type\":%q,\"at\":\"2026-09-01T08:00:00Z\",%q:%s}\n\n", id, kind, id, kind, subject, data)
}

func hello(id int) string {
	return fmt.Sprintf("id: %d-9f3c2a1b\nevent: hello\ndata: {\"id\":\"%d-9f3c2a1b\"}\n\n", id, id)
}

const (
	readyWorkspace = `{"id":"w","slug":"fall-26-py101-ana","class":"fall-26/py101","desired":"running","phase":"ready","reason":"It runs."}`
	runningLaunch  = `{"id":"op-1","kind":"class.launch","class":"fall-26/py101","state":"running","counts":{"total":15,"done":12,"pending":3}}`
	goingWorkspace = `{"id":"w","slug":"fall-26-py101-ana","class":"fall-26/py101","desired":"deleted","phase":"stopping","reason":"It ends."}`
)

// followed gives a world whose stream says what is given, and then ends with a filter that is refused.
func followed(t *testing.T, pieces ...string) (*world, *fakeAPI) {
	t.Helper()
	w := newWorld(t)
	api := newFakeAPI(t, w)
	api.events = make(chan string, len(pieces))
	for _, piece := range pieces {
		api.events <- piece
	}
	return w, api
}

// interruptedAfter interrupts a command once it has printed so much.
func (w *world) interruptedAfter(text string, args ...string) result {
	w.t.Helper()
	out := &watchedWriter{until: text, then: w.cancel}
	w.Stdout = out
	r := w.run(args...)
	r.out = out.String()
	return r
}

type watchedWriter struct {
	strings.Builder
	until string
	then  func()
}

func (w *watchedWriter) Write(p []byte) (int, error) {
	n, err := w.Builder.Write(p)
	if strings.Contains(w.String(), w.until) {
		w.then()
	}
	return n, err
}

func TestEventsPrintsALineForEachChange(t *testing.T) {
	w, api := followed(t, hello(1), ": alive\nid: 2-9f3c2a1b\n\n",
		told(3, "workspace.changed", readyWorkspace), told(4, "workspace.changed", goingWorkspace), told(5, "workspace.deleted", goingWorkspace),
		told(6, "class.changed", `{"id":"c","key":"fall-26/py101","deleting":true}`), told(7, "class.deleted", `{"id":"c","key":"fall-26/py101","deleting":true}`),
		told(8, "cohort.created", `{"id":"h","key":"fall-26"}`), told(9, "course.changed", `{"id":"k","key":"py101"}`),
		told(10, "student.created", `{"id":"ada"}`), told(11, "student.changed", `{"id":"ada","withdrawn_at":"2026-09-01T08:00:00Z"}`), told(12, "operation.changed", runningLaunch),
		told(13, "template.registered", `{"id":"v","name":"shell","version":3,"digest":"0"}`), told(14, "later.thing", `{}`))
	got := w.interruptedAfter("later.thing", "events", "-class", "fall-26/py101", "-type", "workspace.changed, class.deleted").ok()
	var lines []string
	for line := range strings.Lines(got.out) {
		_, rest, _ := strings.Cut(strings.TrimSpace(line), "  ") // without the time of day
		lines = append(lines, rest)
	}
	want := []string{
		"3-9f3c2a1b  workspace.changed  fall-26-py101-ana  ready  It runs.",
		"4-9f3c2a1b  workspace.changed  fall-26-py101-ana  stopping  being deleted  It ends.",
		"5-9f3c2a1b  workspace.deleted  fall-26-py101-ana  stopping  It ends.",
		"6-9f3c2a1b  class.changed  fall-26/py101  being deleted",
		"7-9f3c2a1b  class.deleted  fall-26/py101",
		"8-9f3c2a1b  cohort.created  fall-26",
		"9-9f3c2a1b  course.changed  py101",
		"10-9f3c2a1b  student.created  ada",
		"11-9f3c2a1b  student.changed  ada  withdrawn",
		"12-9f3c2a1b  operation.changed  class.launch  fall-26/py101  running  12 done, 3 pending  op-1",
		"13-9f3c2a1b  template.registered  shell  version 3",
		"14-9f3c2a1b  later.thing",
	}
	if !slices.Equal(lines, want) {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(lines, "\n"), strings.Join(want, "\n"))
	}
	if want := "GET /v1/events?class=fall-26~py101&type=workspace.changed,class.deleted after "; api.asked[0] != want {
		t.Errorf("asked %s", api.asked[0])
	}
}

func TestEventsForProgramsAreLinesOfJSON(t *testing.T) {
	w, _ := followed(t, hello(1), told(2, "workspace.changed", readyWorkspace))
	got := w.interruptedAfter("workspace.changed", "events", "-json").ok()
	lines := strings.Split(strings.TrimSpace(got.out), "\n")
	if len(lines) != 2 || !strings.Contains(lines[0], `"type":"hello"`) || !strings.Contains(lines[1], `"slug":"fall-26-py101-ana"`) {
		t.Errorf("got %s", got.out)
	}
}

func TestEventsGoesOnWhereItIsAskedTo(t *testing.T) {
	w, api := followed(t, strings.ReplaceAll(hello(7), "hello", "reset"), told(8, "workspace.changed", readyWorkspace))
	got := w.interruptedAfter("workspace.changed", "events", "-since", "1-9f3c2a1b").ok()
	if !strings.Contains(got.err, "some events are missed") || api.asked[0] != "GET /v1/events after 1-9f3c2a1b" {
		t.Errorf("said %q, asked %s", got.err, api.asked[0])
	}
}

func TestEventsOfNothingAreAnError(t *testing.T) {
	w := newWorld(t)
	newFakeAPI(t, w)
	w.run("events", "-class", "fall-26/none").fails(exitRemote, "there is no such path")
}

func TestWatchLooksAgainWhenItIsTold(t *testing.T) {
	w, api := followed(t, hello(1))
	api.on(workspacesRoute, 200, list(ws("Ana", "ana", "queued", ""))).
		on(workspacesRoute, 200, list(ws("Ana", "ana", "queued", ""))).
		on(workspacesRoute, 200, list(ws("Ana", "ana", "ready", "")))
	toldAlone(w)
	out := &watchedWriter{until: "queued", then: func() {}}
	out.then = func() {
		if out.until == "queued" {
			out.until, out.then = "ready", w.cancel
			go func() { api.events <- told(2, "workspace.changed", readyWorkspace) }()
		}
	}
	w.Stdout = out
	w.run("status", "-watch", "fall-26/py101").ok()
	if !strings.Contains(out.String(), "ready") {
		t.Errorf("got %s", out)
	}
}

// toldAlone lets a command wait for what it is told, and for nothing else.
func toldAlone(w *world) {
	w.After = func(d time.Duration) <-chan time.Time {
		if d != newsSettle {
			return nil
		}
		now := make(chan time.Time, 1)
		now <- w.clock
		return now
	}
}

func TestALaunchWaitsForWhatItIsTold(t *testing.T) {
	w, api := followed(t, hello(1), told(2, "operation.changed", runningLaunch))
	toldAlone(w)
	api.on(launchRoute, 202, anOperation(0, 2, 0)).
		on(operationRoute, 200, anOperation(2, 0, 0)).
		itemsOf(anItem("ana", "done", ""), anItem("bo", "done", "")).
		on(workspacesRoute, 200, list(ws("Ana", "ana", "ready", ""), ws("Bo", "bo", "ready", "")))
	w.run("class", "launch", "fall-26/py101").ok().says("2 done")
	if want := "GET /v1/events?class=class-1&type=operation.changed after "; !slices.Contains(api.asked, want) {
		t.Errorf("asked %q", api.asked)
	}
}

func TestAWaitAsksByItselfOnceTheStreamIsLost(t *testing.T) {
	w, api := followed(t, hello(1))
	lost := false
	w.After = func(d time.Duration) <-chan time.Time {
		if d == newsHeard && !lost {
			lost = true
			close(api.events)
		}
		if d == newsHeard || d == pollEvery && !lost {
			return nil
		}
		now := make(chan time.Time, 1)
		now <- w.clock
		return now
	}
	stopping, stopped := ws("Ana", "ana", "stopping", ""), ws("Ana", "ana", "stopped", "")
	stopping.Desired, stopped.Desired = "stopped", "stopped"
	api.on("POST /v1/workspaces/fall-26-py101-ana/stop", 202, stopping)
	for range 4 { // at first, when the stream is open, when it is lost, and by itself
		api.on("GET /v1/workspaces/id-ana", 200, stopping)
	}
	api.on("GET /v1/workspaces/id-ana", 200, stopped)
	w.run("workspace", "stop", "fall-26-py101-ana").ok().says("stopped")
	if !lost {
		t.Error("it did not wait for the stream")
	}
}
