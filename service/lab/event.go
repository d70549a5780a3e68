package lab

import (
	"encoding/json"
	"errors"
	"slices"
	"time"
)

// EventType says what happened to what: "workspace.changed". Whatever is deleted
// takes along what belongs to it: of a deleted cohort's students nothing is told.
type EventType string

// The types.
const (
	EventWorkspaceCreated EventType = "workspace.created"
	EventWorkspaceChanged EventType = "workspace.changed"
	EventWorkspaceDeleted EventType = "workspace.deleted" // everything of it is released
	EventClassCreated     EventType = "class.created"
	EventClassChanged     EventType = "class.changed"
	EventClassDeleted     EventType = "class.deleted"
	EventCohortCreated    EventType = "cohort.created"
	EventCohortChanged    EventType = "cohort.changed" // its roster is another
	EventCohortDeleted    EventType = "cohort.deleted"
	EventStudentCreated   EventType = "student.created"
	EventStudentChanged   EventType = "student.changed"
	EventCourseCreated    EventType = "course.created"
	EventCourseChanged    EventType = "course.changed"
	EventCourseDeleted    EventType = "course.deleted"
	// EventOperationChanged: an operation was begun, has come further or has ended.
	EventOperationChanged EventType = "operation.changed"
	// EventTemplateRegistered: a template has a new version.
	EventTemplateRegistered EventType = "template.registered"
)

// Event is one change, as it is told to those who follow. Written by the store in
// the transaction of the change.
type Event struct {
	// ID counts the changes of an installation from 1 on, without a gap, in the
	// order in which they were committed.
	ID   int64
	At   time.Time
	Type EventType
	// SubjectID is the id of what changed; the others are the ids of what it
	// belongs to or is, "" where there is none.
	SubjectID string
	ClassID   string
	CohortID  string
	CourseID  string
	StudentID string
	// Data is the subject as it was right after the change, or last before it was
	// deleted: a JSON object, with neither a person's name nor a secret.
	Data json.RawMessage
}

// EventsFromNow asks for the events that come, in place of the id after which they are wanted.
const EventsFromNow int64 = -1

// Why events stop coming to somebody who follows them.
var (
	// ErrFollowerSlow: the follower is further behind than events are held ready.
	ErrFollowerSlow = errors.New("too slow: more came than is held ready")
	// ErrEventsGone: what comes next was removed before it was read.
	ErrEventsGone = errors.New("what comes next is not kept any more")
	// ErrEventsEnd: the server ends.
	ErrEventsEnd = errors.New("the server is ending")
)

// EventFilter says which events are asked for; of each field, the zero value asks for any.
type EventFilter struct {
	ClassID     string
	CohortID    string
	WorkspaceID string
	Types       []EventType
}

// Matches says whether an event is asked for.
func (f EventFilter) Matches(e Event) bool {
	return (f.ClassID == "" || f.ClassID == e.ClassID) &&
		(f.CohortID == "" || f.CohortID == e.CohortID) &&
		(f.WorkspaceID == "" || f.WorkspaceID == e.SubjectID) &&
		(len(f.Types) == 0 || slices.Contains(f.Types, e.Type))
}

// Belonging says whose the event's subject is.
func (e Event) Belonging() Belonging {
	return Belonging{ClassID: e.ClassID, CohortID: e.CohortID, CourseID: e.CourseID, StudentID: e.StudentID}
}

// Sees says whether an event may be shown.
func (s Scope) Sees(e Event) bool { return s.Holds(e.Belonging()) }
