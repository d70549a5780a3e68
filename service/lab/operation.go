package lab

import "time"

// Operation is an act on a class that can be followed to its end, workspace by
// workspace. It is written with what it wants, in the transaction of the act; how
// far it is, by the store: in the transactions in which the reconciler records what
// it has seen or done, and in which later acts want something else. One that has
// ended never changes, and stays when its class is gone.
type Operation struct {
	ID   string
	Kind OperationKind
	// ClassID and ClassKey name the class, which may be gone.
	ClassID  string
	ClassKey string
	// Actor is the name of who asked for it.
	Actor string
	State OperationState
	// Counts are those of its items, by outcome.
	Counts OperationCounts
	// Affected is how many workspaces it wants otherwise than before, new ones among them.
	Affected  int
	CreatedAt time.Time
	// EndedAt is nil while it runs.
	EndedAt *time.Time
}

// OperationKind is the act, as the audit names it.
type OperationKind string

// The kinds.
const (
	OperationLaunch  OperationKind = "class.launch"
	OperationStart   OperationKind = "class.start"
	OperationStop    OperationKind = "class.stop"
	OperationRestart OperationKind = "class.restart"
	OperationReset   OperationKind = "class.reset"
	OperationDelete  OperationKind = "class.delete"
)

// OperationState says how an operation is. It follows from the counts alone.
type OperationState string

// The states. All but the first are an end.
const (
	OperationRunning OperationState = "running" // an item is pending
	OperationDone    OperationState = "done"    // every item is done
	OperationFailed  OperationState = "failed"  // an item has failed
	// OperationSuperseded: no item has failed, and of some a later act wanted something else.
	OperationSuperseded OperationState = "superseded"
)

// OperationCounts are the items of an operation. Pending, done, failed and superseded make up the total.
type OperationCounts struct {
	Total, Pending, Done, Failed, Superseded int
}

// Add counts n items of an outcome; n may be negative.
func (c *OperationCounts) Add(outcome Outcome, n int) {
	c.Total += n
	switch outcome {
	case OutcomePending:
		c.Pending += n
	case OutcomeDone:
		c.Done += n
	case OutcomeFailed:
		c.Failed += n
	case OutcomeSuperseded:
		c.Superseded += n
	}
}

// State gives the state of an operation with these items.
func (c OperationCounts) State() OperationState {
	switch {
	case c.Pending > 0:
		return OperationRunning
	case c.Failed > 0:
		return OperationFailed
	case c.Superseded > 0:
		return OperationSuperseded
	default:
		return OperationDone
	}
}

// OperationItem is what an operation wants of one workspace, and what became of it.
type OperationItem struct {
	OperationID string
	WorkspaceID string
	Slug        Slug
	// Restarts and Resets are those that the workspace must have had (in
	// Submission.RestartsDone and ResetsDone) before the item is done.
	Restarts int64
	Resets   int64
	Outcome  Outcome
	// Reason is a sentence that says why the outcome is what it is.
	Reason string
	// EndedAt is nil while the item is pending.
	EndedAt *time.Time
}

// Outcome is what became of an operation's item. Judge decides it, the store
// writes it. Done and superseded are final; a failed item still turns done or
// superseded for as long as its operation runs.
type Outcome string

// The outcomes.
const (
	OutcomePending    Outcome = "pending"    // on its way
	OutcomeDone       Outcome = "done"       // the workspace got to what the act wanted
	OutcomeFailed     Outcome = "failed"     // the workspace has failed, and stayed so for FailedFor
	OutcomeSuperseded Outcome = "superseded" // a later act wanted something else
)

// FailedFor is how long a workspace must have been failed, since the act, until
// its item is: right after an act, what is seen may still be the failure before
// it, and Nomad starts again what fails.
const FailedFor = 10 * time.Second

// Ends says whether a phase can be the end of an act: in the others, no item gets
// an outcome from what is seen.
func (p Phase) Ends() bool {
	return p == PhaseReady || p == PhaseStopped || p == PhaseFailed
}

// Wants gives the item of a workspace, as the act leaves it. One that the act has
// changed is pending until it is looked at next; any other may be done at once.
func (o Operation) Wants(w Workspace, changed bool, now time.Time) OperationItem {
	item := OperationItem{OperationID: o.ID, WorkspaceID: w.ID, Slug: w.Slug, Outcome: OutcomePending}
	if o.Kind != OperationDelete {
		item.Resets = w.ResetsWanted
	}
	if w.Desired == DesiredRunning {
		item.Restarts = w.RestartsWanted
	}
	if changed {
		return item
	}
	if outcome, why := o.Judge(item, w, now); outcome == OutcomeDone {
		item.Outcome, item.Reason, item.EndedAt = outcome, why, &now
	}
	return item
}

// Judge decides what has become of an item of this operation, from the workspace
// as it is wanted and was last seen, and says why in a sentence.
func (o Operation) Judge(item OperationItem, w Workspace, now time.Time) (Outcome, string) {
	if why := o.overtaken(w); why != "" {
		return OutcomeSuperseded, why
	}
	if o.reached(item, w) {
		return OutcomeDone, w.Status.Reason
	}
	since := w.Status.Since
	if since.Before(o.CreatedAt) {
		since = o.CreatedAt
	}
	if w.Status.Phase == PhaseFailed && now.Sub(since) >= FailedFor {
		return OutcomeFailed, w.Status.Reason
	}
	return OutcomePending, w.Status.Reason
}

// overtaken says why the workspace will not get to what the operation wants; "" when it may.
func (o Operation) overtaken(w Workspace) string {
	wants := DesiredRunning
	switch o.Kind {
	case OperationDelete:
		return "" // nothing comes after it
	case OperationReset:
		wants = w.Desired // a reset keeps its meaning, whether the workspace is to run or not
	case OperationStop:
		wants = DesiredStopped
	case OperationLaunch, OperationStart, OperationRestart:
	}
	if w.Desired == wants && wants != DesiredDeleted {
		return ""
	}
	switch w.Desired {
	case DesiredDeleted:
		return "a later act deleted it"
	case DesiredStopped:
		return "a later act stopped it"
	default:
		return "a later act started it"
	}
}

// reached says whether the workspace is as the operation wants it.
func (o Operation) reached(item OperationItem, w Workspace) bool {
	if w.Submitted.RestartsDone < item.Restarts || w.ResetsDone < item.Resets {
		return false
	}
	switch {
	case o.Kind == OperationDelete:
		return w.DeletedAt != nil
	case w.Desired == DesiredRunning:
		return w.Status.Phase == PhaseReady
	default:
		return w.Status.Phase == PhaseStopped
	}
}
