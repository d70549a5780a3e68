package command

import (
	"net/http"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/bothylabs/bothy/service/client"
)

const rosterRoute = "POST /v1/cohorts/fall-26/roster"

func imported(rows ...client.RosterRow) client.RosterReport {
	report := client.RosterReport{Rows: rows, IgnoredColumns: []string{}}
	for i, row := range rows {
		for outcome, n := range map[client.RosterRowOutcome]*int{
			"new": &report.Counts.New, "changed": &report.Counts.Changed, "unchanged": &report.Counts.Unchanged,
			"withdrawn": &report.Counts.Withdrawn, "wrong": &report.Counts.Wrong,
		} {
			if row.Outcome == outcome {
				*n++
			}
		}
		report.Rows[i].Changes = append([]client.RosterChange{}, row.Changes...)
		report.Rows[i].Fields = append([]client.ProblemField{}, row.Fields...)
	}
	return report
}

func student(name string, outcome client.RosterRowOutcome, changes ...client.RosterChange) client.RosterRow {
	return client.RosterRow{Name: name, Email: strings.ToLower(name) + "@example.edu", Outcome: outcome, Changes: changes}
}

func TestRosterImportReportsWhatItDid(t *testing.T) {
	w := newWorld(t)
	path := filepath.Join(folder(t, map[string]string{"late.csv": rosterOfThree}), "late.csv")
	report := imported(student("Ana", "new"), student("Bo", "changed", client.RosterChange{Name: "name", From: "Robert", To: "Bo"}), student("Cy", "unchanged"))
	report.IgnoredColumns = []string{"Section"}
	api := newFakeAPI(t, w).on(rosterRoute, 200, report).on(classRoute, 200, class())
	w.run("roster", "import", "fall-26", path).ok().
		says("1 new, 1 changed, 1 unchanged, 0 withdrawn in fall-26.", "Columns passed over: Section.", "new      Ana", "changed  Bo       bo@example.edu   Robert")
	if api.bodies[rosterRoute] != rosterOfThree || api.asked[0] != rosterRoute {
		t.Errorf("the file is to be sent as it is, got %q to %s", api.bodies[rosterRoute], api.asked[0])
	}
	w.run("roster", "import", "fall-26/py101", path).ok().says("in fall-26.")
	w.run("roster", "import", "-json", "fall-26", path).ok().says(`"outcome": "changed"`, `"from": "Robert"`)
	w.run("roster", "import", "-dry-run", "-delimiter", ",", "-encoding", "UTF8", "fall-26", path).ok().
		says("1 new, 1 changed, 1 unchanged, 0 withdrawn in fall-26; 0 wrong.")
	last := api.asked[len(api.asked)-1]
	for _, want := range []string{"dry_run=true", "delimiter=comma", "encoding=utf-8"} {
		if !strings.Contains(last, want) {
			t.Errorf("asked %s", last)
		}
	}
}

func TestRosterImportReadsStandardInput(t *testing.T) {
	w := newWorld(t)
	w.Stdin = strings.NewReader(rosterOfThree)
	newFakeAPI(t, w).on(rosterRoute, 200, imported(student("Ana", "new")))
	w.run("roster", "import", "fall-26", "-").ok().says("1 new")
}

func TestAWrongFileIsNotSent(t *testing.T) {
	w := newWorld(t)
	dir := folder(t, map[string]string{
		"bad.csv": "name\n", "rows.csv": "name,email\nAna,ana@example.edu\nBo,bo\n,cy@example.edu\n", "latin.csv": "name,email\nZo\xeb,z@example.edu\n",
	})
	newFakeAPI(t, w) // expects nothing
	in := func(name string) string { return filepath.Join(dir, name) }
	w.run("roster", "import", "fall-26", in("bad.csv")).fails(exitLocal, "bad.csv:1:1", "email")
	w.run("roster", "import", "fall-26", in("latin.csv")).fails(exitLocal, "latin.csv:2:3", "0xEB", "iconv -f WINDOWS-1252 -t UTF-8")
	w.run("roster", "import", "fall-26", in("rows.csv")).fails(exitLocal,
		`rows.csv:3:4: "bo" is not an e-mail address`, "rows.csv:4:1: the name is empty", "nothing was imported: rows of", "are wrong (2)", "-dry-run")
	w.run("roster", "import", "fall-26").fails(exitLocal, "<file> is missing")
	w.run("roster", "import", "-delimiter", "x", "fall-26", in("rows.csv")).fails(exitLocal, "use comma, semicolon, tab or pipe")
	w.run("roster", "import", "-encoding", "x", "fall-26", in("rows.csv")).fails(exitLocal, "use utf-8")
}

