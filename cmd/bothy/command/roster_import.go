package command

import (
	"context"
	"flag"
	"fmt"
	"strings"
	"time"

	"github.com/bothylabs/bothy/service/client"
	"github.com/bothylabs/bothy/service/lab"
	"github.com/bothylabs/bothy/service/roster"
)

// quietFor is how long an import may take without a word.
const quietFor = 2 * time.Second

// rosterImport is `bothy roster import`.
type rosterImport struct {
	env     *Env
	remote  remoteFlags
	output  output
	write   writeFlags
	confirm confirmFlags

	withdrawMissing     bool
	delimiter, encoding string
}

func (*rosterImport) doc() doc {
	return doc{
		args:     []string{"<class or cohort>", "<file>"},
		synopsis: "Enroll the students of a file in a cohort",
		text: `
Enrolls everybody on a roster in a cohort, or in that of a class, all or
nothing. The file is what a spreadsheet or a learning platform saves: values
with commas, semicolons or tabs between them, in UTF-8 or UTF-16. Its first line
names the columns; a name (or first and last name) and an e-mail address are
needed, all others are passed over. "-" reads standard input.

Students are matched by e-mail: a new one is enrolled, a changed name is taken
over, and whoever is not on the file stays, unless -withdraw-missing is given.
New students get workspaces when their classes are launched next.

-dry-run tells what would happen and changes nothing; its exit code is 1 when
rows are wrong. Wrong rows are printed to standard error.
`,
		examples: []example{
			{"What a file would change", "bothy roster import -dry-run fall-26 students.csv"},
			{"Enroll late arrivals", "bothy roster import fall-26/py101 late.csv"},
			{"Make the cohort as the file says", "bothy roster import -withdraw-missing fall-26 students.csv"},
			{"A file of an older Excel", "bothy roster import -encoding windows-1252 fall-26 students.csv"},
		},
	}
}

func (c *rosterImport) flags(f *flags) {
	f.group("Options", func(set *flag.FlagSet) {
		set.BoolVar(&c.withdrawMissing, "withdraw-missing", false, "Withdraw the students who are not on the file. Their workspaces are deleted, their homes are kept.")
		set.StringVar(&c.delimiter, "delimiter", "", "`Name` of what stands between two values, where that is not found out: comma, semicolon, tab or pipe.")
		set.StringVar(&c.encoding, "encoding", "", "`Name` of how the characters are written, where that is not found out: utf-16le, utf-16be, latin1 or windows-1252.")
	})
	c.write.flags(f)
	c.confirm.flags(f)
	c.remote.flags(f)
	c.output.flags(f)
}

// rosterFile is a roster and how it is sent.
type rosterFile struct {
	path    string
	content string
	roster  roster.Roster
	options client.RosterOptions
}

func (c *rosterImport) run(ctx context.Context, args []string) error {
	// Read here as well, because only here is the file's name known to its errors.
	file, err := c.read(args[1])
	if err != nil {
		return err
	}
	if wrong := file.roster.Wrong; len(wrong) > 0 && !c.write.dryRun {
		c.showWrong(file)
		return lab.Errorf(lab.CodeInvalid, "nothing was imported: rows of %s are wrong (%d)", file.path, len(wrong)).
			WithHint("correct them, or see with -dry-run what the others would do")
	}
	s, err := c.remote.connect(c.env)
	if err != nil {
		return err
	}
	cohort, err := cohortOf(ctx, s, args[0])
	if err != nil {
		return err
	}
	if c.withdrawMissing && !c.write.dryRun {
		if err := c.ask(ctx, s, cohort, file); err != nil {
			return err
		}
	}
	report, err := c.send(ctx, c.write.on(s), cohort, file)
	if err != nil {
		return err
	}
	c.write.warn(c.env)
	if err := c.output.show(c.env, report, func() { c.people(cohort, report) }); err != nil {
		return err
	}
	if report.Counts.Wrong > 0 {
		c.showWrong(file)
		return reported{exitLocal}
	}
	return nil
}

