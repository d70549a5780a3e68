package api_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/bothylabs/bothy/service/api"
	"github.com/bothylabs/bothy/service/lab"
	"github.com/bothylabs/bothy/service/registrar"
)

// asInstructor has the cohort, the course and their class that the fake registrar has;
// there are others.
func asInstructor(c *api.Config) {
	c.Authenticator = &one{caller: lab.Caller{Name: "user:ada", UserID: "id-ada", Role: lab.RoleInstructor, Scope: lab.Scope{
		Cohorts: []string{"id-cohort"}, Courses: []string{"id-course"}, Classes: []string{"id-class"},
	}}}
	c.Belongings = fakeBelongings{
		"cohort fall-26":       {CohortID: "id-cohort"},
		"cohort spring-27":     {CohortID: "id-other"},
		"course py101":         {CourseID: "id-course"},
		"class fall-26/py101":  {ClassID: "id-class", CohortID: "id-cohort", CourseID: "id-course"},
		"class spring-27/c":    {ClassID: "id-other", CohortID: "id-other", CourseID: "id-course"},
		"operation nobody-s":   {},
		"workspace a-b-ada":    {ClassID: "id-class", CohortID: "id-cohort", CourseID: "id-course", StudentID: "id-student"},
		"workspace spring-bob": {ClassID: "id-other", CohortID: "id-other", CourseID: "id-course", StudentID: "id-bob"},
	}
}

func TestWhatACallerCannotSeeIsAnsweredAsWhatThereIsNot(t *testing.T) {
	b := newBench(t, asInstructor)
	for there, missing := range map[string]string{
		"GET /v1/classes/spring-27~c":              "GET /v1/classes/spring-27~x",
		"POST /v1/classes/spring-27~c/launch":      "POST /v1/classes/spring-27~x/launch",
		"GET /v1/classes?cohort=spring-27":         "GET /v1/classes?cohort=spring-28",
		"GET /v1/workspaces?class=spring-27~c":     "GET /v1/workspaces?class=spring-27~x",
		"GET /v1/events?workspace=spring-bob":      "GET /v1/events?workspace=spring-bab",
		"GET /v1/workspaces/spring-bob/logs":       "GET /v1/workspaces/spring-bab/logs",
		"DELETE /v1/cohorts/spring-27":             "DELETE /v1/cohorts/spring-28",
		"GET /v1/operations/nobody-s":              "GET /v1/operations/nobody-x",
		"GET /v1/operations/nobody-s/items":        "GET /v1/operations/nobody-x/items",
		"DELETE /v1/workspaces/spring-bob":         "DELETE /v1/workspaces/spring-bab",
		"GET /v1/cohorts/spring-27/students":       "GET /v1/cohorts/spring-28/students",
		"GET /v1/workspaces/spring-bob/plan":       "GET /v1/workspaces/spring-bab/plan",
		"POST /v1/workspaces/spring-bob/start":     "POST /v1/workspaces/spring-bab/start",
		"POST /v1/classes/spring-27~c/plan":        "POST /v1/classes/spring-27~x/plan",
		"GET /v1/classes?course=py101&cohort=none": "GET /v1/classes?course=py101&cohort=nine",
	} {
		var said [2]api.Problem
		for i, target := range []string{there, missing} {
			method, path, _ := strings.Cut(target, " ")
			said[i] = problem(t, b.do(request(method, path, "")), http.StatusNotFound)
			said[i].RequestID = ""
		}
		said[1].Detail = strings.NewReplacer("27/x", "27/c", "28", "27", "bab", "bob", "-x", "-s", "nine", "none").Replace(said[1].Detail)
		if diff := cmp.Diff(said[0], said[1]); diff != "" {
			t.Errorf("%s can be told from %s: %s", there, missing, diff)
		}
	}
	if calls := b.registrar.called(); len(calls) != 0 {
		t.Errorf("called the registrar: %v", calls)
	}
}

