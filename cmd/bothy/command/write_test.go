package command

import (
	"net/http"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/bothylabs/bothy/service/client"
)

func TestADryRunSaysThatNothingWasChangedAndAsksNobody(t *testing.T) {
	dir := folder(t, map[string]string{"students.csv": rosterOfThree})
	students := filepath.Join(dir, "students.csv")
	const workspace, one = "/v1/workspaces/fall-26-py101-ana", "GET /v1/workspaces/fall-26-py101-ana"
	ana, withdrawn := pupil("Ana", false), pupil("Ana", true)
	anaRoute := "GET /v1/students/" + ana.ID
	full := cohort()
	full.Students, full.Withdrawn = 1, 1
	for route, test := range map[string]struct {
		args  []string
		reads map[string]any
		body  any // nil for an answer without one
		says  string
	}{
		"POST /v1/classes": {
			[]string{"class", "create", "-cohort", "fall-26", "-course", "py101", "-roster", students},
			nil, class(),
			"Class fall-26/py101 would be created, with 3 students on its roster.",
		},
		"PATCH /v1/classes/fall-26~py101": {
			[]string{"class", "update", "-unset", "disk", "fall-26/py101"},
			map[string]any{classRoute: classOfDisk(), "GET /v1/courses/py101": course(2, nil)},
			class(),
			"Class fall-26/py101 would be changed: it would set 0 parameters of its own.",
		},
		"POST /v1/cohorts": {[]string{"cohort", "create", "Fall 26"}, nil, cohort(), "Cohort fall-26 would be created."},
		"DELETE /v1/cohorts/fall-26": {
			[]string{"cohort", "delete", "fall-26"},
			map[string]any{"GET /v1/cohorts/fall-26": full},
			nil,
			"Cohort fall-26 would be deleted with its 2 students.",
		},
		"POST /v1/courses": {
			[]string{"course", "create", "-template", "shell", "Python 101"},
			nil, course(2, nil),
			"Course py101 would be created from version 2 of the template shell.",
		},
		"PATCH /v1/courses/py101": {
			[]string{"course", "update", "-name", "Python", "py101"},
			map[string]any{"GET /v1/courses/py101": course(2, nil)},
			course(3, nil),
			"Course py101 would be changed; it would be made from version 3 of the template shell.",
		},
		"DELETE /v1/courses/py101": {
			[]string{"course", "delete", "py101"},
			map[string]any{"GET /v1/courses/py101": course(2, nil)},
			nil,
			"Course py101 would be deleted.",
		},
		"POST /v1/cohorts/fall-26/students": {
			[]string{"student", "enroll", "-name", "Ana", "-email", "ana@example.edu", "fall-26"},
			nil, ana,
			"Ana <ana@example.edu> would be enrolled in fall-26.",
		},
		"DELETE /v1/students/" + ana.ID: {
			[]string{"student", "withdraw", ana.ID},
			map[string]any{anaRoute: ana, workspacesRoute: list(ws("Ana", "ana", "ready", ""))},
			withdrawn,
			"Ana <ana@example.edu> would be withdrawn. Their workspaces (1) are deleted, their homes are kept.",
		},
		rosterRoute: {
			[]string{"roster", "import", "fall-26", students},
			nil, imported(student("Ana", "new")),
			"1 new, 0 changed, 0 unchanged, 0 withdrawn in fall-26; 0 wrong.",
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
			if test.body == nil {
				api.gone(route)
			} else {
				api.on(route, statusOf(route), test.body)
			}
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

// statusOf is how the API answers for a change that it made.
func statusOf(route string) int {
	switch {
	case strings.HasSuffix(route, "/roster"), strings.HasPrefix(route, "PATCH"), strings.HasPrefix(route, "DELETE /v1/students"):
		return http.StatusOK
	case strings.HasPrefix(route, "POST") && strings.Count(route, "/") == 2, strings.HasSuffix(route, "/students"):
		return http.StatusCreated
	default:
		return http.StatusAccepted
	}
}

// classOfDisk sets a parameter of its own.
func classOfDisk() client.Class {
	own := class()
	own.CourseID, own.Parameters = "py101", map[string]any{"disk": 9}
	return own
}

func TestAKeyNamesTheRequest(t *testing.T) {
	w := newWorld(t)
	api := newFakeAPI(t, w).on(launchRoute, 202, anOperation(0, 2, 0))
	w.run("class", "launch", "-detach", "-idempotency-key", "monday", "fall-26/py101").ok()
	if got := api.keys[launchRoute]; got != "monday" {
		t.Errorf("the key is %q", got)
	}
}
