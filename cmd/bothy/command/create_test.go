package command

import (
	"encoding/json"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/bothylabs/bothy/service/client"
)

func TestCreateSendsOneRequestWithTypedParameters(t *testing.T) {
	w := newWorld(t)
	dir := folder(t, map[string]string{"students.csv": rosterOfThree})
	api := newFakeAPI(t, w).
		on("GET /v1/templates/code-server-exec", 200, client.Template{Name: "code-server-exec", Variables: []client.Variable{
			{Name: "memory", Type: "number"}, {Name: "node", Type: "string"}, {Name: "environment", Type: "map(string)"},
		}}).
		on("POST /v1/classes", 201, class())
	w.run(
		"class", "create", "-cohort", "Fall 26", "-course", "py101", "-template", "code-server-exec", "-roster", filepath.Join(dir, "students.csv"),
		"-var", "memory=2048", "-var", "node=/usr/bin/node", "-var", `environment={ A = "1" }`,
	).ok().says("Class fall-26/py101 created, with 3 students on its roster.", "bothy class launch fall-26/py101")

	var got map[string]any
	if err := json.Unmarshal([]byte(api.bodies["POST /v1/classes"]), &got); err != nil {
		t.Fatal(err)
	}
	want := map[string]any{
		"cohort": "Fall 26", "course": "py101", "template": "code-server-exec",
		"parameters": map[string]any{"memory": 2048.0, "node": "/usr/bin/node", "environment": map[string]any{"A": "1"}},
		"students": []any{
			map[string]any{"name": "Ana Pérez", "email": "ana@example.edu"},
			map[string]any{"name": "ana perez", "email": "second@example.edu"},
			map[string]any{"name": "Bo Lindström", "email": "bo@example.edu"},
		},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestCreateNamesWhatTheServerRefusesWhereItWasSaid(t *testing.T) {
	w := newWorld(t)
	newFakeAPI(t, w).
		on("GET /v1/templates/shell", 200, client.Template{Name: "shell", Variables: []client.Variable{{Name: "memory", Type: "number"}}}).
		problem("POST /v1/classes", client.Problem{Status: 400, Code: "invalid", Detail: "bad", Fields: []client.ProblemField{{Name: "parameters.memory", Problem: "is refused by the template", Remedy: "256 or more"}}})
	w.run("class", "create", "-cohort", "a", "-course", "b", "-template", "shell", "-var", "memory=1").
		fails(exitRemote, "Error: -var memory: is refused by the template", "Hint: 256 or more.")
}

func TestCreateRefusesAnIncompleteLine(t *testing.T) {
	w := newWorld(t)
	w.run("class", "create", "-course", "b").fails(exitLocal, "-cohort is missing")
	w.run("class", "create", "-cohort", "b").fails(exitLocal, "-course is missing")
	w.run("class", "create", "-cohort", "a", "-course", "b", "-var", "x=1").fails(exitLocal, "name its -template too")
	dir := folder(t, map[string]string{"students.csv": "name,email\nAna,nowhere\n"})
	w.run("class", "create", "-cohort", "a", "-course", "b", "-roster", filepath.Join(dir, "students.csv")).fails(exitLocal, "students.csv:2:5")
}
