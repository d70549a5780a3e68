package lab

import (
	"errors"
	"fmt"
	"strings"
	"time"
)

// Code classifies an error for programs. Codes are stable: clients and scripts may match on them.
type Code string

// The codes. The API maps each to exactly one HTTP status.
const (
	// CodeInvalid: the caller's input is wrong; Fields says where and how.
	CodeInvalid Code = "invalid"
	// CodeUnauthenticated: no credential, or one that is not known.
	CodeUnauthenticated Code = "unauthenticated"
	// CodeForbidden: a known caller without the right.
	CodeForbidden Code = "forbidden"
	// CodeNotFound: the named thing does not exist.
	CodeNotFound Code = "not_found"
	// CodeConflict: the request collides with what exists (a taken name, a foreign job).
	CodeConflict Code = "conflict"
	// CodeStale: the thing is not any more as the caller saw it (If-Match); the answer says how it is now.
	CodeStale Code = "stale"
	// CodeUnplaceable: no node of the cluster could ever run what was asked for.
	CodeUnplaceable Code = "unplaceable"
	// CodeTooMany: it was tried too often; RetryAfter says when it may be tried again.
	CodeTooMany Code = "too_many"
	// CodeUnavailable: a server that Bothy needs does not answer or refuses to work; trying again may help.
	CodeUnavailable Code = "unavailable"
	// CodeRefused: a server that Bothy needs answered no (a missing grant, a rejected job); trying again will not help.
	CodeRefused Code = "refused"
	// CodeInternal: a fault of Bothy's own. Its cause is logged and never shown.
	CodeInternal Code = "internal"
)

// Field is one thing that is wrong with an input.
type Field struct {
	// Name is the path to the value as the caller wrote it: "parameters.cpu", "rows[3].email", "students.csv:4:2".
	Name string
	// Problem says what is wrong with the value, in a sentence without the remedy.
	Problem string
	// Remedy says what to do about it.
	Remedy string
}

// String gives the field as one line.
func (f Field) String() string {
	s := f.Name + ": " + f.Problem
	if f.Remedy != "" {
		s += " (" + f.Remedy + ")"
	}
	return s
}

// Error is the one error type that crosses package boundaries with a meaning.
// Message, Hint and Fields are written for the person who made the request and
// hold nothing internal; Cause is for the log.
type Error struct {
	Code    Code
	Message string
	Hint    string
	Fields  []Field
	// Current is, with CodeStale, the thing as it is now: a Cohort, Course,
	// Student, Class, Secret or WorkspaceDetail, or the registrar's view of one.
	Current any
	// RetryAfter is, with CodeTooMany, how long to wait before the next try.
	RetryAfter time.Duration
	Cause      error
}

// Error gives everything, the cause included: it is for logs, not for callers.
func (e *Error) Error() string {
	var b strings.Builder
	b.WriteString(e.Message)
	for i, f := range e.Fields {
		if i == 0 && e.Message != "" {
			b.WriteString(": ")
		} else if i > 0 {
			b.WriteString("; ")
		}
		b.WriteString(f.String())
	}
	if e.Cause != nil {
		b.WriteString(": ")
		b.WriteString(e.Cause.Error())
	}
	return b.String()
}

// Unwrap gives the cause.
func (e *Error) Unwrap() error { return e.Cause }

// Errorf makes a coded error without a cause: all of its text is shown to the caller.
func Errorf(code Code, format string, args ...any) *Error {
	return &Error{Code: code, Message: fmt.Sprintf(format, args...)}
}

// Wrap makes a coded error whose message is shown and whose cause is only logged.
func Wrap(code Code, cause error, format string, args ...any) *Error {
	return &Error{Code: code, Message: fmt.Sprintf(format, args...), Cause: cause}
}

// Invalid makes a CodeInvalid error from the fields that are wrong.
func Invalid(message string, fields ...Field) *Error {
	return &Error{Code: CodeInvalid, Message: message, Fields: fields}
}

// NotFound makes a CodeNotFound error: NotFound("cohort", "fall-26").
func NotFound(kind, name string) *Error {
	return &Error{Code: CodeNotFound, Message: fmt.Sprintf("no %s %q", kind, name)}
}

// ErrUnseen is the cause of a CodeNotFound for what there is, and who asks has no
// right to know of: to them it is answered as what there is not.
var ErrUnseen = errors.New("it is there, and not theirs to know of")

// Unseen makes the error that NotFound makes, with ErrUnseen as its cause.
func Unseen(kind, name string) *Error {
	e := NotFound(kind, name)
	e.Cause = ErrUnseen
	return e
}

// IsRefusal says whether an error refuses what somebody has no right to.
func IsRefusal(err error) bool {
	return CodeOf(err) == CodeForbidden || CodeOf(err) == CodeNotFound && errors.Is(err, ErrUnseen)
}

// WithHint sets the hint and gives the same error back.
func (e *Error) WithHint(format string, args ...any) *Error {
	e.Hint = fmt.Sprintf(format, args...)
	return e
}

// CodeOf gives the code of the first coded error in err's chain, CodeInternal
// for any other error, and "" for nil.
func CodeOf(err error) Code {
	if err == nil {
		return ""
	}
	var e *Error
	if errors.As(err, &e) {
		return e.Code
	}
	return CodeInternal
}
