package client

import (
	"context"
	"iter"
)

// maxPage is the most items that a page can have: fewer requests for what is read whole.
const maxPage = 1000

// ListOptions say what every list takes; the zero value asks for all of it.
type ListOptions struct {
	// Search is a text that one of the names has in it, in whatever case.
	Search string
	// Sort is a name of the list's operation, with a minus before it for the other
	// way round: "created_at", "-name". "" is the list's own order.
	Sort string
	// Limit is the most items in all; 0 for no limit.
	Limit int
}

// StudentFilter chooses students of a cohort.
type StudentFilter struct {
	ListOptions
	// Withdrawn wants those alone who are withdrawn, or are not; nil wants all.
	Withdrawn *bool
}

// CourseFilter chooses courses.
type CourseFilter struct {
	ListOptions
	Template string
}

// ClassFilter chooses classes; Cohort and Course are refs.
type ClassFilter struct {
	ListOptions
	Cohort, Course string
	// Deleting wants those alone that are being deleted, or are not; nil wants all.
	Deleting *bool
}

// WorkspaceFilter chooses workspaces; its zero value all that are not deleted.
type WorkspaceFilter struct {
	ListOptions
	// Class, Cohort and Course are refs, Student is an id.
	Class, Cohort, Course, Student string
	Desired                        Desired
	Phases                         []Phase
	// Drifted and Outdated want those alone that are so, or are not; nil wants all.
	Drifted, Outdated *bool
	IncludeDeleted    bool
}

// AllCohorts reads the cohorts, page by page as they are taken. After an error
// nothing comes any more.
func (c *Client) AllCohorts(ctx context.Context, options ListOptions) iter.Seq2[Cohort, error] {
	params := ListCohortsParams{Search: orNil(options.Search), Sort: orNil(ListCohortsParamsSort(options.Sort))}
	return pages(options.Limit, func(limit *Limit, cursor *Cursor) ([]Cohort, *string, error) {
		params.Limit, params.Cursor = limit, cursor
		r, err := c.raw.ListCohortsWithResponse(ctx, &params)
		list, err := read(r, err, (*ListCohortsResponse).GetJSON200)
		return list.Items, list.NextCursor, err
	})
}

// Cohorts lists the cohorts.
func (c *Client) Cohorts(ctx context.Context) ([]Cohort, error) {
	return Collect(c.AllCohorts(ctx, ListOptions{}))
}

// AllStudents reads the students of a cohort, page by page as they are taken.
// After an error nothing comes any more.
func (c *Client) AllStudents(ctx context.Context, cohort string, filter StudentFilter) iter.Seq2[Student, error] {
	params := ListStudentsParams{
		Search: orNil(filter.Search), Sort: orNil(ListStudentsParamsSort(filter.Sort)), Withdrawn: filter.Withdrawn,
	}
	return pages(filter.Limit, func(limit *Limit, cursor *Cursor) ([]Student, *string, error) {
		params.Limit, params.Cursor = limit, cursor
		r, err := c.raw.ListStudentsWithResponse(ctx, cohort, &params)
		list, err := read(r, err, (*ListStudentsResponse).GetJSON200)
		return list.Items, list.NextCursor, err
	})
}

// Students lists the students of a cohort, the withdrawn ones too.
func (c *Client) Students(ctx context.Context, cohort string) ([]Student, error) {
	return Collect(c.AllStudents(ctx, cohort, StudentFilter{}))
}

// AllCourses reads the courses, page by page as they are taken. After an error
// nothing comes any more.
func (c *Client) AllCourses(ctx context.Context, filter CourseFilter) iter.Seq2[Course, error] {
	params := ListCoursesParams{
		Search: orNil(filter.Search), Sort: orNil(ListCoursesParamsSort(filter.Sort)), Template: orNil(filter.Template),
	}
	return pages(filter.Limit, func(limit *Limit, cursor *Cursor) ([]Course, *string, error) {
		params.Limit, params.Cursor = limit, cursor
		r, err := c.raw.ListCoursesWithResponse(ctx, &params)
		list, err := read(r, err, (*ListCoursesResponse).GetJSON200)
		return list.Items, list.NextCursor, err
	})
}

