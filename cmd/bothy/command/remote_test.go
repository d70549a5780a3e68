package command

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/bothylabs/bothy/service/client"
)

func TestTheTokenComesFromAFileOrTheEnvironment(t *testing.T) {
	w := newWorld(t)
	api := newFakeAPI(t, w).on("GET /v1/classes", 200, list(class()))
	file := filepath.Join(t.TempDir(), "token")
	if err := os.WriteFile(file, []byte("of-the-file\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	w.run("class", "list").ok()
	w.run("class", "list", "-token-file", file).ok()
	delete(w.vars, "BOTHY_TOKEN")
	w.vars["BOTHY_TOKEN_FILE"] = file
	w.run("class", "list").ok()
	want := map[string]bool{"Bearer a-token-of-the-tests": true, "Bearer of-the-file": true}
	if diff := cmp.Diff(want, api.tokens); diff != "" {
		t.Error(diff)
	}

	delete(w.vars, "BOTHY_TOKEN_FILE")
	w.run("class", "list").fails(exitLocal, "Error: no token is set", "set BOTHY_TOKEN")
	if err := os.Chmod(file, 0o644); err != nil {
		t.Fatal(err)
	}
	w.run("class", "list", "-token-file", file).fails(exitLocal, "readable by every user", "mode 0600")
}

func TestAServerThatDoesNotAnswer(t *testing.T) {
	w := newWorld(t)
	w.vars["BOTHY_TOKEN"] = "a-token"
	w.run("class", "list", "-address", "http://127.0.0.1:1").fails(exitRemote, "Error: Bothy does not answer at http://127.0.0.1:1", "Hint:")
	w.run("class", "list", "-address", "no address").fails(exitLocal, "Error: address: is no http or https address", "Hint:")
}

func TestAProblemOfTheServerIsShownWithItsFields(t *testing.T) {
	w := newWorld(t)
	newFakeAPI(t, w).
		problem("GET /v1/classes", client.Problem{Status: 401, Code: "unauthenticated", Detail: "the token is not known", Hint: "send one of this installation"}).
		problem("GET /v1/classes", client.Problem{Status: 400, Code: "invalid", Detail: "bad", Fields: []client.ProblemField{{Name: "class", Problem: "is odd", Remedy: "even it out"}}})
	w.run("class", "list").fails(exitRemote, "Error: the token is not known", "Hint: Send one of this installation.")
	w.run("class", "list").fails(exitRemote, "Error: class: is odd", "Hint: Even it out.")
}
