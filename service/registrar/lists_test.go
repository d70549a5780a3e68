package registrar_test

import (
	"context"
	"strings"
	"testing"

	"github.com/bothylabs/bothy/service/lab"
	"github.com/bothylabs/bothy/service/registrar"
)

// The lists whole, for tests that are about something else.

func (o *office) Cohorts(ctx context.Context) ([]lab.Cohort, error) {
	return whole(func(p lab.Page) (lab.List[lab.Cohort], error) { return o.Registrar.Cohorts(ctx, lab.CohortFilter{}, p) })
}

func (o *office) Courses(ctx context.Context) ([]lab.Course, error) {
	return whole(func(p lab.Page) (lab.List[lab.Course], error) { return o.Registrar.Courses(ctx, lab.CourseFilter{}, p) })
}

func (o *office) Classes(ctx context.Context) ([]lab.Class, error) {
	return whole(func(p lab.Page) (lab.List[lab.Class], error) {
		return o.Registrar.Classes(ctx, registrar.ClassFilter{}, p)
	})
}

func (o *office) Students(ctx context.Context, cohort string) ([]lab.Student, error) {
	return whole(func(p lab.Page) (lab.List[lab.Student], error) {
		return o.Registrar.Students(ctx, cohort, lab.StudentFilter{}, p)
	})
}

func (o *office) Workspaces(ctx context.Context, filter registrar.WorkspaceFilter) ([]registrar.WorkspaceView, error) {
	return whole(func(p lab.Page) (lab.List[registrar.WorkspaceView], error) {
		return o.Registrar.Workspaces(ctx, filter, p)
	})
}

func whole[T any](read func(lab.Page) (lab.List[T], error)) ([]T, error) {
	all := []T{}
	for p := (lab.Page{}); ; {
		list, err := read(p)
		if err != nil {
			return nil, err
		}
		all = append(all, list.Items...)
		if p.Cursor = list.Next; p.Cursor == "" {
			return all, nil
		}
	}
}

func (o *office) Templates(ctx context.Context) ([]lab.TemplateVersion, error) {
	return whole(func(p lab.Page) (lab.List[lab.TemplateVersion], error) {
		return o.Registrar.Templates(ctx, lab.TemplateFilter{}, p)
	})
}

func (o *office) versions(name string) []lab.TemplateVersion {
	o.t.Helper()
	all, err := whole(func(p lab.Page) (lab.List[lab.TemplateVersion], error) {
		return o.TemplateVersions(context.Background(), name, p)
	})
	o.must(err)
	return all
}

func TestListsComeInPages(t *testing.T) {
	t.Parallel()
	o := open(t)
	ctx := t.Context()
	o.launched("Ada", "Bob", "Eve")
	page := lab.Page{Limit: 2, Sort: "-student"}
	filter := registrar.WorkspaceFilter{Class: "fall-26/py101", Cohort: "fall-26", Course: "py101", Search: "PY101"}
	first, err := o.Registrar.Workspaces(ctx, filter, page)
	o.must(err)
	page.Cursor = first.Next
	filter.Class, filter.Cohort = first.Items[0].ClassID, ""
	if _, err := o.Registrar.Workspaces(ctx, filter, page); lab.CodeOf(err) != lab.CodeInvalid {
		t.Errorf("a cursor was good for another filter: %v", err)
	}
	filter.Cohort = "fall-26" // the class by its id is the same class
	second, err := o.Registrar.Workspaces(ctx, filter, page)
	o.must(err)
	var got []string
	for _, w := range append(first.Items, second.Items...) {
		got = append(got, w.StudentName)
	}
	wantEqual(t, got, []string{"Eve", "Bob", "Ada"})
	wantEqual(t, second.Next, "")
	if first.Items[0].URL == "" {
		t.Error("a listed workspace has no address")
	}
	one, err := o.Registrar.Workspaces(ctx, registrar.WorkspaceFilter{Student: first.Items[0].StudentID}, lab.Page{})
	o.must(err)
	wantEqual(t, len(one.Items), 1)
	classes, err := o.Registrar.Classes(ctx, registrar.ClassFilter{Cohort: "fall-26", Course: "py101"}, lab.Page{})
	o.must(err)
	wantEqual(t, len(classes.Items), 1)
}