// Courses lists the courses.
func (c *Client) Courses(ctx context.Context) ([]Course, error) {
	return Collect(c.AllCourses(ctx, CourseFilter{}))
}

// AllClasses reads the classes, page by page as they are taken. After an error
// nothing comes any more.
func (c *Client) AllClasses(ctx context.Context, filter ClassFilter) iter.Seq2[Class, error] {
	params := ListClassesParams{
		Search: orNil(filter.Search), Sort: orNil(ListClassesParamsSort(filter.Sort)),
		Cohort: orNil(filter.Cohort), Course: orNil(filter.Course), Deleting: filter.Deleting,
	}
	return pages(filter.Limit, func(limit *Limit, cursor *Cursor) ([]Class, *string, error) {
		params.Limit, params.Cursor = limit, cursor
		r, err := c.raw.ListClassesWithResponse(ctx, &params)
		list, err := read(r, err, (*ListClassesResponse).GetJSON200)
		return list.Items, list.NextCursor, err
	})
}

// Classes lists the classes.
func (c *Client) Classes(ctx context.Context) ([]Class, error) {
	return Collect(c.AllClasses(ctx, ClassFilter{}))
}

// AllWorkspaces reads workspaces, page by page as they are taken. After an error
// nothing comes any more.
func (c *Client) AllWorkspaces(ctx context.Context, filter WorkspaceFilter) iter.Seq2[Workspace, error] {
	params := ListWorkspacesParams{
		Search: orNil(filter.Search), Sort: orNil(ListWorkspacesParamsSort(filter.Sort)),
		Class: orNil(pathClass(filter.Class)), Cohort: orNil(filter.Cohort), Course: orNil(filter.Course), Student: orNil(filter.Student),
		Desired: orNil(filter.Desired), Drifted: filter.Drifted, Outdated: filter.Outdated,
	}
	if len(filter.Phases) > 0 {
		params.Phase = &filter.Phases
	}
	if filter.IncludeDeleted {
		params.IncludeDeleted = &filter.IncludeDeleted
	}
	return pages(filter.Limit, func(limit *Limit, cursor *Cursor) ([]Workspace, *string, error) {
		params.Limit, params.Cursor = limit, cursor
		r, err := c.raw.ListWorkspacesWithResponse(ctx, &params)
		list, err := read(r, err, (*ListWorkspacesResponse).GetJSON200)
		return list.Items, list.NextCursor, err
	})
}

// Workspaces lists workspaces.
func (c *Client) Workspaces(ctx context.Context, filter WorkspaceFilter) ([]Workspace, error) {
	return Collect(c.AllWorkspaces(ctx, filter))
}

// AllTemplates reads the templates, page by page as they are taken. After an
// error nothing comes any more.
func (c *Client) AllTemplates(ctx context.Context, options ListOptions) iter.Seq2[TemplateVersion, error] {
	params := ListTemplatesParams{Search: orNil(options.Search), Sort: orNil(ListTemplatesParamsSort(options.Sort))}
	return pages(options.Limit, func(limit *Limit, cursor *Cursor) ([]TemplateVersion, *string, error) {
		params.Limit, params.Cursor = limit, cursor
		r, err := c.raw.ListTemplatesWithResponse(ctx, &params)
		list, err := read(r, err, (*ListTemplatesResponse).GetJSON200)
		return list.Items, list.NextCursor, err
	})
}

// Templates lists the newest version of each template.
func (c *Client) Templates(ctx context.Context) ([]TemplateVersion, error) {
	return Collect(c.AllTemplates(ctx, ListOptions{}))
}

// TemplateVersions lists the versions of a template, newest first.
func (c *Client) TemplateVersions(ctx context.Context, name string) ([]TemplateVersion, error) {
	return Collect(pages(0, func(limit *Limit, cursor *Cursor) ([]TemplateVersion, *string, error) {
		r, err := c.raw.ListTemplateVersionsWithResponse(ctx, name, &ListTemplateVersionsParams{Limit: limit, Cursor: cursor})
		list, err := read(r, err, (*ListTemplateVersionsResponse).GetJSON200)
		return list.Items, list.NextCursor, err
	}))
}

