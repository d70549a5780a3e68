package lab

import "time"

// DoorHost says on which of its two kinds of host a workspace is opened.
type DoorHost string

// The kinds of host.
const (
	// HostShared is the labs origin, where every workspace has a path: students open their own there.
	HostShared DoorHost = "shared"
	// HostOwn is the workspace's own host below it: who looks in comes there.
	HostOwn DoorHost = "own"
)

// Entry is somebody's way into one workspace: what tickets and passes are bound to.
type Entry struct {
	WorkspaceID string
	Host        DoorHost
	// LooksIn says that it is not the workspace's student.
	LooksIn bool
	// UserID is "" for the operator's token, SessionID for any token, TokenID for a
	// session and for the operator's token.
	UserID    string
	SessionID string
	TokenID   string
	// Actor is the credential's name, Role the person's, for the record.
	Actor string
	Role  Role
	// Browser is the SHA-256, in hex, of what the one browser that it is for has as a
	// cookie. "" in a ticket that any browser may take, once its person has said so there.
	Browser string
}

// Holder is whose an entry is: a browser belongs to one at a time.
func (e Entry) Holder() string {
	if e.UserID != "" {
		return e.UserID
	}
	return e.Actor
}

// Ticket is a way from the console to a workspace, good once and for a minute.
type Ticket struct {
	// Hash is the SHA-256 of what the visitor has, in hex.
	Hash string
	Entry
	// Remote is the address that it was asked for from.
	Remote     string
	CreatedAt  time.Time
	ExpiresAt  time.Time
	RedeemedAt *time.Time
}

// Offer is what is known of a ticket before it is taken in a browser.
type Offer struct {
	Ticket
	// Login is whose the ticket is, or what the token is called.
	Login string
	// Owner is who the browser belongs to, where that is somebody else; "" where it is nobody.
	Owner string
}

// Pass lets one browser into one workspace, for as long as its session or its token
// lives and its user may. Written by the door.
type Pass struct {
	ID string
	// Hash is the SHA-256 of what the browser has, in hex.
	Hash string
	Entry
	CreatedAt time.Time
	// ExpiresAt is the end whatever else there is.
	ExpiresAt time.Time
	// EndedAt is since when it counts no more.
	EndedAt *time.Time
}

// Admission is what is known of a pass at one moment.
type Admission struct {
	Pass
	// Lives says that neither the pass nor its session or its token has ended.
	Lives bool
	// May says that its user may still be in the workspace.
	May bool
	// SessionSeenAt is when the session was last seen; zero where there is none.
	SessionSeenAt time.Time
}

// LookIn is one time that somebody other than its student came into a workspace.
type LookIn struct {
	ID          string
	WorkspaceID string
	Slug        Slug
	UserID      string
	// Name is the user's, or what the token is called.
	Name string
	Role Role
	How  LookInHow
	At   time.Time
}

// LookInHow says how somebody was in a workspace.
type LookInHow string

// The ways to be in a workspace.
const (
	// LookInEditor: they opened it in a browser, as its student does.
	LookInEditor LookInHow = "editor"
	// LookInTerminal: they ran a command inside it.
	LookInTerminal LookInHow = "terminal"
)

// EntryAs is what somebody comes into a workspace as.
type EntryAs string

// What somebody comes as.
const (
	// AsAllowed comes as the student where that is who asks, else as one who looks in.
	AsAllowed EntryAs = ""
	// AsLookerIn comes as one who looks in.
	AsLookerIn EntryAs = "looker_in"
	// AsStudent comes on the shared host, as the student does: the operator's token
	// too, to try what a student sees, which is written down as a look-in.
	AsStudent EntryAs = "student"
)

// DoorLink is an address that opens a workspace once.
type DoorLink struct {
	URL       string
	ExpiresAt time.Time
	// LooksIn says that it is not for the workspace's student.
	LooksIn bool
}
