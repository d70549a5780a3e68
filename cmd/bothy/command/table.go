package command

import (
	"strings"
	"unicode"

	"golang.org/x/text/width"
)

// A table lines its columns up by what a terminal shows, not by bytes: names are
// in every script, and colours take no room.
type table struct {
	rows [][]cell
	// spare are the columns that may go when there is no room, the least important first.
	spare []int
}

type cell struct {
	text  string
	paint func(string) string
	// whole is for what is of no use when it is cut: an address.
	whole bool
}

// usefulWidth is how much of the last column people need to see before others are left out for it.
const usefulWidth = 40

func newTable(head ...string) *table {
	t := &table{}
	t.add(head...)
	return t
}

func (t *table) add(texts ...string) {
	cells := make([]cell, len(texts))
	for i, text := range texts {
		cells[i] = cell{text: printable(text)}
	}
	t.rows = append(t.rows, cells)
}

// paint colours a column's cell in the row that was added last.
func (t *table) paint(column int, how func(string) string) {
	t.rows[len(t.rows)-1][column].paint = how
}

// optional names columns that may be left out where there is no room, the least
// important first.
func (t *table) optional(columns ...int) *table {
	t.spare = columns
	return t
}

// keepWhole lets a column's cell in the row that was added last not be cut.
func (t *table) keepWhole(column int) { t.rows[len(t.rows)-1][column].whole = true }

// String gives the table without a final line break.
func (t *table) String() string { return strings.Join(t.lines(0), "\n") }

// lines gives the table's lines, none wider than so many columns; 0 for no limit.
func (t *table) lines(limit int) []string { return t.render(limit, false) }

// render gives the table's lines, cut to so many columns; what is to stay whole
// is not cut if lenient, but left to the terminal to wrap.
func (t *table) render(limit int, lenient bool) []string {
	rows, widths := t.fitting(limit)
	lines := make([]string, len(rows))
	for n, row := range rows {
		var line strings.Builder
		at := 0
		for i, c := range row {
			if limit > 0 && at >= limit {
				break
			}
			text, padding := c.text, widths[i]-columns(c.text)+2
			if limit > 0 && (!lenient || !c.whole) {
				text = cut(text, limit-at)
				padding = min(padding, limit-at-columns(text))
			}
			at += columns(text) + padding
			if c.paint != nil {
				text = c.paint(text)
			}
			line.WriteString(text)
			if i < len(row)-1 {
				line.WriteString(strings.Repeat(" ", max(padding, 0)))
			}
		}
		lines[n] = strings.TrimRight(line.String(), " ")
	}
	return lines
}

// fitting gives the rows without the columns that there is no room for, and the widths of the rest.
func (t *table) fitting(limit int) (rows [][]cell, widths []int) {
	rows, widths = t.rows, widthsOf(t.rows)
	gone := map[int]bool{}
	for _, spare := range t.spare {
		if limit == 0 || needs(widths) <= limit {
			break
		}
		gone[spare] = true
		rows = make([][]cell, len(t.rows))
		for n, row := range t.rows {
			for i, c := range row {
				if !gone[i] {
					rows[n] = append(rows[n], c)
				}
			}
		}
		widths = widthsOf(rows)
	}
	return rows, widths
}

func widthsOf(rows [][]cell) []int {
	var widths []int
	for _, row := range rows {
		for i, c := range row {
			if i == len(widths) {
				widths = append(widths, 0)
			}
			widths[i] = max(widths[i], columns(c.text))
		}
	}
	return widths
}

// needs is how many columns it takes to show something useful.
func needs(widths []int) int {
	total := 0
	for i, w := range widths {
		if i == len(widths)-1 {
			return total + min(w, usefulWidth)
		}
		total += w + 2
	}
	return total
}

// columns counts the terminal columns that text takes.
func columns(text string) int {
	n := 0
	for _, r := range text {
		switch {
		case unicode.In(r, unicode.Mn, unicode.Me, unicode.Cf):
		case width.LookupRune(r).Kind() == width.EastAsianWide, width.LookupRune(r).Kind() == width.EastAsianFullwidth:
			n += 2
		default:
			n++
		}
	}
	return n
}

// cut shortens text to so many columns, marking that it did.
func cut(text string, most int) string {
	if most <= 0 || columns(text) <= most {
		return text
	}
	n := 0
	for i, r := range text {
		n += columns(string(r))
		if n > most-1 {
			return text[:i] + "…"
		}
	}
	return text
}

// printable replaces what would move a terminal's cursor: texts come from other programs too.
func printable(text string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsControl(r) {
			return ' '
		}
		return r
	}, text)
}

// show prints a table, no wider than the terminal if there is one.
func (e *Env) show(t *table) {
	limit := 0
	if e.OutTerminal {
		limit, _ = e.Size()
	}
	e.UI.Output(strings.Join(t.render(limit, true), "\n"))
}
