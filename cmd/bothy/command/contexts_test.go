package command

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/bothylabs/bothy/service/client"
)

const secretToken = "a-secret-token-of-the-tests"

// newHome gives the world a folder for its configuration, and nothing else in its environment.
func newHome(t *testing.T, w *world) (contextsFile string) {
	t.Helper()
	dir := t.TempDir()
	w.vars["XDG_CONFIG_HOME"] = dir
	delete(w.vars, "BOTHY_ADDR")
	delete(w.vars, "BOTHY_TOKEN")
	return filepath.Join(dir, "bothy", "contexts.json")
}

// signedIn has somebody signed in to a fake server, and gives its address.
func signedIn(t *testing.T, w *world, context string) (api *fakeAPI, address string) {
	t.Helper()
	api = newFakeAPI(t, w).on("GET /v1/status", 200, client.Status{Version: "1.2.3"}).on("GET /v1/classes", 200, list(class()))
	address = w.vars["BOTHY_ADDR"]
	delete(w.vars, "BOTHY_ADDR")
	delete(w.vars, "BOTHY_TOKEN")
	w.Stdin = strings.NewReader(secretToken + "\n")
	w.run("login", "-address", address, "-context", context, "-token-file", "-").ok().says("Signed in to Bothy 1.2.3 at "+address, "the current context is "+context)
	return api, address
}

func TestLoginIsRememberedForItsOwnerAlone(t *testing.T) {
	w := newWorld(t)
	file := newHome(t, w)
	api, _ := signedIn(t, w, "staging")
	w.run("class", "list").ok()
	if diff := cmp.Diff(map[string]bool{"Bearer " + secretToken: true}, api.tokens); diff != "" {
		t.Error(diff)
	}
	info, err := os.Stat(file)
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Fatalf("%v, %v", info, err)
	}
	if left, _ := filepath.Glob(filepath.Join(filepath.Dir(file), ".*")); len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}
	if err := os.Chmod(file, 0o640); err != nil {
		t.Fatal(err)
	}
	w.run("class", "list").fails(exitLocal, "is open to others (mode 0640)", "chmod 600")
}

func TestLoginAsksWithoutShowingAndKeepsOnlyWhatWorks(t *testing.T) {
	w := newWorld(t)
	file := newHome(t, w)
	api := newFakeAPI(t, w).problem("GET /v1/status", client.Problem{Status: 401, Code: "unauthenticated", Detail: "the token is not known"}).
		on("GET /v1/status", 200, client.Status{Version: "1.2.3"})
	address := w.vars["BOTHY_ADDR"]
	delete(w.vars, "BOTHY_TOKEN")
	w.run("login").fails(exitLocal, "no terminal to ask", "-token-file -")
	w.InTerminal = true
	w.ui.InputReader = strings.NewReader(secretToken + "\n")
	w.run("login").fails(exitRemote, "the token is not known")
	if _, err := os.Stat(file); err == nil {
		t.Error("a refused token was kept")
	}
	w.ui.InputReader = strings.NewReader(secretToken + "\n")
	got := w.run("login").ok().says("Token for " + address)
	if strings.Contains(got.out+got.err, secretToken) || !api.tokens["Bearer "+secretToken] {
		t.Errorf("%s%s %v", got.out, got.err, api.tokens)
	}
}

func TestAContextsTokenGoesToItsServerAlone(t *testing.T) {
	w := newWorld(t)
	newHome(t, w)
	api, address := signedIn(t, w, "mine")
	w.run("class", "list", "-address", "http://127.0.0.1:1").fails(exitLocal, "no token is set for http://127.0.0.1:1")
	w.vars["BOTHY_ADDR"] = "http://127.0.0.1:1"
	w.run("class", "list").fails(exitLocal, "no token is set")
	w.run("class", "list", "-context", "mine").ok()
	w.vars["BOTHY_ADDR"], w.vars["BOTHY_TOKEN"] = address, "another-token"
	w.run("class", "list").ok()
	if !api.tokens["Bearer another-token"] {
		t.Error("the environment does not go before the current context")
	}
	w.run("class", "list", "-context", "nobody").fails(exitLocal, `no context "nobody"`)
}

