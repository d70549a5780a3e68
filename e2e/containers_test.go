//go:build containers

package e2e

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/bothylabs/bothy/service/client"
	"github.com/google/go-cmp/cmp"
	nomadapi "github.com/hashicorp/nomad/api"
	vaultapi "github.com/hashicorp/vault/api"
)

// TestContainers runs the template for production, jobspecs/code-server.nomad.hcl,
// as it is: in a Docker engine, with images made here, for two courses of which
// each has an image of its own. A `bothy server` runs it, whose homes belong to
// the images' user.
func TestContainers(t *testing.T) {
	root, bothy := build(t)
	before, err := readMachine(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	e := newEngine(t, root)
	e.loadImages(t, root)
	t.Setenv("DOCKER_HOST", "unix://"+e.socket)
	d := newDev(t, root, bothy)
	d.start(t)
	d.runsDocker(t)
	s := newServer(t, d, "server", d.ownDoor(t))
	second := *d
	second.api = s.api

	b := newBrowser(t, root)
	b.link = second.link
	for _, course := range []struct{ name, image, tree string }{
		{"plain", workspaceImage, "none"},
		{"trees", treeImage, "/usr/bin/tree"},
	} {
		t.Run(course.name, func(t *testing.T) {
			t.Cleanup(func() {
				if t.Failed() {
					t.Log(d.logs())
				}
			})
			second.inContainer(t, e, b, course.name, course.image, course.tree)
		})
	}
	eventually(t, readyLimit, "no container is left of the deleted classes", func(context.Context) error {
		if left := strings.Fields(e.docker(t, "ps", "--all", "--quiet")); len(left) > 0 {
			return fmt.Errorf("there are %d", len(left))
		}
		return nil
	})
	s.kill(t)
	s.nomad.shut()
	d.interrupt(t)
	if err := e.stop(); err != nil {
		t.Error(err)
	}
	e.nothingLeft(t)
	d.nothingLeft(t, before)
}

// runsDocker waits until Nomad has found the engine.
func (d *dev) runsDocker(t *testing.T) {
	t.Helper()
	eventually(t, readyLimit, "Nomad's Docker driver is healthy", func(ctx context.Context) error {
		nodes, _, err := d.nomad.Nodes().List((&nomadapi.QueryOptions{}).WithContext(ctx))
		if err != nil {
			return fmt.Errorf("list nodes: %w", err)
		}
		for _, node := range nodes {
			if driver := node.Drivers["docker"]; driver != nil && driver.Healthy {
				return nil
			}
		}
		return errors.New("it is not")
	})
}

// inContainer: one student of one course, from launch to deletion.
func (d *dev) inContainer(t *testing.T, e *engine, b browser, course, image, tree string) {
	class := d.createClass(t, "Containers", course, "code-server",
		client.Parameters{"image": image, "nginx_image": nginxImage, "force_pull": false}, student("Mary Keller", 1))
	defer d.deleteClass(t, class.Key)
	if _, err := d.api.LaunchClass(t.Context(), class.Key); err != nil {
		t.Fatalf("launch %s: %v", class.Key, err)
	}
	w := d.classReady(t, class.Key)[0]
	d.answers(t, d.labsHost(), "/"+w.Slug+"/", workbenchMark)
	d.answers(t, w.Slug+"."+d.labsHost(), "/", workbenchMark)

	const text = "Written in a container"
	// Who the student is, whether the course's package is there, and how long the secret from Vault is.
	b.visit(t, "container-"+course, w.URL,
		step{Do: "write", Name: "notes.txt", Text: text},
		step{
			Do: "terminal", Command: `echo "$(id -un) $(command -v tree || echo none) ${#WORKSPACE_SECRET}"`,
			Shows: "coder " + tree + " 43",
		},
	)
	if got := d.inHome(t, w.Slug, "notes.txt"); got != text {
		t.Errorf("the home holds %q, not what was typed", got)
	}
	if got, err := d.exec(t.Context(), w.Slug, "/bin/sh", "-c", "stat -c %u:%g:%a /home/coder"); err != nil || got != "1000:1000:700\n" {
		t.Errorf("the home's owner and mode are %q (%v)", got, err)
	}
	d.confined(t, e, w.Slug)
	d.secretsStayOut(t, e)

	if _, err := d.api.StopWorkspace(t.Context(), w.Slug); err != nil {
		t.Fatal(err)
	}
	d.workspaceIs(t, w.Slug, "stopped", inPhase(client.PhaseStopped))
	// What someone has put beside the workspace's own secret, which no shell may take for a program.
	const tricky = "it's \"${HOME}\" $(id) `id` \\ #"
	if _, err := d.vault.KVv2("bothy").Patch(t.Context(), "workspaces/"+jobID(w.Slug)+"/env",
		map[string]any{"TRICKY": tricky, "not-a-name": "x"}, vaultapi.WithCheckAndSet(1)); err != nil {
		t.Fatal(err)
	}
	if _, err := d.api.StartWorkspace(t.Context(), w.Slug); err != nil {
		t.Fatal(err)
	}
	d.workspaceIs(t, w.Slug, "ready", inPhase(client.PhaseReady))
	if got := d.inHome(t, w.Slug, "notes.txt"); got != text {
		t.Errorf("after stop and start the home holds %q", got)
	}
	if got := d.environment(t, e, w.Slug); got["TRICKY"] != tricky || len(got["WORKSPACE_SECRET"]) != 43 || got["HOME"] != "/home/coder" {
		t.Errorf("code-server has TRICKY=%q, a secret of %d characters and HOME=%q", got["TRICKY"], len(got["WORKSPACE_SECRET"]), got["HOME"])
	}
}

// A container is what the engine says of one.
type container struct {
	ID         string `json:"Id"`
	State      struct{ Pid int }
	HostConfig struct {
		PidsLimit  int64
		Privileged bool
	}
	Config struct{ Image, User string }
}

// containers gives what the engine runs for a workspace, by the task's name.
func (d *dev) containers(t *testing.T, e *engine, slug string) map[string]container {
	t.Helper()
	alloc, err := d.alloc(t.Context(), slug)
	if err != nil {
		t.Fatal(err)
	}
	found := map[string]container{}
	for task := range alloc.TaskStates {
		var list []container
		if err := json.Unmarshal([]byte(e.docker(t, "inspect", task+"-"+alloc.ID)), &list); err != nil || len(list) != 1 {
			t.Fatalf("the container of %s: %d of them, %v", task, len(list), err)
		}
		found[task] = list[0]
	}
	return found
}

// environment gives that of code-server itself, which the shell before it has made.
func (d *dev) environment(t *testing.T, e *engine, slug string) map[string]string {
	t.Helper()
	for _, pid := range e.pids(t, d.containers(t, e, slug)["code-server"]) {
		command, err := os.ReadFile(filepath.Join("/proc", pid, "cmdline"))
		if err != nil || !strings.Contains(string(command), "/lib/node") {
			continue
		}
		text, err := os.ReadFile(filepath.Join("/proc", pid, "environ"))
		if err != nil {
			t.Fatal(err)
		}
		found := map[string]string{}
		for entry := range strings.SplitSeq(string(text), "\x00") {
			name, value, _ := strings.Cut(entry, "=")
			found[name] = value
		}
		return found
	}
	t.Fatal("code-server does not run")
	return nil
}

// pids gives the processes of a container, as the host counts them.
func (e *engine) pids(t *testing.T, c container) []string {
	t.Helper()
	return strings.Fields(e.docker(t, "top", c.ID, "-o", "pid"))[1:]
}

// confined looks at the processes themselves: whose they are, what the kernel
// lets them do, and where they listen.
func (d *dev) confined(t *testing.T, e *engine, slug string) {
	t.Helper()
	none := "0000000000000000"
	for task, user := range map[string]string{"code-server": "1000", "nginx": "65534"} {
		c := d.containers(t, e, slug)[task]
		if c.HostConfig.Privileged || c.HostConfig.PidsLimit <= 0 {
			t.Errorf("%s: privileged: %v, limit of processes: %d", task, c.HostConfig.Privileged, c.HostConfig.PidsLimit)
		}
		want := map[string]string{
			"Uid": strings.Repeat(user+" ", 4), "Gid": strings.Repeat(user+" ", 4), "NoNewPrivs": "1 ", "Seccomp": "2 ",
			"CapInh": none + " ", "CapPrm": none + " ", "CapEff": none + " ", "CapBnd": none + " ", "CapAmb": none + " ",
		}
		looked := 0
		for _, pid := range e.pids(t, c) {
			text, err := os.ReadFile(filepath.Join("/proc", pid, "status"))
			if err != nil {
				continue // it has ended
			}
			looked++
			if diff := cmp.Diff(want, statusFields(string(text), want)); diff != "" {
				t.Errorf("%s, process %s:\n%s", task, pid, diff)
			}
		}
		if looked < 2 {
			t.Errorf("%s: %d processes", task, looked)
		}
		d.listensOnNGINXAlone(t, c.State.Pid)
		if task == "nginx" && !readOnlyRoot(t, c.State.Pid) {
			t.Error("nginx can write to its root")
		}
	}
}

// statusFields picks fields of a process's status (proc_pid_status(5)), with single blanks behind their words.
func statusFields(status string, names map[string]string) map[string]string {
	found := map[string]string{}
	for line := range strings.Lines(status) {
		name, value, _ := strings.Cut(line, ":")
		if _, wanted := names[name]; wanted {
			found[name] = strings.Join(strings.Fields(value), " ") + " "
		}
	}
	return found
}

func readOnlyRoot(t *testing.T, pid int) bool {
	t.Helper()
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/mountinfo", pid))
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(text)) {
		if fields := strings.Fields(line); len(fields) > 5 && fields[4] == "/" {
			return strings.HasPrefix(fields[5], "ro")
		}
	}
	return false
}

