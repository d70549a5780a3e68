package e2e

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/bothylabs/bothy/service/client"
	"github.com/bothylabs/bothy/service/lab"
)

// refusals: bad input gets an answer that helps, and changes nothing.
func refusals(t *testing.T, d *dev) {
	const rosterHead = "name,email\nAda Lovelace,ada@example.edu\n"
	for _, c := range []struct {
		name   string
		roster string
		args   []string
		says   []string // parts of what is said
	}{
		{name: "a roster without a needed column", roster: "name\nAda\n", says: []string{"bad.csv:1:1", "email"}},
		{name: "a roster with an address twice", roster: rosterHead + "Ada Two,ADA@example.edu\n", says: []string{"bad.csv:3"}},
		{name: "a roster with a bad address", roster: rosterHead + "Bo Li,bo at example\n", says: []string{"bad.csv:3"}},
		{name: "a roster whose names would be interpreted", roster: rosterHead + "\"${NOMAD_TOKEN}\",bo@example.edu\n", says: []string{"bad.csv:3:1"}},
		{name: "a roster with a template's braces", roster: rosterHead + "\"{{ env \"\"PATH\"\" }}\",bo@example.edu\n", says: []string{"bad.csv:3:1"}},
		{name: "an unknown parameter", roster: rosterHead, args: []string{"-var", "ram=2048"}, says: []string{"ram"}},
		{name: "a parameter of another type", roster: rosterHead, args: []string{"-var", "memory=lots"}, says: []string{"memory"}},
		{name: "a parameter that is Bothy's", roster: rosterHead, args: []string{"-var", "slug=mine"}, says: []string{"slug"}},
		{name: "an unknown template", roster: rosterHead, args: []string{"-template", "no-such"}, says: []string{"no-such"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			file := filepath.Join(d.dir, "bad.csv")
			if err := os.WriteFile(file, []byte(c.roster), 0o600); err != nil {
				t.Fatal(err)
			}
			before := d.everything(t)
			args := append([]string{"class", "create", "-cohort", "Refused", "-course", "refused", "-template", "shell", "-roster", "bad.csv"}, c.args...)
			stdout, stderr, exit := d.run(t.Context(), "", args...)
			if exit == 0 {
				t.Errorf("it was taken:\n%s", stdout)
			}
			for _, part := range append([]string{"Error:", "Hint:"}, c.says...) {
				if !strings.Contains(stderr, part) {
					t.Errorf("what is said lacks %q:\n%s", part, stderr)
				}
			}
			if diff := cmp.Diff(before, d.everything(t)); diff != "" {
				t.Errorf("something was half-made:\n%s", diff)
			}
		})
	}
	t.Run("a template that asks for more than any node has", func(t *testing.T) { d.unplaceable(t) })
}

// everything lists by name what a refused request could have left.
func (d *dev) everything(t *testing.T) []string {
	t.Helper()
	var names []string
	cohorts, err := d.api.Cohorts(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range cohorts {
		names = append(names, "cohort "+c.Key)
		students, err := d.api.Students(t.Context(), c.Key)
		if err != nil {
			t.Fatal(err)
		}
		for _, s := range students {
			names = append(names, "student "+s.Email)
		}
	}
	courses, err := d.api.Courses(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range courses {
		names = append(names, "course "+c.Key)
	}
	classes, err := d.api.Classes(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range classes {
		names = append(names, "class "+c.Key)
	}
	workspaces, err := d.api.Workspaces(t.Context(), client.WorkspaceFilter{IncludeDeleted: true})
	if err != nil {
		t.Fatal(err)
	}
	for _, w := range workspaces {
		names = append(names, "workspace "+w.Slug+" wanted "+string(w.Desired))
	}
	jobs, _, err := d.nomad.Jobs().List(nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, j := range jobs {
		names = append(names, "job "+j.ID)
	}
	return names
}

// unplaceable launches what no node could ever run.
func (d *dev) unplaceable(t *testing.T) {
	t.Helper()
	class := d.createClass(t, "Giants", "giant", "shell", client.Parameters{"memory": 8_000_000}, student("Gulliver", 1))
	defer d.deleteClass(t, class.Key)
	before := d.everything(t)
	_, err := d.api.LaunchClass(t.Context(), class.Key)
	wantCode(t, err, lab.CodeUnplaceable)
	if err != nil && !strings.Contains(strings.ToLower(err.Error()), "memory") {
		t.Errorf("the refusal does not say that memory is missing: %v", err)
	}
	_, stderr, exit := d.run(t.Context(), "", "class", "launch", class.Key)
	if exit != 2 || !strings.Contains(stderr, "Error:") || !strings.Contains(strings.ToLower(stderr), "memory") {
		t.Errorf("bothy class launch: exit %d\n%s", exit, stderr)
	}
	t.Logf("Bothy says: %s", strings.TrimSpace(stderr))
	if diff := cmp.Diff(before, d.everything(t)); diff != "" {
		t.Errorf("something was half-made:\n%s", diff)
	}
}
