package e2e

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/bothylabs/bothy/jobspecs"
	"github.com/bothylabs/bothy/service/client"
)

// templates: what is pushed is launched, a further version changes nothing, and
// what moves a course or changes a class shows as outdated.
func templates(t *testing.T, d *dev) {
	shell, err := jobspecs.FS.ReadFile("shell.nomad.hcl")
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(d.dir, "pushed.nomad.hcl")
	write := func(source string) {
		t.Helper()
		if err := os.WriteFile(file, []byte(source), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	push := func(wants string) {
		t.Helper()
		if said := d.must(t, "template", "push", "-message", "tried", file); !strings.Contains(said, wants) || strings.Contains(said, "did not read") {
			t.Errorf("push said %q, not %q", said, wants)
		}
	}

	write(strings.Replace(string(shell), "task \"", "taskk \"x\" {}\n\n    task \"", 1))
	if _, stderr, exit := d.run(t.Context(), "", "template", "push", file); exit == 0 || !strings.Contains(stderr, "taskk") {
		t.Errorf("what Nomad's parser refuses: exit %d, %s", exit, stderr)
	}
	first := "# Pushed, the first.\n" + string(shell)
	write(first)
	push("registered version 1")
	push("version 1 has this source already")
	d.must(t, "course", "create", "-template", "pushed", "Pushed course")
	d.createClass(t, "Pushed cohort", "pushed-course", "pushed", nil, student("Ada", 1), student("Bob", 2))
	const class = "pushed-cohort/pushed-course"
	d.must(t, "class", "launch", class)
	workspaces := d.classReady(t, class)
	source := d.source(t, workspaces[0].Slug)
	if !strings.HasPrefix(source, "# Pushed, the first.\n") {
		t.Errorf("Nomad was given another template:\n%.200s", source)
	}

	// Nomad takes an equal job for no change: a comment alone would not do.
	second := strings.Replace(strings.Replace(first, "the first", "the second", 1), "default     = 256\n", "default     = 288\n", 1)
	write(second)
	push("registered version 2")
	d.outdated(t, class, false)
	d.must(t, "class", "update", "-var", "memory=300", class)
	d.outdated(t, class, true)
	d.must(t, "class", "update", "-unset", "memory", class)
	d.outdated(t, class, false)
	d.must(t, "course", "update", "-template-version", "newest", "pushed-course")
	d.outdated(t, class, true)

	d.must(t, "workspace", "restart", workspaces[0].Slug)
	d.workspaceIs(t, workspaces[0].Slug, "of the second version", func(w client.Workspace) bool {
		return w.Phase == client.PhaseReady && !w.Outdated
	})
	if source := d.source(t, workspaces[0].Slug); !strings.HasPrefix(source, "# Pushed, the second.\n") {
		t.Errorf("Nomad was given another template:\n%.200s", source)
	}
	d.deleteClass(t, class)
	d.must(t, "course", "delete", "-yes", "pushed-course")
}

// outdated waits until all workspaces of a class are outdated, or none is, while they stay ready.
func (d *dev) outdated(t *testing.T, class string, want bool) {
	t.Helper()
	// A pass over everything after the change is what says so.
	status, err := d.api.Status(t.Context())
	if err != nil || status.Reconciler.LastPassAt == nil {
		t.Fatalf("status: %+v, %v", status.Reconciler, err)
	}
	asked := *status.Reconciler.LastPassAt
	eventually(t, readyLimit, fmt.Sprintf("%s to be outdated: %t", class, want), func(ctx context.Context) error {
		status, err := d.api.Status(ctx)
		if err != nil {
			return fmt.Errorf("status: %w", err)
		}
		list, err := d.api.Workspaces(ctx, client.WorkspaceFilter{Class: class})
		if err != nil {
			return fmt.Errorf("list workspaces: %w", err)
		}
		if at := status.Reconciler.LastPassAt; at == nil || !at.After(asked) {
			return fmt.Errorf("no pass since %s", asked)
		}
		for _, w := range list {
			if w.Outdated != want || w.Phase != client.PhaseReady {
				return fmt.Errorf("%s is %s, outdated: %t", w.Slug, w.Phase, w.Outdated)
			}
		}
		return nil
	})
}

// source is what a workspace's job was submitted with.
func (d *dev) source(t *testing.T, slug string) string {
	t.Helper()
	version := int(*d.job(t, jobID(slug)).Version)
	submission, _, err := d.nomad.Jobs().Submission(jobID(slug), version, nil)
	if err != nil {
		t.Fatalf("the submission of %s: %v", slug, err)
	}
	return submission.Source
}