func TestWhatACallerCannotSeeIsRecordedAsRefused(t *testing.T) {
	b := newBench(t, asInstructor)
	for _, target := range []string{
		"GET /v1/workspaces/spring-bob/logs", "GET /v1/workspaces/spring-bab/logs", "DELETE /v1/cohorts/spring-27", "DELETE /v1/cohorts/spring-28",
		"GET /v1/events?workspace=spring-bob", "GET /v1/classes?course=py101&cohort=spring-27", "GET /v1/classes?cohort=spring-28",
	} {
		method, path, _ := strings.Cut(target, " ")
		problem(t, b.do(request(method, path, "")), http.StatusNotFound)
	}
	b.registrar.answers(fmt.Errorf("somewhere: %w", lab.Unseen("course", "py201"))) // as the registrar says it of a body
	problem(t, b.do(request(http.MethodPost, "/v1/classes", `{"cohort":"fall-26","course":"py201"}`)), http.StatusNotFound)
	var got [][2]any
	for _, row := range b.registrar.refused {
		got = append(got, [2]any{row[1], row[2]})
	}
	want := [][2]any{
		{"getWorkspaceLogs", "spring-bob"}, {"deleteCohort", "spring-27"}, {"streamEvents", "spring-bob"}, {"listClasses", "spring-27"}, {"createClass", ""},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestWhatACallerSeesAndMayNotDoIsForbidden(t *testing.T) {
	b := newBench(t, asInstructor)
	problem(t, b.do(request(http.MethodPost, "/v1/templates/shell/versions", `{"source":"job {}"}`)), http.StatusForbidden)
	c := newBench(t, asInstructor, func(c *api.Config) {
		who, _ := c.Authenticator.(*one)
		who.caller.Token = lab.TokenRead
	})
	problem(t, c.do(request(http.MethodPost, "/v1/classes/fall-26~py101/launch", "")), http.StatusForbidden)
	if got := c.do(request(http.MethodGet, "/v1/classes/fall-26~py101", "")); got.StatusCode != http.StatusOK {
		t.Errorf("got %d: %s", got.StatusCode, got.Body)
	}
}

func TestListsAreReadForTheirCaller(t *testing.T) {
	b := newBench(t, asInstructor)
	b.do(request(http.MethodGet, "/v1/cohorts", ""))
	b.do(request(http.MethodGet, "/v1/operations?class=spring-27~c", "")) // which may be gone
	want := lab.Viewer{UserID: "id-ada", Role: lab.RoleInstructor}
	calls := b.registrar.called()
	if len(calls) != 2 || calls[0].Args[0] != (lab.CohortFilter{For: want}) || calls[1].Args[0] != (lab.OperationFilter{For: want, Class: "spring-27/c"}) {
		t.Errorf("called %+v", calls)
	}
}

func TestAClassIsMadeOfWhatItsMakerHas(t *testing.T) {
	b := newBench(t, asInstructor)
	b.do(request(http.MethodPost, "/v1/classes", `{"cohort":"fall-26","course":"py101"}`))
	in, _ := b.registrar.called()[0].Args[0].(registrar.ClassInput)
	for cohort, want := range map[string]lab.Code{"id-cohort": "", "id-other": lab.CodeNotFound} {
		if got := lab.CodeOf(in.Admits(lab.Belonging{CohortID: cohort})); got != want {
			t.Errorf("%s: got %q", cohort, got)
		}
	}
}

func TestOfWhatIsGoneAKeyIsLookedUpFirst(t *testing.T) {
	b := newBench(t, asInstructor)
	again := func(key string) answer {
		r := request(http.MethodDelete, "/v1/classes/fall-26~gone", "")
		r.Header.Set("Idempotency-Key", key)
		return b.do(r)
	}
	problem(t, again("unused"), http.StatusNotFound)
	b.receipts.put("used", lab.Receipt{Operation: "deleteClass", Answer: &lab.Answer{Status: 202, Body: []byte(`{}`)}})
	problem(t, again("used"), http.StatusConflict) // another request's key
	if calls := b.registrar.called(); len(calls) != 0 {
		t.Errorf("called the registrar: %v", calls)
	}
}

func TestEveryParameterOfAPathIsKnownToTheRights(t *testing.T) {
	b := newBench(t, func(c *api.Config) {
		asInstructor(c)
		who, _ := c.Authenticator.(*one)
		who.caller.Scope = lab.Scope{}
	})
	for id, d := range operations(t, document(t, b)) {
		answer := b.do(d.request())
		if strings.Contains(answer.Body, "only an admin may do this") && len(d.PathItem.Parameters) > 0 {
			t.Errorf("%s: say in rights.go whose %s is", id, d.Path)
		}
	}
}
