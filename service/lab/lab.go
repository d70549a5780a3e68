// Package lab is the domain: who learns what, in which environment, and what
// state that environment should be in and is in. It imports only the standard
// library and talks to nothing.
package lab

import "time"

// Cohort is a named group of students. Written by the registrar.
type Cohort struct {
	ID string
	// Key is the cohort's part of a slug, unique and never changed: "fall-26".
	Key  string
	Name string
	// Students is how many are enrolled, Withdrawn how many were and are not any more.
	// Both are counted as the cohort is read.
	Students, Withdrawn int
	// Revision is 1 at first; every write of the cohort or its roster raises it.
	Revision  int64
	CreatedAt time.Time
	UpdatedAt time.Time
}

// Course is what is taught: a template and the parameters it is rendered with. Written by the registrar.
type Course struct {
	ID string
	// Key is the course's part of a slug, unique and never changed: "py101".
	Key  string
	Name string
	// Template names a template, "code-server", and TemplateVersion the version that
	// the course is made from until somebody moves it to another.
	Template        string
	TemplateVersion int64
	// Parameters are values for the template's variables outside the reserved
	// vocabulary, as JSON decodes them. They were checked against the template's
	// types and validation when they were stored.
	Parameters map[string]any
	// Revision is 1 at first; every write raises it.
	Revision  int64
	CreatedAt time.Time
	UpdatedAt time.Time
}

// Student is a member of one cohort. Written by the registrar.
type Student struct {
	ID       string
	CohortID string
	// UserID is the person, who may be a student of several cohorts; "" where nobody has been made for them.
	UserID string
	// Name is as the roster has it; it never enters a job (the slug stands in for it).
	Name string
	// Email is unique within the cohort among students who are not withdrawn; compared case-folded.
	Email string
	// Revision is 1 at first; every write raises it.
	Revision    int64
	CreatedAt   time.Time
	UpdatedAt   time.Time
	WithdrawnAt *time.Time
}

// Class is one cohort taking one course. Written by the registrar.
type Class struct {
	ID        string
	CohortID  string
	CourseID  string
	CohortKey string
	CourseKey string
	// Parameters take the place of the course's own for this class. They were checked
	// against the template's types and validation when they were stored.
	Parameters map[string]any
	// Deleting says that the class goes as soon as its last workspace is released; it is never undone.
	Deleting bool
	// Revision is 1 at first; every act that changes something of the class raises it.
	Revision  int64
	CreatedAt time.Time
	UpdatedAt time.Time
}

// Key is how people name a class: "<cohort key>/<course key>".
func (c Class) Key() string { return c.CohortKey + "/" + c.CourseKey }

// Workspace is one student's environment in one class: exactly one Nomad job.
type Workspace struct {
	ID        string
	ClassID   string
	StudentID string
	Slug      Slug

	// Desired is written by the registrar alone.
	Desired Desired
	// RestartsWanted counts the restarts that were asked for. Written by the registrar.
	RestartsWanted int64
	// ResetsWanted counts the resets that were asked for. Written by the registrar.
	ResetsWanted int64
	// ReleaseHome says that deleting also deletes the home. Written by the registrar.
	ReleaseHome bool
	// EvictionsWanted counts how often open connections were to be ended, and EvictAfter
	// is from when on the last of these may be done: not before what the door said
	// earlier has been forgotten. Written by the door.
	EvictionsWanted int64
	EvictAfter      time.Time

	// Submitted is what Bothy last handed to Nomad. Written by the reconciler alone.
	Submitted Submission
	// ResetsDone is the value of ResetsWanted for which the home was last deleted.
	// Written by the reconciler alone.
	ResetsDone int64
	// EvictionsDone is the value of EvictionsWanted for which connections were last
	// ended. Written by the reconciler alone.
	EvictionsDone int64
	// Status is what was last seen. Written by the reconciler alone.
	Status Status

	// Revision is 1 at first; every write raises it, whoever writes.
	Revision  int64
	CreatedAt time.Time
	// UpdatedAt is when anything above last changed, by whichever writer.
	UpdatedAt time.Time
	// DeletedAt is set once everything of the workspace is released. Written by the reconciler.
	DeletedAt *time.Time
}

