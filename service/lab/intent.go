package lab

import (
	"errors"
	"slices"
	"time"
)

// KeyRetention is how long an Intent's Key stays used.
const KeyRetention = 24 * time.Hour

// ErrDone says that what an Intent asks for was done before, under its Key.
var ErrDone = errors.New("done before, under the same key")

// Actor is who makes a change, for the audit.
type Actor struct {
	// Name is the credential's name: "token:dev", "user:ada@example.org".
	Name string
	// UserID and Role are the person's; both "" for Bothy itself, UserID for the operator's token.
	UserID string
	Role   Role
	// Remote is the address that the request came from.
	Remote string
}

// Intent is a change that somebody asks for: who, and on which conditions. Its
// conditions are held in the transaction of the change.
type Intent struct {
	Actor Actor
	// DryRun: decide and check everything, answer as if it were done, write nothing.
	DryRun bool
	// Match, where not nil, are the revisions that the changed thing may have
	// (of a workspace, the versions of its detail); CodeStale when it has another.
	// An empty list suits none.
	Match []int64
	// Key, where not "", names this request among the actor's own for KeyRetention:
	// under a key that is used, nothing is done, and the error wraps ErrDone.
	Key string
	// Operation and Fingerprint tell one request from another: what Key was given for.
	Operation   string
	Fingerprint string
}

// Admits says whether a thing may be changed that has the revision given: nil, or
// CodeStale with current, which is the thing as it is now.
func (i Intent) Admits(revision int64, current any) error {
	if i.Match == nil || slices.Contains(i.Match, revision) {
		return nil
	}
	e := Errorf(CodeStale, "it was changed by somebody else in the meantime").
		WithHint("look at what it is now, and ask again with its ETag if the change is still wanted")
	e.Current = current
	return e
}

// Receipt is what is kept of a request that was carried out under a Key.
type Receipt struct {
	Operation   string
	Fingerprint string
	// Target is the id of what was changed.
	Target string
	At     time.Time
	// Answer is nil until it is kept, which is after the change itself; for ever
	// where the process ended in between.
	Answer *Answer
}

// Answer is what a request was answered.
type Answer struct {
	// Status is the HTTP status.
	Status int
	// Header are the headers that belong to what is answered, each with one value.
	Header map[string]string
	// Body is UTF-8 text.
	Body []byte
}
