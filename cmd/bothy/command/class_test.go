package command

import (
	"strings"
	"testing"

	"github.com/bothylabs/bothy/service/client"
)

const (
	launchRoute     = "POST /v1/classes/fall-26~py101/launch"
	workspacesRoute = "GET /v1/workspaces"
	operationRoute  = "GET /v1/operations/op-1"
	itemsRoute      = "GET /v1/operations/op-1/items"
	classRoute      = "GET /v1/classes/fall-26~py101"
)

func class() client.Class {
	return client.Class{ID: "class-1", Key: "fall-26/py101", Cohort: "fall-26", Course: "py101"}
}

// itemsOf answers with the items of the operation.
func (f *fakeAPI) itemsOf(items ...client.OperationItem) *fakeAPI {
	return f.on(itemsRoute, 200, list(items...))
}

func TestLaunchWaitsUntilAllAreReadyAndPrintsTheirAddresses(t *testing.T) {
	w := newWorld(t)
	newFakeAPI(t, w).
		on(launchRoute, 202, anOperation(0, 2, 0)).
		on(operationRoute, 200, anOperation(0, 2, 0)).
		on(operationRoute, 200, anOperation(1, 1, 0)).
		on(operationRoute, 200, anOperation(2, 0, 0)).
		itemsOf(anItem("ana", "done", "it answers"), anItem("bo", "done", "it answers")).
		on(workspacesRoute, 200, list(ws("Ana Pérez", "ana", "ready", ""), ws("Bo", "bo", "ready", ""), ws("Cy", "cy", "stopped", "")))
	got := w.run("class", "launch", "fall-26/py101").ok().says(
		"0s  2 pending\n", "1s  1 done, 1 pending\n", "1s  2 done\n",
		"Ana Pérez  ready", "http://labs.localhost:9999/fall-26-py101-ana/", "http://labs.localhost:9999/fall-26-py101-bo/",
	)
	if strings.Contains(got.out, "Cy") {
		t.Errorf("it shows a workspace that the launch was not about:\n%s", got.out)
	}
}

func TestLaunchNamesWhatFailedAndWhy(t *testing.T) {
	w := newWorld(t)
	newFakeAPI(t, w).
		on(launchRoute, 202, anOperation(0, 2, 0)).
		on(operationRoute, 200, anOperation(1, 0, 1)).
		itemsOf(anItem("ana", "done", ""), anItem("bo", "failed", "")).
		on(workspacesRoute, 200, list(ws("Ana", "ana", "ready", ""), ws("Bo", "bo", "failed", "the task ended with exit code 1")))
	w.run("class", "launch", "fall-26/py101").
		says("the task ended with exit code 1").
		fails(exitRemote, "Error: class.launch of fall-26/py101: 1 done, 1 failed", "Hint:", "bothy operation status op-1")
}

func TestLaunchEndsItsWaitAtTheTimeLimit(t *testing.T) {
	w := newWorld(t)
	newFakeAPI(t, w).on(launchRoute, 202, anOperation(0, 1, 0)).on(operationRoute, 200, anOperation(0, 1, 0))
	w.run("class", "launch", "-timeout", "3s", "fall-26/py101").
		fails(exitRemote, "Error: not done after 3s: 1 pending", "goes on without this command", "bothy operation status -watch op-1")
}

func TestAnInterruptEndsTheWaitAndNotTheLaunch(t *testing.T) {
	w := newWorld(t)
	w.interruptAt = 2
	newFakeAPI(t, w).on(launchRoute, 202, anOperation(0, 1, 0)).on(operationRoute, 200, anOperation(0, 1, 0))
	w.run("class", "launch", "fall-26/py101").
		fails(exitRemote, "Error: interrupted while waiting for fall-26/py101", "Hint: It goes on without this command", "bothy operation status -watch op-1")
}

func TestAWaitOutlastsAServerThatRestarts(t *testing.T) {
	w := newWorld(t)
	newFakeAPI(t, w).
		on(launchRoute, 202, anOperation(0, 1, 0)).
		problem(operationRoute, client.Problem{Status: 503, Code: "unavailable", Detail: "the database can't do this now"}).
		on(operationRoute, 200, anOperation(1, 0, 0)).
		itemsOf(anItem("ana", "done", "")).
		on(workspacesRoute, 200, list(ws("Ana", "ana", "ready", "")))
	w.run("class", "launch", "fall-26/py101").ok().says("the database can't do this now; trying again")
}

