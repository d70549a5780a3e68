package lab

import "io"

// MainTask stands for the task that a student works in, whatever its template
// calls it: the one that mounts the home.
const MainTask = "workspace"

// Bounds of what is read of a log's end, in lines.
const (
	DefaultTail = 100
	MaxTail     = 10_000
)

// LogRequest asks for the log of one task of a job's newest allocation.
type LogRequest struct {
	JobID string
	// Mark is the one that the job must bear.
	Mark Mark
	// Task is a task's name, or MainTask.
	Task string
	// Stderr asks for standard error instead of standard output.
	Stderr bool
	// Tail is how many lines of what there is are wanted, from 0 to MaxTail.
	Tail int
	// Follow asks for what is written from now on too, over the allocation's
	// replacement, until the job has stopped.
	Follow bool
}

// TaskRef is a task of an allocation.
type TaskRef struct {
	AllocID string
	Task    string
}

// ExecRequest runs a command inside a task that runs.
type ExecRequest struct {
	TaskRef
	Command []string
	// TTY gives the command a terminal; standard error then comes with standard output.
	TTY    bool
	Stdin  io.Reader
	Stdout io.Writer
	Stderr io.Writer
	// Sizes are the terminal's, as they change; only with TTY.
	Sizes <-chan TerminalSize
}

// TerminalSize is a terminal's, in characters.
type TerminalSize struct {
	Columns, Rows int
}
