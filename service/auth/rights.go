package auth

import (
	"fmt"
	"slices"

	"github.com/bothylabs/bothy/service/lab"
)

// Reach is how far a right goes.
type Reach string

// The reaches.
const (
	// Never: not at all.
	Never Reach = "never"
	// Own: on what the role has been given, as lab.Scope has it.
	Own Reach = "own"
	// Any: on everything there is.
	Any Reach = "any"
)

// What the door asks for; no operation of the API.
const (
	// OpenWorkspace opens a workspace as its student does.
	OpenWorkspace = "openWorkspace"
	// LookIn opens somebody else's workspace, on a host of its own.
	LookIn = "lookIn"
)

// Rule says who may do one operation.
type Rule struct {
	// Operation is an operationId of the contract, or one of the door's.
	Operation string
	// Token is the least that a token must be good for.
	Token lab.TokenScope
	// How far each role reaches.
	Admin, Instructor, Assistant, Student Reach
}

// Rules is the table of rights, whole. docs/rights.md is made from it.
func Rules() []Rule {
	const read, operate, write = lab.TokenRead, lab.TokenOperate, lab.TokenWrite
	return []Rule{
		{"getStatus", read, Any, Any, Any, Never},
		{"streamEvents", read, Any, Own, Own, Own},

		{"listCohorts", read, Any, Own, Never, Never},
		{"createCohort", write, Any, Own, Never, Never}, // whoever makes one has it
		{"getCohort", read, Any, Own, Never, Never},
		{"deleteCohort", write, Any, Own, Never, Never},
		{"getCohortInstructors", read, Any, Own, Never, Never},
		{"setCohortInstructors", write, Any, Own, Never, Never},

		{"listStudents", read, Any, Own, Never, Never},
		{"enrollStudent", write, Any, Own, Never, Never},
		{"importRoster", write, Any, Own, Never, Never},
		{"inviteCohort", write, Any, Own, Never, Never},
		{"getStudent", read, Any, Own, Never, Own},
		{"withdrawStudent", write, Any, Own, Never, Never},
		{"exportStudent", read, Any, Never, Never, Own},
		{"eraseStudent", write, Any, Never, Never, Never},

		{"listCourses", read, Any, Own, Never, Never},
		{"createCourse", write, Any, Own, Never, Never},
		{"getCourse", read, Any, Own, Never, Never},
		{"updateCourse", write, Any, Own, Never, Never},
		{"deleteCourse", write, Any, Own, Never, Never},
		{"getCourseInstructors", read, Any, Own, Never, Never},
		{"setCourseInstructors", write, Any, Own, Never, Never},

		{"listCourseSecrets", read, Any, Own, Never, Never},
		{"setCourseSecret", write, Any, Own, Never, Never},
		{"deleteCourseSecret", write, Any, Own, Never, Never},
		{"listClassSecrets", read, Any, Own, Never, Never},
		{"setClassSecret", write, Any, Own, Never, Never},
		{"deleteClassSecret", write, Any, Own, Never, Never},
		{"listStudentSecrets", read, Any, Own, Never, Own},
		{"setStudentSecret", write, Any, Own, Never, Never},
		{"deleteStudentSecret", write, Any, Own, Never, Never},

		{"listClasses", read, Any, Own, Own, Never},
		{"createClass", write, Any, Own, Never, Never}, // of a cohort and a course of their own
		{"getClass", read, Any, Own, Own, Never},
		{"updateClass", write, Any, Own, Never, Never},
		{"deleteClass", write, Any, Own, Never, Never},
		{"launchClass", write, Any, Own, Never, Never},
		{"startClass", operate, Any, Own, Own, Never},
		{"stopClass", operate, Any, Own, Own, Never},
		{"restartClass", operate, Any, Own, Own, Never},
		{"resetClass", write, Any, Own, Never, Never},
		{"planClass", operate, Any, Own, Own, Never},
		{"getClassAssistants", read, Any, Own, Own, Never},
		{"setClassAssistants", write, Any, Own, Never, Never},

		{"listAudit", read, Any, Never, Never, Never},

		{"listOperations", read, Any, Own, Own, Never},
		{"getOperation", read, Any, Own, Own, Never},
		{"listOperationItems", read, Any, Own, Own, Never},

		{"listWorkspaces", read, Any, Own, Own, Own},
		{"getWorkspace", read, Any, Own, Own, Own},
		{"deleteWorkspace", write, Any, Own, Never, Never},
		{"startWorkspace", operate, Any, Own, Own, Own},
		{"stopWorkspace", operate, Any, Own, Own, Own},
		{"restartWorkspace", operate, Any, Own, Own, Own},
		{"resetWorkspace", write, Any, Own, Never, Never},
		{"planWorkspace", operate, Any, Own, Own, Never},
		{"getWorkspaceLogs", read, Any, Own, Own, Own},
		{"execInWorkspace", write, Any, Own, Never, Own},
		{"linkWorkspace", write, Any, Own, Own, Own}, // as one of the two that follow; all three are a shell, as exec is
		{OpenWorkspace, write, Never, Never, Never, Own},
		{LookIn, write, Any, Own, Own, Never},

		// One's own, whoever one is; an admin's are everybody's.
		{"listTokens", read, Any, Own, Own, Own},
		{"createToken", write, Any, Own, Own, Own},
		{"getToken", read, Any, Own, Own, Own},
		{"revokeToken", write, Any, Own, Own, Own},
		{"listSessions", read, Any, Own, Own, Own},
		{"endSession", write, Any, Own, Own, Own},
		{"endSessions", write, Any, Own, Own, Own},

		{"listTemplates", read, Any, Any, Never, Never},
		{"getTemplate", read, Any, Any, Never, Never},
		{"listTemplateVersions", read, Any, Any, Never, Never},
		{"pushTemplate", write, Any, Never, Never, Never},

		{"getMe", read, Any, Any, Any, Any},
		{"listUsers", read, Any, Never, Never, Never},
		{"createUser", write, Any, Never, Never, Never},
		{"getUser", read, Any, Never, Never, Never},
		{"updateUser", write, Any, Never, Never, Never},
		{"disableUser", write, Any, Never, Never, Never},
		{"exportUser", read, Any, Never, Never, Never},
		{"eraseUser", write, Any, Never, Never, Never},
		{"inviteUser", write, Any, Never, Never, Never},
	}
}

