package store

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/jmoiron/sqlx"

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
	err := s.act(ctx, intent, "erase a person", func(tx session) (audit lab.Audit, err error) {
		counts = map[string]int64{}
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
		who, err := identify(ctx, tx, studentID)
		if err != nil {
			return lab.Audit{}, err
		}
		if err := erasable(ctx, tx, who); err != nil {
			return lab.Audit{}, err
		}
		withdrawn, err := endMemberships(ctx, tx, who, at)
		if err != nil {
			return lab.Audit{}, err
		}
		if err := eraseRows(ctx, tx, who, withdrawn, at, counts); err != nil {
			return lab.Audit{}, err
		}
		audit.After = map[string]any{}
		for table, n := range counts {
			audit.After[table] = n
		}
		if student, err = findStudent(ctx, tx, studentID); err != nil {
			return lab.Audit{}, err
		}
		return audit, tx.tellStudents(ctx, lab.EventStudentChanged, who.students...)
	})
	return student, counts, err
}

// erasable refuses somebody who is erased already, and who has more to do here than to learn.
func erasable(ctx context.Context, tx session, who identity) error {
	var n int
	query, args, err := sqlx.In(`SELECT COUNT(*) FROM students WHERE id IN (?) AND erased_at IS NULL`, who.students)
	if err != nil {
		return fmt.Errorf("look whether somebody is erased: %w", err)
	}
	if err := tx.get(ctx, &n, query, args...); err != nil {
		return err
	}
	if n == 0 {
		return lab.Errorf(lab.CodeConflict, "the student is erased already")
	}
	users, err := in[userRow](ctx, tx, selectUsers+`WHERE id IN (?) AND role <> 'student' ORDER BY id`, who.users)
	if err != nil {
		return err
	}
	if len(users) > 0 {
		return lab.Errorf(lab.CodeConflict, "the student is %s here as well", users[0].Role).
			WithHint("make the user a student first: what they did for others is theirs to answer for until then")
	}
	return nil
}

// endMemberships withdraws the person everywhere, and wants all workspaces deleted
// with their homes, also those that were kept. It gives who was not withdrawn before.
func endMemberships(ctx context.Context, tx session, who identity, at time.Time) (map[string]bool, error) {
	withdrawn := map[string]bool{}
	for _, id := range who.students {
		student, err := findStudent(ctx, tx, id)
		if err != nil {
			return nil, err
		}
		if err := tx.lock(ctx, "cohort", lockCohort, student.CohortID); err != nil {
			return nil, err
		}
		withdrawn[id] = student.WithdrawnAt == nil
		if _, err := withdraw(ctx, tx, student, at); err != nil {
			return nil, err
		}
	}
	for _, id := range who.workspaces {
		if _, err := tx.exec(ctx, `UPDATE workspaces SET release_home = TRUE, revision = revision + 1, updated_at = ?
			WHERE id = ? AND deleted_at IS NULL`, stamp(at), id); err != nil {
			return nil, err
		}
		if _, err := tx.exec(ctx, `UPDATE kept_homes SET unwanted = TRUE WHERE workspace_id = ?`, id); err != nil {
			return nil, err
		}
	}
	return withdrawn, nil
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
		// Open connections end by the user's being disabled, not by this.
		if n, err = tx.exec(ctx, `UPDATE passes SET actor = ? WHERE user_id = ?`, erasedName, id); err != nil {
			return err
		}
		counts["passes"] += n
		if n, err = tx.exec(ctx, `UPDATE browsers SET actor = ? WHERE user_id = ?`, erasedName, id); err != nil {
			return err
		}
		counts["browsers"] += n
	}
	for _, t := range personalTables() {
		if t.does != removed {
			continue
		}
		where, args, some, err := t.condition(who)
		if err != nil {
			return err
		}
		if !some {
			continue
		}
		n, err := tx.exec(ctx, `DELETE FROM `+t.name+where, args...)
		if err != nil {
			return err
		}
		counts[t.name] += n
	}
	if err := eraseAnswers(ctx, tx, who, counts); err != nil {
		return err
	}
	return eraseRecord(ctx, tx, who, counts)
}

// eraseAnswers removes kept answers that have one of the addresses in them.
func eraseAnswers(ctx context.Context, tx session, who identity, counts map[string]int64) error {
	for _, email := range who.emails {
		n, err := tx.exec(ctx, `DELETE FROM idempotency_keys WHERE body LIKE ? ESCAPE '\' OR actor = ?`, holding(email), email)
		if err != nil {
			return err
		}
		counts["idempotency_keys"] += n
	}
	return nil
}

// holding is a pattern for a JSON text that has a text in it.
func holding(text string) string {
	quoted, err := json.Marshal(text)
	if err != nil {
		return text // a string is always JSON
	}
	return `%` + strings.NewReplacer(`\`, `\\`, `%`, `\%`, `_`, `\_`).Replace(string(quoted[1:len(quoted)-1])) + `%`
}

// eraseRecord replaces names and addresses in the record of changes: in rows about
// the person, by them, and in any that has one of the addresses in it.
func eraseRecord(ctx context.Context, tx session, who identity, counts map[string]int64) error {
	if _, err := tx.exec(ctx, `UPDATE audit_guard SET erasing = TRUE`); err != nil {
		return err
	}
	where, args, _, err := personalTables()[len(personalTables())-1].condition(who)
	if err != nil {
		return err
	}
	for _, email := range who.emails {
		where += ` OR detail LIKE ? ESCAPE '\' OR state_before LIKE ? ESCAPE '\' OR state_after LIKE ? ESCAPE '\' OR actor_name = ?`
		args = append(args, holding(email), holding(email), holding(email), email)
	}
	var rows []auditRow
	if err := tx.list(ctx, &rows, selectAudit+where+` ORDER BY id`, args...); err != nil {
		return err
	}
	clean := who.without
	for _, r := range rows {
		n, err := tx.exec(ctx, `UPDATE audit SET actor_name = ?, actor_remote = ?, detail = ?, state_before = ?, state_after = ? WHERE id = ?`,
			clean(r.ActorName), remoteOf(r, who), document(scrub(r.Detail, clean)), document(scrub(r.Before, clean)), document(scrub(r.After, clean)), r.ID)
		if err != nil {
			return err
		}
		counts["audit"] += n
	}
	_, err = tx.exec(ctx, `UPDATE audit_guard SET erasing = FALSE`)
	return err
}

// remoteOf is where an act came from, unless it was the person's own.
func remoteOf(r auditRow, who identity) string {
	if slices.Contains(who.users, r.ActorUser) && r.ActorUser != "" {
		return ""
	}
	return r.ActorRemote
}

// without gives a text without the person's names and addresses.
func (i identity) without(text string) string {
	if slices.Contains(i.names, text) {
		return erasedName
	}
	for _, email := range i.emails {
		if strings.Contains(strings.ToLower(text), strings.ToLower(email)) {
			return erasedName
		}
	}
	return text
}

// scrub gives an object with every text in it replaced.
func scrub(object map[string]any, clean func(string) string) map[string]any {
	if object == nil {
		return nil
	}
	out := make(map[string]any, len(object))
	for name, value := range object {
		out[name] = scrubbed(value, clean)
	}
	return out
}

func scrubbed(value any, clean func(string) string) any {
	switch v := value.(type) {
	case string:
		return clean(v)
	case map[string]any:
		return scrub(v, clean)
	case []any:
		out := make([]any, len(v))
		for i, one := range v {
			out[i] = scrubbed(one, clean)
		}
		return out
	default:
		return value
	}
}
