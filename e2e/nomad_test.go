package e2e

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	nomadapi "github.com/hashicorp/nomad/api"

	"github.com/bothylabs/bothy/service/client"
)

// watchSpan is how long a test watches that Bothy leaves something alone: longer
// than the loop takes to see a change, shorter than a break.
const watchSpan = 6 * time.Second

// ownership: what Bothy submits is a plain job file, and a job that somebody else
// has touched or made is not Bothy's to change.
func ownership(t *testing.T, d *dev) {
	class, list := d.launchShells(t, "Owners", "Ana Pérez", "Bo Li")
	defer d.deleteClass(t, class.Key)
	slug := list[0].Slug

	t.Run("Nomad shows the job file as it was submitted", func(t *testing.T) { d.submittedSource(t, slug) })
	t.Run("a change by another hand is shown and stays", func(t *testing.T) { d.drift(t, slug) })
	t.Run("a job that another hand purges comes back with its home", func(t *testing.T) { d.purged(t, list[1].Slug) })
	t.Run("a foreign job with our name is not touched", func(t *testing.T) { d.foreign(t, class) })
}

// submittedSource reads the job's source back from Nomad: it says everything that
// the registered job is, and it is the file that was sent.
func (d *dev) submittedSource(t *testing.T, slug string) {
	t.Helper()
	id := jobID(slug)
	job := d.job(t, id)
	submission, _, err := d.nomad.Jobs().Submission(id, int(*job.Version), nil)
	if err != nil {
		t.Fatalf("read the submission of %s: %v", id, err)
	}
	if submission.Format != "hcl2" || !strings.Contains(submission.Source, "# ") {
		t.Errorf("the submission is of format %q and %d bytes; it should be HCL, comments and all", submission.Format, len(submission.Source))
	}
	again, err := d.nomad.Jobs().ParseHCLOpts(&nomadapi.JobsParseRequest{JobHCL: submission.Source, Canonicalize: true})
	if err != nil {
		t.Fatalf("Nomad does not parse the source that it shows: %v", err)
	}
	plan, _, err := d.nomad.Jobs().Plan(again, true, nil)
	if err != nil {
		t.Fatal(err)
	}
	if plan.Diff.Type != "None" {
		t.Errorf("to submit the shown source again would change the job (%s)", plan.Diff.Type)
	}
	d.sameAsRendered(t, slug, submission.Source)
}

// ownIDs are the two values that only a server knows, where the job file has them.
var ownIDs = regexp.MustCompile(`(variable "(?:installation|workspace)_id" \{[^}]*?default\s*=\s*)"[^"]*"`)

