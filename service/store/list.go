package store

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"

	"golang.org/x/text/cases"
	"golang.org/x/text/unicode/norm"

	"github.com/bothylabs/bothy/service/cursor"
	"github.com/bothylabs/bothy/service/lab"
)

// listing is a list that is read in pages. A page begins after the sort keys of
// the last item of the page before, which the cursor carries: rows that come, go
// or move meanwhile shift no others, and an index leads straight to the place.
type listing[R any] struct {
	// name is the list's in cursors; it must not change.
	name string
	// from is the SELECT without WHERE.
	from string
	// around, where it is set, is a SELECT from $page, which stands for the chosen
	// rows: what is joined to them for show is joined to one page, and the choice
	// and its order stay a matter of one table and its indexes.
	around string
	// sorts are the sort keys by the names that callers give. None may be NULL.
	sorts map[string]order[R]
	// standard is the sort without a name.
	standard string
	// id decides between rows whose sort keys are equal.
	id column[R]
}

// order is what a list can be sorted by.
type order[R any] struct {
	keys []column[R]
	// from takes the place of the listing's, for keys that are of another table too.
	from string
	// lead says that the first key is of another table than the id, or an
	// expression: an index on it serves only where it is compared by itself.
	lead bool
	// least is a condition that all rows meet, and that shows SQLite the index to
	// begin with where there is no cursor; "" where it finds it by itself.
	least string
}

func by[R any](keys ...column[R]) order[R] { return order[R]{keys: keys} }

// column is a sort key: in SQL, and of a row as the database compares it.
type column[R any] struct {
	sql   string
	value func(R) any
}

func text[R any](sql string, value func(R) string) column[R] {
	return column[R]{sql, func(r R) any { return value(r) }}
}

// moment is a time; the zero time comes first, and its SQL gives 0 for NULL.
func moment[R any](sql string, value func(R) stamp) column[R] {
	return column[R]{sql, func(r R) any { return value(r).micros() }}
}

// page reads one page of a list, and makes entities of its rows.
func page[R, E any](
	ctx context.Context, s *Store, l listing[R], chosen conditions, p lab.Page, entity func(R) E,
) (lab.List[E], error) {
	q, err := l.query(chosen, p)
	if err != nil {
		return lab.List[E]{}, err
	}
	var rows []R
	if err := s.reader().list(ctx, &rows, q.sql, q.args...); err != nil {
		return lab.List[E]{}, s.failed(ctx, "list "+l.name, err)
	}
	var next string
	if len(rows) > p.Limit {
		rows = rows[:p.Limit]
		if next, err = cursor.Encode(q.scope, at(q.keys, rows[p.Limit-1])); err != nil {
			return lab.List[E]{}, fmt.Errorf("list %s: %w", l.name, err)
		}
	}
	return lab.List[E]{Items: convert(rows, entity), Next: next}, nil
}

// pageQuery is the statement that reads one page, and one row more.
type pageQuery[R any] struct {
	sql   string
	args  []any
	keys  []column[R]
	scope []any
}

func (l listing[R]) query(chosen conditions, p lab.Page) (pageQuery[R], error) {
	order, descending, err := l.order(p.Sort)
	if err != nil {
		return pageQuery[R]{}, err
	}
	keys := append(slices.Clone(order.keys), l.id)
	q := pageQuery[R]{keys: keys, scope: append([]any{l.name, l.sortName(p.Sort)}, chosen.scope...)}
	if p.Cursor != "" {
		var none R
		after, err := cursor.Decode(q.scope, p.Cursor, at(keys, none))
		if err != nil {
			return pageQuery[R]{}, fmt.Errorf("list %s: %w", l.name, err)
		}
		chosen = chosen.after(names(keys), after, descending, order.lead)
	} else if order.least != "" {
		chosen.sql = append(slices.Clone(chosen.sql), order.least)
	}
	direction := ""
	if descending {
		direction = " DESC"
	}
	sorted := ` ORDER BY ` + strings.Join(names(keys), direction+", ") + direction
	q.sql = cmp.Or(order.from, l.from) + chosen.where() + sorted + ` LIMIT ?`
	if l.around != "" {
		q.sql = strings.Replace(l.around, "$page", `(`+q.sql+`)`, 1) + sorted
	}
	q.args = append(slices.Clone(chosen.args), p.Limit+1)
	return q, nil
}

