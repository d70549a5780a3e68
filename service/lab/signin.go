package lab

import "time"

// Session is somebody who is signed in with a browser. Written where people sign in
// and out; its token is known to the browser alone.
type Session struct {
	ID     string
	UserID string
	// PasswordDue: it was begun with a temporary password, and is good for nothing but choosing another.
	PasswordDue bool
	// Remote and Agent are the address and the browser that it was begun with.
	Remote string
	Agent  string
	// RotatedAt is when its token was last replaced by another.
	RotatedAt time.Time
	CreatedAt time.Time
	// SeenAt is when it was last used, to the minute.
	SeenAt time.Time
	// ExpiresAt is when it ends however much it is used.
	ExpiresAt time.Time
	EndedAt   *time.Time
}

// Live says whether the session is good at a moment, with the longest time that one may go unused.
func (s Session) Live(now time.Time, idle time.Duration) bool {
	return s.EndedAt == nil && now.Before(s.ExpiresAt) && now.Sub(s.SeenAt) < idle
}

// SessionToken is what a browser's token is to its session, which gives another one
// from time to time. An answer may be lost with the token that it gives: until one of
// the later ones has been seen, an earlier one is as good.
type SessionToken struct {
	// SucceededAt is when a later one was first seen; nil for not yet.
	SucceededAt *time.Time
	// Succeeds: there are earlier ones that this one has not been seen after.
	Succeeds bool
}

// SignIn is a session that begins.
type SignIn struct {
	Session Session
	// Hash is of the session's token, Device of the one that the browser is known by,
	// and Replaced are of the tokens of the sessions that the browser had, which end.
	Hash, Device string
	Replaced     []string
	// Revision is what the user's was before their password was looked at: the one that
	// was right then may not be any more. 0 where none was looked at.
	Revision int64
}

// PasswordHold keeps all others from giving somebody a password while one does, up
// to a moment. Vault keeps what comes last: without it, a temporary password could
// take the place of one that its owner has chosen in the same second.
type PasswordHold struct {
	ID     string
	UserID string
	// SessionID is of the session that asks for it, and must not have ended; "" for none.
	SessionID string
	// Temporary holds only who has no password of their own.
	Temporary bool
	// Disabled holds also who is disabled, and is enabled with the password.
	Disabled bool
	Until    time.Time
}

// Ended is how many sessions and API tokens of somebody's an act has ended.
type Ended struct {
	Sessions, Tokens int
}

// NewPassword is what came of giving somebody a password. Revision is the user's since.
type NewPassword struct {
	Ended
	Revision int64
}

// APIToken is a credential for programs, with a part of its user's rights. Written
// by who makes and revokes it; its text is known to that person alone.
type APIToken struct {
	ID     string
	UserID string
	// Login is its user's.
	Login string
	// ParentID is the token that it was made with and is revoked with, "" for none.
	ParentID string
	// Name is what its user calls it.
	Name      string
	Scope     TokenScope
	CreatedAt time.Time
	ExpiresAt time.Time
	// UsedAt is when it was last used, to the minute; nil for never.
	UsedAt    *time.Time
	RevokedAt *time.Time
}

// Live says whether the token is good at a moment.
func (t APIToken) Live(now time.Time) bool { return t.RevokedAt == nil && now.Before(t.ExpiresAt) }

// Attempt is a try at somebody's password. Whether it may be made is decided, and
// counted, before the password is looked at.
type Attempt struct {
	// Account is what tells one account from another, also where there is none.
	Account string
	// Address is what the try comes from.
	Address string
	// Known: it comes from a browser that this person has signed in with before.
	Known bool
	At    time.Time
}

// AttemptOutcome is what became of an attempt.
type AttemptOutcome string

// What becomes of attempts.
const (
	// AttemptRight: the password was right, and earlier failures count no more.
	AttemptRight AttemptOutcome = "right"
	// AttemptWrong: it was wrong, and counts.
	AttemptWrong AttemptOutcome = "wrong"
	// AttemptVoid: nobody could say, and it does not count.
	AttemptVoid AttemptOutcome = "void"
)

// AttemptLimits bound wrong passwords.
type AttemptLimits struct {
	// Unknown and Known are the most for one account, of browsers that it was not
	// signed in with before, and of those that it was.
	Unknown, Known int
	// Quiet is how long nothing must have been tried at an account for its failures
	// to be forgotten.
	Quiet time.Duration
	// Address is how many from one address within Window keep nobody waiting, known
	// browsers not counted. Behind one address may be a school: beyond, what comes
	// from there is not refused, but waits for Step longer with each, and for Longest
	// at most.
	Address       int
	Window        time.Duration
	Step, Longest time.Duration
}

// Delay is how long a try waits that comes from an address with so many failures.
func (l AttemptLimits) Delay(failures int) time.Duration {
	return min(l.Longest, l.Step*time.Duration(max(0, failures-l.Address)))
}

// LetterKind is what a letter to somebody is for.
type LetterKind string

// The kinds of letters.
const (
	// LetterInvitation has a temporary password.
	LetterInvitation LetterKind = "invitation"
	// LetterReset has a link with which to choose a new password.
	LetterReset LetterKind = "reset"
)

// Letter is a mail that is to be sent to somebody. Written by who wants it sent,
// and by the one instance that sends.
type Letter struct {
	ID     string
	UserID string
	Kind   LetterKind
	// Tries counts how often it was tried; DueAt is when it is tried next.
	Tries   int
	AskedAt time.Time
	DueAt   time.Time
	SentAt  *time.Time
	// ExpiresAt is when the link, or the temporary password, stops being good; UsedAt
	// when the link was used.
	ExpiresAt time.Time
	UsedAt    *time.Time
}

// Mail is a text to one person.
type Mail struct {
	// Name and To are the person's name and address.
	Name string
	To   string
	// Subject is one line, Text plain lines.
	Subject string
	Text    string
}
