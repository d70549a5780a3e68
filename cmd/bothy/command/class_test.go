package command

import (
	"strings"
	"testing"

	"github.com/bothylabs/bothy/service/client"
)

const (
	launchRoute     = "POST /v1/classes/fall-26~py101/launch"
	workspacesRoute = "GET /v1/workspaces"
	classRoute      = "GET /v1/classes/fall-26~py101"
)

func class() client.Class {
	return client.Class{ID: "class-1", Key: "fall-26/py101", Cohort: "fall-26", Course: "py101"}
}

func TestLaunchWaitsUntilAllAreReadyAndPrintsTheirAddresses(t *testing.T) {
	w := newWorld(t)
	newFakeAPI(t, w).
		on(launchRoute, 202, wishes(ws("Ana Pérez", "ana", "unknown", ""), ws("Bo", "bo", "unknown", ""))).
		on(workspacesRoute, 200, list(ws("Ana Pérez", "ana", "queued", ""), ws("Bo", "bo", "queued", ""))).
		on(workspacesRoute, 200, list(ws("Ana Pérez", "ana", "ready", ""), ws("Bo", "bo", "starting", ""))).
		on(workspacesRoute, 200, list(ws("Ana Pérez", "ana", "ready", ""), ws("Bo", "bo", "ready", "")))
	w.run("class", "launch", "fall-26/py101").ok().says(
		"0s  2 queued\n", "0s  1 ready, 1 starting\n", "1s  2 ready\n",
		"Ana Pérez  ready", "http://labs.localhost:9999/fall-26-py101-ana/", "http://labs.localhost:9999/fall-26-py101-bo/",
	)
}

func TestLaunchNamesWhatFailedAndWhy(t *testing.T) {
	w := newWorld(t)
	newFakeAPI(t, w).
		on(launchRoute, 202, wishes(ws("Ana", "ana", "failed", ""), ws("Bo", "bo", "unknown", ""))).
		on(workspacesRoute, 200, list(ws("Ana", "ana", "failed", "of yesterday"), ws("Bo", "bo", "queued", ""))).
		on(workspacesRoute, 200, list(ws("Ana", "ana", "ready", ""), ws("Bo", "bo", "failed", "the task ended with exit code 1")))
	w.run("class", "launch", "fall-26/py101").
		says("the task ended with exit code 1").
		fails(exitRemote, "Error: 1 of 2 workspaces not ready: 1 ready, 1 failed", "Hint:")
}

func TestAFailureMayPassWhileALaunchIsWaitedFor(t *testing.T) {
	w := newWorld(t)
	newFakeAPI(t, w).
		on(launchRoute, 202, wishes(ws("Ana", "ana", "failed", ""))).
		on(workspacesRoute, 200, list(ws("Ana", "ana", "failed", "of yesterday"))).
		on(workspacesRoute, 200, list(ws("Ana", "ana", "starting", ""))).
		on(workspacesRoute, 200, list(ws("Ana", "ana", "ready", "")))
	w.run("class", "launch", "fall-26/py101").ok()
}

func TestLaunchEndsItsWaitAtTheTimeLimit(t *testing.T) {
	w := newWorld(t)
	newFakeAPI(t, w).
		on(launchRoute, 202, wishes(ws("Ana", "ana", "queued", ""))).
		on(workspacesRoute, 200, list(ws("Ana", "ana", "queued", "memory exhausted on 3 nodes")))
	w.run("class", "launch", "-timeout", "3s", "fall-26/py101").
		fails(exitRemote, "Error: not done after 3s: 1 queued", "goes on without this command", "bothy status -watch fall-26/py101")
}

func TestAnInterruptEndsTheWaitAndNotTheLaunch(t *testing.T) {
	w := newWorld(t)
	w.interruptAt = 2
	newFakeAPI(t, w).
		on(launchRoute, 202, wishes(ws("Ana", "ana", "queued", ""))).
		on(workspacesRoute, 200, list(ws("Ana", "ana", "queued", "")))
	w.run("class", "launch", "fall-26/py101").
		fails(exitRemote, "Error: interrupted while waiting for fall-26/py101", "Hint: It goes on without this command", "bothy status -watch fall-26/py101")
}

func TestAWaitOutlastsAServerThatRestarts(t *testing.T) {
	w := newWorld(t)
	newFakeAPI(t, w).
		on(launchRoute, 202, wishes(ws("Ana", "ana", "queued", ""))).
		problem(workspacesRoute, client.Problem{Status: 503, Code: "unavailable", Detail: "the database can't do this now"}).
		on(workspacesRoute, 200, list(ws("Ana", "ana", "ready", "")))
	w.run("class", "launch", "fall-26/py101").ok().says("the database can't do this now; trying again")
}

func TestADetachedLaunchReturnsAtOnce(t *testing.T) {
	w := newWorld(t)
	newFakeAPI(t, w).on(launchRoute, 202, wishes(ws("Ana", "ana", "queued", "")))
	w.run("class", "launch", "-detach", "fall-26/py101").ok().says("1 of 1 workspace newly wanted running", "bothy status -watch fall-26/py101")
}

func TestLaunchingAnEmptyClassSaysWhatIsMissing(t *testing.T) {
	w := newWorld(t)
	newFakeAPI(t, w).on(launchRoute, 202, client.ClassActResult{Workspaces: []client.WorkspaceWish{}})
	w.run("class", "launch", "fall-26/py101").ok().says("has no students", "bothy roster import")
}

func TestAtATerminalProgressIsOneLineThatIsRedrawn(t *testing.T) {
	w := newWorld(t)
	w.OutTerminal = true
	newFakeAPI(t, w).
		on(launchRoute, 202, wishes(ws("Ana", "ana", "unknown", ""))).
		on(workspacesRoute, 200, list(ws("Ana", "ana", "queued", ""))).
		on(workspacesRoute, 200, list(ws("Ana", "ana", "ready", "")))
	w.run("class", "launch", "fall-26/py101").ok().says(
		"░░░░░░░░░░░░░░░░░░░░ 0/1  1 queued  (0s)\n", "\x1b[1A\x1b[2K████████████████████ 1/1  1 ready  (0s)\n")
}

func TestStopWaitsUntilNothingRuns(t *testing.T) {
	w := newWorld(t)
	running, stopped := ws("Ana", "ana", "ready", ""), ws("Ana", "ana", "stopped", "")
	running.Desired, stopped.Desired = "stopped", "stopped"
	newFakeAPI(t, w).
		on("POST /v1/classes/fall-26~py101/stop", 202, wishes(stopped)).
		on(workspacesRoute, 200, list(running)).
		on(workspacesRoute, 200, list(stopped))
	w.run("class", "stop", "fall-26/py101").ok().says("1 ready\n", "1 stopped\n")
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
				on("DELETE /v1/classes/fall-26~py101", 202, class())
			got := w.run(append(append([]string{"class", "delete"}, strings.Fields(c.flag)...), "fall-26/py101")...)
			if c.fails != "" {
				got.fails(exitLocal, c.fails)
			} else {
				got.ok().says("is being deleted")
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
