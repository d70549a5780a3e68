package command

import (
	"strings"
	"testing"

	"github.com/bothylabs/bothy/service/client"
)

func TestOperationsInThreeForms(t *testing.T) {
	w := newWorld(t)
	api := newFakeAPI(t, w).on("GET /v1/operations", 200, list(anOperation(12, 3, 0), anOperation(2, 0, 1)))
	w.run("operation", "list").ok().says("ID    OPERATION", "op-1  class.launch  fall-26/py101  running  12 done, 3 pending", "failed   2 done, 1 failed", "token:ana")
	w.run("operation", "list", "-json").ok().says(`"superseded": 0`)
	if got := w.run("operation", "list", "-class", "fall-26/py101", "-state", "running", "-limit", "1", "-t", "{{ range . }}{{ .id }}{{ end }}").ok(); got.out != "op-1\n" {
		t.Errorf("got %q", got.out)
	}
	if last := api.asked[len(api.asked)-1]; last != "GET /v1/operations?limit=1&class=fall-26~py101&state=running" {
		t.Errorf("asked %s", last)
	}
}

func TestNoOperations(t *testing.T) {
	w := newWorld(t)
	newFakeAPI(t, w).on("GET /v1/operations", 200, list[client.Operation]())
	w.run("operation", "list").ok().says("No operations")
	if got := w.run("operation", "list", "-json").ok(); got.out != "[]\n" {
		t.Errorf("got %q", got.out)
	}
}

func TestOneOperationWithItsItems(t *testing.T) {
	w := newWorld(t)
	api := newFakeAPI(t, w).
		on(operationRoute, 200, anOperation(1, 1, 1)).
		itemsOf(anItem("ana", "done", "it answers on node n1"), anItem("bo", "pending", "waiting for room"), anItem("cy", "failed", "exit code 1"))
	w.run("operation", "status", "op-1").ok().says(
		"class.launch", "3: 1 done, 1 pending, 1 failed", "token:ana",
		"fall-26-py101-ana  done     20s   it answers on node n1",
		"fall-26-py101-bo   pending  -     waiting for room",
		"fall-26-py101-cy   failed   20s   exit code 1",
	)
	w.run("operation", "status", "-json", "op-1").ok().says(`"state": "running"`, `"items": [`)
	w.run("operation", "status", "-outcome", "failed", "op-1").ok()
	if last := api.asked[len(api.asked)-1]; !strings.Contains(last, "outcome=failed") {
		t.Errorf("asked %s", last)
	}
}

func TestWatchingAnOperationWaitsForItsEnd(t *testing.T) {
	w := newWorld(t)
	newFakeAPI(t, w).
		on(operationRoute, 200, anOperation(0, 2, 0)).
		on(operationRoute, 200, anOperation(1, 1, 0)).
		on(operationRoute, 200, anOperation(1, 0, 1)).
		itemsOf(anItem("ana", "done", ""), anItem("bo", "failed", "exit code 1"))
	w.run("operation", "status", "-watch", "op-1").
		says("2 pending\n", "1 done, 1 pending\n", "1 done, 1 failed\n", "exit code 1").
		fails(exitRemote, "Error: class.launch of fall-26/py101: 1 done, 1 failed")
}
