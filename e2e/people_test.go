package e2e

import (
	"context"
	"slices"
	"strings"
	"testing"

	"github.com/bothylabs/bothy/service/client"
)

// people: a cohort and its students on the command line, each change tried first,
// and told to those who follow.
func people(t *testing.T, d *dev) {
	ctx := t.Context()
	following, err := begin(ctx, d.api)
	if err != nil {
		t.Fatal(err)
	}
	const student = "by-hand/lee@example.edu"
	enroll := []string{"student", "enroll", "-name", "Lee Late", "-email", "lee@example.edu"}

	d.tries(t, "Cohort by-hand would be created.", "cohort", "create", "-dry-run", "By hand")
	if _, _, exit := d.run(ctx, "", "cohort", "show", "by-hand"); exit != 2 {
		t.Errorf("after a dry run the cohort is there: exit code %d", exit)
	}
	d.must(t, "cohort", "create", "By hand")
	d.tries(t, "Lee Late <lee@example.edu> would be enrolled in by-hand.", append(enroll, "-dry-run", "by-hand")...)
	d.must(t, append(enroll, "by-hand")...)
	if id := d.must(t, "student", "show", "-t", "{{ .id }}", student); d.must(t, "student", "show", "-t", "{{ .email }}", strings.TrimSpace(id)) != "lee@example.edu\n" {
		t.Errorf("the student with the id %s is another one", id)
	}
	d.tries(t, "would be withdrawn", "student", "withdraw", "-dry-run", student)
	d.must(t, "student", "withdraw", "-yes", student)
	if out := d.must(t, "student", "withdraw", student); !strings.Contains(out, "was withdrawn already") {
		t.Errorf("withdrawn again: %s", out)
	}
	d.must(t, append(enroll, "by-hand")...)
	if out := d.must(t, "cohort", "show", "by-hand"); !strings.Contains(out, "1, and 1 withdrawn") {
		t.Errorf("the cohort is shown as\n%s", out)
	}
	d.tries(t, "Cohort by-hand would be deleted with its 2 students.", "cohort", "delete", "-dry-run", "by-hand")
	d.must(t, "cohort", "delete", "-yes", "by-hand")

	want := []client.EventType{
		"cohort.created", "student.created", "cohort.changed", "student.changed", "cohort.changed", "student.created", "cohort.changed", "cohort.deleted",
	}
	kinds := slices.Compact(slices.Sorted(slices.Values(want)))
	var got []client.EventType
	for event, err := range d.api.Events(ctx, client.EventFilter{Types: kinds}, following) {
		if err != nil {
			t.Fatal(err)
		}
		if got = append(got, event.Type); event.Type == "cohort.deleted" {
			break
		}
	}
	if !slices.Equal(got, want) {
		t.Errorf("told %v", got)
	}
}

// begin gives the position in the stream of events from which on it is followed.
func begin(ctx context.Context, api *client.Client) (string, error) {
	for event, err := range api.Events(ctx, client.EventFilter{}, "") {
		return event.ID, err
	}
	return "", ctx.Err()
}

// tries makes a dry run that says what it would do.
func (d *dev) tries(t *testing.T, says string, args ...string) {
	t.Helper()
	stdout, stderr, exit := d.run(t.Context(), "", args...)
	if exit != 0 || !strings.Contains(stdout, says) || stderr != "Dry run: nothing was changed.\n" {
		t.Errorf("bothy %s: exit code %d\n%s%s", strings.Join(args, " "), exit, stdout, stderr)
	}
}