func TestContextsAreListedChosenAndForgotten(t *testing.T) {
	w := newWorld(t)
	newHome(t, w)
	w.run("context", "list").ok().says("No contexts")
	signedIn(t, w, "one")
	_, address := signedIn(t, w, "two")
	w.run("context", "list").ok().says("*  two", address, "yes")
	w.run("context", "use", "one").ok()
	w.run("context", "use", "three").fails(exitLocal, `no context "three"`)
	w.run("context", "show", "-t", "{{ .name }} {{ .signed_in }}").ok().says("one true")
	w.run("logout").ok().says("is forgotten")
	w.run("class", "list").fails(exitLocal, "no token is set")
	w.run("class", "list", "-context", "two").ok()
	w.run("context", "delete", "one").ok()
	w.run("context", "list", "-t", "{{ range . }}{{ .name }} {{ end }}").ok().says("two")
}

func TestConfigSaysWhereEachValueComesFrom(t *testing.T) {
	w := newWorld(t)
	newHome(t, w)
	w.run("config").ok().says("address          http://127.0.0.1:8080  default", "token            -                      not set")
	_, address := signedIn(t, w, "one")
	got := w.run("config", "-json").ok().says(`"value": "`+address+`"`, `"source": "context"`)
	w.vars["BOTHY_CACERT"] = "/etc/ca.pem"
	more := w.run("config", "-address", "http://127.0.0.1:1").ok().says("http://127.0.0.1:1", "flag", "/etc/ca.pem", "environment")
	if strings.Contains(got.out+more.out, secretToken) {
		t.Error("the token is shown")
	}
	w.run("config", "validate", "-h").ok()
}

func TestWhatIsDoneToContextsIsToldToProgramsToo(t *testing.T) {
	w := newWorld(t)
	newHome(t, w)
	_, address := signedIn(t, w, "one")
	view := func(context string, current, signedIn bool) map[string]any {
		return map[string]any{
			"name": context, "current": current, "address": address, "signed_in": signedIn, "ca_cert": "", "tls_server_name": "",
		}
	}
	again := view("two", true, true)
	again["server_version"] = "1.2.3"
	for _, step := range []struct {
		line string
		want map[string]any
	}{
		{"login -context two -token-file - -address " + address, again},
		{"context use one", view("one", true, true)},
		{"logout two", view("two", false, false)},
		{"context delete one", view("one", true, true)},
		{"logout", nil},
	} {
		w.Stdin = strings.NewReader(secretToken + "\n")
		got := w.run(append(strings.Fields(step.line), "-json")...).ok()
		var told map[string]any
		if err := json.Unmarshal([]byte(got.out), &told); err != nil {
			t.Fatalf("%s: %v", step.line, err)
		}
		if diff := cmp.Diff(step.want, told); diff != "" {
			t.Errorf("%s: %s", step.line, diff)
		}
		if strings.Contains(got.out+got.err, secretToken) {
			t.Errorf("%s shows the token", step.line)
		}
	}
}

func TestAConfigurationIsCheckedForProgramsToo(t *testing.T) {
	w := newWorld(t)
	file := filepath.Join(folder(t, map[string]string{"bothy.hcl": "listen = 1\nodd = 2\n"}), "bothy.hcl")
	got := w.run("config", "validate", "-config", file, "-json").fails(exitLocal)
	var told struct {
		Valid    bool `json:"valid"`
		Problems []struct{ Name, Problem, Remedy string }
	}
	if err := json.Unmarshal([]byte(got.out), &told); err != nil {
		t.Fatal(err)
	}
	if told.Valid || len(told.Problems) == 0 || !strings.HasPrefix(told.Problems[0].Name, file) || got.err != "" {
		t.Errorf("got %s%s", got.out, got.err)
	}
	w.run("config", "validate", "-config", file).fails(exitLocal, file)
}

func TestABrokenContextsFileIsNotNeededByWhoNamesTheServer(t *testing.T) {
	w := newWorld(t)
	file := newHome(t, w)
	if err := os.MkdirAll(filepath.Dir(file), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, []byte("{"), 0o600); err != nil {
		t.Fatal(err)
	}
	w.run("class", "list").fails(exitLocal, "is not a contexts file")
	newFakeAPI(t, w).on("GET /v1/classes", 200, list(class()))
	w.run("class", "list").ok()
}
