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
	// actor is a column with the name of who acted; "" for none. Their rows are the
	// person's too, and the name in them is replaced where the rows stay.
	actor string
}

// identity is who somebody is in the database: the ids of what is theirs.
type identity struct {
	students, users, workspaces []string
	// names are what the person is called, emails the addresses that are theirs alone,
	// logins what they sign in with.
	names, emails, logins []string
	// shared are addresses that somebody else has too: they find rows, and say of none
	// whose it is.
	shared []string
}

// personalTables are all tables that say something about people, each before those
// that it refers to. A test sees to it that a table with a person's id is among them.
func personalTables() []personalTable {
	students := func(i identity) []string { return i.students }
	users := func(i identity) []string { return i.users }
	workspaces := func(i identity) []string { return i.workspaces }
	type of = []func(identity) []string
	return []personalTable{
		{name: "students", where: `id IN (?)`, of: of{students}, does: replaced},
		{name: "users", where: `id IN (?)`, of: of{users}, does: replaced},
		{name: "cohort_instructors", where: `user_id IN (?)`, of: of{users}, does: removed},
		{name: "course_instructors", where: `user_id IN (?)`, of: of{users}, does: removed},
		{name: "class_assistants", where: `user_id IN (?)`, of: of{users}, does: removed},
		{name: "workspaces", where: `id IN (?)`, of: of{workspaces}, does: kept},
		{name: "slugs", where: `workspace_id IN (?)`, of: of{workspaces}, does: kept},
		{name: "kept_homes", where: `workspace_id IN (?) OR student_id IN (?) OR user_id IN (?)`, of: of{workspaces, students, users}, does: kept},
		{name: "operations", where: `id IN (?)`, of: of{nothing}, does: kept, actor: "actor_name"},
		{name: "operation_items", where: `workspace_id IN (?)`, of: of{workspaces}, does: kept},
		{name: "events", where: `student_id IN (?)`, of: of{students}, does: kept},
		{name: "tickets", where: `user_id IN (?)`, of: of{users}, does: removed},
		{name: "passes", where: `user_id IN (?)`, of: of{users}, does: kept, actor: "actor"},
		{name: "browsers", where: `user_id IN (?)`, of: of{users}, does: kept, actor: "actor"},
		{name: "sessions", where: `user_id IN (?)`, of: of{users}, does: removed},
		{name: "devices", where: `user_id IN (?)`, of: of{users}, does: removed},
		{name: "api_tokens", where: `user_id IN (?)`, of: of{users}, does: removed},
		{name: "mail_links", where: `user_id IN (?)`, of: of{users}, does: removed},
		{name: "look_ins", where: `workspace_id IN (?) OR user_id IN (?)`, of: of{workspaces, users}, does: kept, actor: "actor"},
		{name: "secrets", where: `kind = 'student' AND owner_id IN (?)`, of: of{students}, does: kept, actor: "set_by"},
		{name: "template_versions", where: `lower(author_email) IN (?)`, of: of{func(i identity) []string { return lowered(i.emails) }}, does: replaced, actor: "registered_by"},
		{name: "idempotency_keys", where: `target IN (?)`, of: of{identity.ids}, does: removed, actor: "actor"},
		recordTable(),
	}
}

// recordTable is the record of changes.
func recordTable() personalTable {
	users := func(i identity) []string { return i.users }
	return personalTable{
		name: "audit", where: `target IN (?) OR actor_user IN (?)`, of: []func(identity) []string{identity.ids, users},
		does: replaced, actor: "actor_name",
	}
}

// ids are those of all that is the person's.
func (i identity) ids() []string { return slices.Concat(i.students, i.users, i.workspaces) }

// nothing is no id at all.
func nothing(identity) []string { return nil }

func lowered(texts []string) []string {
	out := make([]string, len(texts))
	for i, text := range texts {
		out[i] = strings.ToLower(text)
	}
	return out
}

// hidden are columns that are nobody's data: credentials' hashes, what lists are
// searched by, and which act sets a password at the moment.
func hidden(column string) bool {
	return column == "search" || column == "password_hold" || column == "password_held_until" || column == "browser" || strings.HasSuffix(column, "_key") && column != "class_key" || strings.HasSuffix(column, "hash")
}

// Personal gives all that is kept of the person who a student is: of each table the
// rows, by the columns' names. CodeNotFound when there is no such student.
func (s *Store) Personal(ctx context.Context, studentID string) (lab.PersonalData, error) {
	who, err := identifyStudent(ctx, s.reader(), studentID)
	return s.personal(ctx, who, err)
}

// PersonalOfUser gives the same of the person who a user is, who may be no student
// any more, or never have been one.
func (s *Store) PersonalOfUser(ctx context.Context, userID string) (lab.PersonalData, error) {
	who, err := identifyUser(ctx, s.reader(), userID)
	return s.personal(ctx, who, err)
}

func (s *Store) personal(ctx context.Context, who identity, err error) (lab.PersonalData, error) {
	data := lab.PersonalData{StudentIDs: who.students, UserIDs: who.users, Records: map[string][]map[string]any{}}
	for _, t := range personalTables() {
		if err != nil {
			break
		}
		data.Records[t.name], err = personalRows(ctx, s.reader(), t, who)
	}
	if err != nil {
		return lab.PersonalData{}, s.failed(ctx, "gather what is kept of a person", err)
	}
	return data, nil
}

