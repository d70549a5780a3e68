package store

import (
	"context"
	"encoding/json"
	"slices"
	"strings"
	"time"

	"github.com/bothylabs/bothy/service/lab"
)

// What stands in the place of somebody's name, and behind an id in that of an address.
const (
	erasedName   = "Erased"
	erasedDomain = "@erased.invalid"
)

// Erase takes a person out of the database who confirm says it is: name and address
// are replaced wherever they stand, credentials and posts go, workspaces and homes
// are to be deleted. CodeConflict when the person is more than a student, or erased
// already.
func (s *Store) Erase(
	ctx context.Context, intent lab.Intent, studentID string, at time.Time, decide func(lab.Student) (lab.Audit, error),
) (lab.Student, map[string]int64, error) {
	var counts map[string]int64
	var student lab.Student
	err := s.act(ctx, intent, "erase a student", func(tx session) (audit lab.Audit, err error) {
		if student, err = findStudent(ctx, tx, studentID); err != nil {
			return lab.Audit{}, err
		}
		if err := tx.lock(ctx, "cohort", lockCohort, student.CohortID); err != nil {
			return lab.Audit{}, err
		}
		// Read again what may have changed before it was held.
		if student, err = findStudent(ctx, tx, studentID); err != nil {
			return lab.Audit{}, err
		}
		if err := intent.Admits(student.Revision, student); err != nil {
			return lab.Audit{}, err
		}
		if audit, err = decide(student); err != nil {
			return lab.Audit{}, err
		}
		who, err := identifyStudent(ctx, tx, studentID)
		if err != nil {
			return lab.Audit{}, err
		}
		if audit, counts, err = erase(ctx, tx, who, at, audit); err != nil {
			return lab.Audit{}, err
		}
		student, err = findStudent(ctx, tx, studentID)
		return audit, err
	})
	return student, counts, err
}

// EraseUser does the same for the person who a user is, who may be no student any
// more, or never have been one.
func (s *Store) EraseUser(
	ctx context.Context, intent lab.Intent, userID string, at time.Time, decide func(lab.User) (lab.Audit, error),
) (lab.User, map[string]int64, error) {
	var counts map[string]int64
	var user lab.User
	err := s.act(ctx, intent, "erase a user", func(tx session) (audit lab.Audit, err error) {
		// Cohorts come before users, as whoever enrols and withdraws holds them.
		var cohorts []string
		if err := tx.list(ctx, &cohorts, `SELECT DISTINCT cohort_id FROM students WHERE user_id = ? ORDER BY cohort_id`, userID); err != nil {
			return lab.Audit{}, err
		}
		for _, id := range cohorts {
			if err := tx.lock(ctx, "cohort", lockCohort, id); err != nil {
				return lab.Audit{}, err
			}
		}
		if err := tx.lock(ctx, "user", lockUser, userID); err != nil {
			return lab.Audit{}, err
		}
		read := func() error {
			var row userRow
			err := tx.find(ctx, "user", userID, &row, selectUsers+`WHERE id = ?`, userID)
			user = row.user()
			return err
		}
		if err := read(); err != nil {
			return lab.Audit{}, err
		}
		if err := intent.Admits(user.Revision, user); err != nil {
			return lab.Audit{}, err
		}
		if audit, err = decide(user); err != nil {
			return lab.Audit{}, err
		}
		who, err := identifyUser(ctx, tx, userID)
		if err != nil {
			return lab.Audit{}, err
		}
		if audit, counts, err = erase(ctx, tx, who, at, audit); err != nil {
			return lab.Audit{}, err
		}
		return audit, read()
	})
	return user, counts, err
}

// erase erases who it is that may be, and counts the rows by table. The audit has these
// too, and the access that ended.
func erase(ctx context.Context, tx session, who identity, at time.Time, audit lab.Audit) (lab.Audit, map[string]int64, error) {
	if err := erasable(ctx, tx, who); err != nil {
		return lab.Audit{}, nil, err
	}
	who, err := formerly(ctx, tx, who)
	if err != nil {
		return lab.Audit{}, nil, err
	}
	withdrawn, lapsed, err := endMemberships(ctx, tx, who, at)
	if err != nil {
		return lab.Audit{}, nil, err
	}
	ended, err := endAccess(ctx, tx, who.users, at)
	if err != nil {
		return lab.Audit{}, nil, err
	}
	counts := map[string]int64{}
	if err := eraseRows(ctx, tx, who, withdrawn, at, counts); err != nil {
		return lab.Audit{}, nil, err
	}
	audit.After = map[string]any{}
	for table, n := range counts {
		audit.After[table] = n
	}
	return lapsed.and(ended).with(audit), counts, tx.tellStudents(ctx, lab.EventStudentChanged, who.students...)
}

// erasable refuses somebody who is erased already, and who has more to do here than to learn.
func erasable(ctx context.Context, tx session, who identity) error {
	left, err := in[string](ctx, tx, `SELECT id FROM students WHERE erased_at IS NULL AND id IN (?)`, who.students)
	if err != nil {
		return err
	}
	erased := func(login string) bool { return strings.HasSuffix(login, erasedDomain) }
	if len(left) == 0 && !slices.ContainsFunc(who.logins, func(login string) bool { return !erased(login) }) {
		return lab.Errorf(lab.CodeConflict, "the person is erased already")
	}
	users, err := in[userRow](ctx, tx, selectUsers+`WHERE id IN (?) AND role <> 'student' ORDER BY id`, who.users)
	if err != nil {
		return err
	}
	if len(users) > 0 {
		return lab.Errorf(lab.CodeConflict, "the person is %s here", users[0].Role).
			WithHint("make the user a student first: what they did for others is theirs to answer for until then")
	}
	return nil
}

