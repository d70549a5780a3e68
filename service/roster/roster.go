// Package roster reads the list of a cohort's students as a spreadsheet saves
// it: CSV, in UTF-8, with a header line.
package roster

import (
	"bufio"
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
	// MaxProblems is how many problems of one file are named; the rest is counted.
	MaxProblems = 20
	// MaxRows is the longest roster.
	MaxRows = 50_000
	// MaxSize is the largest file, in bytes.
	MaxSize = 16 << 20
	// MaxName is the longest name, in bytes.
	MaxName = 200
	// MaxEmail is the longest address, in bytes (RFC 5321).
	MaxEmail = 254
)

const (
	columnName  = "name"
	columnEmail = "email"
)

// Row is one student of a roster.
type Row struct {
	Name string
	// Email as it was written; two rows with the same address but for case are refused.
	Email string
	// Line is where the row begins in the file, from 1.
	Line int
}

// Parse reads a roster whole. Name is the file's name, for the errors. What is
// wrong is CodeInvalid, with a field "file:line:column" for each of the first
// MaxProblems problems; there is then no row.
func Parse(r io.Reader, name string) ([]Row, error) {
	src, err := io.ReadAll(io.LimitReader(r, MaxSize+1))
	if err != nil {
		return nil, fmt.Errorf("read roster %s: %w", name, err)
	}
	src = bytes.TrimPrefix(src, []byte("\ufeff"))
	p := &parser{file: name, seen: make(map[string]int)}
	if p.refuses(src) {
		return nil, p.err()
	}
	p.lines = bytes.Split(src, []byte("\n"))
	rows := p.rows(src)
	if err := p.err(); err != nil {
		return nil, err
	}
	return rows, nil
}

// parser collects the problems of one file.
type parser struct {
	file    string
	fields  []lab.Field
	dropped int
	seen    map[string]int // folded address to its line
	lines   [][]byte
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
	if len(p.fields) == MaxProblems {
		p.dropped++
		return
	}
	p.fields = append(p.fields, lab.Field{
		Name:    fmt.Sprintf("%s:%d:%d", p.file, line, column),
		Problem: problem,
		Remedy:  remedy,
	})
}

func (p *parser) err() error {
	if len(p.fields) == 0 {
		return nil
	}
	message := "the roster cannot be used"
	if p.dropped > 0 {
		message += fmt.Sprintf(" (and %d more problems)", p.dropped)
	}
	return lab.Invalid(message, p.fields...)
}

// refuses tells files that are no text in UTF-8, and says what they look like.
func (p *parser) refuses(src []byte) bool {
	switch {
	case len(src) > MaxSize:
		p.problem(1, 1, fmt.Sprintf("the file is larger than %d MB", MaxSize>>20), "split it")
	case bytes.HasPrefix(src, []byte{0xff, 0xfe}), bytes.HasPrefix(src, []byte{0xfe, 0xff}):
		p.problem(1, 1, "the file is UTF-16", `save it as "CSV UTF-8"`)
	case !utf8.Valid(src):
		line, column := firstInvalid(src)
		p.problem(line, column, "the file is not UTF-8 from here on", `save it as "CSV UTF-8"`)
	case bytes.IndexByte(src, 0) >= 0:
		line := 1 + bytes.Count(src[:bytes.IndexByte(src, 0)], []byte("\n"))
		p.problem(line, 1, "the file holds a NUL character", "export the sheet as CSV; this is not a text file")
	case len(bytes.TrimSpace(src)) == 0:
		p.problem(1, 1, "the file is empty", "the first line names the columns: name,email")
	default:
		return false
	}
	return true
}

func firstInvalid(src []byte) (line, column int) {
	line, column = 1, 1
	scan := bufio.NewReader(bytes.NewReader(src))
	for {
		r, size, err := scan.ReadRune()
		if err != nil || (r == utf8.RuneError && size == 1) {
			return line, column
		}
		column++
		if r == '\n' {
			line, column = line+1, 1
		}
	}
}

