package registrar

import (
	"context"
	"fmt"
	"time"

	"github.com/bothylabs/bothy/service/lab"
	"github.com/bothylabs/bothy/service/roster"
)

// maxWrongRows is how many wrong rows of a roster an error names.
const maxWrongRows = 100

// RosterInput is a roster to be imported.
type RosterInput struct {
	roster.Roster
	// WithdrawMissing withdraws the enrolled students who are not on it.
	WithdrawMissing bool
}

// RosterOutcome is what an import makes of a row.
type RosterOutcome string

// The outcomes.
const (
	RosterNew       RosterOutcome = "new"
	RosterChanged   RosterOutcome = "changed"
	RosterUnchanged RosterOutcome = "unchanged"
	RosterWithdrawn RosterOutcome = "withdrawn" // not on the roster
	RosterWrong     RosterOutcome = "wrong"
)

// RosterReport says what an import did, or in a dry run would do, with each row.
type RosterReport struct {
	// Cohort is as the import leaves it.
	Cohort lab.Cohort
	Counts RosterCounts
	// Rows are those of the file in its order, and then who was withdrawn.
	Rows []RosterRow
	// Ignored are the headings of columns that were passed over.
	Ignored []string
}

// RosterCounts says how many rows came to what.
type RosterCounts struct {
	New, Changed, Unchanged, Withdrawn, Wrong int
}

// RosterRow says what became of one row.
type RosterRow struct {
	// Line is where the row begins in the file; 0 for a student who is not on it.
	Line    int
	Name    string
	Email   string
	Outcome RosterOutcome
	// StudentID is "" for a wrong row.
	StudentID string
	// Changes say what changed of the student.
	Changes []RosterChange
	// Fields say what is wrong with the row: "name", "email", or "row".
	Fields []lab.Field
}

// RosterChange is a name or an address that changed.
type RosterChange struct {
	// Name is "name" or "email".
	Name     string
	From, To string
}

// ImportRoster enrolls everybody on a roster, all or nothing: with a wrong row,
// nothing is written, and CodeInvalid names the first of them; a dry run reports
// them instead. Students are matched by address, and a changed name is taken over.
// A roster that changes nothing leaves no trace.
func (r *Registrar) ImportRoster(ctx context.Context, intent lab.Intent, cohortRef string, in RosterInput) (RosterReport, error) {
	cohort, err := r.Store.Cohort(ctx, cohortRef)
	if err != nil {
		return RosterReport{}, err
	}
	if len(in.Wrong) > 0 && !intent.DryRun {
		return RosterReport{}, wrongRows(in.Wrong)
	}
	students := make([]StudentInput, len(in.Rows))
	for i, row := range in.Rows {
		students[i] = StudentInput{Name: row.Name, Email: row.Email}
	}
	var p problems
	students = p.people("rows", students)
	if err := p.err("the roster can't be imported"); err != nil {
		return RosterReport{}, err
	}
	var report RosterReport
	var change lab.RosterChange
	cohort, err = r.Store.ImportRoster(ctx, intent, cohort.ID, func(enrolled []lab.Student) (lab.RosterChange, error) {
		report, change = r.decideRoster(cohort.ID, in, students, enrolled)
		change.Audit = r.audit(intent, "roster.import", cohort.ID, map[string]any{
			"cohort": cohort.Key, "new": report.Counts.New, "changed": report.Counts.Changed,
			"unchanged": report.Counts.Unchanged, "withdrawn": report.Counts.Withdrawn,
		})
		change.Audit = came(change.Audit, rosterIDs(change, enrolled))
		return change, nil
	})
	if err != nil {
		return RosterReport{}, err
	}
	report.Cohort = cohort
	if change.Empty() {
		return report, nil
	}
	return report, r.done(intent, nil)
}

