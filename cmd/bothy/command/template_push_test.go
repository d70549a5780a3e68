package command

import (
	"encoding/json"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/bothylabs/bothy/service/client"
)

func pushedAs(name string, version int64) client.PushedTemplate {
	return client.PushedTemplate{Name: name, Version: version, Origin: client.TemplateOrigin{Kind: "git", Revision: "5f0c7a2e9d1b4c3a8e7f", Dirty: true}}
}

// bodyOf is what was last sent to a route.
func bodyOf(t *testing.T, api *fakeAPI, route string) map[string]any {
	t.Helper()
	var got map[string]any
	if err := json.Unmarshal([]byte(api.bodies[route]), &got); err != nil {
		t.Fatalf("%s: %v", route, err)
	}
	return got
}

func TestATemplateIsPushed(t *testing.T) {
	w := newWorld(t)
	dir := folder(t, map[string]string{"mine.nomad.hcl": "job \"x\" {}\n"})
	file := filepath.Join(dir, "mine.nomad.hcl")
	again := pushedAs("mine", 2)
	again.Unasked = "Nomad does not answer"
	api := newFakeAPI(t, w).
		on("POST /v1/templates/mine/versions", 201, pushedAs("mine", 2)).
		on("POST /v1/templates/mine/versions", 200, again).
		on("POST /v1/templates/theirs/versions", 201, pushedAs("theirs", 1))
	w.run("template", "push", "-message", "More memory", "-author", "Ada <ada@example.edu>", file).ok().
		says("Template mine: registered version 2 from commit 5f0c7a2e9d1b, with changes that are in no commit.")
	want := map[string]any{
		"source": "job \"x\" {}\n", "message": "More memory", "author": map[string]any{"name": "Ada", "email": "ada@example.edu"},
		"origin": map[string]any{"kind": "upload", "path": "mine.nomad.hcl", "url": "", "revision": "", "dirty": false},
	}
	if diff := cmp.Diff(want, bodyOf(t, api, "POST /v1/templates/mine/versions")); diff != "" {
		t.Error(diff)
	}
	w.run("template", "push", file).ok().says("version 2 has this source already", "Nomad did not read it: Nomad does not answer.")
	w.run("template", "push", "-dry-run", "-name", "theirs", file).fails(exitOK, "Dry run: nothing was changed.").says("theirs: would be version 1")
	if got := api.asked[len(api.asked)-1]; got != "POST /v1/templates/theirs/versions?dry_run=true" {
		t.Errorf("asked %s", got)
	}
	w.run("template", "push", "-json", file).ok().says(`"new": false`, `"version": 2`)
}

func TestAFolderIsPushedAndEachRefusalNamed(t *testing.T) {
	w := newWorld(t)
	dir := folder(t, map[string]string{"a.nomad.hcl": "job \"a\" {}\n", "b.nomad.hcl": "job \"b\" {}\n", "c.nomad.hcl": "job \"c\" {}\n"})
	bad := func(file string) client.Problem {
		return client.Problem{Status: 400, Code: "invalid", Detail: "bad", Fields: []client.ProblemField{
			{Name: file + ":3:5", Problem: "is no home", Remedy: "add one"}, {Name: file + ":4:5", Problem: "is no port", Remedy: "add one"},
		}}
	}
	newFakeAPI(t, w).
		problem("POST /v1/templates/a/versions", bad("a.nomad.hcl")).
		on("POST /v1/templates/b/versions", 201, pushedAs("b", 1)).
		problem("POST /v1/templates/c/versions", bad("c.nomad.hcl"))
	w.run("template", "push", dir).fails(exitRemote, "a.nomad.hcl:3:5", "c.nomad.hcl:4:5").says("Template b: registered version 1")
	w.run("template", "push", "-name", "x", dir).fails(exitLocal, "-name is for one file")
}

func TestWhatCanNotBePushedIsNotSent(t *testing.T) {
	w := newWorld(t)
	newFakeAPI(t, w)
	dir := folder(t, map[string]string{
		"latin.nomad.hcl": "# ok\n# \xe9t\xe9\n", "large.nomad.hcl": strings.Repeat("#", 256<<10+1), "empty.nomad.hcl": "",
	})
	w.run("template", "push", dir).fails(exitLocal, "latin.nomad.hcl:2:3", "large.nomad.hcl: is larger than 256 KiB", "empty.nomad.hcl: is empty")
	w.run("template", "push", "https://ada:secret@git.example.edu/x.git").fails(exitLocal, "holds a user name or a password")
	w.run("template", "push", "-author", "Ada <", dir).fails(exitLocal, "-author")
}

func TestVersionsAreListedShownAndCompared(t *testing.T) {
	w := newWorld(t)
	at := time.Date(2026, 9, 1, 8, 0, 0, 0, time.UTC)
	newFakeAPI(t, w).
		on("GET /v1/templates/mine/versions", 200, list(
			client.TemplateVersion{Name: "mine", Version: 2, Message: "More.", Author: client.TemplateAuthor{Name: "Ada"}, CreatedAt: at, Origin: client.TemplateOrigin{Kind: "git", Revision: "5f0c7a2e9d1b4c3a", Dirty: true}},
			client.TemplateVersion{Name: "mine", Version: 1, RegisteredBy: "server", CreatedAt: at, Origin: client.TemplateOrigin{Kind: "builtin"}},
		)).
		on("GET /v1/templates/mine", 200, client.Template{Name: "mine", Version: 1, Source: "a\nb\nc\n"}).
		on("GET /v1/templates/mine", 200, client.Template{Name: "mine", Version: 2, Source: "a\nB\nc\n"})
	w.run("template", "versions", "mine").ok().says("VERSION", "5f0c7a2e9d1b+", "Ada", "More.", "server", "builtin")
	got := w.run("template", "diff", "mine", "1", "newest").ok().out
	want := "--- mine.nomad.hcl (version 1)\n+++ mine.nomad.hcl (version 2)\n@@ -1,3 +1,3 @@\n a\n-b\n+B\n c\n"
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	if got := w.run("template", "diff", "-json", "mine", "2", "2").ok().out; !strings.Contains(got, `"diff": ""`) {
		t.Error(got)
	}
	if got := w.run("template", "show", "-version", "2", "mine").ok().out; got != "a\nB\nc\n" {
		t.Error(got)
	}
	w.run("template", "show", "-version", "zero", "mine").fails(exitLocal, "is not a version")
	w.run("template", "diff", "mine", "0", "1").fails(exitLocal, "is not a version")
}

