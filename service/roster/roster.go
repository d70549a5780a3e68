// Package roster reads the list of a cohort's students as spreadsheets and
// learning platforms save it: comma-, semicolon- or tab-separated values with a
// header line.
package roster

import (
	"bytes"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"net/mail"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/bothylabs/bothy/service/jobspec"
	"github.com/bothylabs/bothy/service/lab"
)

const (
	// MaxProblems is how many problems of one file Parse names; the rest is counted.
	MaxProblems = 20
	// MaxRows is the longest roster.
	MaxRows = 50_000
	// MaxSize is the largest file, in bytes.
	MaxSize = 16 << 20
	// MaxName is the longest name, in characters.
	MaxName = 200
	// MaxEmail is the longest address, in bytes (RFC 5321).
	MaxEmail = 254
)

// Format says how a file is written; what is zero is found out.
type Format struct {
	Delimiter Delimiter
	Encoding  Encoding
}

// Row is one student of a roster.
type Row struct {
	Name string
	// Email as it was written; two rows with the same address but for case are refused.
	Email string
	// Line is where the row begins in the file, from 1.
	Line int
}

// Wrong is a row that can't be used.
type Wrong struct {
	// Row is what could be read of it.
	Row
	Problems []Problem
}

// Problem is one thing that is wrong with a row.
type Problem struct {
	// Column is where the value begins in its line, in characters, from 1.
	Column int
	// Value is "name", "email", or "row" for the row as a whole.
	Value   string
	Problem string
	Remedy  string
}

// Roster is what a file says, row by row in its order.
type Roster struct {
	// Rows are the rows that can be used, and Wrong those that can't.
	Rows  []Row
	Wrong []Wrong
	// Ignored are the headings of columns that hold neither name nor address.
	Ignored []string
}

// Field is the problem as a field of an error about a file: "students.csv:4:2".
func (w Wrong) field(file string, p Problem) lab.Field {
	return lab.Field{Name: fmt.Sprintf("%s:%d:%d", file, w.Line, p.Column), Problem: p.Problem, Remedy: p.Remedy}
}

// Fields are the row's problems as fields of an error about a file.
func (w Wrong) Fields(file string) []lab.Field {
	fields := make([]lab.Field, len(w.Problems))
	for i, p := range w.Problems {
		fields[i] = w.field(file, p)
	}
	return fields
}

// Read reads a roster, row by row: a row that is wrong stands in no other's way.
// File is the file's name, for the errors. A file that can't be read at all is
// CodeInvalid, with a field "file:line:column" for each problem.
func Read(src []byte, file string, format Format) (Roster, error) {
	p := &parser{file: file, seen: make(map[string]int)}
	text, ok := p.text(src, format.Encoding)
	if !ok {
		return Roster{}, p.err()
	}
	p.lines = bytes.Split(text, []byte("\n"))
	if said, ok := saidDelimiter(text); ok {
		// The line stays as an empty one, so that lines are counted right.
		text = text[len(p.lines[0]):]
		p.delimiter = said
	}
	switch {
	case format.Delimiter != 0:
		p.delimiter = format.Delimiter
	case p.delimiter == 0:
		p.delimiter = guessDelimiter(text)
	}
	roster := p.read(text)
	return roster, p.err()
}

// Parse reads a roster whole, or not at all: a row that is wrong is an error as
// well, and at most MaxProblems problems are named.
func Parse(r io.Reader, file string) ([]Row, error) {
	src, err := io.ReadAll(io.LimitReader(r, MaxSize+1))
	if err != nil {
		return nil, fmt.Errorf("read roster %s: %w", file, err)
	}
	roster, err := Read(src, file, Format{})
	if err != nil {
		return nil, err
	}
	var fields []lab.Field
	for _, wrong := range roster.Wrong {
		fields = append(fields, wrong.Fields(file)...)
	}
	if len(fields) == 0 {
		return roster.Rows, nil
	}
	message := "the roster cannot be used"
	if dropped := len(fields) - MaxProblems; dropped > 0 {
		message += fmt.Sprintf(" (and %d more problems)", dropped)
		fields = fields[:MaxProblems]
	}
	return nil, lab.Invalid(message, fields...)
}

// parser collects the problems of a file as a whole.
type parser struct {
	file      string
	delimiter Delimiter
	fields    []lab.Field
	seen      map[string]int // folded address to its line
	lines     [][]byte
}

// text gives the file's text with Unix line ends; false when there is none.
func (p *parser) text(src []byte, said Encoding) ([]byte, bool) {
	if len(src) > MaxSize {
		p.problem(1, 1, fmt.Sprintf("the file is larger than %d MB", MaxSize>>20), "split it")
		return nil, false
	}
	text, bad := decode(src, said)
	switch {
	case bad != nil:
		p.problem(bad.line, bad.column, bad.problem, bad.remedy)
		return nil, false
	case len(bytes.TrimSpace(text)) == 0:
		p.problem(1, 1, "the file is empty", "the first line names the columns: name,email")
		return nil, false
	}
	return unixLines(text), true
}

// at gives a field's line and its column in characters, both from 1.
func (p *parser) at(r *csv.Reader, field int) (line, column int) {
	line, column = r.FieldPos(field)
	return line, p.characters(line, column)
}

// characters turns a column that counts bytes into one that counts characters.
func (p *parser) characters(line, column int) int {
	if line < 1 || line > len(p.lines) || column < 1 || column-1 > len(p.lines[line-1]) {
		return max(column, 1)
	}
	return utf8.RuneCount(p.lines[line-1][:column-1]) + 1
}

