package e2e

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	nomadapi "github.com/hashicorp/nomad/api"

	"github.com/bothylabs/bothy/service/client"
)

// shellMark is in the page of the packaged web terminal.
const shellMark = "ShellInABox"

// lifecycle: a class of browser terminals, which proves that nothing of this is
// code-server's alone, is stopped, started, restarted and deleted.
func lifecycle(t *testing.T, d *dev) {
	const name = "Grace Hopper"
	class, list := d.launchShells(t, "Navy", name)
	slug := list[0].Slug
	defer d.deleteClass(t, class.Key)

	t.Run("a browser terminal answers through the same chain", func(t *testing.T) {
		d.answers(t, d.labsHost(), "/"+slug+"/", shellMark)
		d.answers(t, slug+"."+d.labsHost(), "/", shellMark)
	})
	t.Run("homes survive stop, start and restart", func(t *testing.T) { d.stopStartRestart(t, class.Key, slug) })
	t.Run("a restart of what is outdated ends with the new one", func(t *testing.T) { d.restartOutdated(t, class, slug) })
	t.Run("a reset gives an empty home", func(t *testing.T) { d.reset(t, class.Key, slug) })
	t.Run("deleting asks first", func(t *testing.T) { d.deleteAsks(t, slug) })
	t.Run("a name that was given is never given again", func(t *testing.T) { d.newSlug(t, class, slug, name) })
}

func (d *dev) stopStartRestart(t *testing.T, class, slug string) {
	t.Helper()
	d.putHome(t, slug, "notes.txt", "written before everything")

	stopped := d.must(t, "class", "stop", class)
	t.Logf("%s", strings.TrimSpace(stopped))
	d.classIs(t, class, client.PhaseStopped)
	eventually(t, 20*time.Second, "no route to a stopped workspace", func(ctx context.Context) error {
		p, err := d.get(ctx, d.labsHost(), "/"+slug+"/")
		if err != nil {
			return err
		}
		if p.status != http.StatusServiceUnavailable {
			return fmt.Errorf("status %d", p.status)
		}
		return nil
	})
	d.must(t, "class", "start", class)
	d.classReady(t, class)
	if got := d.inHome(t, slug, "notes.txt"); got != "written before everything" {
		t.Errorf("after stop and start the home holds %q", got)
	}

	before, err := d.alloc(t.Context(), slug)
	if err != nil {
		t.Fatal(err)
	}
	restarts := before.TaskStates[mainTask(before)].Restarts
	t.Logf("%s", strings.TrimSpace(d.must(t, "class", "restart", class)))
	after, err := d.alloc(t.Context(), slug)
	if err != nil {
		t.Fatal(err)
	}
	if after.ID == before.ID && after.TaskStates[mainTask(after)].Restarts == restarts {
		t.Error("the restart is done, and the same allocation runs without one")
	}
	if w, err := d.api.Workspace(t.Context(), slug); err != nil || w.Phase != client.PhaseReady || len(w.Due) > 0 {
		t.Errorf("the restart is done, and it is %s, due: %v (%v)", w.Phase, w.Due, err)
	}
	if got := d.inHome(t, slug, "notes.txt"); got != "written before everything" {
		t.Errorf("after a restart the home holds %q", got)
	}
}

// restartOutdated changes what the workspaces of a course are made of. A restart
// replaces the allocation, and is over when the new one is ready.
func (d *dev) restartOutdated(t *testing.T, class client.Class, slug string) {
	t.Helper()
	for i, line := range [][]string{{"class", "restart", class.Key}, {"workspace", "restart", slug}} {
		before, err := d.alloc(t.Context(), slug)
		if err != nil {
			t.Fatal(err)
		}
		parameters := client.Parameters{"cpu": 150 + 10*i}
		if _, err := d.api.UpdateCourse(t.Context(), class.Course, client.CoursePatch{Parameters: &parameters}); err != nil {
			t.Fatal(err)
		}
		t.Logf("%s", strings.TrimSpace(d.must(t, line...)))
		w, err := d.api.Workspace(t.Context(), slug)
		if err != nil || w.Phase != client.PhaseReady || w.Outdated {
			t.Errorf("after the restart it is %s, outdated: %v (%v)", w.Phase, w.Outdated, err)
		}
		after, err := d.alloc(t.Context(), slug)
		if err != nil || after.ID == before.ID {
			t.Errorf("the restart is over, and what runs is not a new allocation (%v)", err)
		}
	}
}

// reset asks first, and then the workspace comes up again at its place, without the
// files and with the secrets that it had; one that is stopped stays so.
func (d *dev) reset(t *testing.T, class, slug string) {
	t.Helper()
	if _, stderr, exit := d.run(t.Context(), slug+"\n", "workspace", "reset", slug); exit == 0 || !strings.Contains(stderr, "not reset") {
		t.Errorf("without a terminal, resetting gave exit %d: %s", exit, stderr)
	}
	before := d.homes(t, slug)
	secret := d.secretVersion(t, slug)

	t.Logf("%s", strings.TrimSpace(d.must(t, "workspace", "reset", "-yes", slug)))
	d.emptied(t, slug, before)
	d.answers(t, d.labsHost(), "/"+slug+"/", shellMark)
	if after := d.secretVersion(t, slug); after != secret {
		t.Errorf("its secrets have version %d, and had %d: they are to stay", after, secret)
	}

	d.putHome(t, slug, "notes.txt", "written after the first reset")
	before = d.homes(t, slug)
	t.Logf("%s", strings.TrimSpace(d.must(t, "class", "reset", "-yes", class)))
	d.emptied(t, slug, before)

	d.putHome(t, slug, "notes.txt", "written after the second reset")
	d.must(t, "class", "stop", class)
	d.must(t, "class", "reset", "-yes", class)
	if volumes := d.homes(t, slug); len(volumes) != 0 {
		t.Errorf("reset while it was stopped, it has %d homes", len(volumes))
	}
	if w, err := d.api.Workspace(t.Context(), slug); err != nil || w.Desired != client.DesiredStopped || w.Phase != client.PhaseStopped {
		t.Errorf("reset while it was stopped, it is wanted %s and %s (%v)", w.Desired, w.Phase, err)
	}
	d.must(t, "class", "start", class)
	d.emptied(t, slug, nil)
}

