package command

import (
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/bothylabs/bothy/service/client"
)

func pupil(name string, withdrawn bool) client.Student {
	at := time.Date(2026, 9, 1, 8, 0, 0, 0, time.UTC)
	s := client.Student{ID: "s-" + name, Name: name, Email: strings.ToLower(name) + "@example.edu", CreatedAt: at}
	if withdrawn {
		s.WithdrawnAt = &at
	}
	return s
}

func TestListsPassOnWhatIsAskedFor(t *testing.T) {
	for line, want := range map[string]struct {
		route string
		query url.Values
	}{
		"class list -cohort fall-26 -course py101 -deleting=false -search x -sort -created_at -limit 5": {
			"GET /v1/classes",
			url.Values{"cohort": {"fall-26"}, "course": {"py101"}, "deleting": {"false"}, "search": {"x"}, "sort": {"-created_at"}, "limit": {"5"}},
		},
		"cohort list -search 26 -sort name":           {"GET /v1/cohorts", url.Values{"search": {"26"}, "sort": {"name"}, "limit": {"1000"}}},
		"course list -template shell -sort=-template": {"GET /v1/courses", url.Values{"template": {"shell"}, "sort": {"-template"}, "limit": {"1000"}}},
		"student list -withdrawn -limit 3 fall-26":    {"GET /v1/cohorts/fall-26/students", url.Values{"withdrawn": {"true"}, "limit": {"3"}}},
		"template list -server -search shell":         {"GET /v1/templates", url.Values{"search": {"shell"}, "limit": {"1000"}}},
		"status -phase failed,lost -phase queued -desired running -drifted -outdated=false -student s -cohort f -course p -include-deleted -sort since": {
			workspacesRoute,
			url.Values{
				"phase": {"failed,lost,queued"}, "desired": {"running"}, "drifted": {"true"}, "outdated": {"false"}, "student": {"s"},
				"cohort": {"f"}, "course": {"p"}, "include_deleted": {"true"}, "sort": {"since"}, "limit": {"1000"},
			},
		},
		"class status -phase ready fall-26/py101": {workspacesRoute, url.Values{"phase": {"ready"}, "class": {"fall-26~py101"}, "limit": {"1000"}}},
	} {
		t.Run(line, func(t *testing.T) {
			w := newWorld(t)
			api := newFakeAPI(t, w).on(want.route, 200, list[client.Workspace]())
			w.run(strings.Fields(line)...).ok()
			asked, err := url.ParseQuery(strings.TrimPrefix(api.asked[0], want.route+"?"))
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(want.query, asked); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestAListOfManyPagesIsOneArray(t *testing.T) {
	w := newWorld(t)
	api := newFakeAPI(t, w).
		on("GET /v1/cohorts/fall-26/students", 200, map[string]any{"items": []client.Student{pupil("Ana", false)}, "next_cursor": "more"}).
		on("GET /v1/cohorts/fall-26/students", 200, list(pupil("Bo", true)))
	got := w.run("student", "list", "-t", "{{ range . }}{{ .name }} {{ end }}", "fall-26").ok()
	if got.out != "Ana Bo \n" {
		t.Errorf("got %q", got.out)
	}
	if want := "GET /v1/cohorts/fall-26/students?limit=1000&cursor=more"; api.asked[1] != want {
		t.Errorf("asked %s", api.asked[1])
	}
}

func TestStudentsAreListedWithWhoIsWithdrawn(t *testing.T) {
	w := newWorld(t)
	newFakeAPI(t, w).
		on("GET /v1/cohorts/fall-26/students", 200, list(pupil("Ana", false), pupil("Bo", true))).
		on("GET /v1/cohorts/fall-26/students", 200, list[client.Student]())
	w.run("student", "list", "fall-26").ok().says("STUDENT  EMAIL", "Ana      ana@example.edu", "-\n", "Bo       bo@example.edu")
	w.run("student", "list", "fall-26").ok().says("No students. Enroll some with: bothy roster import")
	w.run("student", "list", "-search", "x", "fall-26").ok().says("No such students.")
	w.run("student", "list").fails(exitLocal, "<cohort> is missing")
}

func TestWhatAListDoesNotTake(t *testing.T) {
	for line, words := range map[string]string{
		"class list -limit -1":                     "-limit -1",
		"class list -deleting=maybe":               "neither true nor false",
		"status -phase broken":                     `"broken" is no phase; use ready, starting`,
		"status -desired maybe":                    "-desired maybe: use running, stopped or deleted",
		"status -watch -phase failed":              "leave the options that choose some away",
		"template list -sort size":                 `sort: "size" is nothing`,
		"class status -cohort fall-26 fall-26/p":   "cohort",
		"cohort list -sort":                        "needs an argument",
		"student list -withdrawn=perhaps -json f2": "neither true nor false",
	} {
		t.Run(line, func(t *testing.T) { newWorld(t).run(strings.Fields(line)...).fails(exitLocal, words) })
	}
}

func TestTemplatesAreSearchedOffline(t *testing.T) {
	w := newWorld(t)
	if got := w.run("template", "list", "-search", "SHELL", "-t", "{{ range . }}{{ .name }} {{ end }}").ok(); got.out != "shell \n" {
		t.Errorf("got %q", got.out)
	}
	got := w.run("template", "list", "-sort", "-name", "-limit", "2", "-t", "{{ range . }}{{ .name }} {{ end }}").ok()
	if got.out != "shell code-server-exec \n" {
		t.Errorf("got %q", got.out)
	}
	if got := w.run("template", "list", "-search", "nothing of the kind", "-json").ok(); got.out != "[]\n" {
		t.Errorf("got %q", got.out)
	}
}
