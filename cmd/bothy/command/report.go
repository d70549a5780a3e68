package command

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/bothylabs/bothy/service/client"
	"github.com/bothylabs/bothy/service/lab"
)

// The exit codes, as Vault's commands give them.
const (
	exitOK = 0
	// exitLocal: wrong usage, or input that is wrong; nothing was asked of a server.
	exitLocal = 1
	// exitRemote: a server does not answer, refused, or could not do what was asked.
	exitRemote = 2
)

// usageError is a command line that cannot be read.
type usageError struct {
	command string
	err     error
}

func (e usageError) Error() string { return e.err.Error() }
func (e usageError) Unwrap() error { return e.err }

func usagef(format string, args ...any) error {
	return usageError{err: fmt.Errorf(format, args...)}
}

// reported is an error that has been shown already; only its exit code is left.
type reported struct{ code int }

func (e reported) Error() string { return fmt.Sprintf("exit code %d", e.code) }

// report shows err, if it is one, as "Error:" and "Hint:" lines, and gives the exit code.
func (e *Env) report(err error) int {
	if err == nil {
		return exitOK
	}
	var done reported
	if errors.As(err, &done) {
		return done.code
	}
	s := e.style()
	problem, hint := explain(err)
	for i, line := range problem {
		if i == 0 {
			e.UI.Error(s.red("Error:") + " " + line)
		} else {
			e.UI.Error("  " + line)
		}
	}
	if hint != "" {
		e.UI.Error(s.yellow("Hint:") + " " + sentence(oneLine(hint)))
	}
	if isRemote(err) {
		return exitRemote
	}
	return exitLocal
}

// isRemote says whether a server's answer, or the lack of one, is what went wrong.
func isRemote(err error) bool {
	var problem *client.Problem
	if errors.As(err, &problem) {
		return true
	}
	switch lab.CodeOf(err) {
	case lab.CodeUnavailable, lab.CodeRefused, lab.CodeUnplaceable:
		return true
	default:
		return false
	}
}

// explain puts err into lines for a person, and a hint.
func explain(err error) (problem []string, hint string) {
	var usage usageError
	if errors.As(err, &usage) {
		return []string{usage.Error()}, fmt.Sprintf("`bothy %s -h` shows how it is used", usage.command)
	}
	var coded *lab.Error
	if errors.As(err, &coded) {
		return explainCoded(coded)
	}
	if errors.Is(err, context.Canceled) {
		return []string{"interrupted"}, "what was asked of the server before that may be done all the same; `bothy status` shows how things are"
	}
	return lines(err.Error()), ""
}

// maxErrorLine bounds a line of an error, in columns: lines of logs have no end.
const maxErrorLine = 300

// lines takes a text apart at its line breaks, without what would move the cursor.
func lines(text string) []string {
	var all []string
	for line := range strings.Lines(text) {
		if line = strings.TrimSpace(printable(line)); line != "" {
			all = append(all, cut(line, maxErrorLine))
		}
	}
	return all
}

func explainCoded(e *lab.Error) (problem []string, hint string) {
	switch len(e.Fields) {
	case 0:
		message := e.Message
		if e.Cause != nil {
			message += ": " + e.Cause.Error()
		}
		return lines(message), e.Hint
	case 1:
		field := e.Fields[0]
		hint = e.Hint
		if hint == "" {
			hint = field.Remedy
		}
		return lines(field.Name + ": " + field.Problem), hint
	}
	problem = []string{fmt.Sprintf("%s (%d problems)", e.Message, len(e.Fields))}
	for _, field := range e.Fields {
		problem = append(problem, oneLine(field.String()))
	}
	return problem, e.Hint
}

func oneLine(s string) string { return strings.Join(strings.Fields(s), " ") }

// capital begins s, which is not empty, with a capital letter.
func capital(s string) string { return strings.ToUpper(s[:1]) + s[1:] }

// sentence gives a hint its capital and full stop.
func sentence(s string) string {
	if s == "" {
		return ""
	}
	s = capital(s)
	if strings.ContainsAny(s[len(s)-1:], ".?!") {
		return s
	}
	return s + "."
}