// rows reads the header and every row after it.
func (p *parser) rows(src []byte) []Row {
	r := csv.NewReader(bytes.NewReader(src))
	r.FieldsPerRecord = -1
	header, err := r.Read()
	if err != nil {
		p.syntax(err)
		return nil
	}
	index, ok := p.header(r, header)
	if !ok {
		return nil
	}
	var rows []Row
	for {
		record, err := r.Read()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			p.syntax(err)
			return nil
		}
		if blank(record) {
			continue
		}
		if len(rows) == MaxRows {
			line, _ := r.FieldPos(0)
			p.problem(line, 1, fmt.Sprintf("a roster has at most %d students", MaxRows), "split the file")
			return nil
		}
		if row, ok := p.row(r, record, index); ok {
			rows = append(rows, row)
		}
	}
	if len(rows) == 0 && len(p.fields) == 0 {
		p.problem(1, 1, "the roster names no student", "write one line per student below the header")
	}
	return rows
}

func (p *parser) syntax(err error) {
	var parse *csv.ParseError
	if errors.As(err, &parse) {
		p.problem(parse.Line, p.characters(parse.Line, parse.Column), "not CSV: "+parse.Err.Error(), `a value with a quote or a comma stands in quotes, and a quote in it is doubled: "Ana ""Ani"" Ruiz"`)
		return
	}
	p.problem(1, 1, "not CSV: "+err.Error(), "export the sheet as CSV")
}

// header finds the two columns; their order is free, others are refused by name.
func (p *parser) header(r *csv.Reader, header []string) (map[string]int, bool) {
	if len(header) == 1 && strings.ContainsAny(header[0], ";\t") {
		p.problem(1, 1, "the columns are not separated by commas", `save it as "CSV", with commas`)
		return nil, false
	}
	index := make(map[string]int, len(header))
	for i, cell := range header {
		line, column := p.at(r, i)
		key := strings.ToLower(strings.TrimSpace(cell))
		switch {
		case key != columnName && key != columnEmail:
			p.problem(line, column, fmt.Sprintf("unknown column %q", cell), "remove it: the columns are name and email")
		case hasKey(index, key):
			p.problem(line, column, fmt.Sprintf("the column %q is there twice", key), "remove one")
		default:
			index[key] = i
		}
	}
	for _, key := range []string{columnName, columnEmail} {
		if !hasKey(index, key) {
			p.problem(1, 1, fmt.Sprintf("the column %q is missing", key), "the first line names the columns: name,email")
		}
	}
	return index, len(p.fields) == 0
}

func hasKey(index map[string]int, key string) bool {
	_, ok := index[key]
	return ok
}

func blank(record []string) bool {
	return !slices.ContainsFunc(record, func(s string) bool { return strings.TrimSpace(s) != "" })
}

func (p *parser) row(r *csv.Reader, record []string, index map[string]int) (Row, bool) {
	line, _ := r.FieldPos(0)
	if len(record) != len(index) {
		p.problem(line, 1, fmt.Sprintf("%d values where the header names %d columns", len(record), len(index)), "a value with a comma stands in quotes")
		return Row{}, false
	}
	before := len(p.fields) + p.dropped
	name := p.name(r, record, index[columnName])
	email := p.email(r, record, index[columnEmail])
	return Row{Name: name, Email: email, Line: line}, before == len(p.fields)+p.dropped
}

func (p *parser) name(r *csv.Reader, record []string, i int) string {
	line, column := p.at(r, i)
	name := strings.TrimSpace(record[i])
	switch {
	case name == "":
		p.problem(line, column, "the name is empty", "every student has a name")
	case len(name) > MaxName:
		p.problem(line, column, fmt.Sprintf("the name is longer than %d bytes", MaxName), "shorten it")
	default:
		p.text(line, column, name)
	}
	return name
}

func (p *parser) email(r *csv.Reader, record []string, i int) string {
	line, column := p.at(r, i)
	email := strings.TrimSpace(record[i])
	if problem := EmailProblem(email); problem != "" {
		p.problem(line, column, problem, "write it as in ana@example.org")
		return email
	}
	folded := strings.ToLower(email)
	if first, ok := p.seen[folded]; ok {
		p.problem(line, column, fmt.Sprintf("the address %q is in line %d already", email, first), "keep one of the two lines")
		return email
	}
	p.seen[folded] = line
	return email
}

func (p *parser) text(line, column int, s string) {
	var refused *lab.Error
	if err := jobspec.ValidateText("name", s); errors.As(err, &refused) && len(refused.Fields) > 0 {
		p.problem(line, column, refused.Fields[0].Problem, refused.Fields[0].Remedy)
	}
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
		return fmt.Sprintf("%q is not an e-mail address", email)
	}
	if err := jobspec.ValidateText("email", email); err != nil {
		return fmt.Sprintf("%q holds characters that no address needs", email)
	}
	return ""
}
