package lab

import "time"

// WorkItem is a workspace as the reconciler works on it: with what its job is
// rendered from, and without the student, for whom only the slug stands in a job.
type WorkItem struct {
	Workspace
	CohortKey string
	CourseKey string
	// Template and TemplateVersion are the course's, as they are now; Parameters are
	// the course's with the class's overrides. Parameters is shared between the items
	// of a class: read it, never write it.
	Template        string
	TemplateVersion int64
	Parameters      map[string]any
	// Awaited says that an operation that runs has an item of this workspace
	// without a final outcome.
	Awaited bool
}

// WorkspaceDetail is a workspace with the names of what it belongs to, for people to read.
type WorkspaceDetail struct {
	Workspace
	StudentName  string
	StudentEmail string
	// StudentRevision is the revision of the student, of whom name and address are shown.
	StudentRevision int64
	CohortKey       string
	CourseKey       string
}

// Version tells one state of a detail from every other. It is 1 at first and
// only grows: with the workspace, and with its student, who never becomes another.
func (d WorkspaceDetail) Version() int64 { return d.Revision + d.StudentRevision - 1 }

// ClassProgress says how far a class is, in numbers of workspaces.
type ClassProgress struct {
	// Workspaces are all of the class but those that are wanted deleted.
	Workspaces int
	// Running of them are wanted running.
	Running int
	// Ready and Failed of those are; one that is lost has failed too.
	Ready, Failed int
}

// ClassState is what an act on a class is decided from, read in the act's own transaction.
type ClassState struct {
	Class
	// Students are the cohort's, without those who are withdrawn, in the order of their ids.
	Students []Student
	// Workspaces are the class's that are not yet released, in the order of their ids.
	Workspaces []Workspace
	// Given tells which of some slugs were given before, to whomever.
	Given func([]Slug) (map[Slug]bool, error)
}

// ClassChange is what an act on a class decided. It is written as a whole or not at all.
type ClassChange struct {
	// Add are new workspaces. Their slugs must never have been given before.
	Add []Workspace
	// Update are workspaces whose Desired, RestartsWanted, ResetsWanted,
	// ReleaseHome or UpdatedAt changed; nothing else of them is written.
	Update []Workspace
	// Operation is the act, to be followed, and Items what it wants of each
	// workspace that it suits, those that are as it wants them among them.
	Operation Operation
	Items     []OperationItem
	// Delete asks for the class itself to go, as soon as its last workspace is released.
	Delete bool
	Audit  Audit
}

// KeptHome is the home of a deleted workspace, whose files are kept until the
// retention of homes ends. Written by the store when the workspace is released.
type KeptHome struct {
	Slug        Slug
	WorkspaceID string
	StudentID   string
	// Since is when the workspace was deleted.
	Since time.Time
}

// OperationFilter chooses operations; the zero value all.
type OperationFilter struct {
	// For is whose list it is.
	For Viewer
	// Class is the id of a class, or its key; it may be gone. "" for any.
	Class string
	// State is "" for any.
	State OperationState
}

// NewClass is a class to be made, with what does not exist yet of what it needs.
type NewClass struct {
	Class
	// Cohort and Course are made with the class; nil when they exist.
	Cohort *Cohort
	Course *Course
	Audit  Audit
}

// RosterChange is what an import of a roster decided. It is written as a whole or not at all.
type RosterChange struct {
	// Students are new ones, and those whose name or address changed.
	Students []Student
	// Withdraw are the ids of enrolled students whose membership ends.
	Withdraw []string
	// At is the time of the change.
	At    time.Time
	Audit Audit
}

// Empty says that nothing changes.
func (c RosterChange) Empty() bool { return len(c.Students) == 0 && len(c.Withdraw) == 0 }