// Allows says whether a caller may do an operation on something that belongs so:
// nil, CodeForbidden, or CodeNotFound and lab.ErrUnseen for what the caller can't even see. The zero
// Belonging is no single thing but a list, which is narrowed where it is read, or
// something new. What has no rule is forbidden to everybody.
func Allows(operation string, caller lab.Caller, b lab.Belonging) error {
	rules := Rules()
	i := slices.IndexFunc(rules, func(r Rule) bool { return r.Operation == operation })
	if i < 0 {
		return lab.Errorf(lab.CodeForbidden, "nobody may do this")
	}
	rule := rules[i]
	switch {
	case !rule.permits(caller, b) && b != (lab.Belonging{}) && !caller.Scope.Holds(b):
		return lab.Wrap(lab.CodeNotFound, lab.ErrUnseen, "there is nothing of this name")
	case !rule.permits(caller, b):
		return lab.Errorf(lab.CodeForbidden, "%s may not do this", article(caller.Role)).
			WithHint("ask somebody who may; the rights of each role are in docs/rights.md")
	case caller.Token != "" && !covers(caller.Token, rule.Token):
		return lab.Errorf(lab.CodeForbidden, "the token is not good for this").
			WithHint("use a token with the scope %s", rule.Token)
	}
	return nil
}

// permits says whether the caller's role reaches so far. Whoever is a student has a
// student's rights over what is theirs, whatever else they are.
func (r Rule) permits(caller lab.Caller, b lab.Belonging) bool {
	given := caller.Scope
	if caller.Role != lab.RoleStudent {
		given.Students = nil
	}
	theirs := b.StudentID != "" && slices.Contains(caller.Scope.Students, b.StudentID)
	switch r.reach(caller.Role) {
	case Any:
		return true
	case Own:
		if b == (lab.Belonging{}) || given.Holds(b) {
			return true
		}
	case Never:
	}
	return theirs && r.Student != Never
}

func (r Rule) reach(role lab.Role) Reach {
	switch role {
	case lab.RoleAdmin:
		return r.Admin
	case lab.RoleInstructor:
		return r.Instructor
	case lab.RoleAssistant:
		return r.Assistant
	case lab.RoleStudent:
		return r.Student
	default:
		return Never
	}
}

// covers says whether a token of one scope is good for what wants another.
func covers(has, wants lab.TokenScope) bool {
	order := []lab.TokenScope{lab.TokenRead, lab.TokenOperate, lab.TokenWrite}
	return slices.Contains(order, has) && slices.Index(order, has) >= slices.Index(order, wants)
}

func article(role lab.Role) string {
	switch role {
	case lab.RoleAdmin, lab.RoleInstructor, lab.RoleAssistant:
		return fmt.Sprintf("an %s", role)
	case lab.RoleStudent:
		return "a student"
	default:
		return "somebody without a role"
	}
}
