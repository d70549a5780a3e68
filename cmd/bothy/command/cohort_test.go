package command

import (
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/bothylabs/bothy/service/client"
)

const (
	cohortRoute   = "GET /v1/cohorts/fall-26"
	studentsRoute = "GET /v1/cohorts/fall-26/students"
)

func cohort() client.Cohort {
	return client.Cohort{ID: "id-cohort", Key: "fall-26", Name: "Fall 26", CreatedAt: time.Date(2026, 9, 1, 8, 0, 0, 0, time.UTC)}
}

func TestACohortFromItsBeginningToItsEnd(t *testing.T) {
	w := newWorld(t)
	full := cohort()
	full.Students, full.Withdrawn = 1, 1
	// Nobody asks for the students only to count them: their list is not there.
	api := newFakeAPI(t, w).
		on("POST /v1/cohorts", 201, cohort()).
		on(cohortRoute, 200, full).
		on("GET /v1/classes", 200, list(class())).
		gone("DELETE /v1/cohorts/fall-26")
	w.run("cohort", "create", "-key", "fall-26", "-idempotency-key", "monday", "Fall 26").ok().
		says("Cohort fall-26 created.", "bothy roster import fall-26 <file>")
	if diff := cmp.Diff(map[string]any{"name": "Fall 26", "key": "fall-26"}, bodyOf(t, api, "POST /v1/cohorts")); diff != "" {
		t.Error(diff)
	}
	if api.keys["POST /v1/cohorts"] != "monday" {
		t.Errorf("the key is %q", api.keys["POST /v1/cohorts"])
	}
	w.run("cohort", "show", "fall-26").ok().says("Name      Fall 26", "Students  1, and 1 withdrawn", "Classes   fall-26/py101")
	w.run("cohort", "delete", "fall-26").fails(exitLocal, "-yes")
	w.InTerminal = true
	w.ui.InputReader = strings.NewReader("fall\n")
	w.run("cohort", "delete", "fall-26").fails(exitLocal, `not deleted: "fall" is not "fall-26"`).
		says("This deletes the cohort fall-26 (Fall 26) with its 2 students.")
	if slices.Contains(api.asked, "DELETE /v1/cohorts/fall-26") {
		t.Error("it is deleted without a yes")
	}
	w.run("cohort", "delete", "-yes", "fall-26").ok().says("Cohort fall-26 deleted with its 2 students.")
}

func TestACohortForAProgramIsTheCohortAlone(t *testing.T) {
	w := newWorld(t)
	api := newFakeAPI(t, w).on(cohortRoute, 200, cohort())
	if got := w.run("cohort", "show", "-t", "{{ .id }}", "fall-26").ok(); got.out != "id-cohort\n" || len(api.asked) != 1 {
		t.Errorf("got %q after %q", got.out, api.asked)
	}
	w.run("cohort", "show", "-json", "-t", "x", "fall-26").fails(exitLocal, "exclude each other")
}

func TestAStudentIsEnrolledInACohortOrThatOfAClass(t *testing.T) {
	w := newWorld(t)
	const route = "POST /v1/cohorts/fall-26/students"
	api := newFakeAPI(t, w).on(classRoute, 200, class()).on(route, 201, pupil("Ana", false))
	for _, ref := range []string{"fall-26", "fall-26/py101"} {
		w.run("student", "enroll", "-name", "Ana", "-email", "ana@example.edu", ref).ok().says("Ana <ana@example.edu> is enrolled in fall-26.")
		if diff := cmp.Diff(map[string]any{"name": "Ana", "email": "ana@example.edu"}, bodyOf(t, api, route)); diff != "" {
			t.Error(diff)
		}
	}
	w.run("student", "enroll", "-email", "ana@example.edu", "fall-26").fails(exitLocal, "-name is missing")
	w.run("student", "enroll", "-name", "Ana", "fall-26").fails(exitLocal, "-email is missing")
}