// Desired is what should be. Written by the registrar.
type Desired string

// What a workspace can be asked to be. A new one is stopped until its class is launched.
const (
	DesiredRunning Desired = "running"
	DesiredStopped Desired = "stopped"
	DesiredDeleted Desired = "deleted"
)

// Submission is what Bothy last handed to Nomad for a workspace. Written by the reconciler.
type Submission struct {
	// Fingerprint identifies the template, parameters and settings that were
	// rendered; "" when nothing was ever submitted.
	Fingerprint string
	// SourceSHA256 is the hash of the submitted file, byte for byte.
	SourceSHA256 string
	// JobModifyIndex is Nomad's index right after the submission; another one seen later is drift.
	JobModifyIndex uint64
	// RestartsDone is the value of RestartsWanted that the last start or restart satisfied.
	RestartsDone int64
	// At is when Nomad's answer was recorded; zero while the submission is meant
	// and its outcome is not known.
	At time.Time
}

// Status is the observed state of a workspace. Written by the reconciler.
type Status struct {
	Phase Phase
	// Reason is one sentence that says why the phase is what it is.
	Reason string
	// Drifted says that the job was changed by another hand.
	Drifted bool
	// Outdated says that the job runs with older settings, parameters or template than a start would use now.
	Outdated bool
	// AllocID and NodeName are the live allocation's, "" without one.
	AllocID  string
	NodeName string
	// Since is when Phase became what it is.
	Since time.Time
}

// Phase is the observed state of a workspace as one word. Written by the reconciler, from an Observation.
type Phase string

// The phases.
const (
	PhaseQueued   Phase = "queued"   // wanted, not yet in Nomad, or in Nomad and waiting for room
	PhasePlacing  Phase = "placing"  // registered, being placed
	PhaseStarting Phase = "starting" // placed; its tasks or its health check are not up yet
	PhaseReady    Phase = "ready"    // its allocation runs and the check through NGINX passes
	PhaseStopping Phase = "stopping" // asked to stop, still running
	PhaseStopped  Phase = "stopped"  // nothing runs; the home is kept
	PhaseFailed   Phase = "failed"   // it does not run and Nomad has given up or keeps failing
	PhaseLost     Phase = "lost"     // its node is lost or disconnected
	PhaseUnknown  Phase = "unknown"  // never yet observed
)

// Audit is one row of the record of changes. Written in the transaction of the change.
type Audit struct {
	ID    string
	At    time.Time
	Actor Actor
	// Action is "cohort.create", "class.launch", "workspace.stop", …
	Action string
	// Target is the id of what was changed.
	Target string
	// Detail says what changed, as JSON; never a secret.
	Detail map[string]any
	// Before and After are what was and what is: all of a thing that came or went, and
	// of one that changed what differs. Nil where there was or is nothing to tell.
	Before map[string]any
	After  map[string]any
	// Result is "" for AuditDone.
	Result AuditResult
}

// AuditResult says what became of an act.
type AuditResult string

// What becomes of acts.
const (
	// AuditDone: it was done, in the transaction that wrote the row.
	AuditDone AuditResult = "done"
	// AuditRefused: somebody with a known credential asked for it without the right;
	// Action is the operation's name in the API's contract.
	AuditRefused AuditResult = "refused"
)

// AuditFilter chooses rows of the record of changes; the zero value all.
type AuditFilter struct {
	// Actor is the name or the user id of who acted, "" for anybody.
	Actor string
	Role  Role
	// Action is a whole action, or the first part of several with a dot at its end: "class.".
	Action string
	// Target is the id of what was changed, "" for anything.
	Target string
	Result AuditResult
	// From and To bound when it was, From included and To not; zero for no bound.
	From time.Time
	To   time.Time
}
