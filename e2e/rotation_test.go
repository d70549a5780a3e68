package e2e

import (
	"context"
	"crypto/rand"
	"fmt"
	"strings"
	"testing"
	"time"

	nomadapi "github.com/hashicorp/nomad/api"

	"github.com/bothylabs/bothy/jobspecs"
	"github.com/bothylabs/bothy/service/client"
)

// rotationLimit is how long a changed secret may take to a task that runs: Nomad's
// templates read a KV secret again every five minutes.
const rotationLimit = 7 * time.Minute

// A rotation is a student's secret that is changed while their workspaces run: one of
// a template whose change mode restarts the task, one of a built-in, which interrupts
// nobody. It takes minutes, and other parts of the test are in between.
type rotation struct {
	restarts, noop rotated
	value          string
	changed        time.Time
}

// rotated is one of the workspaces.
type rotated struct {
	class, slug, student string
	// before is its allocation when the secret was changed.
	before *nomadapi.Allocation
}

// begins launches the workspaces with a secret, and changes it.
func (r *rotation) begins(t *testing.T, d *dev) {
	shell, err := jobspecs.FS.ReadFile("shell.nomad.hcl")
	if err != nil {
		t.Fatal(err)
	}
	before, after, ok := strings.Cut(string(shell), `destination = "${NOMAD_SECRETS_DIR}/workspace.env"`)
	after, found := strings.CutPrefix(after, "\n          change_mode = \"noop\"")
	if !ok || !found {
		t.Fatal("the template of secrets is not where it was")
	}
	restarting := before + `destination = "${NOMAD_SECRETS_DIR}/workspace.env"` + "\n          change_mode = \"restart\"" + after
	if _, _, err := d.api.PushTemplate(t.Context(), "restarting", client.TemplateInput{Source: restarting}); err != nil {
		t.Fatal(err)
	}
	first := "first-" + rand.Text()
	r.value = "second-" + rand.Text()
	d.seen.add("a student's first secret", first)
	d.seen.add("a student's second secret", r.value)
	r.restarts = d.withSecret(t, "Restarted", "restarting", first)
	r.noop = d.withSecret(t, "Rendered", "shell", first)
	for _, w := range []*rotated{&r.restarts, &r.noop} {
		if text := d.secretsOf(t, w.slug); !strings.Contains(text, "ROTATED='"+first+"'") {
			t.Fatalf("%s begins without its student's secret: %d bytes", w.slug, len(text))
		}
		if w.before, err = d.alloc(t.Context(), w.slug); err != nil {
			t.Fatal(err)
		}
		if _, err := d.api.SetSecret(t.Context(), client.SecretOwner{Student: w.student}, "ROTATED", r.value); err != nil {
			t.Fatal(err)
		}
	}
	r.changed = time.Now()
}

// withSecret launches a class of one student who has a secret.
func (d *dev) withSecret(t *testing.T, cohort, template, value string) rotated {
	t.Helper()
	email := strings.ToLower(cohort) + "@rotation.example.edu"
	class := d.createClass(t, cohort, cohort+" course", template, nil, client.StudentInput{Name: "Ada Lovelace", Email: email})
	students, err := d.api.Students(t.Context(), strings.ToLower(cohort))
	if err != nil || len(students) != 1 {
		t.Fatalf("%d students, %v", len(students), err)
	}
	if _, err := d.api.SetSecret(t.Context(), client.SecretOwner{Student: students[0].ID}, "ROTATED", value); err != nil {
		t.Fatal(err)
	}
	operation, err := d.api.LaunchClass(t.Context(), class.Key)
	if err != nil {
		t.Fatal(err)
	}
	d.operationDone(t, operation)
	return rotated{class: class.Key, slug: d.classReady(t, class.Key)[0].Slug, student: students[0].ID}
}

// secretsOf gives what a task was given of secrets, as it is now.
func (d *dev) secretsOf(t *testing.T, slug string) string {
	t.Helper()
	text, err := d.exec(t.Context(), slug, "/bin/cat", "/secrets/workspace.env")
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// arrives looks what has come of it.
func (r *rotation) arrives(t *testing.T, d *dev) {
	if r.changed.IsZero() {
		t.Fatal("it was not changed")
	}
	line := "ROTATED='" + r.value + "'"
	for _, w := range []rotated{r.restarts, r.noop} {
		eventually(t, rotationLimit, "the changed secret reaches "+w.slug, func(ctx context.Context) error {
			text, err := d.exec(ctx, w.slug, "/bin/cat", "/secrets/workspace.env")
			if err == nil && !strings.Contains(text, line) {
				err = fmt.Errorf("it is not there after %s", time.Since(r.changed).Round(time.Second))
			}
			return err
		})
	}
	t.Logf("it was there after %s at most", time.Since(r.changed).Round(time.Second))
	for _, w := range []struct {
		rotated
		restarts uint64
	}{{r.restarts, 1}, {r.noop, 0}} {
		var now *nomadapi.Allocation
		eventually(t, time.Minute, w.slug+" runs", func(ctx context.Context) error {
			var err error
			if now, err = d.alloc(ctx, w.slug); err != nil {
				return err
			}
			if got := now.TaskStates[mainTask(now)].Restarts - w.before.TaskStates[mainTask(now)].Restarts; got != w.restarts {
				return fmt.Errorf("it was restarted %d times, not %d", got, w.restarts)
			}
			return nil
		})
		if now.ID != w.before.ID {
			t.Errorf("%s has another allocation", w.slug)
		}
		d.workspaceIs(t, w.slug, "ready", inPhase(client.PhaseReady))
	}
	for _, w := range []rotated{r.restarts, r.noop} {
		d.deleteClass(t, w.class)
	}
}