// decideRoster says what a roster makes of those who are enrolled.
func (r *Registrar) decideRoster(
	cohortID string, in RosterInput, students []StudentInput, enrolled []lab.Student,
) (RosterReport, lab.RosterChange) {
	now, known := r.now(), byEmail(enrolled)
	d := rosterDecision{
		report:  RosterReport{Rows: make([]RosterRow, 0, len(in.Rows)+len(in.Wrong)), Ignored: in.Ignored},
		present: make(map[string]bool, len(in.Rows)),
		change:  lab.RosterChange{At: now},
	}
	wrong := in.Wrong
	for i, row := range in.Rows {
		for len(wrong) > 0 && wrong[0].Line < row.Line {
			d.wrong(wrong[0], known)
			wrong = wrong[1:]
		}
		if student, ok := known[foldEmail(students[i].Email)]; ok {
			d.known(row, student, students[i], now)
		} else {
			d.enroll(row, newStudent(cohortID, students[i], now, r.NewID))
		}
	}
	for _, row := range wrong {
		d.wrong(row, known)
	}
	if in.WithdrawMissing {
		for _, student := range enrolled {
			if !d.present[student.ID] {
				d.withdraw(student)
			}
		}
	}
	return d.report, d.change
}

// rosterDecision collects what a roster makes of a cohort.
type rosterDecision struct {
	report RosterReport
	change lab.RosterChange
	// present are the ids of the students who are on the roster.
	present map[string]bool
}

func (d *rosterDecision) enroll(row roster.Row, student lab.Student) {
	d.report.Counts.New++
	d.change.Students = append(d.change.Students, student)
	d.add(row, student, RosterNew, nil)
}

func (d *rosterDecision) known(row roster.Row, student lab.Student, in StudentInput, now time.Time) {
	d.present[student.ID] = true
	var changes []RosterChange
	if student.Name != in.Name {
		changes = append(changes, RosterChange{"name", student.Name, in.Name})
	}
	if student.Email != in.Email {
		changes = append(changes, RosterChange{"email", student.Email, in.Email})
	}
	if changes == nil {
		d.report.Counts.Unchanged++
		d.add(row, student, RosterUnchanged, nil)
		return
	}
	student = changedStudent(student, in, now)
	d.report.Counts.Changed++
	d.change.Students = append(d.change.Students, student)
	d.add(row, student, RosterChanged, changes)
}

// wrong reports a row that can't be used. Whom it means all the same is on the roster.
func (d *rosterDecision) wrong(row roster.Wrong, known map[string]lab.Student) {
	if student, ok := known[foldEmail(row.Email)]; ok {
		d.present[student.ID] = true
	}
	out := RosterRow{Line: row.Line, Name: row.Name, Email: row.Email, Outcome: RosterWrong}
	for _, p := range row.Problems {
		out.Fields = append(out.Fields, lab.Field{Name: p.Value, Problem: p.Problem, Remedy: p.Remedy})
	}
	d.report.Counts.Wrong++
	d.report.Rows = append(d.report.Rows, out)
}

func (d *rosterDecision) withdraw(student lab.Student) {
	d.report.Counts.Withdrawn++
	d.change.Withdraw = append(d.change.Withdraw, student.ID)
	d.add(roster.Row{}, student, RosterWithdrawn, nil)
}

func (d *rosterDecision) add(row roster.Row, student lab.Student, outcome RosterOutcome, changes []RosterChange) {
	d.report.Rows = append(d.report.Rows, RosterRow{
		Line: row.Line, Name: student.Name, Email: student.Email, Outcome: outcome, StudentID: student.ID, Changes: changes,
	})
}

// wrongRows is the error of a roster with rows that can't be used.
func wrongRows(rows []roster.Wrong) error {
	message := "the roster can't be imported: 1 row is wrong"
	if len(rows) > 1 {
		message = fmt.Sprintf("the roster can't be imported: %d rows are wrong", len(rows))
	}
	if len(rows) > maxWrongRows {
		message += fmt.Sprintf(", of which %d are named", maxWrongRows)
		rows = rows[:maxWrongRows]
	}
	var fields []lab.Field
	for _, row := range rows {
		fields = append(fields, row.Fields("roster")...)
	}
	return lab.Invalid(message, fields...).WithHint("correct the rows and import the file again; nothing was changed")
}