func course(version int64, parameters map[string]any) client.Course {
	return client.Course{ID: "id-course", Key: "py101", Name: "Python 101", Template: "shell", TemplateVersion: version, Parameters: parameters}
}

func TestACourseIsCreatedChangedShownAndDeleted(t *testing.T) {
	w := newWorld(t)
	api := newFakeAPI(t, w).
		on("GET /v1/templates/shell", 200, client.Template{Name: "shell", Version: 3, Variables: []client.Variable{{Name: "memory", Type: "number"}, {Name: "disk", Type: "number"}}}).
		on("POST /v1/courses", 201, course(2, nil)).
		on("GET /v1/courses/py101", 200, course(2, map[string]any{"memory": 1024, "disk": 9})).
		on("PATCH /v1/courses/py101", 200, course(3, nil)).
		gone("DELETE /v1/courses/py101")
	w.run("course", "create", "-template", "shell", "-template-version", "2", "-var", "memory=2048", "-key", "py101", "Python 101").ok().
		says("Course py101 created from version 2 of the template shell.")
	want := map[string]any{"name": "Python 101", "key": "py101", "template": "shell", "template_version": 2.0, "parameters": map[string]any{"memory": 2048.0}}
	if diff := cmp.Diff(want, bodyOf(t, api, "POST /v1/courses")); diff != "" {
		t.Error(diff)
	}
	w.run("course", "update", "-template-version", "newest", "-var", "memory=4096", "-unset", "disk", "py101").ok().says("is made from version 3")
	want = map[string]any{"template_version": 3.0, "parameters": map[string]any{"memory": 4096.0}}
	if diff := cmp.Diff(want, bodyOf(t, api, "PATCH /v1/courses/py101")); diff != "" {
		t.Error(diff)
	}
	w.run("course", "update", "-name", "Python", "py101").ok()
	if diff := cmp.Diff(map[string]any{"name": "Python"}, bodyOf(t, api, "PATCH /v1/courses/py101")); diff != "" {
		t.Error(diff)
	}
	w.run("course", "show", "py101").ok().says("2 (the newest is 3)", "memory = 1024", "disk = 9")
	w.run("course", "update", "py101").fails(exitLocal, "nothing to change")
	w.run("course", "update", "-unset", "cpu", "py101").fails(exitLocal, "-unset cpu: is not set")
	w.run("course", "update", "-unset", "memory", "-var", "memory=1", "py101").fails(exitLocal, "both set and unset")
	w.run("course", "create", "Python").fails(exitLocal, "-template is missing")
	w.run("course", "delete", "py101").fails(exitLocal, "-yes")
	w.run("course", "delete", "-yes", "py101").ok().says("Course py101 deleted.")
}

func TestAMoveThatDoesNotSuitSaysWhichClass(t *testing.T) {
	w := newWorld(t)
	newFakeAPI(t, w).
		on("GET /v1/courses/py101", 200, course(1, nil)).
		problem("PATCH /v1/courses/py101", client.Problem{Status: 400, Code: "invalid", Detail: "bad", Fields: []client.ProblemField{
			{Name: "classes[fall-26/py101].parameters.memory", Problem: "is refused by the template", Remedy: "256 or more"},
		}})
	w.run("course", "update", "-template-version", "2", "py101").fails(exitRemote, "classes[fall-26/py101].parameters.memory: is refused")
}

func TestAClassHasParametersOfItsOwn(t *testing.T) {
	w := newWorld(t)
	own := class()
	own.CourseID, own.Parameters = "py101", map[string]any{"memory": 512, "cpu": 100}
	api := newFakeAPI(t, w).
		on("GET /v1/classes/fall-26~py101", 200, own).
		on("GET /v1/courses/py101", 200, course(2, map[string]any{"memory": 1024, "disk": 9})).
		on("GET /v1/templates/shell", 200, client.Template{Name: "shell", Variables: []client.Variable{{Name: "memory", Type: "number"}}}).
		on("PATCH /v1/classes/fall-26~py101", 200, own)
	w.run("class", "show", "fall-26/py101").ok().says("shell, version 2", "memory = 512", "disk = 9")
	w.run("class", "update", "-var", "memory=2048", "-unset", "cpu", "fall-26/py101").ok().says("2 parameters of its own")
	if diff := cmp.Diff(map[string]any{"parameters": map[string]any{"memory": 2048.0}}, bodyOf(t, api, "PATCH /v1/classes/fall-26~py101")); diff != "" {
		t.Error(diff)
	}
	asked := strings.Join(api.asked, "\n")
	if !strings.Contains(asked, "GET /v1/templates/shell?version=2") {
		t.Errorf("the types are of another version:\n%s", asked)
	}
	w.run("class", "update", "fall-26/py101").fails(exitLocal, "nothing to change")
}
