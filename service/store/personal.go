package store

import (
	"context"
	"encoding/json"
	"errors"
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

// What is done to rows about somebody who is erased.
type erasure int

const (
	// kept: the rows have nothing in them but ids and what happened to these.
	kept erasure = iota
	// removed: the rows go.
	removed
	// replaced: what says who it is is replaced; by code of its own.
	replaced
)

// personalTable is a table with rows about people.
type personalTable struct {
	name string
	// where chooses somebody's rows; its placeholders stand for the lists that of names.
	where string
	of    []func(identity) []string
	does  erasure
}

// identity is who somebody is in the database: the ids of what is theirs.
type identity struct {
	students, users, workspaces []string
	names, emails               []string
}

// personalTables are all tables that say something about people, each before those
// that it refers to. A test sees to it that a table with a person's id is among them.
func personalTables() []personalTable {
	students := func(i identity) []string { return i.students }
	users := func(i identity) []string { return i.users }
	workspaces := func(i identity) []string { return i.workspaces }
	all := func(i identity) []string { return slices.Concat(i.students, i.users, i.workspaces) }
	type of = []func(identity) []string
	return []personalTable{
		{"students", `id IN (?)`, of{students}, replaced},
		{"users", `id IN (?)`, of{users}, replaced},
		{"cohort_instructors", `user_id IN (?)`, of{users}, removed},
		{"course_instructors", `user_id IN (?)`, of{users}, removed},
		{"class_assistants", `user_id IN (?)`, of{users}, removed},
		{"workspaces", `id IN (?)`, of{workspaces}, kept},
		{"slugs", `workspace_id IN (?)`, of{workspaces}, kept},
		{"kept_homes", `workspace_id IN (?) OR student_id IN (?)`, of{workspaces, students}, kept},
		{"operation_items", `workspace_id IN (?)`, of{workspaces}, kept},
		{"events", `student_id IN (?)`, of{students}, kept},
		{"tickets", `user_id IN (?)`, of{users}, removed},
		{"passes", `user_id IN (?)`, of{users}, replaced},
		{"sessions", `user_id IN (?)`, of{users}, removed},
		{"devices", `user_id IN (?)`, of{users}, removed},
		{"api_tokens", `user_id IN (?)`, of{users}, removed},
		{"mail_links", `user_id IN (?)`, of{users}, removed},
		{"look_ins", `workspace_id IN (?)`, of{workspaces}, kept},
		{"secrets", `kind = 'student' AND owner_id IN (?)`, of{students}, kept},
		{"idempotency_keys", `target IN (?)`, of{all}, removed},
		{"audit", `target IN (?) OR actor_user IN (?)`, of{all, users}, replaced},
	}
}

// hidden are columns that are nobody's data: credentials' hashes, and what lists
// are searched by.
func hidden(column string) bool {
	return column == "search" || strings.HasSuffix(column, "_key") && column != "class_key" || strings.HasSuffix(column, "hash")
}

// Personal gives all that is kept of the person who a student is: of each table the
// rows, by the columns' names. CodeNotFound when there is no such student.
func (s *Store) Personal(ctx context.Context, studentID string) (lab.PersonalData, error) {
	var data lab.PersonalData
	tx := s.reader()
	who, err := identify(ctx, tx, studentID)
	if err == nil {
		data = lab.PersonalData{StudentIDs: who.students, UserIDs: who.users, Records: map[string][]map[string]any{}}
		for _, t := range personalTables() {
			if data.Records[t.name], err = personalRows(ctx, tx, t, who); err != nil {
				break
			}
		}
	}
	if err != nil {
		return lab.PersonalData{}, s.failed(ctx, "gather what is kept of a person", err)
	}
	return data, nil
}

// identify finds who a student is: all students of the same user, or of the same address.
func identify(ctx context.Context, tx session, studentID string) (identity, error) {
	student, err := findStudent(ctx, tx, studentID)
	if err != nil {
		return identity{}, err
	}
	var who identity
	var rows []studentRow
	err = tx.list(ctx, &rows, selectStudents+`WHERE id = ? OR user_id = ? AND user_id <> '' OR email_key = ? ORDER BY id`+tx.locks.own,
		studentID, student.UserID, emailKey(student.Email))
	if err != nil {
		return identity{}, err
	}
	for _, r := range rows {
		who.students = append(who.students, r.ID)
		who.names, who.emails = append(who.names, r.Name), append(who.emails, r.Email)
		if r.UserID != "" && !slices.Contains(who.users, r.UserID) {
			who.users = append(who.users, r.UserID)
		}
	}
	users, err := in[userRow](ctx, tx, selectUsers+`WHERE id IN (?) ORDER BY id`+tx.locks.own, who.users)
	if err != nil {
		return identity{}, err
	}
	for _, u := range users {
		who.names, who.emails = append(who.names, u.Name), append(who.emails, u.Email, u.Login)
	}
	for _, query := range []string{
		`SELECT id FROM workspaces WHERE student_id IN (?) ORDER BY id`,
		`SELECT workspace_id FROM kept_homes WHERE student_id IN (?) ORDER BY slug`,
	} {
		ids, err := in[string](ctx, tx, query, who.students)
		if err != nil {
			return identity{}, err
		}
		who.workspaces = append(who.workspaces, ids...)
	}
	empty := func(text string) bool { return text == "" }
	who.names, who.emails = slices.DeleteFunc(who.names, empty), slices.DeleteFunc(who.emails, empty)
	slices.Sort(who.workspaces)
	who.workspaces = slices.Compact(who.workspaces)
	return who, nil
}

// condition gives a table's WHERE with its values; false where it can choose nothing.
func (t personalTable) condition(who identity) (where string, args []any, some bool, err error) {
	lists := make([]any, len(t.of))
	for i, of := range t.of {
		ids := of(who)
		some = some || len(ids) > 0
		if len(ids) == 0 {
			ids = []string{""} // no id is empty
		}
		lists[i] = ids
	}
	where, args, err = sqlx.In(` WHERE `+t.where, lists...)
	if err != nil {
		err = fmt.Errorf("choose the rows of %s: %w", t.name, err)
	}
	return where, args, some, err
}

func personalRows(ctx context.Context, tx session, t personalTable, who identity) (out []map[string]any, err error) {
	where, args, some, err := t.condition(who)
	if err != nil || !some {
		return []map[string]any{}, err
	}
	rows, err := tx.QueryxContext(ctx, tx.Rebind(`SELECT * FROM `+t.name+where+` ORDER BY 1`), args...)
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", t.name, err)
	}
	defer func() { err = errors.Join(err, rows.Close()) }()
	out = []map[string]any{}
	for rows.Next() {
		row := map[string]any{}
		if err := rows.MapScan(row); err != nil {
			return nil, fmt.Errorf("read %s: %w", t.name, err)
		}
		for column, value := range row {
			switch {
			case hidden(column):
				delete(row, column)
			default:
				row[column] = plain(column, value)
			}
		}
		who.blankOthers(row)
		out = append(out, row)
	}
	if err := rows.Err(); err != nil {
		return nil, fmt.Errorf("read %s: %w", t.name, err)
	}
	return out, nil
}

// blankOthers takes out of an audit row from where somebody else acted.
func (i identity) blankOthers(row map[string]any) {
	user, audited := row["actor_user"].(string)
	if audited && !slices.Contains(i.users, user) {
		row["actor_remote"] = ""
	}
}

// plain is a value of a column as people read it.
func plain(column string, value any) any {
	if text, ok := value.([]byte); ok {
		value = string(text)
	}
	switch v := value.(type) {
	case int64:
		if column == "at" || column == "since" || column == "phase_since" || strings.HasSuffix(column, "_at") {
			return time.UnixMicro(v).UTC()
		}
	case string:
		var object map[string]any
		if strings.HasPrefix(v, "{") && json.Unmarshal([]byte(v), &object) == nil {
			return object
		}
	}
	return value
}

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
