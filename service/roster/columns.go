package roster

import (
	"bytes"
	"encoding/csv"
	"fmt"
	"slices"
	"strings"
)

// Delimiter is what stands between two values.
type Delimiter rune

// The delimiters.
const (
	Comma     Delimiter = ','
	Semicolon Delimiter = ';'
	Tab       Delimiter = '\t'
	Pipe      Delimiter = '|'
)

func delimiters() []Delimiter { return []Delimiter{Comma, Semicolon, Tab, Pipe} }

// DelimiterOf gives the delimiter that a name or the character itself means.
func DelimiterOf(name string) (Delimiter, bool) {
	switch strings.ToLower(name) {
	case "comma", ",":
		return Comma, true
	case "semicolon", ";":
		return Semicolon, true
	case "tab", "\t", `\t`:
		return Tab, true
	case "pipe", "|":
		return Pipe, true
	default:
		return 0, false
	}
}

// String gives the delimiter's name: "comma".
func (d Delimiter) String() string {
	switch d {
	case Semicolon:
		return "semicolon"
	case Tab:
		return "tab"
	case Pipe:
		return "pipe"
	default:
		return "comma"
	}
}

// part is what a column holds.
type part int

const (
	other part = iota
	name
	email
	firstName
	lastName
)

// partOf says what a column's heading means: the names that exports of learning
// platforms and spreadsheets have.
func partOf(heading string) part {
	plain := strings.NewReplacer("-", " ", "_", " ", ".", " ").Replace(strings.ToLower(strings.TrimSpace(heading)))
	switch strings.Join(strings.Fields(plain), " ") {
	case "name", "full name", "fullname", "student", "student name", "display name":
		return name
	case "email", "e mail", "mail", "email address", "e mail address", "mail address":
		return email
	case "first name", "firstname", "given name", "forename":
		return firstName
	case "last name", "lastname", "surname", "family name":
		return lastName
	default:
		return other
	}
}

func (p part) String() string {
	switch p {
	case name:
		return "name"
	case email:
		return "email"
	case firstName:
		return "first name"
	case lastName:
		return "last name"
	default:
		return "other"
	}
}

// columns say where a row's parts are.
type columns struct {
	count int
	index map[part]int
	// ignored are the headings of the columns that are passed over.
	ignored []string
}

// whole says whether a header has all that is needed, once each.
func (c columns) whole() bool {
	_, hasEmail := c.index[email]
	return hasEmail && c.named()
}

func (c columns) named() bool {
	_, hasName := c.index[name]
	_, hasFirst := c.index[firstName]
	_, hasLast := c.index[lastName]
	return hasName || hasFirst && hasLast
}

// twin is a column that means what one before it means.
type twin struct {
	part         part
	first, later int
}

// columnsOf reads a header.
func columnsOf(header []string) (columns, []twin) {
	c := columns{count: len(header), index: map[part]int{}}
	var twins []twin
	for i, heading := range header {
		p := partOf(heading)
		if p == other {
			if strings.TrimSpace(heading) != "" {
				c.ignored = append(c.ignored, strings.TrimSpace(heading))
			}
			continue
		}
		if first, ok := c.index[p]; ok {
			twins = append(twins, twin{p, first, i})
			continue
		}
		c.index[p] = i
	}
	// A whole name is better than its halves.
	if _, ok := c.index[name]; ok {
		for _, half := range []part{firstName, lastName} {
			if i, ok := c.index[half]; ok {
				c.ignored = append(c.ignored, strings.TrimSpace(header[i]))
				delete(c.index, half)
			}
		}
	}
	return c, twins
}

// saidDelimiter reads Excel's first line, "sep=;".
func saidDelimiter(text []byte) (Delimiter, bool) {
	line, _, _ := bytes.Cut(text, []byte("\n"))
	rest, ok := strings.CutPrefix(strings.ToLower(strings.Trim(string(line), `" `)), "sep=")
	if !ok {
		return 0, false
	}
	d, ok := DelimiterOf(rest)
	return d, ok
}

// guessDelimiter finds the delimiter with which the header makes sense; when
// there is none, the one that the header has most of.
func guessDelimiter(text []byte) Delimiter {
	best, most := Comma, 0
	for _, d := range delimiters() {
		header, err := newReader(text, d).Read()
		if err != nil {
			continue
		}
		if c, twins := columnsOf(header); c.whole() || len(twins) > 0 {
			return d
		}
		if len(header) > most {
			best, most = d, len(header)
		}
	}
	return best
}

func newReader(text []byte, d Delimiter) *csv.Reader {
	r := csv.NewReader(bytes.NewReader(text))
	r.Comma = rune(d)
	r.FieldsPerRecord = -1
	return r
}

// header reads the first line; false when it can't be used.
func (p *parser) header(r *csv.Reader, header []string) (columns, bool) {
	c, twins := columnsOf(header)
	for _, t := range twins {
		line, column := p.at(r, t.later)
		p.problem(line, column, fmt.Sprintf("the columns %q and %q both hold the %s", strings.TrimSpace(header[t.first]), strings.TrimSpace(header[t.later]), t.part),
			"remove one, or give it another heading")
	}
	seen := slices.DeleteFunc(slices.Clone(header), func(s string) bool { return strings.TrimSpace(s) == "" })
	remedy := fmt.Sprintf("the first line names the columns: name%cemail; it names %s", rune(p.delimiter), quoted(seen))
	line, _ := p.at(r, 0)
	if !c.named() {
		p.problem(line, 1, `the column "name" is missing`, remedy)
	}
	if _, ok := c.index[email]; !ok {
		p.problem(line, 1, `the column "email" is missing`, remedy)
	}
	return c, len(p.fields) == 0
}

// quoted lists some words.
func quoted(words []string) string {
	const most = 8
	var all []string
	for i, word := range words {
		if i == most {
			all = append(all, "…")
			break
		}
		all = append(all, fmt.Sprintf("%.40q", strings.TrimSpace(word)))
	}
	return strings.Join(all, ", ")
}
