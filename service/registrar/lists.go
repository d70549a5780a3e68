package registrar

import (
	"cmp"
	"context"
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"

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
