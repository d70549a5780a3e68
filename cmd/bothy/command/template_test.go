package command

import (
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"testing"

	"github.com/bothylabs/bothy/service/client"
)

func TestTemplatesAreShownOffline(t *testing.T) {
	w := newWorld(t)
	w.run("template", "list").ok().says("code-server-exec", "shell", "without")
	w.run("template", "list", "-json").ok().says(`"name": "code-server"`, `"digest"`)
	w.run("template", "show", "code-server-exec").ok().says(`variable "slug"`, `job "code-server"`)
	got := w.run("template", "vars", "code-server-exec").ok().says("memory", "number", "1024")
	if w.run("template", "vars", "-all", "code-server-exec").ok().says("slug", "(set by Bothy)").out == got.out {
		t.Error("-all must list the reserved variables too")
	}
}

func TestTemplatesOfAServer(t *testing.T) {
	w := newWorld(t)
	newFakeAPI(t, w).
		on("GET /v1/templates", 200, list(client.TemplateVersion{Name: "theirs", Version: 3, Description: "An operator's."})).
		on("GET /v1/templates/theirs", 200, client.Template{Name: "theirs", Source: "job {}", Variables: []client.Variable{{Name: "size", Type: "number", Required: true}}})
	w.run("template", "list", "-server").ok().says("theirs", "An operator's.")
	w.run("template", "vars", "-server", "theirs").ok().says("size", "(needed)")
	if got := w.run("template", "show", "-server", "theirs").ok(); got.out != "job {}" {
		t.Errorf("got %q", got.out)
	}
}

func TestValidateChecksWithoutAServer(t *testing.T) {
	w := newWorld(t)
	dir := folder(t, map[string]string{
		"students.csv":     rosterOfThree,
		"hollow.nomad.hcl": "variable \"slug\" {\n  type = string\n}\njob \"x\" {\n  group \"g\" {\n  }\n}\n",
	})
	w.run("validate", "code-server-exec", "-roster", filepath.Join(dir, "students.csv"), "-var", "memory=2048").ok().
		says("has what a workspace must offer", "students.csv: 3 students", "3 jobs can be rendered", "Nomad: not asked (NOMAD_ADDR is not set)")
	w.run("validate", filepath.Join(dir, "hollow.nomad.hcl")).fails(exitLocal, "hollow.nomad.hcl:5:", `volume "home"`)
	w.run("validate", "code-server-exec", "-var", "memory=1").fails(exitLocal, "-var memory", "256 or more")
	w.vars["NOMAD_ADDR"] = "http://127.0.0.1:1"
	w.run("validate", "code-server-exec", "-offline").ok().says("Nomad: not asked (-offline)")
	w.run("validate", "code-server-exec").fails(exitRemote, "Nomad")
}

func TestValidateShowsWhatNomadRefuses(t *testing.T) {
	w := newWorld(t)
	nomad := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, _ *http.Request) {
		http.Error(rw, "Permission denied", http.StatusForbidden)
	}))
	t.Cleanup(nomad.Close)
	w.vars["NOMAD_ADDR"] = nomad.URL
	w.run("validate", "shell").fails(exitRemote, "Nomad", "Hint:")
}