func TestADryRunWithWrongRowsSaysWhich(t *testing.T) {
	w := newWorld(t)
	path := filepath.Join(folder(t, map[string]string{"rows.csv": "name,email\nAna,ana@example.edu\nBo,bo\n"}), "rows.csv")
	newFakeAPI(t, w).on(rosterRoute, 200, imported(student("Ana", "new"), student("Bo", "wrong")))
	w.run("roster", "import", "-dry-run", "fall-26", path).
		says("1 wrong.", "new      Ana").
		fails(exitLocal, "Dry run: nothing was changed.", `rows.csv:3:4: "bo" is not an e-mail address`)
}

func TestWithdrawingAsksForTheName(t *testing.T) {
	for what, c := range map[string]struct {
		answer   string
		yes      bool
		nobody   bool
		terminal bool
		done     bool
		fails    string
	}{
		"the name, typed":      {answer: "fall-26\n", terminal: true, done: true},
		"another name":         {answer: "fall\n", terminal: true, fails: `nothing was imported: "fall" is not "fall-26"`},
		"nobody to ask":        {fails: "nothing was imported: there is no terminal to ask at"},
		"-yes":                 {yes: true, done: true},
		"nobody to withdraw":   {nobody: true, done: true},
		"and nobody to ask it": {nobody: true, terminal: true, done: true},
	} {
		t.Run(what, func(t *testing.T) {
			w := newWorld(t)
			w.InTerminal = c.terminal
			w.ui.InputReader = strings.NewReader(c.answer)
			path := filepath.Join(folder(t, map[string]string{"all.csv": rosterOfThree}), "all.csv")
			report := imported(student("Ana", "unchanged"), student("Bo", "withdrawn"))
			if c.nobody {
				report = imported(student("Ana", "unchanged"))
			}
			api := newFakeAPI(t, w).on(rosterRoute, 200, report)
			args := []string{"roster", "import", "-withdraw-missing", "fall-26", path}
			if c.yes {
				args = append(args, "-yes")
			}
			got := w.run(args...)
			if c.fails != "" {
				got.fails(exitLocal, c.fails)
			} else {
				got.ok()
			}
			if c.terminal && !c.nobody {
				got.says("This withdraws 1 student of fall-26: Bo. Their workspaces are deleted, their homes are kept.")
			}
			last := api.asked
			if len(last) > 0 {
				if done := !strings.Contains(last[len(last)-1], "dry_run"); done != c.done {
					t.Errorf("asked %v", last)
				}
			}
		})
	}
}

func TestALongImportSaysThatItGoesOn(t *testing.T) {
	w := newWorld(t)
	w.OutTerminal = true
	waited := make(chan struct{})
	w.After = func(d time.Duration) <-chan time.Time {
		w.clock = w.clock.Add(d)
		if w.waits++; w.waits == 3 {
			close(waited) // the answer comes in the third wait
			return nil
		}
		now := make(chan time.Time, 1)
		now <- w.clock
		return now
	}
	path := filepath.Join(folder(t, map[string]string{"all.csv": rosterOfThree}), "all.csv")
	api := newFakeAPI(t, w)
	api.answers[rosterRoute] = append(api.answers[rosterRoute], func(http.ResponseWriter) { <-waited })
	got := w.run("roster", "import", "fall-26", path)
	if !strings.Contains(got.err, "(2s) importing 3 rows of "+path[:10]) || !strings.Contains(got.err, "(4s) importing") {
		t.Errorf("said %q", got.err)
	}
}
