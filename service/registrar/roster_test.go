package registrar_test

import (
	"bytes"
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/bothylabs/bothy/service/lab"
	"github.com/bothylabs/bothy/service/registrar"
	"github.com/bothylabs/bothy/service/roster"
)

func rosterOf(rows ...roster.Row) registrar.RosterInput {
	return registrar.RosterInput{Roster: roster.Roster{Rows: rows}}
}

// file reads a roster as the API does.
func (o *office) file(text string) registrar.RosterInput {
	o.t.Helper()
	read, err := roster.Read([]byte(text), "roster", roster.Format{})
	o.must(err)
	return registrar.RosterInput{Roster: read}
}

// enrolled makes the cohort "fall-26" with the students of a roster.
func (o *office) enrolled(text string) {
	o.t.Helper()
	o.must(second(o.CreateCohort(context.Background(), o.intent, registrar.CohortInput{Name: "Fall 26"})))
	o.must(second(o.ImportRoster(context.Background(), o.intent, "fall-26", o.file(text))))
	o.now = o.now.Add(time.Hour)
}

// outcomes are what became of each row: "2 new Ada ada@example.org".
func outcomes(report registrar.RosterReport) []string {
	var all []string
	for _, row := range report.Rows {
		text := fmt.Sprintf("%d %s %s %s", row.Line, row.Outcome, row.Name, row.Email)
		for _, c := range row.Changes {
			text += fmt.Sprintf(" (%s was %s)", c.Name, c.From)
		}
		for _, f := range row.Fields {
			text += " !" + f.Name
		}
		all = append(all, text)
	}
	return all
}

const three = "name,email\nAda,ada@example.org\nBob,bob@example.org\nEve,eve@example.org\n"

func TestAnImportSaysWhatBecameOfEachRow(t *testing.T) {
	t.Parallel()
	o := open(t)
	ctx := t.Context()
	o.enrolled(three)
	in := o.file("name,email\nZoe,zoe@example.org\nBob the Builder,bob@example.org\nAda,Ada@Example.org\n")
	report, err := o.ImportRoster(ctx, o.intent, "fall-26", in)
	o.must(err)
	wantEqual(t, outcomes(report), []string{
		"2 new Zoe zoe@example.org", "3 changed Bob the Builder bob@example.org (name was Bob)", "4 changed Ada Ada@Example.org (email was ada@example.org)",
	})
	wantEqual(t, report.Counts, registrar.RosterCounts{New: 1, Changed: 2})
	wantEqual(t, o.lastAct().Detail, map[string]any{"cohort": "fall-26", "new": 1.0, "changed": 2.0, "unchanged": 0.0, "withdrawn": 0.0})
	students, err := o.Students(ctx, "fall-26")
	o.must(err)
	var got []string
	for _, s := range students {
		got = append(got, s.Name+" "+s.Email)
	}
	// Nobody is withdrawn by being left out.
	wantEqual(t, got, []string{"Ada Ada@Example.org", "Bob the Builder bob@example.org", "Eve eve@example.org", "Zoe zoe@example.org"})
}

func TestTheSameFileTwiceChangesNothing(t *testing.T) {
	t.Parallel()
	o := open(t)
	o.enrolled(three)
	before, notified := o.everything(), o.notified.Load()
	in := o.file(three)
	in.WithdrawMissing = true
	report, err := o.ImportRoster(t.Context(), o.intent, "fall-26", in)
	o.must(err)
	wantEqual(t, report.Counts, registrar.RosterCounts{Unchanged: 3})
	wantEqual(t, o.everything(), before)
	wantEqual(t, o.notified.Load(), notified)
}

func TestWhoIsMissingIsWithdrawnWhenThatIsAskedFor(t *testing.T) {
	t.Parallel()
	o := open(t)
	ctx := t.Context()
	o.launched("Ada", "Bob", "Eve")
	in := o.file("name,email\nEve,s2@example.org\nZoe,zoe@example.org\n")
	in.WithdrawMissing = true
	report, err := o.ImportRoster(ctx, o.intent, "fall-26", in)
	o.must(err)
	wantEqual(t, outcomes(report), []string{
		"2 unchanged Eve s2@example.org", "3 new Zoe zoe@example.org", "0 withdrawn Ada s0@example.org", "0 withdrawn Bob s1@example.org",
	})
	wantEqual(t, o.state(), map[lab.Slug]lab.Desired{
		"fall-26-py101-ada": lab.DesiredDeleted, "fall-26-py101-bob": lab.DesiredDeleted, "fall-26-py101-eve": lab.DesiredRunning,
	})
	// They may come back, as new students.
	report, err = o.ImportRoster(ctx, o.intent, "fall-26", o.file("name,email\nAda,s0@example.org\n"))
	o.must(err)
	wantEqual(t, report.Counts, registrar.RosterCounts{New: 1})
}