// sameAsRendered compares what Nomad shows with what `bothy render` writes for
// the same student: byte for byte, but for the ids of installation and workspace.
func (d *dev) sameAsRendered(t *testing.T, slug, submitted string) {
	t.Helper()
	w, err := d.api.Workspace(t.Context(), slug)
	if err != nil {
		t.Fatal(err)
	}
	status, err := d.api.Status(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	rendered := d.must(t, "render", "shell", "-cohort", w.Cohort, "-course", w.Course, "-student", w.Student.Name,
		"-namespace", d.namespace(), "-door-url", d.doorURL(t), "-labs-url", "http://"+d.labsHost(),
		"-console-url", strings.Replace(d.env["BOTHY_ADDR"], "127.0.0.1", "bothy.localhost", 1),
		"-vault-role", vaultRole)
	if diff := cmp.Diff(ownIDs.ReplaceAllString(rendered, `$1""`), ownIDs.ReplaceAllString(submitted, `$1""`)); diff != "" {
		t.Errorf("`bothy render` and what Nomad shows differ (-rendered +submitted):\n%s", diff)
	}
	for _, id := range []string{status.InstallationID, w.ID} {
		if strings.Count(submitted, id) != 1 {
			t.Errorf("the submitted job names %s %d times, not once", id, strings.Count(submitted, id))
		}
	}
}

// drift changes a running job as an operator might, and watches that Bothy says
// so and leaves it.
func (d *dev) drift(t *testing.T, slug string) {
	t.Helper()
	id := jobID(slug)
	job := d.job(t, id)
	priority := *job.Priority + 7
	job.Priority = &priority
	if _, _, err := d.nomad.Jobs().Register(job, nil); err != nil {
		t.Fatalf("change %s by another hand: %v", id, err)
	}
	changed := d.job(t, id)
	w := d.workspaceIs(t, slug, "drifted", func(w client.Workspace) bool { return w.Drifted })
	if w.Reason == "" {
		t.Error("a drifted workspace has no reason")
	}
	throughout(t, watchSpan, "a drifted job was changed", d.untouched(id, *changed.JobModifyIndex))

	// A stop and a start are wishes of a person: they bring back what Bothy knows.
	if _, err := d.api.StopWorkspace(t.Context(), slug); err != nil {
		t.Fatal(err)
	}
	d.workspaceIs(t, slug, "stopped", inPhase(client.PhaseStopped))
	if _, err := d.api.StartWorkspace(t.Context(), slug); err != nil {
		t.Fatal(err)
	}
	w = d.workspaceIs(t, slug, "ready", inPhase(client.PhaseReady))
	if w.Drifted || *d.job(t, id).Priority == priority {
		t.Errorf("after a stop and a start the change by another hand is still there (drifted: %v)", w.Drifted)
	}
}

// untouched checks that a job is as it was and wanted running.
func (d *dev) untouched(id string, index uint64) func(context.Context) error {
	return func(ctx context.Context) error {
		job, _, err := d.nomad.Jobs().Info(id, (&nomadapi.QueryOptions{}).WithContext(ctx))
		if err != nil {
			return fmt.Errorf("read %s: %w", id, err)
		}
		if *job.JobModifyIndex != index || *job.Stop {
			return fmt.Errorf("%s has index %d (was %d), stopped: %v", id, *job.JobModifyIndex, index, *job.Stop)
		}
		return nil
	}
}

// purged removes a running job as an operator might, without a trace at Nomad.
func (d *dev) purged(t *testing.T, slug string) {
	t.Helper()
	d.putHome(t, slug, "kept.txt", "still here")
	before, err := d.alloc(t.Context(), slug)
	if err != nil {
		t.Fatal(err)
	}
	if _, _, err := d.nomad.Jobs().Deregister(jobID(slug), true, nil); err != nil {
		t.Fatalf("purge %s: %v", jobID(slug), err)
	}
	eventually(t, readyLimit, slug+" runs again", func(ctx context.Context) error {
		after, err := d.alloc(ctx, slug)
		if err != nil {
			return err
		}
		if after.ID == before.ID {
			return errors.New("it is the old allocation")
		}
		return nil
	})
	d.workspaceIs(t, slug, "ready", inPhase(client.PhaseReady))
	if got := d.inHome(t, slug, "kept.txt"); got != "still here" {
		t.Errorf("the home holds %q", got)
	}
}

// foreign puts a job of somebody else where a student's will be wanted.
func (d *dev) foreign(t *testing.T, class client.Class) {
	t.Helper()
	slug := class.Cohort + "-" + class.Course + "-chidi-anagonye"
	id := jobID(slug)
	job := nomadapi.NewServiceJob(id, id, "global", 50)
	namespace := d.namespace()
	job.Namespace = &namespace
	group := nomadapi.NewTaskGroup("other", 1)
	task := nomadapi.NewTask("other", "mock_driver")
	task.Config = map[string]any{"run_for": "24h"}
	group.AddTask(task)
	job.AddTaskGroup(group)
	if _, _, err := d.nomad.Jobs().Register(job, nil); err != nil {
		t.Fatalf("make a foreign job: %v", err)
	}
	remove := func() {
		if _, _, err := d.nomad.Jobs().Deregister(id, true, nil); err != nil {
			t.Errorf("remove the foreign job: %v", err)
		}
	}
	defer remove() // once more does no harm
	index := *d.job(t, id).JobModifyIndex

	enrolled, err := d.api.EnrollStudent(t.Context(), class.Cohort, client.StudentInput{Name: "Chidi Anagonye", Email: "chidi@example.edu"})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := d.api.LaunchClass(t.Context(), class.Key); err != nil {
		t.Fatal(err)
	}
	w := d.workspaceIs(t, slug, "said to be blocked by a foreign job", func(w client.Workspace) bool {
		return w.Phase == client.PhaseFailed && w.Reason != ""
	})
	t.Logf("Bothy says: %s", w.Reason)
	throughout(t, watchSpan, "a foreign job was changed", d.untouched(id, index))
	if _, err := d.api.StopWorkspace(t.Context(), slug); err != nil {
		t.Fatal(err)
	}
	throughout(t, watchSpan, "a foreign job was stopped", d.untouched(id, index))
	if _, err := d.api.WithdrawStudent(t.Context(), enrolled.ID); err != nil {
		t.Fatal(err)
	}
	throughout(t, watchSpan, "a foreign job was deleted", d.untouched(id, index))
	remove()
	d.workspaceIs(t, slug, "released, as nothing stands in the way any more", func(w client.Workspace) bool { return w.DeletedAt != nil })
}
