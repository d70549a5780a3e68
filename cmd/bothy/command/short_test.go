package command

import (
	"context"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/bothylabs/bothy/service/client"
)

func TestShortFormsTakeAClassOrAWorkspace(t *testing.T) {
	w := newWorld(t)
	one := ws("Ana", "ana", "stopped", "")
	one.Desired = "stopped"
	api := newFakeAPI(t, w).
		on("GET /v1/workspaces/fall-26-py101-ana", 200, one).
		on("GET /v1/workspaces/id-ana", 200, one).
		on("POST /v1/workspaces/fall-26-py101-ana/stop", 202, one).
		on("POST /v1/classes/fall-26~py101/stop", 202, anOperation(0, 1, 0)).
		on("POST /v1/classes/fall-26~py101/launch", 202, anOperation(0, 1, 0)).
		problem("GET /v1/workspaces/nobody", client.Problem{Status: 404, Code: "not_found", Detail: "no workspace"}).
		problem("GET /v1/classes/nobody", client.Problem{Status: 404, Code: "not_found", Detail: "no class"})
	w.run("stop", "fall-26-py101-ana").ok().says("1 stopped")
	var told client.Workspace // and nothing beside it
	if err := json.Unmarshal([]byte(w.run("stop", "-json", "fall-26-py101-ana").ok().out), &told); err != nil || told.Slug != one.Slug {
		t.Errorf("%v: %+v", err, told)
	}
	w.run("stop", "-detach", "fall-26/py101").ok()
	w.run("run", "-detach", "fall-26/py101").ok()
	w.run("status", "fall-26-py101-ana").ok().says("bothy-fall-26-py101-ana")
	w.run("stop", "nobody").fails(exitLocal, `no class or workspace "nobody"`)
	if last := api.asked[len(api.asked)-1]; last != "GET /v1/classes/nobody" {
		t.Errorf("asked %s", last)
	}
}

func TestOpenPrintsTheAddressAndOpensWhatIsReady(t *testing.T) {
	w := newWorld(t)
	const link = "http://fall-26-py101-ana.labs.localhost:9999/-/enter?ticket=T&to=/"
	newFakeAPI(t, w).
		on("GET /v1/workspaces/ana", 200, ws("Ana", "ana", "ready", "")).
		on("GET /v1/workspaces/bo", 200, ws("Bo", "bo", "failed", "no memory")).
		on("POST /v1/workspaces/fall-26-py101-ana/link", 200, client.WorkspaceLink{URL: link}).
		on("POST /v1/workspaces/ana/link", 200, client.WorkspaceLink{URL: link})
	address := "http://labs.localhost:9999/fall-26-py101-ana/"
	got := w.run("open", "ana").ok().says(address).says(link)
	if !strings.Contains(got.err, "no browser on this machine") {
		t.Errorf("standard error: %s", got.err)
	}
	var opened []string
	w.Browser = func() func(context.Context, string) error {
		return func(_ context.Context, url string) error {
			opened = append(opened, url)
			return nil
		}
	}
	w.run("open", "ana").ok()
	w.run("open", "-print", "ana").ok().says(address)
	w.run("open", "-print", "bo").ok()
	w.run("open", "-link", "ana").ok().says(link)
	w.run("open", "bo").fails(exitLocal, "is not ready but failed: no memory")
	if diff := cmp.Diff([]string{link}, opened); diff != "" {
		t.Error(diff)
	}
}

// TestMain lets the test's own binary be bothy, for a shell to call.
func TestMain(m *testing.M) {
	if os.Getenv("BOTHY_COMMAND_TEST") == "run" {
		os.Exit(Run(os.Args[1:], System()))
	}
	os.Exit(m.Run())
}

func TestARealBashCompletes(t *testing.T) {
	bash, err := exec.LookPath("bash")
	if err != nil {
		t.Fatal("this test needs bash")
	}
	w := newWorld(t)
	newFakeAPI(t, w).
		on("GET /v1/classes", 200, list(class())).
		on("GET /v1/cohorts", 200, list(cohort())).
		on("GET /v1/cohorts/fall-26/students", 200, list(pupil("Ana", false))).
		on("GET /v1/workspaces", 200, list(ws("Ana", "ana", "ready", ""), ws("Bo", "bo", "ready", "")))
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	wrapper := "#!/bin/sh\nBOTHY_COMMAND_TEST=run exec '" + self + "' \"$@\"\n"
	if err := os.WriteFile(filepath.Join(dir, "bothy"), []byte(wrapper), 0o755); err != nil {
		t.Fatal(err)
	}
	// What bash does at a Tab, by hand: it calls the function with the line.
	completed := func(address, line string) []string {
		t.Helper()
		const script = `
source <(bothy completion bash)
[[ $(complete -p bothy) == *"-F _bothy bothy" ]] || exit 9
COMP_LINE=$1 COMP_POINT=${#1}
_bothy
printf '%s\n' "${COMPREPLY[@]}"`
		cmd := exec.CommandContext(t.Context(), bash, "--norc", "-c", script, "bash", line)
		cmd.Env = []string{"PATH=" + dir + ":" + os.Getenv("PATH"), "BOTHY_ADDR=" + address, "BOTHY_TOKEN=a-token"}
		out, err := cmd.Output()
		if err != nil && len(out) > 0 {
			t.Fatalf("%s: %v\n%s", line, err, out)
		}
		return strings.Fields(string(out))
	}
	for line, want := range map[string][]string{
		"bothy class l":                {"launch", "list"},
		"bothy status fall-26/":        {"fall-26/py101"},
		"bothy logs fall-26-py1":       {"fall-26-py101-ana", "fall-26-py101-bo"},
		"bothy exec -t":                {"-t", "-task", "-tls-server-name", "-token-file"},
		"bothy logs -task n":           {"nginx"},
		"bothy completion z":           {"zsh"},
		"bothy cohort show f":          {"fall-26"},
		"bothy student list f":         {"fall-26"},
		"bothy student enroll f":       {"fall-26", "fall-26/py101"},
		"bothy student show fall-26/a": {"fall-26/ana@example.edu"},
	} {
		got := completed(w.vars["BOTHY_ADDR"], line)
		if diff := cmp.Diff(want, sorted(got)); diff != "" {
			t.Errorf("%s: %s", line, diff)
		}
	}
	if got := completed("http://127.0.0.1:1", "bothy logs f"); len(got) > 0 {
		t.Errorf("without a server: %v", got)
	}
}

func sorted(words []string) []string {
	seen := map[string]bool{}
	var all []string
	for _, word := range words {
		if !seen[word] {
			seen[word] = true
			all = append(all, word)
		}
	}
	slices.Sort(all)
	return all
}
