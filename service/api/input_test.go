package api_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/bothylabs/bothy/service/api"
	"github.com/bothylabs/bothy/service/lab"
	"github.com/bothylabs/bothy/service/registrar"
)

func asJSON(t testing.TB, v any) string {
	t.Helper()
	data, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

func TestBadJSONNamesTheFieldAndChangesNothing(t *testing.T) {
	b := newBench(t)
	for name, test := range map[string]struct {
		body string
		want []api.ProblemField
	}{
		"a wrong type": {
			`{"cohort":"a","course":"b","students":[{"name":1,"email":"a@b.c"}]}`,
			[]api.ProblemField{{Name: "students[0].name", Problem: "is a number, not a string", Remedy: "give a string"}},
		},
		"a missing member": {
			`{"course":"b"}`,
			[]api.ProblemField{{Name: "cohort", Problem: "is missing", Remedy: "give it"}},
		},
		"an unknown member": {
			`{"cohort":"a","course":"b","students":[{"name":"A","email":"a@b.c","admin":true}]}`,
			[]api.ProblemField{{Name: "students[0].admin", Problem: "is not known here", Remedy: "leave it out, or use one of email, name"}},
		},
		"a member in another case": {
			`{"cohort":"a","course":"b","Template":"x"}`,
			[]api.ProblemField{{Name: "Template", Problem: "is not known here", Remedy: "leave it out, or use one of cohort, course, parameters, students, template"}},
		},
		"several at once": {
			`{"cohort":1,"course":"","parameters":[]}`,
			[]api.ProblemField{
				{Name: "cohort", Problem: "is a number, not a string", Remedy: "give a string"},
				{Name: "course", Problem: "is empty", Remedy: "write at least 1 character"},
				{Name: "parameters", Problem: "is an array, not an object", Remedy: "give an object"},
			},
		},
		"null": {
			`{"cohort":null,"course":"b"}`,
			[]api.ProblemField{{Name: "cohort", Problem: "is null", Remedy: "leave it out, or give a string"}},
		},
		"too long": {
			fmt.Sprintf(`{"cohort":%q,"course":"b"}`, strings.Repeat("x", 201)),
			[]api.ProblemField{{Name: "cohort", Problem: "is longer than 200 characters", Remedy: "shorten it"}},
		},
		"no object": {
			`["cohort"]`,
			[]api.ProblemField{{Name: "body", Problem: "is an array, not an object", Remedy: "give an object"}},
		},
		"a duplicate member": {
			`{"cohort":"a","course":"b","parameters":{"cpu":1,"cpu":2}}`,
			[]api.ProblemField{{Name: "parameters.cpu", Problem: "is given twice", Remedy: "give it once"}},
		},
		"a duplicate in disguise": {
			`{"cohort":"a","course":"b","co\u0075rse":"c"}`,
			[]api.ProblemField{{Name: "course", Problem: "is given twice", Remedy: "give it once"}},
		},
		"trailing data": {
			"{\"cohort\":\"a\",\n\"course\":\"b\"} {}",
			[]api.ProblemField{{Name: "body:2:15", Problem: "is not JSON: invalid character '{' after top-level value", Remedy: "send one JSON object and nothing after it"}},
		},
		"half a document": {
			`{"cohort":"a`,
			[]api.ProblemField{{Name: "body:1:12", Problem: "is not JSON: unexpected end of JSON input", Remedy: "send one JSON object and nothing after it"}},
		},
		"a number out of range": {
			`{"cohort":"a","course":"b","parameters":{"n":1e999}}`,
			[]api.ProblemField{{Name: "body:1:51", Problem: "is not JSON: number 1e999 is out of range", Remedy: "send one JSON object and nothing after it"}},
		},
		"no UTF-8": {
			"{\"cohort\":\"a\xff\",\"course\":\"b\"}",
			[]api.ProblemField{{Name: "body", Problem: "is not UTF-8 text", Remedy: "send JSON in UTF-8"}},
		},
		"deep nesting": {
			`{"cohort":"a","course":"b","parameters":{"x":` + strings.Repeat("[", 100) + strings.Repeat("]", 100) + `}}`,
			[]api.ProblemField{{Name: "parameters.x" + strings.Repeat("[0]", 30), Problem: "is nested deeper than 32 levels", Remedy: "send a flatter value"}},
		},
		"very deep nesting": {
			strings.Repeat("[", 20000),
			[]api.ProblemField{{Name: "body:1:10001", Problem: "is not JSON: invalid character '[' exceeded max depth", Remedy: "send one JSON object and nothing after it"}},
		},
	} {
		t.Run(name, func(t *testing.T) {
			p := problem(t, b.do(request(http.MethodPost, "/v1/classes", test.body)), http.StatusBadRequest)
			if diff := cmp.Diff(test.want, p.Fields); diff != "" || p.Code != string(lab.CodeInvalid) {
				t.Errorf("%s: -want +got\n%s", p.Code, diff)
			}
			if calls := b.registrar.called(); len(calls) != 0 {
				t.Errorf("called the registrar: %v", calls)
			}
		})
	}
}

func TestAnEmptyPatchIsRefused(t *testing.T) {
	p := problem(t, newBench(t).do(request(http.MethodPatch, "/v1/courses/py101", `{}`)), http.StatusBadRequest)
	want := []api.ProblemField{{Name: "body", Problem: "has no members", Remedy: "give at least 1 member"}}
	if diff := cmp.Diff(want, p.Fields); diff != "" {
		t.Error(diff)
	}
}

func TestManyWrongValuesAreCutShort(t *testing.T) {
	students := strings.Repeat(`{},`, 500) + `{}`
	p := problem(t, newBench(t).do(request(http.MethodPost, "/v1/classes", `{"cohort":"a","course":"b","students":[`+students+`]}`)), http.StatusBadRequest)
	if len(p.Fields) != 20 || !strings.Contains(p.Detail, "1002 values") {
		t.Errorf("%d fields: %s", len(p.Fields), p.Detail)
	}
}

func TestBadPathsAndQueriesNameTheParameter(t *testing.T) {
	b := newBench(t)
	for name, test := range map[string]struct {
		method, target string
		fields         []string
	}{
		"an unknown query parameter":   {http.MethodDelete, "/v1/workspaces/x?realease_home=true", []string{"realease_home"}},
		"no boolean":                   {http.MethodDelete, "/v1/workspaces/x?release_home=maybe", []string{"release_home"}},
		"given twice":                  {http.MethodGet, "/v1/workspaces?cohort=a&cohort=b", []string{"cohort"}},
		"empty":                        {http.MethodGet, "/v1/workspaces?cohort=", []string{"cohort"}},
		"not decodable":                {http.MethodGet, "/v1/workspaces?cohort=%zz", []string{"query"}},
		"a query where there is none":  {http.MethodGet, "/v1/status?limit=1", []string{"limit"}},
		"a path that is no name":       {http.MethodGet, "/v1/cohorts/Fall%2026", []string{"cohort"}},
		"a path that is not UTF-8":     {http.MethodGet, "/v1/cohorts/%ff", []string{"cohort"}},
		"a class with too many parts":  {http.MethodGet, "/v1/classes/a~b~c", []string{"class"}},
		"a template that climbs":       {http.MethodGet, "/v1/templates/..%2f..%2fetc", []string{"template"}},
		"a wrong class and cohort":     {http.MethodGet, "/v1/workspaces?class=A&cohort=B", []string{"class", "cohort"}},
		"a very long name":             {http.MethodGet, "/v1/workspaces/" + strings.Repeat("a", 64), []string{"workspace"}},
		"a very long query parameter":  {http.MethodGet, "/v1/cohorts?" + strings.Repeat("a", 100) + "=1", []string{strings.Repeat("a", 64) + "…"}},
		"a limit of nothing":           {http.MethodGet, "/v1/cohorts?limit=0", []string{"limit"}},
		"a limit beyond all":           {http.MethodGet, "/v1/workspaces?limit=1001", []string{"limit"}},
		"a limit that is no number":    {http.MethodGet, "/v1/workspaces?limit=ten", []string{"limit"}},
		"a sort that is none":          {http.MethodGet, "/v1/workspaces?sort=colour", []string{"sort"}},
		"another list's sort":          {http.MethodGet, "/v1/cohorts?sort=slug", []string{"sort"}},
		"a phase that is none":         {http.MethodGet, "/v1/workspaces?phase=failed,broken", []string{"phase"}},
		"a phase twice in the list":    {http.MethodGet, "/v1/workspaces?phase=failed,failed", []string{"phase"}},
		"phases given apart":           {http.MethodGet, "/v1/workspaces?phase=failed&phase=lost", []string{"phase"}},
		"an empty search":              {http.MethodGet, "/v1/cohorts?search=", []string{"search"}},
		"an empty cursor":              {http.MethodGet, "/v1/cohorts?cursor=", []string{"cursor"}},
		"a cursor without end":         {http.MethodGet, "/v1/cohorts?cursor=" + strings.Repeat("a", 2049), []string{"cursor"}},
		"a semicolon between the pair": {http.MethodGet, "/v1/workspaces?cohort=a;class=b", []string{"query"}},
	} {
		t.Run(name, func(t *testing.T) {
			p := problem(t, b.do(request(test.method, test.target, "")), http.StatusBadRequest)
			if diff := cmp.Diff(test.fields, fieldNames(p)); diff != "" {
				t.Error(diff)
			}
			for _, f := range p.Fields {
				if f.Problem == "" || f.Remedy == "" {
					t.Errorf("%+v is not whole", f)
				}
			}
			if calls := b.registrar.called(); len(calls) != 0 {
				t.Errorf("called the registrar: %v", calls)
			}
		})
	}
}

func TestBodiesAreBounded(t *testing.T) {
	b := newBench(t)
	for name, test := range map[string]struct {
		target, mediaType string
		size, status      int
	}{
		"JSON":               {"/v1/cohorts", "application/json", api.MaxJSONBody + 1, http.StatusRequestEntityTooLarge},
		"CSV":                {"/v1/cohorts/fall-26/roster", "text/csv", api.MaxCSVBody + 1, http.StatusRequestEntityTooLarge},
		"where none belongs": {"/v1/classes/a~b/launch", "application/json", api.MaxJSONBody + 1, http.StatusBadRequest},
	} {
		for how, length := range map[string]int64{"declared": int64(test.size), "chunked": -1} {
			t.Run(name+"/"+how, func(t *testing.T) {
				r := httptest.NewRequest(http.MethodPost, test.target, bytes.NewReader(make([]byte, test.size)))
				r.ContentLength = length
				r.Header.Set("Content-Type", test.mediaType)
				r.Header.Set("Authorization", "Bearer "+token)
				problem(t, b.do(r), test.status)
			})
		}
	}
}

func TestAWrongMediaTypeIsRefused(t *testing.T) {
	b := newBench(t)
	for name, headers := range map[string]map[string]string{
		"none":             {},
		"a form":           {"Content-Type": "application/x-www-form-urlencoded"},
		"text":             {"Content-Type": "text/plain"},
		"nonsense":         {"Content-Type": ";;;"},
		"another charset":  {"Content-Type": "application/json; charset=utf-16"},
		"a content coding": {"Content-Type": "application/json", "Content-Encoding": "gzip"},
	} {
		t.Run(name, func(t *testing.T) {
			r := request(http.MethodPost, "/v1/cohorts", `{"name":"A"}`)
			r.Header.Del("Content-Type")
			for k, v := range headers {
				r.Header.Set(k, v)
			}
			if p := problem(t, b.do(r), http.StatusUnsupportedMediaType); p.Hint == "" || p.Code != "unsupported_media_type" {
				t.Errorf("%+v", p)
			}
		})
	}
}

func TestABodyIsWantedWhereItBelongsAndOnlyThere(t *testing.T) {
	b := newBench(t)
	for name, r := range map[string]*http.Request{
		"missing":            request(http.MethodPost, "/v1/cohorts", ""),
		"empty":              request(http.MethodPost, "/v1/cohorts", ""),
		"where none belongs": request(http.MethodPost, "/v1/classes/a~b/launch", `{"x":1}`),
	} {
		p := problem(t, b.do(r), http.StatusBadRequest)
		if diff := cmp.Diff([]string{"body"}, fieldNames(p)); diff != "" {
			t.Errorf("%s: %s", name, diff)
		}
	}
}

func TestABadRosterIsRefused(t *testing.T) {
	b := newBench(t)
	for name, body := range map[string]string{
		"no columns": "hello", "no UTF-8": "name,email\n\xff,a@b.c\n", "a quote": "name,email\n\"A,a@b.c\n",
	} {
		t.Run(name, func(t *testing.T) {
			r := request(http.MethodPost, "/v1/cohorts/fall-26/roster", body)
			r.Header.Set("Content-Type", "text/csv")
			p := problem(t, b.do(r), http.StatusBadRequest)
			if len(p.Fields) == 0 || !strings.HasPrefix(p.Fields[0].Name, "roster") {
				t.Errorf("%+v", p)
			}
			if calls := b.registrar.called(); len(calls) != 0 {
				t.Errorf("called the registrar: %v", calls)
			}
		})
	}
}

func TestInputsArriveAsTheyWereSent(t *testing.T) {
	b := newBench(t)
	b.do(request(http.MethodPost, "/v1/classes", `{"cohort":"Fall 26","course":"py101","template":"t","parameters":{"cpu":2,"gpu":null},"students":[{"name":"Zoë 林","email":"z@b.c"}]}`))
	b.do(request(http.MethodGet, "/v1/classes/fall-26~py101", ""))
	b.do(request(http.MethodGet, "/v1/classes/fall-26%2Fpy101", ""))
	b.do(request(http.MethodGet, "/v1/workspaces?class=fall-26~py101&cohort=fall-26&include_deleted=true", ""))
	b.do(request(http.MethodGet, "/v1/workspaces?course=py101&student=id-student&desired=running&phase=failed,lost&drifted=true&outdated=false&sort=-since&limit=7&cursor=abc&search=%C3%84", ""))
	b.do(request(http.MethodGet, "/v1/cohorts?search=fall&sort=-name", ""))
	b.do(request(http.MethodGet, "/v1/cohorts/fall-26/students?withdrawn=false&sort=email&limit=1000", ""))
	b.do(request(http.MethodGet, "/v1/courses?template=code-server&sort=template", ""))
	b.do(request(http.MethodGet, "/v1/classes?cohort=fall-26&course=py101&deleting=true&sort=-course", ""))
	b.do(request(http.MethodGet, "/v1/templates?search=vs%20code&sort=-name&cursor=x", ""))
	b.do(request(http.MethodDelete, "/v1/classes/fall-26~py101?release_homes=true", ""))
	b.do(request(http.MethodDelete, "/v1/workspaces/a-b-c", ""))
	b.do(request(http.MethodPatch, "/v1/courses/py101", `{"parameters":{}}`))
	me := func(operation string) lab.Intent {
		return lab.Intent{Actor: lab.Actor{Name: "token:test", Role: lab.RoleAdmin, Remote: "192.0.2.1"}, Operation: operation}
	}
	yes, no := true, false
	admin := lab.Viewer{Role: lab.RoleAdmin}
	want := []call{
		{"CreateClass", me("createClass"), []any{registrar.ClassInput{
			Cohort: "Fall 26", Course: "py101", Template: "t",
			Parameters: map[string]any{"cpu": 2.0, "gpu": nil},
			Students:   []registrar.StudentInput{{Name: "Zoë 林", Email: "z@b.c"}},
		}}},
		{"Class", lab.Intent{}, []any{"fall-26/py101"}},
		{"Class", lab.Intent{}, []any{"fall-26/py101"}},
		{"Workspaces", lab.Intent{}, []any{registrar.WorkspaceFilter{For: admin, Class: "fall-26/py101", Cohort: "fall-26", IncludeDeleted: true}, lab.Page{}}},
		{"Workspaces", lab.Intent{}, []any{
			registrar.WorkspaceFilter{
				For: admin, Course: "py101", Student: "id-student", Desired: lab.DesiredRunning, Phases: []lab.Phase{lab.PhaseFailed, lab.PhaseLost},
				Drifted: &yes, Outdated: &no, Search: "Ä",
			},
			lab.Page{Limit: 7, Cursor: "abc", Sort: "-since"},
		}},
		{"Cohorts", lab.Intent{}, []any{lab.CohortFilter{For: admin, Search: "fall"}, lab.Page{Sort: "-name"}}},
		{"Students", lab.Intent{}, []any{"fall-26", lab.StudentFilter{Withdrawn: &no}, lab.Page{Sort: "email", Limit: 1000}}},
		{"Courses", lab.Intent{}, []any{lab.CourseFilter{For: admin, Template: "code-server"}, lab.Page{Sort: "template"}}},
		{"Classes", lab.Intent{}, []any{registrar.ClassFilter{For: admin, Cohort: "fall-26", Course: "py101", Deleting: &yes}, lab.Page{Sort: "-course"}}},
		{"Templates", lab.Intent{}, []any{lab.TemplateFilter{Search: "vs code"}, lab.Page{Sort: "-name", Cursor: "x"}}},
		{"DeleteClass", me("deleteClass"), []any{"fall-26/py101", true}},
		{"DeleteWorkspace", me("deleteWorkspace"), []any{"a-b-c", false}},
		{"UpdateCourse", me("updateCourse"), []any{"py101", registrar.CoursePatch{Parameters: &map[string]any{}}}},
	}
	if diff := cmp.Diff(want, b.registrar.called(), cmpopts.EquateEmpty()); diff != "" {
		t.Errorf("-want +got\n%s", diff)
	}
}
