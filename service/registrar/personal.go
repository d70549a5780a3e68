package registrar

import (
	"context"
	"maps"
	"slices"
	"time"

	"github.com/bothylabs/bothy/service/lab"
)

// PersonalExport is all that is kept of a person, at a moment.
type PersonalExport struct {
	lab.PersonalData
	At time.Time
}

// ExportStudent gives all that is kept of the person who a student is, in whatever
// cohort, and writes down that it was given away.
func (r *Registrar) ExportStudent(ctx context.Context, intent lab.Intent, id string) (PersonalExport, error) {
	data, err := r.Store.Personal(ctx, id)
	if err != nil {
		return PersonalExport{}, err
	}
	audit := r.audit(intent, "student.export", id, nil)
	if err := r.Store.Record(ctx, audit); err != nil {
		return PersonalExport{}, err
	}
	return PersonalExport{PersonalData: data, At: audit.At}, nil
}

// ExportUser gives the same of the person who a user is, by id or login, also when
// they are no student any more.
func (r *Registrar) ExportUser(ctx context.Context, intent lab.Intent, ref string) (PersonalExport, error) {
	user, err := r.Store.User(ctx, ref)
	if err != nil {
		return PersonalExport{}, err
	}
	data, err := r.Store.PersonalOfUser(ctx, user.ID)
	if err != nil {
		return PersonalExport{}, err
	}
	audit := r.audit(intent, "user.export", user.ID, nil)
	if err := r.Store.Record(ctx, audit); err != nil {
		return PersonalExport{}, err
	}
	return PersonalExport{PersonalData: data, At: audit.At}, nil
}

// Erasure is what became of a person's data.
type Erasure struct {
	// StudentID or UserID is whom it was asked for by, the other one is "".
	StudentID, UserID string
	// Revision is the student's or user's, after it.
	Revision int64
	At       time.Time
	// Erased counts rows by table.
	Erased []Erased
	Kept   []Kept
}

// Erased is in how many rows of a table something was removed or replaced.
type Erased struct {
	Table string
	Rows  int64
}

// Kept is what stays, and why.
type Kept struct{ What, Why string }

// whatStays is what an erasure leaves.
func whatStays() []Kept {
	return []Kept{
		{"ids", "rows refer to each other by random ids, which say nothing about the person once the name is gone"},
		{"slugs of workspaces", "a slug is never given twice, because it names a home and secrets; it is made from the name that the student had when the workspace was made"},
		{"operations and events about workspaces", "they say what happened to a slug and when; events go after events.max_age"},
		{"the record of changes", "who did what must stay provable; name, address and where the person's own acts came from are replaced in it, and rows go after audit.max_age"},
		{"homes, until they are deleted", "they are deleted as soon as nothing of the workspace runs; backups of Nomad's volumes and of the database are their keeper's to end"},
		{"server logs", "they hold ids, and of the person's requests the address that these came from; how long is the log keeper's to say"},
	}
}

// EraseStudent takes the person who a student is out of Bothy: name and address are
// replaced wherever they stand, the person is withdrawn everywhere, workspaces are
// deleted with their homes, and the user can't sign in any more. email confirms
// whom it means: CodeInvalid when it is not the student's. CodeConflict when the
// person is more than a student, or erased already.
func (r *Registrar) EraseStudent(ctx context.Context, intent lab.Intent, id, email string) (Erasure, error) {
	now := r.now()
	student, counts, err := r.Store.Erase(ctx, intent, id, now, func(student lab.Student) (lab.Audit, error) {
		if foldEmail(student.Email) != foldEmail(email) {
			return lab.Audit{}, lab.Invalid("the student was not erased", lab.Field{
				Name: "email", Problem: "is not the address of this student", Remedy: "look whom the id names, and confirm it with that address",
			})
		}
		audit := r.audit(intent, "student.erase", id, nil)
		audit.At = now
		return audit, nil
	})
	if err := r.done(intent, err); err != nil {
		return Erasure{}, err
	}
	return erased(Erasure{StudentID: id, Revision: student.Revision, At: now}, counts), nil
}

// EraseUser does the same for the person who a user is, by id or login, also when
// they are no student any more. login confirms whom it means.
func (r *Registrar) EraseUser(ctx context.Context, intent lab.Intent, ref, login string) (Erasure, error) {
	named, err := r.Store.User(ctx, ref)
	if err != nil {
		return Erasure{}, err
	}
	now := r.now()
	user, counts, err := r.Store.EraseUser(ctx, intent, named.ID, now, func(user lab.User) (lab.Audit, error) {
		if foldEmail(user.Login) != foldEmail(login) {
			return lab.Audit{}, lab.Invalid("the user was not erased", lab.Field{
				Name: "login", Problem: "is not the login of this user", Remedy: "look whom the id names, and confirm it with that login",
			})
		}
		audit := r.audit(intent, "user.erase", named.ID, nil)
		audit.At = now
		return audit, nil
	})
	if err := r.done(intent, err); err != nil {
		return Erasure{}, err
	}
	return erased(Erasure{UserID: named.ID, Revision: user.Revision, At: now}, counts), nil
}

func erased(erasure Erasure, counts map[string]int64) Erasure {
	erasure.Kept = whatStays()
	for _, table := range slices.Sorted(maps.Keys(counts)) {
		erasure.Erased = append(erasure.Erased, Erased{Table: table, Rows: counts[table]})
	}
	return erasure
}