func TestTheCatalogComesInPages(t *testing.T) {
	t.Parallel()
	o := open(t)
	first, err := o.Registrar.Templates(t.Context(), lab.TemplateFilter{Search: "EDITOR"}, lab.Page{Limit: 1, Sort: "-name"})
	o.must(err)
	second, err := o.Registrar.Templates(t.Context(), lab.TemplateFilter{Search: "EDITOR"}, lab.Page{Limit: 1, Sort: "-name", Cursor: first.Next})
	o.must(err)
	wantEqual(t, []string{first.Items[0].Name, second.Items[0].Name, second.Next}, []string{"other", "editor", ""})
	none, err := o.Registrar.Templates(t.Context(), lab.TemplateFilter{Search: "nothing"}, lab.Page{})
	o.must(err)
	wantEqual(t, len(none.Items), 0)
	for field, page := range map[string]lab.Page{"sort": {Sort: "size"}, "cursor": {Cursor: first.Next}} {
		_, err := o.Registrar.Templates(t.Context(), lab.TemplateFilter{}, page)
		wantFields(t, wantCode(t, err, lab.CodeInvalid), field)
	}
}

func TestWhatAListDoesNotTakeIsNamed(t *testing.T) {
	t.Parallel()
	o := open(t)
	o.class("Ada")
	for name, test := range map[string]struct {
		search string
		page   lab.Page
		field  string
	}{
		"too many":             {"", lab.Page{Limit: 1001}, "limit"},
		"fewer than none":      {"", lab.Page{Limit: -1}, "limit"},
		"a long search":        {strings.Repeat("x", 201), lab.Page{}, "search"},
		"a NUL":                {"a\x00b", lab.Page{}, "search"},
		"no UTF-8":             {"a\xff", lab.Page{}, "search"},
		"an unknown sort":      {"", lab.Page{Sort: "colour"}, "sort"},
		"a sort, upside down":  {"", lab.Page{Sort: "--name"}, "sort"},
		"a cursor of nothing":  {"", lab.Page{Cursor: "next"}, "cursor"},
		"a cursor of no UTF-8": {"", lab.Page{Cursor: "\xff"}, "cursor"},
	} {
		t.Run(name, func(t *testing.T) {
			ctx := t.Context()
			for list, read := range map[string]func() error{
				"cohorts": func() error {
					return second(o.Registrar.Cohorts(ctx, lab.CohortFilter{Search: test.search}, test.page))
				},
				"courses": func() error {
					return second(o.Registrar.Courses(ctx, lab.CourseFilter{Search: test.search}, test.page))
				},
				"students": func() error {
					return second(o.Registrar.Students(ctx, "fall-26", lab.StudentFilter{Search: test.search}, test.page))
				},
				"classes": func() error {
					return second(o.Registrar.Classes(ctx, registrar.ClassFilter{Search: test.search}, test.page))
				},
				"workspaces": func() error {
					return second(o.Registrar.Workspaces(ctx, registrar.WorkspaceFilter{Search: test.search}, test.page))
				},
				"templates": func() error {
					return second(o.Registrar.Templates(ctx, lab.TemplateFilter{Search: test.search}, test.page))
				},
			} {
				if coded := wantCode(t, read(), lab.CodeInvalid); len(coded.Fields) != 1 || coded.Fields[0].Name != test.field || coded.Fields[0].Remedy == "" {
					t.Errorf("%s: got %+v", list, coded)
				}
			}
		})
	}
}

func TestAFilterNamesWhatThereIs(t *testing.T) {
	t.Parallel()
	o := open(t)
	ctx := t.Context()
	for name, read := range map[string]func() error{
		"classes of a cohort": func() error {
			return second(o.Registrar.Classes(ctx, registrar.ClassFilter{Cohort: "none"}, lab.Page{}))
		},
		"classes of a course": func() error {
			return second(o.Registrar.Classes(ctx, registrar.ClassFilter{Course: "none"}, lab.Page{}))
		},
		"workspaces, a course":  func() error { return second(o.Workspaces(ctx, registrar.WorkspaceFilter{Course: "none"})) },
		"workspaces, a student": func() error { return second(o.Workspaces(ctx, registrar.WorkspaceFilter{Student: "none"})) },
	} {
		t.Run(name, func(t *testing.T) { wantCode(t, read(), lab.CodeNotFound) })
	}
}
