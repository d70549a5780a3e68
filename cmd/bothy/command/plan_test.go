package command

import (
	"strings"
	"testing"

	"github.com/bothylabs/bothy/service/client"
)

const planRoute = "POST /v1/classes/fall-26~py101/plan"

// short is a plan of a class that is one place short.
func shortPlan() client.ClassPlan {
	return client.ClassPlan{
		Class: "fall-26/py101", Act: "launch", Changes: true, Create: 37, UpdateDestructive: 2, Unplaceable: 1,
		Summary: "37 create, 2 update, 1 unplaceable: memory exhausted on 1 node",
		Reasons: []client.PlanReason{{Reason: "memory exhausted on 1 node", Count: 1, Workspaces: []string{"fall-26-py101-zoe"}}},
		Needs:   client.Resources{CPU: 600, Memory: 1072, Disk: 300, Ports: 1},
		Nodes: []client.PlanNode{
			{Name: "lab-1", Places: 37, Waits: 1, Room: 37, Homes: 6, Lacks: []string{"memory exhausted"}, Free: client.Resources{Memory: 40736, CPU: 60400, Disk: 198200}, Total: client.Resources{Memory: 47168, CPU: 64000, Disk: 200000}},
			{Name: "gpu-1", Filtered: "${meta.lab} = yes"},
			{Name: "old-1", Unusable: "is draining", Homes: 3},
			{Name: "old-2", Unusable: "is down"},
		},
		Warnings: []string{"nodes have less room than can be seen"},
	}
}

func TestAPlanSaysWhatFitsAndWhatLacks(t *testing.T) {
	w := newWorld(t)
	newFakeAPI(t, w).on(planRoute, 200, shortPlan())
	got := w.run("plan", "fall-26/py101")
	got.fails(exitChanges)
	got.says(
		"Launch of fall-26/py101, as of ",
		"1            memory exhausted on 1 node  fall-26-py101-zoe\n",
		"lab-1  37      1     37    6      40736/47168 MB  60400/64000 MHz  198200/200000 MB  memory exhausted\n",
		"filtered: ${meta.lab} = yes", "is draining", "… and 1 node more",
		"Each workspace needs memory 1072 MB, cpu 600 MHz, disk 300 MB, 1 port.\n",
		"Not certain: Nodes have less room than can be seen.\n",
		"Plan: 37 create, 2 update, 1 unplaceable: memory exhausted on 1 node\n",
	)
	if strings.Contains(got.out, "old-2") {
		t.Errorf("it shows a node that has nothing to do with the class:\n%s", got.out)
	}
}

func TestAPlanIsAsWideAsTheTerminal(t *testing.T) {
	w := newWorld(t)
	w.OutTerminal = true
	w.vars["NO_COLOR"] = "1"
	newFakeAPI(t, w).on(planRoute, 200, shortPlan())
	for line := range strings.Lines(w.run("plan", "fall-26/py101").out) {
		if columns(strings.TrimRight(line, "\n")) > 80 {
			t.Errorf("too wide: %s", line)
		}
	}
}

func TestAPlansExitCodesAreNomads(t *testing.T) {
	nothing := client.ClassPlan{Class: "fall-26/py101", Act: "stop", Summary: "nothing to do, 3 unchanged"}
	cases := map[string]struct {
		args   []string
		answer func(*fakeAPI)
		code   int
		says   string
	}{
		"changes": {[]string{"fall-26/py101"}, func(f *fakeAPI) { f.on(planRoute, 200, shortPlan()) }, exitChanges, ""},
		"none":    {[]string{"-act", "stop", "fall-26/py101"}, func(f *fakeAPI) { f.on(planRoute, 200, nothing) }, exitNoChanges, ""},
		"in JSON": {[]string{"-json", "fall-26/py101"}, func(f *fakeAPI) { f.on(planRoute, 200, shortPlan()) }, exitChanges, ""},
		"an error": {[]string{"fall-26/py101"}, func(f *fakeAPI) {
			f.problem(planRoute, client.Problem{Status: 503, Code: "unavailable", Detail: "Nomad does not answer"})
		}, exitPlanFailed, "Nomad does not answer"},
		"no class":   {nil, func(*fakeAPI) {}, exitPlanFailed, "<class> is missing"},
		"a bad act":  {[]string{"-act", "reset", "fall-26/py101"}, func(*fakeAPI) {}, exitPlanFailed, "launch, start, restart, stop"},
		"a bad flag": {[]string{"-nope", "fall-26/py101"}, func(*fakeAPI) {}, exitPlanFailed, "-nope"},
		"a bad form": {[]string{"-t", "{{ .nope }}", "fall-26/py101"}, func(f *fakeAPI) { f.on(planRoute, 200, shortPlan()) }, exitPlanFailed, "nope"},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			c.answer(newFakeAPI(t, w))
			w.run(append([]string{"plan"}, c.args...)...).fails(c.code, c.says)
		})
	}
}

