package command

import (
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

func TestADryRunSaysThatNothingWasChangedAndAsksNobody(t *testing.T) {
	dir := folder(t, map[string]string{"students.csv": rosterOfThree})
	students := filepath.Join(dir, "students.csv")
	const workspace, one = "/v1/workspaces/fall-26-py101-ana", "GET /v1/workspaces/fall-26-py101-ana"
	for route, test := range map[string]struct {
		args  []string
		reads map[string]any
		body  any
		says  string
	}{
		"POST /v1/classes": {
			[]string{"class", "create", "-cohort", "fall-26", "-course", "py101", "-roster", students},
			nil, class(),
			"Class fall-26/py101 would be created, with 3 students on its roster.",
		},
		launchRoute:                            {[]string{"class", "launch", "fall-26/py101"}, nil, anOperation(0, 2, 0), "It would change what is wanted of"},
		"POST /v1/classes/fall-26~py101/reset": {[]string{"class", "reset", "fall-26/py101"}, nil, anOperation(0, 2, 0), "It would change what is wanted of"},
		"DELETE /v1/classes/fall-26~py101": {
			[]string{"class", "delete", "fall-26/py101"},
			map[string]any{classRoute: class(), workspacesRoute: list(ws("Ana", "ana", "ready", ""))},
			anOperation(0, 2, 0),
			"Class fall-26/py101 would be deleted with its 2 workspaces. The homes are kept.",
		},
		"POST " + workspace + "/reset": {[]string{"workspace", "reset", "fall-26-py101-ana"}, nil, ws("Ana", "ana", "ready", ""), "would be wanted"},
		"DELETE /v1/workspaces/" + ws("Ana", "ana", "ready", "").ID: {
			[]string{"workspace", "delete", "fall-26-py101-ana"},
			map[string]any{one: ws("Ana", "ana", "ready", "")},
			ws("Ana", "ana", "ready", ""),
			"fall-26-py101-ana would be deleted. The homes are kept.",
		},
	} {
		t.Run(strings.Join(test.args[:2], " "), func(t *testing.T) {
			w := newWorld(t)
			api := newFakeAPI(t, w)
			for read, body := range test.reads {
				api.on(read, 200, body)
			}
			status := 202
			if route == "POST /v1/classes" {
				status = 201
			}
			api.on(route, status, test.body)
			w.run(append(test.args, "-dry-run")...).ok().says(test.says)
			if got := w.ui.ErrorWriter.String(); got != "Dry run: nothing was changed.\n" {
				t.Errorf("standard error says %q", got)
			}
			if !slices.ContainsFunc(api.asked, func(asked string) bool {
				return strings.HasPrefix(asked, route+"?") && strings.Contains(asked, "dry_run=true")
			}) {
				t.Errorf("asked %q", api.asked)
			}
		})
	}
}

func TestAKeyNamesTheRequest(t *testing.T) {
	w := newWorld(t)
	api := newFakeAPI(t, w).on(launchRoute, 202, anOperation(0, 2, 0))
	w.run("class", "launch", "-detach", "-idempotency-key", "monday", "fall-26/py101").ok()
	if got := api.keys[launchRoute]; got != "monday" {
		t.Errorf("the key is %q", got)
	}
}