func (p *parser) problem(line, column int, problem, remedy string) {
	p.fields = append(p.fields, lab.Field{Name: fmt.Sprintf("%s:%d:%d", p.file, line, column), Problem: problem, Remedy: remedy})
}

func (p *parser) err() error {
	if len(p.fields) == 0 {
		return nil
	}
	return lab.Invalid("the roster cannot be used", p.fields...)
}

// read reads the header and every row after it.
func (p *parser) read(text []byte) Roster {
	r := newReader(text, p.delimiter)
	header, err := r.Read()
	if err != nil {
		p.syntax(err)
		return Roster{}
	}
	columns, ok := p.header(r, header)
	if !ok {
		return Roster{}
	}
	roster := Roster{Ignored: columns.ignored}
	for {
		record, err := r.Read()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			p.syntax(err)
			return Roster{}
		}
		if blank(record) {
			continue
		}
		if len(roster.Rows)+len(roster.Wrong) == MaxRows {
			line, _ := r.FieldPos(0)
			p.problem(line, 1, fmt.Sprintf("a roster has at most %d students", MaxRows), "split the file")
			return Roster{}
		}
		if row, problems := p.row(r, record, columns); len(problems) > 0 {
			roster.Wrong = append(roster.Wrong, Wrong{row, problems})
		} else {
			roster.Rows = append(roster.Rows, row)
		}
	}
	if len(roster.Rows)+len(roster.Wrong) == 0 {
		p.problem(1, 1, "the roster names no student", "write one line per student below the header")
	}
	return roster
}

func (p *parser) syntax(err error) {
	var parse *csv.ParseError
	if errors.As(err, &parse) {
		p.problem(parse.Line, p.characters(parse.Line, parse.Column), "not CSV: "+parse.Err.Error(),
			fmt.Sprintf(`a value with a quote or a %s stands in quotes, and a quote in it is doubled: "Ana ""Ani"" Ruiz"`, p.delimiter))
		return
	}
	p.problem(1, 1, "the file holds nothing that could be read", "export the sheet as CSV")
}

func blank(record []string) bool {
	return !slices.ContainsFunc(record, func(s string) bool { return strings.TrimSpace(s) != "" })
}

// row checks one row, and gives what could be read of it.
func (p *parser) row(r *csv.Reader, record []string, c columns) (Row, []Problem) {
	line, _ := r.FieldPos(0)
	row := Row{Line: line, Email: cell(record, c.index, email), Name: cell(record, c.index, name)}
	nameAt := c.index[name]
	if _, ok := c.index[name]; !ok {
		nameAt = c.index[firstName]
		row.Name = strings.TrimSpace(cell(record, c.index, firstName) + " " + cell(record, c.index, lastName))
	}
	if len(record) < c.count && max(nameAt, c.index[email]) >= len(record) || !blank(record[min(len(record), c.count):]) {
		return row, []Problem{{
			Column: 1, Value: "row", Problem: fmt.Sprintf("%d values where the header names %d columns", len(record), c.count),
			Remedy: fmt.Sprintf("a value with a %s stands in quotes", p.delimiter),
		}}
	}
	problems := p.name(nil, r, row.Name, nameAt)
	return row, p.email(problems, r, row, c.index[email])
}

func cell(record []string, index map[part]int, p part) string {
	i, ok := index[p]
	if !ok || i >= len(record) {
		return ""
	}
	return strings.TrimSpace(record[i])
}

func (p *parser) name(problems []Problem, r *csv.Reader, name string, i int) []Problem {
	_, column := p.at(r, i)
	add := func(problem, remedy string) []Problem {
		return append(problems, Problem{Column: column, Value: "name", Problem: problem, Remedy: remedy})
	}
	switch {
	case name == "":
		return add("the name is empty", "every student has a name")
	case utf8.RuneCountInString(name) > MaxName:
		return add(fmt.Sprintf("the name is longer than %d characters", MaxName), "shorten it")
	}
	var refused *lab.Error
	if err := jobspec.ValidateText("name", name); errors.As(err, &refused) && len(refused.Fields) > 0 {
		return add(refused.Fields[0].Problem, refused.Fields[0].Remedy)
	}
	return problems
}

func (p *parser) email(problems []Problem, r *csv.Reader, row Row, i int) []Problem {
	_, column := p.at(r, i)
	add := func(problem, remedy string) []Problem {
		return append(problems, Problem{Column: column, Value: "email", Problem: problem, Remedy: remedy})
	}
	if problem := EmailProblem(row.Email); problem != "" {
		return add(problem, "write it as in ana@example.org")
	}
	folded := strings.ToLower(row.Email)
	if first, ok := p.seen[folded]; ok {
		return add(fmt.Sprintf("the address %q of line %d is in line %d already", row.Email, row.Line, first), "keep one of the two lines")
	}
	p.seen[folded] = row.Line
	return problems
}

// EmailProblem says what is wrong with a bare e-mail address, or "".
func EmailProblem(email string) string {
	if email == "" {
		return "the e-mail address is empty"
	}
	if len(email) > MaxEmail {
		return fmt.Sprintf("the e-mail address is longer than %d bytes", MaxEmail)
	}
	parsed, err := mail.ParseAddress(email)
	if err != nil || parsed.Address != email {
		return fmt.Sprintf("%.100q is not an e-mail address", email)
	}
	if err := jobspec.ValidateText("email", email); err != nil {
		return fmt.Sprintf("%.100q holds characters that no address needs", email)
	}
	return ""
}
