package e2e

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/bothylabs/bothy/service/client"
	"github.com/bothylabs/bothy/service/dev/toolchain"
)

// The limits of one visit.
const (
	stepLimit  = time.Minute
	visitLimit = 5 * time.Minute
)

// missingFiles are the two files that code-server's own build lacks and its
// workbench asks for all the same.
var missingFiles = regexp.MustCompile(`/static/node_modules/vsda/rust/web/vsda(_bg\.wasm|\.js)$`)

// The scenario and the report of browser/visit.mjs.
type (
	scenario struct {
		Chromium          string `json:"chromium"`
		URL               string `json:"url"`
		StepTimeoutMs     int64  `json:"stepTimeoutMs"`
		FailureScreenshot string `json:"failureScreenshot"`
		Steps             []step `json:"steps"`
	}
	step struct {
		Do       string         `json:"do"`
		Path     string         `json:"path,omitempty"`
		Name     string         `json:"name,omitempty"`
		Text     string         `json:"text,omitempty"`
		Settings map[string]any `json:"settings,omitempty"`
		Command  string         `json:"command,omitempty"`
		Shows    string         `json:"shows,omitempty"`
	}
	report struct {
		Problem  string   `json:"problem"`
		Status   int      `json:"status"`
		URL      string   `json:"url"`
		Results  []string `json:"results"`
		Requests int      `json:"requests"`
		Failures []struct {
			URL     string `json:"url"`
			Status  int    `json:"status"`
			Problem string `json:"problem"`
		} `json:"failures"`
		Sockets []struct {
			URL      string `json:"url"`
			Sent     int    `json:"sent"`
			Received int    `json:"received"`
			Open     bool   `json:"open"`
			Problem  string `json:"problem"`
		} `json:"sockets"`
		Origins []string `json:"origins"`
		// Complaints are the errors of the page's console.
		Complaints []string `json:"complaints"`
	}
)

// A browser visits workspaces in Chromium.
type browser struct {
	chromium, scripts, artifacts string
	network                      quietNetwork
	// link gives what opens a workspace that has an address.
	link func(t *testing.T, at string) string
}

// newBrowser installs what a visit needs where it is missing.
func newBrowser(t *testing.T, root string) browser {
	t.Helper()
	paths, err := toolchain.Ensure(t.Context(), toolchain.Config{SourceDir: root}, toolchain.Chromium)
	if err != nil {
		t.Fatalf("find Chromium: %v", err)
	}
	b := browser{
		chromium:  paths.Chromium,
		scripts:   filepath.Join(root, "e2e", "browser"),
		artifacts: filepath.Join(root, "e2e", "artifacts"),
		network:   newQuietNetwork(t),
	}
	if err := os.MkdirAll(b.artifacts, 0o750); err != nil {
		t.Fatal(err)
	}
	if err := installScripts(); err != nil {
		t.Fatal(err)
	}
	return b
}

// installScripts installs what the scripts need and type-checks them, once for all tests.
var installScripts = sync.OnceValue(func() error {
	for _, args := range [][]string{{"ci", "--ignore-scripts", "--no-audit", "--no-fund"}, {"run", "check"}} {
		npm := exec.Command("npm", args...)
		npm.Dir = "browser" // tests run in their package's folder
		if out, err := npm.CombinedOutput(); err != nil {
			return fmt.Errorf("npm %s: %w\n%s", args[0], err, out)
		}
	}
	return nil
})

// visit plays one scenario at a student's URL. Whatever the scenario, the page
// must come over the labs origin alone, work over open WebSockets, and want for
// nothing but what code-server itself lacks.
func (b browser) visit(t *testing.T, name, at string, steps ...step) report {
	t.Helper()
	seen, err := b.play(t, "visit.mjs", name, b.link(t, at), steps)
	for _, f := range seen.Failures {
		if f.Status == 404 && missingFiles.MatchString(f.URL) {
			continue
		}
		t.Errorf("%s: a request failed: %d %s %s", name, f.Status, f.Problem, f.URL)
	}
	if err != nil {
		t.Fatalf("%s: %s (screenshot in e2e/artifacts/%s-failed.png): %v", name, seen.Problem, name, err)
	}
	b.checkTraffic(t, name, at, seen)
	return seen
}