func (*dev) listensOnNGINXAlone(t *testing.T, pid int) {
	t.Helper()
	inside, err := listeners(fmt.Sprintf("/proc/%d/net", pid))
	if err != nil {
		t.Fatal(err)
	}
	for _, text := range inside {
		address := netip.MustParseAddrPort(text)
		if !address.Addr().Unmap().IsLoopback() && address.Port() != nginxPort {
			t.Errorf("%s can be reached from outside the workspace; only NGINX's %d may be", address, nginxPort)
		}
	}
}

// secretsStayOut: neither the engine nor what it keeps on disk of containers
// knows what Vault gave them.
func (d *dev) secretsStayOut(t *testing.T, e *engine) {
	t.Helper()
	if d.collectWorkspaceSecrets(t) == 0 {
		t.Fatal("no workspace has a secret")
	}
	ids := strings.Fields(e.docker(t, "ps", "--all", "--quiet"))
	if names := d.seen.in([]byte(e.docker(t, append([]string{"inspect"}, ids...)...))); len(names) > 0 {
		t.Errorf("the engine shows %v", names)
	}
	found, err := d.seen.inFiles(filepath.Join(e.dir, "data", "containers"), func(string) bool { return false })
	if err != nil {
		t.Fatal(err)
	}
	for _, line := range found {
		t.Error(line)
	}
}
