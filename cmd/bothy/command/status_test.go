package command

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/bothylabs/bothy/service/client"
)

func TestStatusShowsPartsAndClasses(t *testing.T) {
	w := newWorld(t)
	newFakeAPI(t, w).
		on("GET /v1/status", 200, client.Status{
			Version:      "v1",
			Dependencies: []client.DependencyStatus{{Name: "store", Ok: true}, {Name: "nomad", Detail: "Nomad does not answer"}},
			Reconciler:   client.ReconcilerStatus{Active: true},
		}).
		on("GET /v1/classes", 200, list(class())).
		on(workspacesRoute, 200, list(ws("Ana", "ana", "ready", ""), ws("Bo", "bo", "failed", "")))
	w.run("status").ok().says("Bothy v1 at http://127.0.0.1:", "store       ok", "nomad       not ready  Nomad does not answer", "reconciler  active", "fall-26/py101  2           1 ready, 1 failed")
	w.run("status", "-json").ok().says(`"installation_id"`, `"phases": {`, `"failed": 1`)
}

func TestStatusOfAClassShowsAddressesAndReasons(t *testing.T) {
	w := newWorld(t)
	drifted := ws("Cy", "cy", "ready", "")
	drifted.Drifted, drifted.Outdated = true, true
	api := newFakeAPI(t, w).on(workspacesRoute, 200, list(ws("Ana", "ana", "ready", ""), ws("Bo", "bo", "failed", "no memory"), drifted))
	w.run("status", "fall-26/py101").ok().says(
		"Ana      ready   1m00s  http://labs.localhost:9999/fall-26-py101-ana/",
		"Bo       failed  1m00s  fall-26-py101-bo · no memory",
		"/fall-26-py101-cy/ · changed by another hand · outdated",
	)
	if api.asked[0] != "GET /v1/workspaces?limit=1000&class=fall-26~py101" {
		t.Errorf("asked %s", api.asked[0])
	}
	w.run("class", "status", "fall-26/py101").ok().says("Ana")
	w.run("class", "status").fails(exitLocal, "<class> is missing")
}

func TestWatchPrintsALineForEachChange(t *testing.T) {
	w := newWorld(t)
	w.interruptAt = 4
	newFakeAPI(t, w).
		on(workspacesRoute, 200, list(ws("Ana", "ana", "queued", ""), ws("Bo", "bo", "queued", ""))).
		on(workspacesRoute, 200, list(ws("Ana", "ana", "queued", ""), ws("Bo", "bo", "queued", ""))).
		problem(workspacesRoute, client.Problem{Status: 503, Code: "unavailable", Detail: "not now"}).
		on(workspacesRoute, 200, list(ws("Ana", "ana", "ready", "")))
	got := w.run("status", "-watch", "fall-26/py101").ok()
	var lines []string
	for line := range strings.Lines(got.out) {
		_, rest, _ := strings.Cut(strings.TrimSpace(line), "  ") // without the time of day
		lines = append(lines, rest)
	}
	want := []string{
		"queued  fall-26-py101-ana", "queued  fall-26-py101-bo",
		"bothy: not now", "bothy: answers again",
		"ready  http://labs.localhost:9999/fall-26-py101-ana/", "deleted  fall-26-py101-bo",
	}
	if diff := cmp.Diff(want, lines); diff != "" {
		t.Error(diff)
	}
}

func TestWatchAtATerminalRedrawsWhatFits(t *testing.T) {
	w := newWorld(t)
	w.OutTerminal = true
	w.Size = func() (int, int) { return 40, 7 }
	newFakeAPI(t, w).
		on(workspacesRoute, 200, list(ws("Ana", "ana", "queued", ""), ws("Bo", "bo", "queued", ""), ws("Cy", "cy", "queued", ""))).
		problem(workspacesRoute, client.Problem{Status: 404, Code: "not_found", Detail: "no class"})
	got := w.run("status", "-watch", "fall-26/py101").fails(exitRemote, "no class")
	got.says("fall-26/py101: 3 queued", "\x1b[33mqueued\x1b[0m", "… and 1 more")
	if strings.Contains(got.out, "Cy") {
		t.Errorf("more rows than the terminal has:\n%s", got.out)
	}
}

func TestWatchIsForPeople(t *testing.T) {
	newWorld(t).run("status", "-watch", "-json").fails(exitLocal, "-watch shows changes to people")
}

func TestOneWorkspace(t *testing.T) {
	w := newWorld(t)
	one, due := ws("Ana Pérez", "ana", "failed", "the task ended with exit code 1"), ws("Ana Pérez", "ana", "ready", "")
	due.Due = []string{"restart"}
	newFakeAPI(t, w).
		on("GET /v1/workspaces/fall-26-py101-ana", 200, one).
		on("GET /v1/workspaces/id-ana", 200, ws("Ana Pérez", "ana", "ready", "")).
		on("GET /v1/workspaces/id-ana", 200, due).
		on("GET /v1/workspaces/id-ana", 200, ws("Ana Pérez", "ana", "ready", "")).
		on("POST /v1/workspaces/id-ana/reset", 202, due).
		on("POST /v1/workspaces/fall-26-py101-ana/start", 202, one).
		on("POST /v1/workspaces/fall-26-py101-ana/restart", 202, one).
		on("DELETE /v1/workspaces/id-ana", 202, one)
	w.run("workspace", "status", "fall-26-py101-ana").ok().says("Ana Pérez <ana@example.edu>", "the task ended with exit code 1", "bothy-fall-26-py101-ana")
	w.run("workspace", "start", "fall-26-py101-ana").ok().says("1 ready")
	w.run("workspace", "restart", "fall-26-py101-ana").ok().says("ready")
	w.run("workspace", "restart", "-detach", "fall-26-py101-ana").ok().says("bothy workspace status fall-26-py101-ana")
	w.run("workspace", "reset", "-yes", "fall-26-py101-ana").ok().says("ready")
	w.run("workspace", "reset", "fall-26-py101-ana").fails(exitLocal, "not reset")
	w.run("workspace", "delete", "-yes", "fall-26-py101-ana").ok().says("is being deleted")
}
