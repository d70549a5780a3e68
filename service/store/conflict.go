package store

import "github.com/bothylabs/bothy/service/lab"

// The constraints that a person can run into, by their names in the schema.
const (
	cohortKey        = "cohorts_key"
	courseKey        = "courses_key"
	studentEmail     = "students_email"
	userLogin        = "users_login"
	userSubject      = "users_subject"
	classOfCourse    = "classes_cohort_course"
	slugGiven        = "slugs_pkey"
	slugUsed         = "workspaces_slug"
	workspaceStudent = "workspaces_student"
	// foreignKey stands for all of them: which one it was, SQLite does not say.
	foreignKey = "foreign key"
)

// conflict says in people's words what a constraint refused.
func conflict(constraint string, cause error) *lab.Error {
	e := &lab.Error{Code: lab.CodeConflict, Cause: cause}
	switch constraint {
	case cohortKey:
		e.Message = "there is a cohort with this key already"
		e.Fields = []lab.Field{{Name: "key", Problem: "is taken by another cohort", Remedy: "choose another key, or use that cohort"}}
	case courseKey:
		e.Message = "there is a course with this key already"
		e.Fields = []lab.Field{{Name: "key", Problem: "is taken by another course", Remedy: "choose another key, or use that course"}}
	case studentEmail:
		e.Message = "the cohort has a student with this address already"
		e.Fields = []lab.Field{{Name: "email", Problem: "belongs to another student of the cohort", Remedy: "use another address, or withdraw that student first"}}
	case userLogin:
		e.Message = "somebody signs in with this already"
		e.Fields = []lab.Field{{Name: "login", Problem: "belongs to another user", Remedy: "choose another login, or use that user"}}
	case userSubject:
		e.Message = "somebody else is that person of the provider already"
		e.Hint = "unlink the other user first"
	case classOfCourse:
		e.Message = "the cohort takes this course already"
		e.Fields = []lab.Field{{Name: "course", Problem: "is taken by this cohort already", Remedy: "use that class, or delete it first"}}
	case slugGiven, slugUsed, workspaceStudent:
		e.Message = "another request made the same workspaces at the same time"
		e.Hint = "try again"
	default:
		e.Message = "something that this needs was deleted, or something that needs it was made, at the same time"
		e.Hint = "look at the current state and try again"
	}
	return e
}