func TestAPlanForPrograms(t *testing.T) {
	w := newWorld(t)
	api := newFakeAPI(t, w).on(planRoute, 200, shortPlan())
	w.run("plan", "-act", "start", "-t", "{{ .create }}+{{ .unplaceable }} {{ (index .reasons 0).reason }}", "fall-26/py101").
		says("37+1 memory exhausted on 1 node\n")
	if got := api.bodies[planRoute]; got != `{"act":"start"}` {
		t.Errorf("sent %s", got)
	}
}

func TestNomadsOwnDiffs(t *testing.T) {
	changed := client.WorkspacePlan{Workspace: "fall-26-py101-ana", Type: "edited", UpdateDestructive: 1, Text: "+/- Job: \"bothy-fall-26-py101-ana\"\n"}
	same := client.WorkspacePlan{Workspace: "fall-26-py101-bo", Type: "none", Text: "Job: \"bothy-fall-26-py101-bo\"\n"}
	const ana, bo = "GET /v1/workspaces/fall-26-py101-ana", "GET /v1/workspaces/fall-26-py101-bo"
	w := newWorld(t)
	newFakeAPI(t, w).
		on(planRoute, 200, shortPlan()).
		on(workspacesRoute, 200, list(ws("Ana", "ana", "ready", ""), ws("Bo", "bo", "ready", ""))).
		on(ana, 200, ws("Ana", "ana", "ready", "")).on(bo, 200, ws("Bo", "bo", "ready", "")).
		on(ana+"/plan", 200, changed).on(bo+"/plan", 200, same)

	every := w.run("plan", "-diff", "fall-26/py101")
	every.fails(exitChanges)
	every.says("+/- Job: \"bothy-fall-26-py101-ana\"\n", "Plan: 37 create")
	if strings.Contains(every.out, "py101-bo") {
		t.Errorf("it shows a job that does not change:\n%s", every.out)
	}
	w.run("plan", "-diff", "-t", "{{ len .workspaces }} of {{ .class }}", "fall-26/py101").says("1 of fall-26/py101\n")

	w.run("plan", "-student", "fall-26-py101-ana", "fall-26/py101").fails(exitChanges)
	w.run("plan", "-student", "fall-26-py101-bo", "fall-26/py101").fails(exitNoChanges)
	w.run("plan", "-student", "fall-26-py101-bo", "fall-26/py102").fails(exitPlanFailed, "is of the class fall-26/py101")
}

func TestALaunchSaysBeforehandWhatLacks(t *testing.T) {
	for name, plan := range map[string]client.ClassPlan{"short": shortPlan(), "enough": {Create: 1}} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			newFakeAPI(t, w).on(planRoute, 200, plan).on(launchRoute, 202, anOperation(0, 1, 0))
			got := w.run("class", "launch", "-detach", "fall-26/py101").ok()
			const words = "Not all find a place now: 37 create, 2 update, 1 unplaceable: memory exhausted on 1 node\n"
			if said := strings.Contains(got.err, words); said != (name == "short") {
				t.Errorf("it said:\n%s", got.err)
			}
		})
	}
}

func TestALaunchDoesNotDependOnItsPlan(t *testing.T) {
	w := newWorld(t)
	newFakeAPI(t, w).
		problem(planRoute, client.Problem{Status: 503, Code: "unavailable", Detail: "Nomad does not answer"}).
		on(launchRoute, 202, anOperation(0, 1, 0))
	w.run("class", "launch", "-detach", "fall-26/py101").ok()
}