func TestAStudentIsNamedByIDOrByCohortAndAddress(t *testing.T) {
	ana, before, later := pupil("Ana", false), pupil("Ana", true), pupil("Ana", true)
	before.ID, later.ID = "s-before", "s-later"
	at := before.WithdrawnAt.Add(time.Hour)
	later.WithdrawnAt = &at
	mariana := pupil("Ana", false)
	mariana.ID, mariana.Email = "s-mariana", "mariana@example.edu"
	for what, test := range map[string]struct {
		found []client.Student
		ref   string
		want  string
	}{
		"an id":                         {nil, ana.ID, ana.ID},
		"an address":                    {[]client.Student{mariana, ana}, "fall-26/ana@example.edu", ana.ID},
		"in another case":               {[]client.Student{ana}, "fall-26/Ana@Example.EDU", ana.ID},
		"who came back":                 {[]client.Student{before, ana}, "fall-26/ana@example.edu", ana.ID},
		"who was withdrawn, and when":   {[]client.Student{before, later}, "fall-26/ana@example.edu", later.ID},
		"whatever order they are in":    {[]client.Student{later, before}, "fall-26/ana@example.edu", later.ID},
		"an address with a slash in it": {[]client.Student{{ID: "s-odd", Email: "a/b@example.edu"}}, "fall-26/a/b@example.edu", "s-odd"},
	} {
		t.Run(what, func(t *testing.T) {
			w := newWorld(t)
			api := newFakeAPI(t, w).on("GET /v1/students/"+ana.ID, 200, ana).on(studentsRoute, 200, list(test.found...))
			if got := w.run("student", "show", "-t", "{{ .id }}", test.ref).ok(); got.out != test.want+"\n" {
				t.Errorf("got %q", got.out)
			}
			if _, email, named := strings.Cut(test.ref, "/"); named && !strings.Contains(api.asked[0], "search="+url.QueryEscape(email)) {
				t.Errorf("asked %s", api.asked[0])
			}
		})
	}
	w := newWorld(t)
	newFakeAPI(t, w).on(studentsRoute, 200, list(mariana))
	w.run("student", "show", "fall-26/ana@example.edu").fails(exitRemote, `no student "fall-26/ana@example.edu"`, "bothy student list fall-26")
}

func TestAStudentIsShownWithTheirWorkspaces(t *testing.T) {
	w := newWorld(t)
	ana := pupil("Ana", false)
	api := newFakeAPI(t, w).
		on("GET /v1/students/"+ana.ID, 200, ana).
		on("GET /v1/students/s-Bo", 200, pupil("Bo", true)).
		on("GET /v1/cohorts/"+ana.CohortID, 200, cohort()).
		on(workspacesRoute, 200, list(ws("Ana", "ana", "ready", ""))).
		on(workspacesRoute, 200, list[client.Workspace]())
	w.run("student", "show", ana.ID).ok().says("Student   Ana", "E-mail    ana@example.edu", "Cohort    fall-26", "Id        "+ana.ID, "fall-26-py101-ana")
	if last := api.asked[len(api.asked)-1]; !strings.Contains(last, "student="+ana.ID) {
		t.Errorf("asked %s", last)
	}
	w.run("student", "show", "s-Bo").ok().says("Withdrawn  20", "No workspaces.")
}

func TestAStudentIsWithdrawnAfterAQuestion(t *testing.T) {
	w := newWorld(t)
	ana, gone := pupil("Ana", false), pupil("Ana", true)
	removal := "DELETE /v1/students/" + ana.ID
	api := newFakeAPI(t, w).
		on(studentsRoute, 200, list(ana)).
		on("GET /v1/students/"+ana.ID, 200, ana).
		on(workspacesRoute, 200, list(ws("Ana", "ana", "ready", ""), ws("Ana", "ana-2", "ready", ""))).
		on(removal, 200, gone)
	w.run("student", "withdraw", "fall-26/ana@example.edu").fails(exitLocal, "not withdrawn: there is no terminal", "-yes")
	w.InTerminal = true
	w.ui.InputReader = strings.NewReader("no\n")
	w.run("student", "withdraw", "fall-26/ana@example.edu").fails(exitLocal, "not withdrawn").
		says("This withdraws Ana <ana@example.edu>. Their workspaces (2) are deleted, their homes are kept.")
	if slices.Contains(api.asked, removal) {
		t.Error("withdrawn without a yes")
	}
	w.ui.InputReader = strings.NewReader("ana@example.edu\n")
	w.run("student", "withdraw", "fall-26/ana@example.edu").ok().
		says("Ana <ana@example.edu> is withdrawn. Their workspaces (2) are deleted, their homes are kept.")
	w.run("student", "withdraw", "-yes", "-json", "fall-26/ana@example.edu").ok().says(`"withdrawn_at": "2026-09-01T08:00:00Z"`)
}

func TestWhoIsWithdrawnAlreadyIsNotWithdrawnAgain(t *testing.T) {
	w := newWorld(t)
	newFakeAPI(t, w).on("GET /v1/students/s-Bo", 200, pupil("Bo", true)) // expects nothing else
	w.run("student", "withdraw", "s-Bo").ok().says("Bo <bo@example.edu> was withdrawn already, on 2026-")
}