// read reads and checks the file as the server will.
func (c *rosterImport) read(path string) (rosterFile, error) {
	var format roster.Format
	file := rosterFile{path: path, options: client.RosterOptions{WithdrawMissing: c.withdrawMissing}}
	if c.delimiter != "" {
		known, ok := roster.DelimiterOf(c.delimiter)
		if !ok {
			return file, usagef("-delimiter %s: use comma, semicolon, tab or pipe", c.delimiter)
		}
		format.Delimiter, file.options.Delimiter = known, known.String()
	}
	if c.encoding != "" {
		known, ok := roster.EncodingOf(c.encoding)
		if !ok {
			return file, usagef("-encoding %s: use utf-8, utf-16, utf-16le, utf-16be, latin1 or windows-1252", c.encoding)
		}
		format.Encoding, file.options.Encoding = known, string(known)
	}
	var err error
	if file.content, err = c.env.readInput(path); err != nil {
		return file, err
	}
	if path == "-" {
		file.path = "standard input"
	}
	file.roster, err = roster.Read([]byte(file.content), file.path, format)
	return file, err
}

// cohortOf gives the cohort that is named, or that of the class that is.
func cohortOf(ctx context.Context, s *client.Client, ref string) (string, error) {
	if !strings.Contains(ref, "/") {
		return ref, nil
	}
	class, err := s.Class(ctx, ref)
	return class.Cohort, err
}

// ask asks before students are withdrawn, if any would be.
func (c *rosterImport) ask(ctx context.Context, s *client.Client, cohort string, file rosterFile) error {
	if c.confirm.yes {
		return nil
	}
	report, err := c.send(ctx, s.With(client.Conditions{DryRun: true}), cohort, file)
	if err != nil || report.Counts.Withdrawn == 0 {
		return err
	}
	var names []string
	for _, row := range report.Rows {
		if row.Outcome == client.RosterRowOutcomeWithdrawn {
			names = append(names, row.Name)
		}
	}
	const shown = 10
	if more := len(names) - shown; more > 0 {
		names = append(names[:shown], fmt.Sprintf("and %d more", more))
	}
	what := fmt.Sprintf("This withdraws %s of %s: %s. Their workspaces are deleted, their homes are kept.",
		count(report.Counts.Withdrawn, "student"), cohort, printable(strings.Join(names, ", ")))
	return c.confirm.ask(c.env, "import", what, cohort)
}

// send imports the file, and says that it still does when that takes long.
func (c *rosterImport) send(ctx context.Context, s *client.Client, cohort string, file rosterFile) (client.RosterReport, error) {
	type answer struct {
		report client.RosterReport
		err    error
	}
	done := make(chan answer, 1)
	go func() {
		report, err := s.ImportRoster(ctx, cohort, strings.NewReader(file.content), file.options)
		done <- answer{report, err}
	}()
	begun := c.env.Now()
	show := &screen{out: c.env.Stderr}
	for {
		select {
		case got := <-done:
			return got.report, got.err
		case <-c.env.After(quietFor):
		}
		if c.env.OutTerminal {
			width, _ := c.env.Size()
			rows := len(file.roster.Rows) + len(file.roster.Wrong)
			show.draw([]string{cut(fmt.Sprintf("(%s) importing %s of %s …", short(c.env.Now().Sub(begun)), count(rows, "row"), file.path), width-1)})
		}
	}
}

// people shows a report: one line, and a table of what changes.
func (c *rosterImport) people(cohort string, report client.RosterReport) {
	n := report.Counts
	line := fmt.Sprintf("%d new, %d changed, %d unchanged, %d withdrawn in %s", n.New, n.Changed, n.Unchanged, n.Withdrawn, cohort)
	if c.write.dryRun {
		line += fmt.Sprintf("; %d wrong", n.Wrong)
	}
	c.env.UI.Output(line + ".")
	if len(report.IgnoredColumns) > 0 {
		c.env.UI.Output("Columns passed over: " + printable(strings.Join(report.IgnoredColumns, ", ")) + ".")
	}
	t := newTable("OUTCOME", "STUDENT", "EMAIL", "BEFORE")
	for _, row := range report.Rows {
		if row.Outcome == client.RosterRowOutcomeUnchanged || row.Outcome == client.RosterRowOutcomeWrong {
			continue
		}
		var before []string
		for _, change := range row.Changes {
			before = append(before, change.From)
		}
		t.add(string(row.Outcome), row.Name, row.Email, strings.Join(before, ", "))
	}
	if len(t.rows) > 1 {
		c.env.UI.Output("\n" + t.String())
	}
}

// showWrong prints the rows that can't be used, with their places in the file.
func (c *rosterImport) showWrong(file rosterFile) {
	for _, wrong := range file.roster.Wrong {
		for _, field := range wrong.Fields(file.path) {
			c.env.UI.Error(printable(field.String()))
		}
	}
}