func TestAWrongRowKeepsTheWholeRosterOut(t *testing.T) {
	t.Parallel()
	o := open(t)
	o.enrolled(three)
	in := o.file("name,email\nZoe,zoe@example.org\n{{ Bob,bob@example.org\nKim,kim\nEve,eve@example.org\n")
	in.WithdrawMissing = true
	wantFields(t, o.refused(lab.CodeInvalid, func() error {
		return second(o.ImportRoster(t.Context(), o.intent, "fall-26", in))
	}), "roster:3:1", "roster:4:5")

	// A dry run tells of all rows; whom a wrong row means is not missing.
	before := o.everything()
	dry := o.intent
	dry.DryRun = true
	report, err := o.ImportRoster(t.Context(), dry, "fall-26", in)
	o.must(err)
	wantEqual(t, outcomes(report), []string{
		"2 new Zoe zoe@example.org", "3 wrong {{ Bob bob@example.org !name", "4 wrong Kim kim !email", "5 unchanged Eve eve@example.org",
		"0 withdrawn Ada ada@example.org",
	})
	wantEqual(t, report.Counts, registrar.RosterCounts{New: 1, Unchanged: 1, Withdrawn: 1, Wrong: 2})
	wantEqual(t, o.everything(), before)
}

func TestNotEveryWrongRowIsNamed(t *testing.T) {
	t.Parallel()
	o := open(t)
	o.enrolled(three)
	refused := o.refused(lab.CodeInvalid, func() error {
		return second(o.ImportRoster(t.Context(), o.intent, "fall-26", o.file("name,email\n"+strings.Repeat("Kim,kim\n", 250))))
	})
	if len(refused.Fields) != 100 || !strings.Contains(refused.Message, "250 rows are wrong, of which 100 are named") {
		t.Errorf("%d fields: %s", len(refused.Fields), refused.Message)
	}
}

// bigRoster has n students; every tenth has another name in another year.
func bigRoster(n, year int) []byte {
	var text bytes.Buffer
	text.WriteString("name,email\n")
	for i := range n {
		name := "Student"
		if i%10 == 0 {
			name = fmt.Sprintf("Student of %d,", year)
		}
		fmt.Fprintf(&text, "%q,student%d@example.org\n", fmt.Sprintf("%s %d", name, i), i)
	}
	return text.Bytes()
}

func TestARosterOfThousandsIsImportedAtOnce(t *testing.T) {
	t.Parallel()
	const many = 3000
	o := open(t)
	o.enrolled(string(bigRoster(many, 1)))
	report, err := o.ImportRoster(t.Context(), o.intent, "fall-26", o.file(string(bigRoster(many, 2))))
	o.must(err)
	wantEqual(t, report.Counts, registrar.RosterCounts{Changed: many / 10, Unchanged: many - many/10})
	none := o.file("name,email\nNobody,nobody@example.org\n")
	none.WithdrawMissing = true
	report, err = o.ImportRoster(t.Context(), o.intent, "fall-26", none)
	o.must(err)
	wantEqual(t, report.Counts, registrar.RosterCounts{New: 1, Withdrawn: many})
}

// BenchmarkImportRoster imports 10,000 students: all new, a tenth changed, none
// changed, and all withdrawn; reading the file is part of it.
func BenchmarkImportRoster(b *testing.B) {
	const many = 10_000
	ctx := b.Context()
	for i, step := range []string{"new", "changed", "unchanged", "withdrawn"} {
		b.Run(databaseKind+"/"+step, func(b *testing.B) {
			b.ReportAllocs()
			for range b.N {
				b.StopTimer()
				o := open(b)
				o.must(second(o.CreateCohort(ctx, o.intent, registrar.CohortInput{Name: "Fall 26"})))
				if i > 0 {
					o.must(second(o.ImportRoster(ctx, o.intent, "fall-26", o.file(string(bigRoster(many, 1))))))
				}
				file, year := bigRoster(many, 1), 1
				switch step {
				case "changed":
					file = bigRoster(many, year+1)
				case "withdrawn":
					file = []byte("name,email\nNobody,nobody@example.org\n")
				}
				b.StartTimer()
				in := o.file(string(file))
				in.WithdrawMissing = true
				o.must(second(o.ImportRoster(ctx, o.intent, "fall-26", in)))
			}
		})
	}
}