// OperationFilter says which operations to list; its zero value means all.
type OperationFilter struct {
	Class string
	State OperationState
}

// Operations lists operations, the newest first, most at most; 0 for all.
func (c *Client) Operations(ctx context.Context, filter OperationFilter, most int) ([]Operation, error) {
	params := ListOperationsParams{Class: orNil(pathClass(filter.Class)), State: orNil(filter.State)}
	return Collect(pages(most, func(limit *Limit, cursor *Cursor) ([]Operation, *string, error) {
		params.Limit, params.Cursor = limit, cursor
		r, err := c.raw.ListOperationsWithResponse(ctx, &params)
		list, err := read(r, err, (*ListOperationsResponse).GetJSON200)
		return list.Items, list.NextCursor, err
	}))
}

// OperationItems lists what became of each workspace of an operation; those of one
// outcome, or all for "".
func (c *Client) OperationItems(ctx context.Context, id string, outcome Outcome) ([]OperationItem, error) {
	params := ListOperationItemsParams{Outcome: orNil(outcome)}
	return Collect(pages(0, func(limit *Limit, cursor *Cursor) ([]OperationItem, *string, error) {
		params.Limit, params.Cursor = limit, cursor
		r, err := c.raw.ListOperationItemsWithResponse(ctx, id, &params)
		list, err := read(r, err, (*ListOperationItemsResponse).GetJSON200)
		return list.Items, list.NextCursor, err
	}))
}

// Tokens lists API tokens, the newest first: the caller's own for "", or those of
// the user that an admin names.
func (c *Client) Tokens(ctx context.Context, user string) ([]Token, error) {
	params := ListTokensParams{User: orNil(user)}
	return Collect(pages(0, func(limit *Limit, cursor *Cursor) ([]Token, *string, error) {
		params.Limit, params.Cursor = limit, cursor
		r, err := c.raw.ListTokensWithResponse(ctx, &params)
		list, err := read(r, err, (*ListTokensResponse).GetJSON200)
		return list.Items, list.NextCursor, err
	}))
}

// Sessions lists sessions, the newest first: the caller's own for "", or those of
// the user that an admin names.
func (c *Client) Sessions(ctx context.Context, user string) ([]Session, error) {
	params := ListSessionsParams{User: orNil(user)}
	return Collect(pages(0, func(limit *Limit, cursor *Cursor) ([]Session, *string, error) {
		params.Limit, params.Cursor = limit, cursor
		r, err := c.raw.ListSessionsWithResponse(ctx, &params)
		list, err := read(r, err, (*ListSessionsResponse).GetJSON200)
		return list.Items, list.NextCursor, err
	}))
}

// Collect gives all of a list, or the error that ended it.
func Collect[T any](list iter.Seq2[T, error]) ([]T, error) {
	all := []T{}
	for item, err := range list {
		if err != nil {
			return nil, err
		}
		all = append(all, item)
	}
	return all, nil
}

// pages walks a list of at most limit items (0 for all) whose pages fetch reads.
func pages[T any](limit int, fetch func(*Limit, *Cursor) ([]T, *string, error)) iter.Seq2[T, error] {
	return func(yield func(T, error) bool) {
		var cursor *Cursor
		for given := 0; ; {
			size := maxPage
			if limit > 0 {
				size = min(size, limit-given)
			}
			items, next, err := fetch(&size, cursor)
			if err != nil {
				var none T
				yield(none, err)
				return
			}
			for _, item := range items {
				if !yield(item, nil) {
					return
				}
				if given++; given == limit {
					return
				}
			}
			if next == nil || len(items) == 0 {
				return
			}
			cursor = next
		}
	}
}

// orNil is a query parameter, which "" leaves out.
func orNil[T comparable](value T) *T {
	var none T
	if value == none {
		return nil
	}
	return &value
}