// identifyStudent finds who a student is: all students of the same user, and those of
// the same address that are nobody's.
func identifyStudent(ctx context.Context, tx session, studentID string) (identity, error) {
	student, err := findStudent(ctx, tx, studentID)
	if err != nil {
		return identity{}, err
	}
	var rows []studentRow
	err = tx.list(ctx, &rows, selectStudents+`WHERE id = ? OR user_id = ? AND user_id <> '' OR user_id = '' AND email_key = ? ORDER BY id`+tx.locks.own,
		studentID, student.UserID, emailKey(student.Email))
	if err != nil {
		return identity{}, err
	}
	return identify(ctx, tx, rows, nil)
}

// identifyUser finds who a user is: also the students of the same address that are
// nobody's.
func identifyUser(ctx context.Context, tx session, userID string) (identity, error) {
	var user userRow
	if err := tx.find(ctx, "user", userID, &user, selectUsers+`WHERE id = ?`, userID); err != nil {
		return identity{}, err
	}
	var rows []studentRow
	err := tx.list(ctx, &rows, selectStudents+`WHERE user_id = ? OR user_id = '' AND email_key = ? ORDER BY id`+tx.locks.own, userID, user.LoginKey)
	if err != nil {
		return identity{}, err
	}
	return identify(ctx, tx, rows, []string{userID})
}

// identify adds to somebody's students and users what is theirs.
func identify(ctx context.Context, tx session, rows []studentRow, userIDs []string) (identity, error) {
	who := identity{users: userIDs}
	var emails []string
	for _, r := range rows {
		who.students = append(who.students, r.ID)
		who.names, emails = append(who.names, r.Name), append(emails, r.Email)
		if r.UserID != "" && !slices.Contains(who.users, r.UserID) {
			who.users = append(who.users, r.UserID)
		}
	}
	users, err := in[userRow](ctx, tx, selectUsers+`WHERE id IN (?) ORDER BY id`+tx.locks.own, who.users)
	if err != nil {
		return identity{}, err
	}
	for _, u := range users {
		who.names, emails, who.logins = append(who.names, u.Name), append(emails, u.Email), append(who.logins, u.Login)
		if strings.Contains(u.Login, "@") {
			emails = append(emails, u.Login)
		}
	}
	for query, ids := range map[string][]string{
		`SELECT id FROM workspaces WHERE student_id IN (?) ORDER BY id`:             who.students,
		`SELECT workspace_id FROM kept_homes WHERE student_id IN (?) ORDER BY slug`: who.students,
		`SELECT workspace_id FROM kept_homes WHERE user_id IN (?) ORDER BY slug`:    who.users,
	} {
		found, err := in[string](ctx, tx, query, ids)
		if err != nil {
			return identity{}, err
		}
		who.workspaces = append(who.workspaces, found...)
	}
	empty := func(text string) bool { return text == "" }
	who.names = slices.DeleteFunc(who.names, empty)
	slices.Sort(who.workspaces)
	who.workspaces = slices.Compact(who.workspaces)
	who.emails, who.shared, err = apart(ctx, tx, who, slices.DeleteFunc(emails, empty))
	return who, err
}

// apart tells the addresses that nobody has but the person from those that somebody
// else has too.
func apart(ctx context.Context, tx session, who identity, emails []string) (own, shared []string, err error) {
	keys := lowered(emails)
	students, err := in[studentRow](ctx, tx, selectStudents+`WHERE email_key IN (?)`, keys)
	if err != nil {
		return nil, nil, err
	}
	taken := map[string]bool{}
	for _, r := range students {
		taken[r.EmailKey] = taken[r.EmailKey] || !slices.Contains(who.students, r.ID)
	}
	for _, column := range []string{"login_key", "lower(email)"} {
		users, err := in[userRow](ctx, tx, selectUsers+`WHERE `+column+` IN (?)`, keys)
		if err != nil {
			return nil, nil, err
		}
		for _, r := range users {
			if !slices.Contains(who.users, r.ID) {
				taken[r.LoginKey], taken[emailKey(r.Email)] = true, true
			}
		}
	}
	for _, email := range emails {
		if taken[emailKey(email)] {
			shared = append(shared, email)
		} else {
			own = append(own, email)
		}
	}
	return own, shared, nil
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
		return "", nil, false, fmt.Errorf("choose the rows of %s: %w", t.name, err)
	}
	if actor, names := t.actors(who); len(names) > 0 {
		where, args, some = where+` OR `+actor, append(args, names...), true
	}
	return where, args, some, nil
}

// actors gives the condition that a row's actor is the person.
func (t personalTable) actors(who identity) (where string, args []any) {
	if t.actor == "" {
		return "", nil
	}
	var all []string
	for _, login := range who.logins {
		all = append(all, t.actor+` IN (?, ?) OR `+t.actor+` LIKE ? ESCAPE '\'`)
		args = append(args, "user:"+login, "provider:"+login, likely("token:"+login+"/")+"%")
	}
	return strings.Join(all, ` OR `), args
}

// actsAs says whether an actor's name is of who has a login: by a session, as a provider
// says, or by a token.
func actsAs(actor, login string) bool {
	return actor == "user:"+login || actor == "provider:"+login || strings.HasPrefix(actor, "token:"+login+"/")
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
