package lab

// Page says which part of a list is wanted.
type Page struct {
	// Limit is the most items, 1 at least.
	Limit int
	// Cursor is the Next of the page before, with the same filter and Sort; "" for the first page.
	Cursor string
	// Sort names what the list is sorted by, with a minus before it for the other
	// way round; "" for the list's own order.
	Sort string
}

// List is one page of a list.
type List[T any] struct {
	Items []T
	// Next is the Cursor of the next page, "" on the last one.
	Next string
}

// CohortFilter chooses cohorts; the zero value all.
type CohortFilter struct {
	// For is whose list it is.
	For Viewer
	// Search is a text that the key or name has in it, in whatever case.
	Search string
}

// StudentFilter chooses students of a cohort; the zero value all.
type StudentFilter struct {
	// Search is a text that the name or address has in it, in whatever case.
	Search string
	// Withdrawn, where it is not nil, wants those alone who are withdrawn, or are not.
	Withdrawn *bool
}

// CourseFilter chooses courses; the zero value all.
type CourseFilter struct {
	// For is whose list it is.
	For Viewer
	// Search is a text that the key or name has in it, in whatever case.
	Search string
	// Template is the name of their template, "" for any.
	Template string
}

// TemplateFilter chooses templates; the zero value all.
type TemplateFilter struct {
	// Search is a text that the name or description has in it, in whatever case.
	Search string
}

// ClassFilter chooses classes; the zero value all.
type ClassFilter struct {
	// For is whose list it is.
	For Viewer
	// Search is a text that the key, or a name of cohort or course, has in it, in whatever case.
	Search string
	// CohortID and CourseID are "" for any.
	CohortID string
	CourseID string
	// Deleting, where it is not nil, wants those alone that are being deleted, or are not.
	Deleting *bool
}

// WorkspaceFilter chooses workspaces; the zero value all that are not yet released.
type WorkspaceFilter struct {
	// For is whose list it is.
	For Viewer
	// Search is a text that the slug, or the student's name or address, has in it, in whatever case.
	Search string
	// ClassID, CohortID, CourseID and StudentID are "" for any.
	ClassID   string
	CohortID  string
	CourseID  string
	StudentID string
	// Desired is "" for any.
	Desired Desired
	// Phases are those that are wanted; none for any.
	Phases []Phase
	// Drifted and Outdated, where they are not nil, want those alone that are so, or are not.
	Drifted  *bool
	Outdated *bool
	// Released also gives those that are released; they go with their class.
	Released bool
}