// play runs a script of browser/ on a scenario and gives its report; the error says that a step failed.
func (b browser) play(t *testing.T, script, name, at string, steps []step) (report, error) {
	t.Helper()
	steps = append(steps, step{Do: "screenshot", Path: filepath.Join(b.artifacts, name+".png")})
	input, err := json.Marshal(scenario{
		Chromium: b.chromium, URL: at, StepTimeoutMs: stepLimit.Milliseconds(),
		FailureScreenshot: filepath.Join(b.artifacts, name+"-failed.png"), Steps: steps,
	})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), visitLimit)
	defer cancel()
	cmd := exec.CommandContext(ctx, "node", script)
	cmd.Dir = b.scripts
	// Short, whatever the test is called: Chromium makes a Unix socket below it.
	temporary, err := os.MkdirTemp("", "bothy-e2e-")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = os.RemoveAll(temporary) }() // nothing in it is missed
	cmd.Env = append(os.Environ(), "TMPDIR="+temporary)
	var said bytes.Buffer
	var complaints strings.Builder
	cmd.Stdin, cmd.Stdout, cmd.Stderr = bytes.NewReader(input), &said, &complaints
	if err := b.network.start(cmd); err != nil {
		t.Fatalf("run Chromium: %v", err)
	}
	err = cmd.Wait()
	var seen report
	if decodeErr := json.Unmarshal(said.Bytes(), &seen); decodeErr != nil {
		t.Fatalf("%s: the visit gave no report (%v): %v\n%s", name, decodeErr, err, complaints.String())
	}
	if err != nil {
		err = fmt.Errorf("%w\n%s", err, complaints.String())
	}
	return seen, err
}

func (browser) checkTraffic(t *testing.T, name, at string, seen report) {
	t.Helper()
	origin, err := url.Parse(at)
	if err != nil {
		t.Fatal(err)
	}
	if want := []string{"http://" + origin.Host}; !slices.Equal(seen.Origins, want) {
		t.Errorf("%s: the page asked %v; a workspace is served by %v alone", name, seen.Origins, want)
	}
	if seen.Status != 200 {
		t.Errorf("%s: the page came with status %d", name, seen.Status)
	}
	// VS Code holds one for the window and one for its extensions.
	open := 0
	for _, socket := range seen.Sockets {
		if socket.Open && socket.Problem == "" && socket.Sent > 0 && socket.Received > 0 && strings.HasPrefix(socket.URL, "ws://"+origin.Host+origin.Path) {
			open++
		}
	}
	if open < 2 {
		t.Errorf("%s: %d working WebSockets, not 2: %+v", name, open, seen.Sockets)
	}
	t.Logf("%s: %d requests, %d WebSockets", name, seen.Requests, len(seen.Sockets))
}

// inBrowser: a student's day. They open their URL, write a file, change a
// setting and use the terminal; the workspace is stopped and started; they come
// back with another browser and find everything.
func inBrowser(t *testing.T, d *dev, root string) {
	b := newBrowser(t, root)
	b.link = d.link
	w := d.classReady(t, demoClass)[0]

	const (
		text     = "Written in the editor by a student"
		fontSize = 23
		terms    = 1234
	)
	answer := fmt.Sprintf("answer %d", terms*(terms+1)/2)
	b.visit(t, "first-visit-"+string(d.router), w.URL,
		step{Do: "write", Name: "notes.txt", Text: text},
		step{Do: "settings", Settings: map[string]any{"editor.fontSize": fontSize}},
		step{
			Do:      "terminal",
			Command: fmt.Sprintf(`s=0; for i in $(seq %d); do s=$((s+i)); done; echo "answer $s" | tee answer.txt`, terms),
			Shows:   answer,
		},
	)
	if got := d.inHome(t, w.Slug, "notes.txt"); got != text {
		t.Errorf("the home holds %q, not what was typed", got)
	}
	if got := d.inHome(t, w.Slug, "answer.txt"); got != answer+"\n" {
		t.Errorf("the terminal's command has written %q", got)
	}

	d.must(t, "workspace", "stop", w.Slug)
	d.workspaceIs(t, w.Slug, "stopped", inPhase(client.PhaseStopped))
	d.must(t, "workspace", "start", w.Slug)
	d.workspaceIs(t, w.Slug, "ready", inPhase(client.PhaseReady))
	d.answers(t, d.labsHost(), "/"+w.Slug+"/", workbenchMark)

	seen := b.visit(t, "second-visit-"+string(d.router), w.URL, step{Do: "read", Name: "answer.txt"}, step{Do: "read", Name: "notes.txt"}, step{Do: "fontSize"})
	if want := []string{answer + "\n", text, fmt.Sprint(fontSize), ""}; !slices.Equal(seen.Results, want) {
		t.Errorf("after stop and start the editor shows %q, not %q", seen.Results, want)
	}
}
