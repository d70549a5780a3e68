package registrar

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/bothylabs/bothy/service/cursor"
	"github.com/bothylabs/bothy/service/lab"
)

// How many items a page has when nobody says it, and at most.
const (
	DefaultLimit = 100
	MaxLimit     = 1000
)

// MaxSearch is the longest text to search for, in characters.
const MaxSearch = 200

// checkList checks what every list takes, and gives the page with its limit.
func checkList(search string, page lab.Page) (lab.Page, error) {
	var p problems
	page.Limit = cmp.Or(page.Limit, DefaultLimit)
	if page.Limit < 1 || page.Limit > MaxLimit {
		p.add("limit", fmt.Sprintf("is not between 1 and %d", MaxLimit), "ask for fewer items, and then for the next page")
	}
	switch {
	case !utf8.ValidString(search):
		p.add("search", "is not UTF-8 text", "percent-encode it in UTF-8")
	case strings.ContainsFunc(search, unicode.IsControl):
		p.add("search", "has control characters in it, which no name has", "leave them out")
	case utf8.RuneCountInString(search) > MaxSearch:
		p.add("search", fmt.Sprintf("is longer than %d characters", MaxSearch), "shorten it")
	}
	return page, p.err("the list can't be given so")
}

// cohortID gives the id of the cohort that a ref names, "" for "".
func (r *Registrar) cohortID(ctx context.Context, ref string) (string, error) {
	if ref == "" {
		return "", nil
	}
	cohort, err := r.Store.Cohort(ctx, ref)
	return cohort.ID, err
}

// courseID gives the id of the course that a ref names, "" for "".
func (r *Registrar) courseID(ctx context.Context, ref string) (string, error) {
	if ref == "" {
		return "", nil
	}
	course, err := r.Store.Course(ctx, ref)
	return course.ID, err
}

// pageByName gives a page of a list that is held in memory, whose names are unique.
func pageByName[T any](list string, all []T, search string, page lab.Page, name func(T) string) (lab.List[T], error) {
	sort := cmp.Or(page.Sort, "name")
	direction := 1
	if strings.HasPrefix(sort, "-") {
		direction = -1
	}
	if strings.TrimPrefix(sort, "-") != "name" {
		return lab.List[T]{}, lab.Invalid("the list can't be sorted so", lab.Field{
			Name: "sort", Problem: fmt.Sprintf("%q is nothing that %s are sorted by", sort, list),
			Remedy: "use name, or -name for the other way round",
		})
	}
	scope := []any{list, sort, "search", search}
	slices.SortFunc(all, func(a, b T) int { return direction * strings.Compare(name(a), name(b)) })
	if page.Cursor != "" {
		at, err := cursor.Decode(scope, page.Cursor, []any{""})
		if err != nil {
			return lab.List[T]{}, fmt.Errorf("list %s: %w", list, err)
		}
		last, _ := at[0].(string) // Decode gives it the type
		all = slices.DeleteFunc(all, func(t T) bool { return direction*strings.Compare(name(t), last) <= 0 })
	}
	if len(all) <= page.Limit {
		return lab.List[T]{Items: all}, nil
	}
	all = all[:page.Limit]
	next, err := cursor.Encode(scope, []any{name(all[page.Limit-1])})
	if err != nil {
		return lab.List[T]{}, fmt.Errorf("list %s: %w", list, err)
	}
	return lab.List[T]{Items: all, Next: next}, nil
}

func containsFold(text, part string) bool {
	return strings.Contains(strings.ToLower(text), strings.ToLower(part))
}
