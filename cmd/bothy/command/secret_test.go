package command

import (
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestASecretComesFromStandardInputOrAFile(t *testing.T) {
	w := newWorld(t)
	f := newFakeAPI(t, w)
	set := map[string]any{"name": "API_KEY", "set_at": "2026-09-01T08:00:00Z", "set_by": "operator"}
	for route, args := range map[string][]string{
		"PUT /v1/courses/py101/secrets/API_KEY":         {"-course", "py101"},
		"PUT /v1/classes/fall-26~py101/secrets/API_KEY": {"-class", "fall-26/py101"},
		"PUT /v1/students/id-1/secrets/API_KEY":         {"-student", "id-1"},
	} {
		f.on(route, http.StatusOK, set)
		w.Stdin = strings.NewReader("two\nlines\n")
		w.run(append(append([]string{"secret", "set"}, args...), "API_KEY")...).ok().says("Secret API_KEY of")
		if got := f.bodies[route]; got != `{"value":"two\nlines"}` {
			t.Errorf("%s: sent %s", route, got)
		}
	}
	file := filepath.Join(t.TempDir(), "value")
	if err := os.WriteFile(file, []byte("hush"), 0o600); err != nil {
		t.Fatal(err)
	}
	const route = "PUT /v1/courses/py101/secrets/API_KEY"
	f.on(route, http.StatusOK, set)
	w.run("secret", "set", "-course", "py101", "-file", file, "API_KEY").ok()
	if got := f.bodies[route]; got != `{"value":"hush"}` {
		t.Errorf("sent %s", got)
	}
	w.Stdin = strings.NewReader("")
	w.run("secret", "set", "-course", "py101", "API_KEY").fails(exitLocal, "standard input has no value")
	w.run("secret", "set", "API_KEY").fails(exitLocal, "name one of -course, -class and -student")
	w.run("secret", "list", "-course", "a", "-class", "a/b").fails(exitLocal, "name one of")
	w.run("secret", "set", "-course", "py101", "API_KEY", "hush").fails(exitLocal, "unexpected argument")
}

func TestSecretsAreListedAndDeleted(t *testing.T) {
	w := newWorld(t)
	f := newFakeAPI(t, w)
	f.on("GET /v1/courses/py101/secrets", http.StatusOK, map[string]any{"next_cursor": nil, "items": []any{
		map[string]any{"name": "API_KEY", "set_at": "2026-09-01T08:00:00Z", "set_by": "operator"},
	}})
	w.run("secret", "list", "-course", "py101").ok().says("API_KEY", "operator")
	f.gone("DELETE /v1/courses/py101/secrets/API_KEY")
	w.run("secret", "delete", "-course", "py101", "API_KEY").ok().says("Secret API_KEY of course py101 deleted.")
}
