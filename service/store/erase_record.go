package store

import (
	"context"
	"maps"
	"reflect"
	"slices"
	"strings"
)

// formerly adds to somebody the names and addresses that the record of changes has from
// earlier in what is about them. An address that is somebody else's now stays theirs.
func formerly(ctx context.Context, tx session, who identity) (identity, error) {
	rows, others, err := recordOf(ctx, tx, who)
	if err != nil {
		return who, err
	}
	names, emails := map[string]bool{}, map[string]bool{}
	for _, r := range rows {
		about := who.about(r.Target, others)
		for _, state := range []document{r.Detail, r.Before, r.After} {
			objects(map[string]any(state), func(object map[string]any) {
				if !about(object) {
					return
				}
				if name, _ := object["name"].(string); name != "" {
					names[name] = true
				}
				if email, _ := object["email"].(string); strings.Contains(email, "@") {
					emails[email] = true
				}
			})
		}
	}
	former, _, err := apart(ctx, tx, who, slices.Sorted(maps.Keys(emails)))
	who.names, who.emails = append(who.names, slices.Sorted(maps.Keys(names))...), append(who.emails, former...)
	return who, err
}

// recordOf gives the rows of the record of changes that may say something of the person:
// about them, by them, and any that has one of the addresses or logins in it; of the
// shared addresses too, since the name beside may be the person's. Of the rows' targets,
// others are somebody else who is here.
func recordOf(ctx context.Context, tx session, who identity) (rows []auditRow, others map[string]bool, err error) {
	where, args, _, err := recordTable().condition(who)
	if err != nil {
		return nil, nil, err
	}
	for _, text := range slices.Compact(slices.Sorted(slices.Values(lowered(slices.Concat(who.emails, who.shared, who.logins))))) {
		where += ` OR lower(detail) LIKE ? ESCAPE '\' OR lower(state_before) LIKE ? ESCAPE '\' OR lower(state_after) LIKE ? ESCAPE '\'`
		pattern := strings.ToLower(holding(text))
		args = append(args, pattern, pattern, pattern)
	}
	if err := tx.list(ctx, &rows, selectAudit+where+` ORDER BY id`, args...); err != nil {
		return nil, nil, err
	}
	targets := slices.Compact(slices.Sorted(slices.Values(convert(rows, func(r auditRow) string { return r.Target }))))
	others = map[string]bool{}
	for query, theirs := range map[string][]string{
		`SELECT id FROM students WHERE id IN (?)`: who.students,
		`SELECT id FROM users WHERE id IN (?)`:    who.users,
	} {
		found, err := in[string](ctx, tx, query, targets)
		if err != nil {
			return nil, nil, err
		}
		for _, id := range found {
			others[id] = others[id] || !slices.Contains(theirs, id)
		}
	}
	return rows, others, nil
}

// eraseRecord replaces names, addresses and logins in the record of changes.
func eraseRecord(ctx context.Context, tx session, who identity, counts map[string]int64) error {
	if _, err := tx.exec(ctx, `UPDATE audit_guard SET erasing = TRUE`); err != nil {
		return err
	}
	rows, others, err := recordOf(ctx, tx, who)
	if err != nil {
		return err
	}
	for _, r := range rows {
		after, about := r, who.about(r.Target, others)
		after.ActorName, after.ActorRemote = who.without("", r.ActorName), remoteOf(r, who)
		after.Detail, after.Before, after.After = who.scrub(r.Detail, about), who.scrub(r.Before, about), who.scrub(r.After, about)
		if reflect.DeepEqual(r, after) {
			continue
		}
		n, err := tx.exec(ctx, `UPDATE audit SET actor_name = ?, actor_remote = ?, detail = ?, state_before = ?, state_after = ? WHERE id = ?`,
			after.ActorName, after.ActorRemote, after.Detail, after.Before, after.After, r.ID)
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

// about says which objects in a row of the record are about the person: all where the
// row is, none where it is about somebody else, and otherwise those that have one of
// their addresses or logins. A membership's id is gone with its cohort.
func (i identity) about(target string, others map[string]bool) func(object map[string]any) bool {
	switch {
	case slices.Contains(i.students, target), slices.Contains(i.users, target):
		return func(map[string]any) bool { return true }
	case others[target]:
		return func(map[string]any) bool { return false }
	default:
		return i.named
	}
}

// named says whether an object has one of the person's own addresses or logins.
func (i identity) named(object map[string]any) bool {
	for name, known := range map[string][]string{"email": i.emails, "login": i.logins} {
		text, _ := object[name].(string)
		if slices.ContainsFunc(known, func(k string) bool { return strings.EqualFold(k, text) }) {
			return true
		}
	}
	return false
}

// tells says whether what stands under a name in an object about somebody says who they are.
func tells(under string) bool {
	return under == "name" || under == "email" || under == "to" || under == "login" || under == "subject"
}

// What stands in a list has the list's name, with listed behind.
const listed = "[]"

// holdsLogins says whether logins stand under a name. Of appointments, before and after
// are lists of them.
func holdsLogins(under string) bool {
	return under == "login" || under == "before"+listed || under == "after"+listed
}

// without gives a text that stands under a name without the person's names, addresses
// and logins. Logins may be ordinary words: they count where logins stand.
func (i identity) without(under, text string) string {
	if slices.Contains(i.names, text) {
		return erasedName
	}
	for _, login := range i.logins {
		if actsAs(text, login) || holdsLogins(under) && strings.EqualFold(text, login) {
			return erasedName
		}
	}
	for _, email := range i.emails {
		if has(strings.ToLower(text), strings.ToLower(email)) {
			return erasedName
		}
	}
	return text
}

// has says whether a text has an address in it, and not only one that ends or begins
// like it. Both are lower case.
func has(text, email string) bool {
	letter := func(at int) bool {
		return at >= 0 && at < len(text) && (text[at] >= 'a' && text[at] <= 'z' || text[at] >= '0' && text[at] <= '9' || text[at] >= 0x80)
	}
	among := func(at int, signs string) bool {
		return at >= 0 && at < len(text) && strings.IndexByte(signs, text[at]) >= 0
	}
	for from := 0; ; from++ {
		at := strings.Index(text[from:], email)
		if at < 0 {
			return false
		}
		from += at
		end := from + len(email)
		longer := letter(from-1) || among(from-1, "._%+-") || letter(end) || among(end, "-") || among(end, ".") && letter(end+1)
		if !longer {
			return true
		}
	}
}

// objects visits an object, and those in it.
func objects(value any, visit func(object map[string]any)) {
	switch v := value.(type) {
	case map[string]any:
		visit(v)
		for _, inner := range v {
			objects(inner, visit)
		}
	case []any:
		for _, inner := range v {
			objects(inner, visit)
		}
	}
}

// scrub gives an object with every text in it replaced that says who the person is, and
// in objects about them with all that told it at the time.
func (i identity) scrub(object map[string]any, about func(map[string]any) bool) map[string]any {
	if object == nil {
		return nil
	}
	all := about(object)
	out := make(map[string]any, len(object))
	for name, value := range object {
		if text, is := value.(string); is && text != "" && all && tells(name) {
			value = erasedName
		}
		out[name] = i.scrubbed(name, value, about)
	}
	return out
}

func (i identity) scrubbed(under string, value any, about func(map[string]any) bool) any {
	switch v := value.(type) {
	case string:
		return i.without(under, v)
	case map[string]any:
		return i.scrub(v, about)
	case []any:
		out := make([]any, len(v))
		for n, one := range v {
			out[n] = i.scrubbed(under+listed, one, about)
		}
		return out
	default:
		return value
	}
}