func (l listing[R]) sortName(sort string) string {
	if sort == "" {
		return l.standard
	}
	return sort
}

// order gives what a sort names, and whether it runs backwards.
func (l listing[R]) order(sort string) (sorted order[R], descending bool, err error) {
	name, descending := strings.CutPrefix(l.sortName(sort), "-")
	sorted, ok := l.sorts[name]
	if !ok {
		var known []string
		for name := range l.sorts {
			known = append(known, name)
		}
		slices.Sort(known)
		return order[R]{}, false, lab.Invalid("the list can't be sorted so", lab.Field{
			Name: "sort", Problem: fmt.Sprintf("%q is nothing that %s are sorted by", sort, l.name),
			Remedy: "use one of " + strings.Join(known, ", ") + ", with a minus before it for the other way round",
		})
	}
	return sorted, descending, nil
}

func at[R any](keys []column[R], row R) []any {
	values := make([]any, len(keys))
	for i, key := range keys {
		values[i] = key.value(row)
	}
	return values
}

func names[R any](keys []column[R]) []string {
	return convert(keys, func(key column[R]) string { return key.sql })
}

// conditions choose the rows of a list.
type conditions struct {
	sql  []string
	args []any
	// scope is what was asked for, for the cursor.
	scope []any
}

// and adds a condition; name and value are what was asked for.
func (c *conditions) and(name string, value any, sql string, args ...any) {
	c.sql, c.args, c.scope = append(c.sql, sql), append(c.args, args...), append(c.scope, name, value)
}

// is adds the condition that a column has a value, unless that is "".
func (c *conditions) is(name, column, value string) {
	if value != "" {
		c.and(name, value, column+` = ?`, value)
	}
}

// whether adds a condition, or its contrary, unless wanted is nil.
func (c *conditions) whether(name, sql string, wanted *bool) {
	switch {
	case wanted == nil:
	case *wanted:
		c.and(name, true, sql)
	default:
		c.and(name, false, `NOT (`+sql+`)`)
	}
}

// seenBy adds the condition that somebody sees a row. own has one for each role that
// sees some, whose parameters all are the user's id.
func (c *conditions) seenBy(v lab.Viewer, own map[lab.Role]string) {
	if v.SeesAll() {
		return
	}
	sql, ok := own[v.Role]
	if !ok || v.UserID == "" {
		c.and("for", "nobody", "1 = 0")
		return
	}
	c.and("for", []string{v.UserID, string(v.Role)}, `(`+sql+`)`, slices.Repeat([]any{v.UserID}, strings.Count(sql, "?"))...)
}

// search adds the condition that one of the columns has the text in it; the
// columns hold what fold makes of their texts.
func (c *conditions) search(text string, columns ...string) {
	if text == "" {
		return
	}
	pattern := `%` + strings.NewReplacer(`\`, `\\`, `%`, `\%`, `_`, `\_`).Replace(fold(text)) + `%`
	either, args := make([]string, len(columns)), make([]any, len(columns))
	for i, column := range columns {
		either[i], args[i] = column+` LIKE ? ESCAPE '\'`, pattern
	}
	c.and("search", text, `(`+strings.Join(either, ` OR `)+`)`, args...)
}

// after adds the condition that a row stands behind a place; lead names the first
// key once more by itself.
func (c conditions) after(keys []string, place []any, descending, lead bool) conditions {
	compare := ">"
	if descending {
		compare = "<"
	}
	if lead {
		c.sql, c.args = append(slices.Clone(c.sql), keys[0]+` `+compare+`= ?`), slices.Concat(c.args, place[:1])
	}
	c.sql = append(slices.Clone(c.sql), `(`+strings.Join(keys, ", ")+`) `+compare+` (`+marks(len(keys))+`)`)
	c.args = slices.Concat(c.args, place)
	return c
}

// marks are the placeholders of n values.
func marks(n int) string { return strings.TrimSuffix(strings.Repeat("?, ", n), ", ") }

func (c conditions) where() string {
	if len(c.sql) == 0 {
		return ""
	}
	return `WHERE ` + strings.Join(c.sql, ` AND `)
}

// fold gives texts as searches compare them: without the difference of case, and
// of the ways to write one character. Databases would each do that in their own way.
func fold(texts ...string) string {
	return cases.Fold().String(norm.NFKC.String(strings.Join(texts, "\n")))
}