func TestADetachedLaunchGivesTheOperation(t *testing.T) {
	w := newWorld(t)
	newFakeAPI(t, w).on(launchRoute, 202, anOperation(0, 1, 0))
	w.run("class", "launch", "-detach", "fall-26/py101").ok().says("Operation ID: op-1\n", "1 of 1 workspace newly wanted running", "bothy operation status -watch op-1")
	if got := w.run("class", "launch", "-detach", "-t", "{{ .id }}", "fall-26/py101").ok(); got.out != "op-1\n" {
		t.Errorf("got %q", got.out)
	}
	w.run("class", "launch", "-detach", "-json", "fall-26/py101").ok().says(`"pending": 1`)
}

func TestForAProgramALaunchSaysOnlyHowItEnded(t *testing.T) {
	w := newWorld(t)
	newFakeAPI(t, w).on(launchRoute, 202, anOperation(0, 1, 0)).on(operationRoute, 200, anOperation(0, 0, 1))
	got := w.run("class", "launch", "-t", "{{ .state }}", "fall-26/py101").fails(exitRemote, "1 failed")
	if got.out != "failed\n" {
		t.Errorf("got %q", got.out)
	}
}

func TestAnActOnAnEmptyClassSaysWhatIsMissing(t *testing.T) {
	w := newWorld(t)
	newFakeAPI(t, w).on("POST /v1/classes/fall-26~py101/stop", 202, anOperation(0, 0, 0))
	w.run("class", "stop", "fall-26/py101").ok().says("has no workspaces", "bothy class launch fall-26/py101")
}

func TestAtATerminalProgressIsOneLineThatIsRedrawn(t *testing.T) {
	w := newWorld(t)
	w.OutTerminal = true
	newFakeAPI(t, w).
		on(launchRoute, 202, anOperation(0, 1, 0)).
		on(operationRoute, 200, anOperation(1, 0, 0)).
		itemsOf(anItem("ana", "done", "")).
		on(workspacesRoute, 200, list(ws("Ana", "ana", "ready", "")))
	w.run("class", "launch", "fall-26/py101").ok().says(
		"░░░░░░░░░░░░░░░░░░░░ 0/1  1 pending  (0s)\n", "\x1b[1A\x1b[2K████████████████████ 1/1  1 done  (0s)\n")
}

func TestEveryActIsWaitedFor(t *testing.T) {
	for _, act := range []string{"start", "stop", "restart", "reset"} {
		t.Run(act, func(t *testing.T) {
			w := newWorld(t)
			newFakeAPI(t, w).
				on("POST /v1/classes/fall-26~py101/"+act, 202, anOperation(0, 1, 0)).
				on(operationRoute, 200, anOperation(1, 0, 0)).
				itemsOf(anItem("ana", "done", "")).
				on(workspacesRoute, 200, list(ws("Ana", "ana", "ready", "")))
			line := []string{"class", act, "fall-26/py101"}
			if act == "reset" {
				line = append(line, "-yes")
			}
			w.run(line...).ok().says("1 pending\n", "1 done\n", "Ana")
		})
	}
}

func TestAResetAsksForTheName(t *testing.T) {
	for what, c := range map[string]struct {
		answer, flag string
		terminal     bool
		fails        string
	}{
		"the name, typed": {answer: "fall-26/py101\n", terminal: true},
		"another name":    {answer: "yes\n", terminal: true, fails: `not reset: "yes" is not "fall-26/py101"`},
		"nobody to ask":   {fails: "not reset: there is no terminal to ask at"},
		"-yes":            {flag: "-yes"},
	} {
		t.Run(what, func(t *testing.T) {
			w := newWorld(t)
			w.InTerminal = c.terminal
			w.ui.InputReader = strings.NewReader(c.answer)
			api := newFakeAPI(t, w).
				on(workspacesRoute, 200, list(ws("Ana", "ana", "ready", ""))).
				on("POST /v1/classes/fall-26~py101/reset", 202, anOperation(0, 1, 0))
			got := w.run(append(append([]string{"class", "reset", "-detach"}, strings.Fields(c.flag)...), "fall-26/py101")...)
			if c.fails != "" {
				got.fails(exitLocal, c.fails)
			} else {
				got.ok().says("newly wanted reset")
			}
			if asked := strings.HasPrefix(api.asked[len(api.asked)-1], "POST"); asked != (c.fails == "") {
				t.Errorf("asked %v", api.asked)
			}
			if c.terminal {
				got.says("This deletes the homes of the 1 workspace of fall-26/py101")
			}
		})
	}
}

