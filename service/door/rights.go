package door

import (
	"slices"

	"github.com/bothylabs/bothy/service/lab"
)

// Allows is the door's part of the table of rights: students open what is their own,
// everybody else looks in at what they have been given.
func Allows(operation string, caller lab.Caller, belonging lab.Belonging) error {
	own := belonging.StudentID != "" && slices.Contains(caller.Scope.Students, belonging.StudentID)
	if caller.Token == lab.TokenRead {
		return lab.Errorf(lab.CodeForbidden, "a token that only reads opens nothing")
	}
	switch {
	case operation == "openWorkspace" && own:
		return nil
	case operation == "lookIn" && caller.Role != lab.RoleStudent && caller.Scope.Holds(belonging):
		return nil
	case caller.Scope.Holds(belonging):
		return lab.Errorf(lab.CodeForbidden, "that is not for this role")
	default:
		return lab.Errorf(lab.CodeNotFound, "there is no such workspace")
	}
}
