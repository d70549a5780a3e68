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
	// UserID is "" for the operator's token, SessionID for any token.
	UserID    string
	SessionID string
	// Actor is the credential's name, Role the person's, for the record.
	Actor string
	Role  Role
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

// Pass lets one browser into one workspace, for as long as its session lives and
// its user may. Written by the door.
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
	// Lives says that neither the pass nor its session has ended.
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
