package placement

// JobPlan is Nomad's own plan for one job. Written by the Nomad adapter, never stored.
type JobPlan struct {
	// Type is what becomes of the job: "added", "edited", "none".
	Type string
	// Creates, UpdatesInPlace and Replaces count allocations, of which a workspace has one.
	Creates, UpdatesInPlace, Replaces int
	// Unplaced says why no node has room for it now, "" when one has.
	Unplaced string
	Changes  []Change
	// Text is the plan as `nomad job plan` shows it.
	Text string
	// Warnings are Nomad's.
	Warnings []string
	// JobModifyIndex is what the plan was made against; 0 for a job that Nomad does not have.
	JobModifyIndex uint64
	// Needs is what the planned job reserves, Grows what of it goes beyond the one that runs.
	Needs, Grows Amounts
}

// Change is one field of a job that is planned to be otherwise.
type Change struct {
	// Path leads to the field: "group workspace / task editor / Resources / MemoryMB".
	Path string
	// Type is "added", "deleted" or "edited".
	Type     string
	Old, New string
	// Forces is what the change makes of the allocation: "create", "in-place update",
	// "create/destroy update"; "" where Nomad says nothing.
	Forces string
}
