package e2e

import (
	"bytes"
	"context"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/bothylabs/bothy/service/dev/stack"
)

// TestClass runs one `bothy dev` and everything that people and programs do with
// it, in order; then it ends it and looks whether anything is left.
//
// It is by far the longest, waits for servers most of the time, and has the tests of
// the lane run beside it; the others look at the whole machine, and run alone.
func TestClass(t *testing.T) {
	t.Parallel()
	root, bothy := build(t)
	before, err := readMachine(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	d := newDev(t, root, bothy)
	d.neighbours = true
	d.start(t)
	var secret rotation
	for _, part := range []struct {
		name string
		run  func(t *testing.T, d *dev)
	}{
		{"the summary says where everything is", summary},
		{"the chain from URL to code-server", chain},
		{"a student's secret is changed", secret.begins},
		{"a student in the browser", func(t *testing.T, d *dev) { inBrowser(t, d, root) }},
		{"the demo's people sign in", demoSignsIn},
		{"a student signs in for the first time", func(t *testing.T, d *dev) { signsIn(t, d, root) }},
		{"a student forgets their password", func(t *testing.T, d *dev) { forgets(t, d, root) }},
		{"people sign in by the provider", func(t *testing.T, d *dev) { signsInByProvider(t, d, root) }},
		{"a hostile page", func(t *testing.T, d *dev) { hostile(t, d, root) }},
		{"both origins below one domain", func(t *testing.T, d *dev) { oneParent(t, d, root) }},
		{"the API's reference in the browser", func(t *testing.T, d *dev) { reference(t, d, root) }},
		{"a class of terminals from launch to deletion", lifecycle},
		{"the door", doors},
		{"what ends an open editor", func(t *testing.T, d *dev) { ends(t, d, root) }},
		{"Bothy is killed while students type", func(t *testing.T, d *dev) { bothyIsAway(t, d, root) }},
		{"logs, and commands inside a workspace", tasks},
		{"whose job it is", ownership},
		{"bad input", refusals},
		{"a cohort and its students by hand", people},
		{"templates from push to a moved course", templates},
		{"the API as its contract says", conformance},
		{"job files without Bothy", filesAlone},
		{"the adapters' own tests", adapters},
		{"what a workspace reaches, and what not", separated},
		{"the changed secret has arrived", secret.arrives},
		{"faults", faults},
		{"two instances share one role", instances},
		{"the doctor", doctored},
		{"the traces of a launch", traces},
		{"no secret is anywhere", noSecrets},
		{"a second start in the same folder is refused", secondStart},
	} {
		d.part(t, part.name, part.run)
	}
	d.interrupt(t)
	d.nothingLeft(t, before)
}

// TestEnds ends `bothy dev` in every way that there is: refused for a taken port,
// interrupted, killed, and by a part that dies. Nothing is left behind, and each
// time the next start brings back the same class with its homes.
func TestEnds(t *testing.T) {
	root, bothy := build(t)
	before, err := readMachine(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	d := newDev(t, root, bothy)
	d.portTaken(t)
	d.nothingLeft(t, before)

	d.start(t)
	slugs := d.leaveNotes(t)
	passwords, err := d.demoPasswords()
	if err != nil {
		t.Fatal(err)
	}
	d.interrupt(t)
	d.nothingLeft(t, before)

	d.start(t)
	d.findNotes(t, slugs)
	for login, password := range passwords {
		d.signedIn(t, login, password)
	}
	d.kill(t)

	d.start(t)
	d.findNotes(t, slugs)
	d.partDies(t, "fabio")
	d.nothingLeft(t, before)
}

// TestTraefik takes a class that began with Fabio over to Traefik: it is the same
// class with its homes, and the chain, the door and the browser work through Traefik.
func TestTraefik(t *testing.T) {
	inLane(t)
	root, bothy := build(t)
	before, err := readMachine(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	d := newDev(t, root, bothy)
	d.neighbours = true
	d.start(t)
	slugs := d.leaveNotes(t)
	jobs := d.submitted(t, slugs)
	d.interrupt(t)

	d.router = stack.Traefik
	d.start(t)
	d.findNotes(t, slugs)
	if diff := cmp.Diff(jobs, d.submitted(t, slugs)); diff != "" {
		t.Errorf("jobs were submitted again: %s", diff)
	}
	for _, part := range []struct {
		name string
		run  func(t *testing.T, d *dev)
	}{
		{"the summary says where everything is", summary},
		{"the chain from URL to code-server", chain},
		{"a student in the browser", func(t *testing.T, d *dev) { inBrowser(t, d, root) }},
		{"the door", doors},
		{"what ends an open editor", func(t *testing.T, d *dev) { ends(t, d, root) }},
		{"Traefik keeps tokens and tickets to itself", routerIsDiscreet},
		{"a stopped workspace's route is gone, the last one's as well", routesGo},
	} {
		d.part(t, part.name, part.run)
	}
	d.interrupt(t)
	d.nothingLeft(t, before)
}

// submitted gives the version of each workspace's job.
func (d *dev) submitted(t *testing.T, slugs []string) map[string]uint64 {
	t.Helper()
	versions := map[string]uint64{}
	for _, slug := range slugs {
		versions[slug] = *d.job(t, jobID(slug)).Version
	}
	return versions
}

// routerIsDiscreet: what the router writes down and shows holds no token, and no
// query string of a visitor's.
func routerIsDiscreet(t *testing.T, d *dev) {
	const ticket = "a-visitors-ticket"
	slug := d.classReady(t, demoClass)[0].Slug
	for _, path := range []string{"/" + slug + "/", "/nobody/"} {
		if _, err := d.get(t.Context(), d.labsHost(), path+"?ticket="+ticket); err != nil {
			t.Fatal(err)
		}
	}
	known := append(secrets{{name: "the ticket", value: ticket}}, d.seen...)
	for _, dir := range []string{"config", "logs"} {
		found, err := known.inFiles(filepath.Join(d.state(), dir), func(string) bool { return false })
		if err != nil {
			t.Fatal(err)
		}
		for _, line := range found {
			t.Error(line)
		}
	}
	d.notInCommandLines(t)
	api := fmt.Sprintf("127.0.0.1:%d", d.stackConfig().Ports.RouterUI)
	p, err := d.direct(t.Context(), api, api, "/api/rawdata")
	if err != nil {
		t.Fatal(err)
	}
	if p.status != http.StatusOK || !strings.Contains(p.body, "/"+slug+"/") {
		t.Errorf("the router's list of routes: status %d, %d bytes", p.status, len(p.body))
	}
	for _, name := range known.in([]byte(p.body)) {
		t.Errorf("the router's list of routes holds %s", name)
	}
}

// routesGo stops the demo class one by one; each path then is nobody's.
func routesGo(t *testing.T, d *dev) {
	for _, w := range d.classReady(t, demoClass) {
		d.must(t, "workspace", "stop", w.Slug)
		eventually(t, readyLimit, "the route of "+w.Slug+" to go", func(ctx context.Context) error {
			p, err := d.get(ctx, d.labsHost(), "/"+w.Slug+"/")
			if err == nil && p.status != http.StatusServiceUnavailable {
				err = fmt.Errorf("status %d", p.status)
			}
			return err
		})
	}
}

// part runs one part of a test, and shows the logs when it has failed.
func (d *dev) part(t *testing.T, name string, run func(t *testing.T, d *dev)) {
	t.Run(name, func(t *testing.T) {
		t.Cleanup(func() {
			if t.Failed() {
				t.Log(d.logs())
			}
		})
		run(t, d)
	})
}

// build makes the binary that is tested. The tests need root, as `bothy dev` does.
func build(t testing.TB) (root, bothy string) {
	t.Helper()
	if testing.Short() {
		t.Skip("NOT RUN with -short: the end-to-end tests start Nomad, Consul, Vault, Fabio, Traefik and Chromium")
	}
	if os.Geteuid() != 0 {
		t.Fatal("the end-to-end tests need root: Nomad's drivers and network do")
	}
	root = sourceRoot(t)
	bothy = filepath.Join(t.TempDir(), "bothy")
	cmd := exec.CommandContext(t.Context(), "go", "build", "-buildvcs=false", "-o", bothy, "./cmd/bothy")
	cmd.Dir = root
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("build bothy: %v\n%s", err, out)
	}
	return root, bothy
}

// sourceRoot is the folder of the source tree.
func sourceRoot(t testing.TB) string {
	t.Helper()
	_, file, _, ok := runtime.Caller(0)
	if !ok {
		t.Fatal("where this file is, is not known")
	}
	return filepath.Dir(filepath.Dir(file))
}

// nothingLeft looks at the machine after the end of `bothy dev`.
func (d *dev) nothingLeft(t *testing.T, before machine) {
	t.Helper()
	after, err := readMachine(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	added := slices.DeleteFunc(after.since(before), d.otherPort)
	others, err := nomadAgents()
	if err != nil {
		t.Fatal(err)
	}
	if d.neighbours || len(others) > 0 {
		t.Logf("other stacks run on this machine (%v): only what bears this one's marks counts as left", others)
		added = slices.DeleteFunc(added, func(line string) bool { return !d.marked(line) })
	}
	for _, line := range added {
		t.Errorf("left behind: %s", line)
	}
	processes, err := processesOf(d.dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, line := range processes {
		t.Errorf("left behind: %s", line)
	}
	leftovers, err := stack.Leftovers(t.Context(), d.stackConfig())
	if err != nil {
		t.Fatal(err)
	}
	for _, line := range leftovers {
		t.Errorf("left behind, by the stack's own account: %s", line)
	}
}

// otherPort says of a thing that it is a port which `bothy dev` never listens on:
// other programs of the machine open some at any time. Whatever ours listen on
// ends with their processes.
func (d *dev) otherPort(line string) bool {
	address, isPort := strings.CutPrefix(line, listeningPort+" ")
	if !isPort {
		return false
	}
	_, port, err := net.SplitHostPort(address)
	if err != nil {
		return false
	}
	return !slices.ContainsFunc(portsOf(d.stackConfig(), d.offset), func(own int) bool { return strconv.Itoa(own) == port })
}

// portTaken starts `bothy dev` while a program of somebody else has one of its ports.
func (d *dev) portTaken(t *testing.T) {
	t.Helper()
	holder, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(d.labsPort())))
	if err != nil {
		t.Fatal(err)
	}
	defer holder.Close()
	d.launch(t)
	<-d.ended
	printed := d.out.String()
	for _, part := range []string{"Error:", "-labs-port", strconv.Itoa(d.labsPort()), strconv.Itoa(os.Getpid()), "Hint:"} {
		if d.err == nil || !strings.Contains(printed, part) {
			t.Errorf("with a port taken, bothy dev ended with %v and did not say %q:\n%s", d.err, part, lastLines(printed, 5))
		}
	}
}

// secondStart runs `bothy dev` once more in the same folder.
func secondStart(t *testing.T, d *dev) {
	second := &dev{root: d.root, bothy: d.bothy, dir: d.dir, offset: d.offset}
	second.launch(t)
	<-second.ended
	printed := second.out.String()
	if second.err == nil || !strings.Contains(printed, "Error:") || !strings.Contains(printed, strconv.Itoa(d.cmd.Process.Pid)) {
		t.Errorf("a second start ended with %v and did not say who runs there:\n%s", second.err, lastLines(printed, 5))
	}
	d.classReady(t, demoClass)
}

// partDies kills one of the servers: `bothy dev` says which, shows the end of its
// log, and ends the others.
func (d *dev) partDies(t *testing.T, part string) {
	t.Helper()
	processes, err := processesOf(d.dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, line := range processes {
		var pid int
		var command string
		if _, err := fmt.Sscanf(line, "process %d %s", &pid, &command); err == nil && command == part {
			if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
				t.Fatal(err)
			}
		}
	}
	select {
	case <-d.ended:
	case <-time.After(stopLimit):
		t.Fatalf("bothy dev did not end within %s of the death of %s\n%s", stopLimit, part, d.logs())
	}
	printed := d.out.String()
	if d.err == nil || !strings.Contains(printed, part+" has ended") || !strings.Contains(printed, part+".log") {
		t.Errorf("after the death of %s, bothy dev ended with %v and said:\n%s", part, d.err, lastLines(printed, 20))
	}
}

// marked tells whether a line about the machine names something of this stack:
// its folder, bridge, network, ports or an allocation.
func (d *dev) marked(line string) bool {
	config := d.stackConfig()
	network := netip.MustParsePrefix(config.BridgeSubnet)
	marks := []string{d.dir, config.BridgeName, strings.TrimSuffix(network.Addr().String(), "0")}
	for _, port := range portsOf(config, d.offset) {
		marks = append(marks, fmt.Sprintf(":%d", port))
	}
	for port := config.Ports.DynamicMin; port <= config.Ports.DynamicMax; port++ {
		marks = append(marks, fmt.Sprintf(":%d", port))
	}
	allocs, _ := names(filepath.Join(d.state(), "alloc"))
	return slices.ContainsFunc(append(marks, allocs...), func(mark string) bool { return strings.Contains(line, mark) })
}

const note = "a note from before"

// leaveNotes writes a note into the home of every student of the demo class.
func (d *dev) leaveNotes(t *testing.T) []string {
	t.Helper()
	var slugs []string
	for _, w := range d.classReady(t, demoClass) {
		d.putHome(t, w.Slug, "note.txt", note)
		slugs = append(slugs, w.Slug)
	}
	return slugs
}

// findNotes wants the same workspaces, ready, with the note in each home.
func (d *dev) findNotes(t *testing.T, slugs []string) {
	t.Helper()
	list := d.classReady(t, demoClass)
	if len(list) != len(slugs) {
		t.Errorf("the demo class has %d workspaces, not %d", len(list), len(slugs))
	}
	for i, w := range list {
		if w.Slug != slugs[i] {
			t.Errorf("the workspace %s is now %s", slugs[i], w.Slug)
		}
		d.answers(t, d.labsHost(), "/"+w.Slug+"/", workbenchMark)
		if got := d.inHome(t, w.Slug, "note.txt"); got != note {
			t.Errorf("the home of %s holds %q", w.Slug, got)
		}
	}
}

// summary: what `bothy dev` prints, and the file to source.
func summary(t *testing.T, d *dev) {
	printed := d.out.String()
	for _, w := range d.classReady(t, demoClass) {
		if opens := d.console() + "/open/" + w.Slug; !strings.Contains(printed, opens+"\n") {
			t.Errorf("the summary lacks what %s opens, %s", w.Student.Name, opens)
		}
	}
	for _, part := range []string{
		"http://bothy.localhost:", d.env["BOTHY_ADDR"], d.env["NOMAD_ADDR"], d.env["CONSUL_HTTP_ADDR"], d.env["VAULT_ADDR"],
		filepath.Join(d.state(), "env"), d.passwordsFile(),
	} {
		if !strings.Contains(printed, part) {
			t.Errorf("the summary lacks %s", part)
		}
	}
	info, err := os.Stat(filepath.Join(d.state(), "env"))
	if err != nil {
		t.Fatal(err)
	}
	if info.Mode().Perm() != 0o600 {
		t.Errorf(".dev/env has mode %v", info.Mode())
	}
	if names := d.seen.in([]byte(printed)); len(names) > 0 {
		t.Errorf("what is printed holds %v", names)
	}
	if !bytes.Contains([]byte(d.must(t, "status")), []byte("ready")) {
		t.Error("bothy status does not say that anything is ready")
	}
}