// emptied says that a workspace is ready with one home, which is none of those
// before and holds nothing that a student has written.
func (d *dev) emptied(t *testing.T, slug string, before []*nomadapi.HostVolumeStub) {
	t.Helper()
	w, err := d.api.Workspace(t.Context(), slug)
	if err != nil || w.Phase != client.PhaseReady || len(w.Due) > 0 {
		t.Fatalf("%s is %s: %s, due: %v (%v)", slug, w.Phase, w.Reason, w.Due, err)
	}
	now := d.homes(t, slug)
	if len(now) != 1 {
		t.Fatalf("%s has %d homes", slug, len(now))
	}
	for _, old := range before {
		if old.ID == now[0].ID {
			t.Errorf("%s still has the home %s", slug, old.ID)
		}
	}
	if out, err := d.exec(t.Context(), slug, "/bin/ls", "-A", "/home/coder"); err != nil || strings.Contains(out, "notes.txt") {
		t.Errorf("the home of %s holds %q (%v)", slug, out, err)
	}
}

// secretVersion is the version of a workspace's secrets in Vault.
func (d *dev) secretVersion(t *testing.T, slug string) int {
	t.Helper()
	secret, err := d.vault.KVv2("bothy").Get(t.Context(), "workspaces/"+jobID(slug)+"/env")
	if err != nil || secret.VersionMetadata == nil {
		t.Fatalf("the secrets of %s: %v", slug, err)
	}
	return secret.VersionMetadata.Version
}

// deleteAsks tries to delete without a terminal, which must change nothing, and
// then with the word that stands for a yes.
func (d *dev) deleteAsks(t *testing.T, slug string) {
	t.Helper()
	stdout, stderr, exit := d.run(t.Context(), "yes\n", "workspace", "delete", slug)
	if exit == 0 || !strings.Contains(stderr, "Error:") || !strings.Contains(stderr, "Hint:") {
		t.Errorf("without a terminal, deleting gave exit %d:\n%s%s", exit, stdout, stderr)
	}
	w, err := d.api.Workspace(t.Context(), slug)
	if err != nil || w.Desired != client.DesiredRunning {
		t.Errorf("after the refusal %s is wanted %s (%v)", slug, w.Desired, err)
	}
	d.must(t, "workspace", "delete", "-yes", slug)
	d.gone(t, slug)
	if volumes := d.homes(t, slug); len(volumes) != 1 {
		t.Errorf("deleting a workspace left %d homes; the home is kept unless it is asked for", len(volumes))
	}
}

// gone waits until a workspace is released, and looks for it at Nomad and in Vault.
func (d *dev) gone(t *testing.T, slug string) {
	t.Helper()
	eventually(t, readyLimit, slug+" released", func(ctx context.Context) error {
		list, err := d.api.Workspaces(ctx, client.WorkspaceFilter{IncludeDeleted: true})
		if err != nil {
			return fmt.Errorf("list workspaces: %w", err)
		}
		for _, w := range list {
			if w.Slug == slug && w.DeletedAt == nil {
				return fmt.Errorf("it is %s: %s", w.Phase, w.Reason)
			}
		}
		return nil
	})
	if _, err := d.alloc(t.Context(), slug); err == nil {
		t.Errorf("%s is released, and still runs", slug)
	}
	secret, err := d.vault.KVv2("bothy").Get(t.Context(), "workspaces/"+jobID(slug)+"/env")
	if err == nil && secret.Data != nil {
		t.Errorf("%s is released, and its secrets are still in Vault", slug)
	}
}

// homes lists the volumes that are a workspace's home.
func (d *dev) homes(t *testing.T, slug string) []*nomadapi.HostVolumeStub {
	t.Helper()
	all, _, err := d.nomad.HostVolumes().List(nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	var own []*nomadapi.HostVolumeStub
	for _, v := range all {
		if v.Name == "home-"+slug {
			own = append(own, v)
		}
	}
	return own
}

// newSlug launches again after the deletion, and then for a second person of the
// same name: each gets a workspace with a slug of its own and an empty home.
func (d *dev) newSlug(t *testing.T, class client.Class, first, name string) {
	t.Helper()
	if _, err := d.api.EnrollStudent(t.Context(), class.Cohort, student(name, 99)); err != nil {
		t.Fatal(err)
	}
	if _, err := d.api.LaunchClass(t.Context(), class.Key); err != nil {
		t.Fatal(err)
	}
	list := d.classReady(t, class.Key)
	if len(list) != 2 {
		t.Fatalf("the class has %d workspaces, not 2", len(list))
	}
	seen := map[string]bool{first: true}
	for _, w := range list {
		if seen[w.Slug] {
			t.Errorf("the slug %s was given twice", w.Slug)
		}
		seen[w.Slug] = true
		if out, err := d.exec(t.Context(), w.Slug, "/bin/ls", "/home/coder"); err != nil || strings.Contains(out, "notes.txt") {
			t.Errorf("the new home of %s holds %q (%v); it should be empty", w.Slug, out, err)
		}
	}
	t.Logf("slugs given: %v", seen)
}