func TestDeleteWaitsUntilAllIsGone(t *testing.T) {
	w := newWorld(t)
	api := newFakeAPI(t, w).
		on(classRoute, 200, class()).
		on(workspacesRoute, 200, list(ws("Ana", "ana", "ready", ""))).
		on("DELETE /v1/classes/fall-26~py101", 202, anOperation(0, 1, 0)).
		on(operationRoute, 200, anOperation(1, 0, 0))
	w.run("class", "delete", "-yes", "fall-26/py101").ok().says("1 done\n", "Class fall-26/py101 is deleted with its 1 workspace.")
	if last := api.asked[len(api.asked)-1]; last != operationRoute {
		t.Errorf("the last request was %s", last)
	}
}

func TestDeleteAsksForTheName(t *testing.T) {
	cases := map[string]struct {
		answer, flag string
		terminal     bool
		deleted      bool
		query        string
		fails        string
	}{
		"the name, typed":         {answer: "fall-26/py101\n", terminal: true, deleted: true, query: "release_homes=false"},
		"another name":            {answer: "fall-26/py102\n", terminal: true, fails: `not deleted: "fall-26/py102" is not "fall-26/py101"`},
		"nothing":                 {answer: "\n", terminal: true, fails: `not deleted`},
		"nobody to ask":           {fails: "not deleted: there is no terminal to ask at"},
		"-yes":                    {flag: "-yes", deleted: true, query: "release_homes=false"},
		"-yes with the homes":     {flag: "-yes -release-homes", deleted: true, query: "release_homes=true"},
		"homes need the name too": {flag: "-release-homes", answer: "no\n", terminal: true, fails: "not deleted"},
	}
	for what, c := range cases {
		t.Run(what, func(t *testing.T) {
			w := newWorld(t)
			w.InTerminal = c.terminal
			w.ui.InputReader = strings.NewReader(c.answer)
			api := newFakeAPI(t, w).
				on(classRoute, 200, class()).
				on(workspacesRoute, 200, list(ws("Ana", "ana", "ready", ""))).
				on("DELETE /v1/classes/fall-26~py101", 202, anOperation(0, 1, 0))
			got := w.run(append(append([]string{"class", "delete", "-detach"}, strings.Fields(c.flag)...), "fall-26/py101")...)
			if c.fails != "" {
				got.fails(exitLocal, c.fails)
			} else {
				got.ok().says("newly wanted deleted")
			}
			last := api.asked[len(api.asked)-1]
			if deleted := strings.HasPrefix(last, "DELETE"); deleted != c.deleted || !strings.Contains(last, c.query) {
				t.Errorf("the last request was %s", last)
			}
			if c.terminal {
				got.says("This deletes the class fall-26/py101 with its 1 workspace (1 ready).")
			}
		})
	}
}

func TestListsInThreeForms(t *testing.T) {
	w := newWorld(t)
	newFakeAPI(t, w).on("GET /v1/classes", 200, list(class()))
	w.run("class", "list").ok().says("CLASS", "fall-26/py101")
	w.run("class", "list", "-json").ok().says(`"key": "fall-26/py101"`)
	if got := w.run("class", "list", "-t", "{{ range . }}{{ .key }}{{ end }}").ok(); got.out != "fall-26/py101\n" {
		t.Errorf("got %q", got.out)
	}
}

func TestAnEmptyListSaysHowToGoOn(t *testing.T) {
	w := newWorld(t)
	newFakeAPI(t, w).
		on("GET /v1/classes", 200, list[client.Class]()).
		on("GET /v1/cohorts", 200, list[client.Cohort]()).
		on("GET /v1/courses", 200, list[client.Course]())
	for _, what := range []string{"class", "cohort", "course"} {
		w.run(what, "list").ok().says("bothy class create")
		if got := w.run(what, "list", "-json").ok(); got.out != "[]\n" {
			t.Errorf("%s list -json: got %q", what, got.out)
		}
	}
}