// endMemberships withdraws the person everywhere, and wants all workspaces deleted
// with their homes, also those that were kept. It gives who was not withdrawn before,
// and what ended with the last membership.
func endMemberships(ctx context.Context, tx session, who identity, at time.Time) (withdrawn map[string]bool, ended access, err error) {
	withdrawn = map[string]bool{}
	for _, id := range who.students {
		student, err := findStudent(ctx, tx, id)
		if err != nil {
			return nil, access{}, err
		}
		if err := tx.lock(ctx, "cohort", lockCohort, student.CohortID); err != nil {
			return nil, access{}, err
		}
		withdrawn[id] = student.WithdrawnAt == nil
		lapsed, err := withdraw(ctx, tx, student, at)
		if err != nil {
			return nil, access{}, err
		}
		ended = ended.and(lapsed)
	}
	for _, id := range who.workspaces {
		if _, err := tx.exec(ctx, `UPDATE workspaces SET release_home = TRUE, revision = revision + 1, updated_at = ?
			WHERE id = ? AND deleted_at IS NULL`, stamp(at), id); err != nil {
			return nil, access{}, err
		}
		if _, err := tx.exec(ctx, `UPDATE kept_homes SET unwanted = TRUE WHERE workspace_id = ?`, id); err != nil {
			return nil, access{}, err
		}
	}
	return withdrawn, ended, nil
}

// endAccess ends the sessions and tokens of users whom the erasure disables, with the
// tokens that others have of them, and gives what ended.
func endAccess(ctx context.Context, tx session, users []string, at time.Time) (access, error) {
	active, err := in[string](ctx, tx, `SELECT id FROM users WHERE disabled_at IS NULL AND id IN (?)`, users)
	if err != nil {
		return access{}, err
	}
	ended, err := shutOut(ctx, tx, users, at)
	ended.users = len(active)
	return ended, err
}

func eraseRows(ctx context.Context, tx session, who identity, withdrawn map[string]bool, at time.Time, counts map[string]int64) error {
	for _, id := range who.students {
		raise := 1
		if withdrawn[id] { // which has raised it
			raise = 0
		}
		n, err := tx.exec(ctx, `UPDATE students SET name = ?, email = ?, email_key = ?, search = ?, erased_at = ?, revision = revision + ?,
			updated_at = ? WHERE id = ?`, erasedName, id+erasedDomain, id+erasedDomain, fold(erasedName), stamp(at), raise, stamp(at), id)
		if err != nil {
			return err
		}
		counts["students"] += n
	}
	for _, id := range who.users {
		n, err := tx.exec(ctx, `UPDATE users SET name = ?, login = ?, login_key = ?, email = '', issuer = '', subject = '', search = ?,
			disabled_at = COALESCE(disabled_at, ?), revision = revision + 1, updated_at = ? WHERE id = ?`,
			erasedName, id+erasedDomain, id+erasedDomain, fold(erasedName), stamp(at), stamp(at), id)
		if err != nil {
			return err
		}
		counts["users"] += n
		// Open connections end by the user's being disabled.
	}
	for _, t := range personalTables() {
		if err := eraseTable(ctx, tx, t, who, counts); err != nil {
			return err
		}
	}
	for _, more := range []func(context.Context, session, identity, map[string]int64) error{eraseAuthor, eraseAnswers} {
		if err := more(ctx, tx, who, counts); err != nil {
			return err
		}
	}
	return eraseRecord(ctx, tx, who, counts)
}

// eraseTable removes the person's rows where they go, and otherwise the name of who acted.
func eraseTable(ctx context.Context, tx session, t personalTable, who identity, counts map[string]int64) error {
	var statement string
	var args []any
	switch where, values, some, err := t.condition(who); {
	case err != nil:
		return err
	case t.name == "audit": // whose rows nobody else may touch
	case t.does == removed && some:
		statement, args = `DELETE FROM `+t.name+where, values
	case t.does != removed && t.actor != "":
		if mine, names := t.actors(who); len(names) > 0 {
			statement, args = `UPDATE `+t.name+` SET `+t.actor+` = ? WHERE `+mine, append([]any{erasedName}, names...)
		}
	}
	if statement != "" {
		n, err := tx.exec(ctx, statement, args...)
		if err != nil {
			return err
		}
		counts[t.name] += n
	}
	return nil
}

// eraseAuthor replaces who wrote templates.
func eraseAuthor(ctx context.Context, tx session, who identity, counts map[string]int64) error {
	for _, email := range who.emails {
		n, err := tx.exec(ctx, `UPDATE template_versions SET author_name = ?, author_email = '' WHERE lower(author_email) = ?`, erasedName, strings.ToLower(email))
		if err != nil {
			return err
		}
		counts["template_versions"] += n
	}
	return nil
}

// eraseAnswers removes kept answers that have one of the addresses in them.
func eraseAnswers(ctx context.Context, tx session, who identity, counts map[string]int64) error {
	for _, email := range who.emails {
		n, err := tx.exec(ctx, `DELETE FROM idempotency_keys WHERE body LIKE ? ESCAPE '\'`, holding(email))
		if err != nil {
			return err
		}
		counts["idempotency_keys"] += n
	}
	return nil
}

// likely quotes a text for LIKE.
func likely(text string) string {
	return strings.NewReplacer(`\`, `\\`, `%`, `\%`, `_`, `\_`).Replace(text)
}

// holding is a pattern for a JSON text that has a text in it.
func holding(text string) string {
	quoted, err := json.Marshal(text)
	if err != nil {
		return text // a string is always JSON
	}
	return `%` + likely(string(quoted[1:len(quoted)-1])) + `%`
}
