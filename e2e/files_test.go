package e2e

import (
	"context"
	"encoding/csv"
	"fmt"
	"os"
	"os/user"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/bothylabs/bothy/service/dev/toolchain"
)

// rosterSize is how many students the rendered class has.
const rosterSize = 30

// filesAlone: `bothy render` writes plain files, which Nomad's own commands take;
// with Bothy stopped, one student's files are run by hand.
func filesAlone(t *testing.T, d *dev) {
	paths, err := toolchain.Ensure(t.Context(), toolchain.Config{SourceDir: d.root}, toolchain.Nomad)
	if err != nil {
		t.Fatal(err)
	}
	slugs := d.renderRoster(t)
	nomad := func(ctx context.Context, args ...string) (string, int) {
		stdout, stderr, exit := d.program(ctx, paths.Nomad, "", args...)
		return stdout + stderr, exit
	}

	// Frozen, Bothy can neither act nor answer; Nomad and the others run on.
	d.signal(t, syscall.SIGSTOP)
	defer d.signal(t, syscall.SIGCONT)

	t.Run("nomad job validate and plan accept each", func(t *testing.T) {
		for _, slug := range slugs {
			file := filepath.Join("out", slug+".nomad.hcl")
			if out, exit := nomad(t.Context(), "job", "validate", file); exit != 0 {
				t.Errorf("nomad job validate %s: exit %d\n%s", file, exit, out)
			}
			// Its homes do not exist yet, so that a plan finds no place: 1 is "would change", and no error.
			if out, exit := nomad(t.Context(), "job", "plan", file); exit != 1 {
				t.Errorf("nomad job plan %s: exit %d\n%s", file, exit, out)
			}
		}
	})
	t.Run("one student's files give a running workspace", func(t *testing.T) {
		slug := slugs[0]
		if out, exit := nomad(t.Context(), "volume", "create", filepath.Join("out", slug+".volume.hcl")); exit != 0 {
			t.Fatalf("nomad volume create: exit %d\n%s", exit, out)
		}
		if out, exit := nomad(t.Context(), "job", "run", filepath.Join("out", slug+".nomad.hcl")); exit != 0 {
			t.Fatalf("nomad job run: exit %d\n%s", exit, out)
		}
		defer func() {
			if out, exit := nomad(t.Context(), "job", "stop", "-purge", "-namespace", d.namespace(), jobID(slug)); exit != 0 {
				t.Errorf("nomad job stop: exit %d\n%s", exit, out)
			}
		}()
		d.unguarded(slug)
		d.answers(t, d.labsHost(), "/"+slug+"/", workbenchMark)
		d.putHome(t, slug, "by-hand.txt", "it works")
		if got := d.inHome(t, slug, "by-hand.txt"); got != "it works" {
			t.Errorf("the home holds %q", got)
		}
	})
}

// signal sends a signal to `bothy dev` alone; the servers are processes of their own.
func (d *dev) signal(t *testing.T, signal syscall.Signal) {
	t.Helper()
	if err := d.cmd.Process.Signal(signal); err != nil {
		t.Fatalf("%s to bothy dev: %v", signal, err)
	}
}

// renderRoster writes the files of a class and gives its slugs.
func (d *dev) renderRoster(t *testing.T) []string {
	t.Helper()
	// Names as rosters have them: other scripts, spaces, equal after folding, quotes.
	names := []string{
		"Ana Pérez", "Ana Perez", "ANA PÉREZ", "李小龍", "Zoë O'Brien-Smith", `Robert "Bobby" Tables`, "Łukasz Żółć", "أحمد", "Jean-Luc  Picard",
		strings.Repeat("Maximiliana ", 9),
	}
	for n := len(names); n < rosterSize; n++ {
		names = append(names, "Student "+strconv.Itoa(n))
	}
	var roster strings.Builder
	w := csv.NewWriter(&roster)
	rows := [][]string{{"name", "email"}}
	for n, name := range names {
		rows = append(rows, []string{name, fmt.Sprintf("student%d@example.edu", n)})
	}
	if err := w.WriteAll(rows); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(d.dir, "students.csv"), []byte(roster.String()), 0o600); err != nil {
		t.Fatal(err)
	}
	// The account that workspaces run as on this machine, as `bothy dev` found or made it.
	coder, err := user.Lookup("coder")
	if err != nil {
		t.Fatal(err)
	}
	d.must(t, "render", "code-server-exec", "-cohort", "Fall 26", "-course", "py101", "-roster", "students.csv", "-out", "out",
		"-namespace", d.namespace(), "-door-url", "", "-labs-url", "http://"+d.labsHost(),
		"-home-uid", coder.Uid, "-home-gid", coder.Gid)
	jobs, err := filepath.Glob(filepath.Join(d.dir, "out", "*.nomad.hcl"))
	if err != nil {
		t.Fatal(err)
	}
	slugs := make([]string, len(jobs))
	for i, file := range jobs {
		slugs[i] = strings.TrimSuffix(filepath.Base(file), ".nomad.hcl")
		if _, err := os.Stat(filepath.Join(d.dir, "out", slugs[i]+".volume.hcl")); err != nil {
			t.Error(err)
		}
	}
	if len(slugs) != rosterSize || !slices.Contains(slugs, "fall-26-py101-ana-perez") {
		t.Fatalf("%d job files, not %d: %v", len(slugs), rosterSize, slugs)
	}
	return slugs
}
