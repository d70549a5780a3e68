package command

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestATableLinesUpWhatATerminalShows(t *testing.T) {
	table := newTable("NAME", "PHASE", "URL")
	table.add("Ana Pérez", "ready", "http://a")
	table.add("山田太郎", "starting", "")
	table.add("e\u0301", "failed", "http://c")
	want := []string{
		"NAME       PHASE     URL",
		"Ana Pérez  ready     http://a",
		"山田太郎   starting",
		"e\u0301          failed    http://c",
	}
	if diff := cmp.Diff(want, table.lines(0)); diff != "" {
		t.Error(diff)
	}
}

func TestColoursTakeNoRoomInATable(t *testing.T) {
	table := newTable("A", "B")
	table.add("one", "two")
	table.paint(0, style{on: true}.red)
	if got, want := table.lines(0)[1], "\x1b[31mone\x1b[0m  two"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestATableFitsTheTerminal(t *testing.T) {
	table := newTable("NAME", "REASON")
	table.add("Ana", strings.Repeat("long ", 40))
	table.paint(1, style{on: true}.red)
	for _, limit := range []int{1, 4, 5, 6, 20} {
		for _, line := range table.lines(limit) {
			plain := strings.NewReplacer("\x1b[31m", "", "\x1b[0m", "").Replace(line)
			if columns(plain) > limit {
				t.Errorf("at %d columns: %q takes %d", limit, plain, columns(plain))
			}
		}
	}
}

func TestControlCharactersDoNotReachTheTerminal(t *testing.T) {
	table := newTable("a\x1b[2Jb", "c\nd")
	if got := table.String(); got != "a [2Jb  c d" {
		t.Errorf("got %q", got)
	}
}

func TestANarrowTerminalLosesTheLeastImportantColumnsFirst(t *testing.T) {
	table := newTable("CLASS", "COHORT", "CREATED", "STATE").optional(1, 2)
	table.add("fall-26/py101", "fall-26", "2026-09-01 08:00", "open")
	for limit, want := range map[int]string{
		0:  "fall-26/py101  fall-26  2026-09-01 08:00  open",
		80: "fall-26/py101  fall-26  2026-09-01 08:00  open",
		40: "fall-26/py101  2026-09-01 08:00  open",
		30: "fall-26/py101  open",
		16: "fall-26/py101  …",
	} {
		if got := table.lines(limit)[1]; got != want {
			t.Errorf("at %d columns: %q, not %q", limit, got, want)
		}
	}
}

func TestAnAddressIsNotCutWhereItIsPrintedToStay(t *testing.T) {
	w := newWorld(t)
	w.OutTerminal = true
	w.Size = func() (int, int) { return 40, 24 }
	newFakeAPI(t, w).on(workspacesRoute, 200, list(ws("Ana", "ana", "ready", ""), ws("Bo", "bo", "failed", strings.Repeat("long ", 20))))
	got := w.run("status", "fall-26/py101").ok().says("http://labs.localhost:9999/fall-26-py101-ana/")
	if strings.Contains(got.out, "SINCE") {
		t.Errorf("the least important column is there:\n%s", got.out)
	}
	for line := range strings.Lines(got.out) {
		if strings.Contains(line, "failed") && columns(strings.TrimSpace(line)) > 40+len("\x1b[31m\x1b[0m") {
			t.Errorf("wider than the terminal: %s", line)
		}
	}
}
