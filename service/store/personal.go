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
		{"tickets", `user_id IN (?) OR workspace_id IN (?)`, of{users, workspaces}, removed},
		{"passes", `user_id IN (?)`, of{users}, replaced},
		{"browsers", `user_id IN (?)`, of{users}, replaced},
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
	return column == "search" || column == "browser" || strings.HasSuffix(column, "_key") && column != "class_key" || strings.HasSuffix(column, "hash")
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
		out = append(out, row)
	}
	if err := rows.Err(); err != nil {
		return nil, fmt.Errorf("read %s: %w", t.name, err)
	}
	return out, nil
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
