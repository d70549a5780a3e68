package store

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/bothylabs/bothy/service/lab"
)

const (
	selectUsers = `SELECT id, login, login_key, name, email, role, password, password_until, issuer, subject, role_by_provider, disabled_at, revision, created_at, updated_at FROM users `
	insertUser  = `INSERT INTO users (id, login, login_key, name, email, role, password, password_until, issuer, subject, role_by_provider, search, disabled_at, revision, created_at, updated_at)
		VALUES (:id, :login, :login_key, :name, :email, :role, :password, :password_until, :issuer, :subject, :role_by_provider, :search, :disabled_at, 1, :created_at, :updated_at)`
	lockUser = `SELECT id FROM users WHERE id = ?`
)

type userRow struct {
	ID            string `db:"id"`
	Login         string `db:"login"`
	LoginKey      string `db:"login_key"`
	Name          string `db:"name"`
	Email         string `db:"email"`
	Role          string `db:"role"`
	Password      string `db:"password"`
	PasswordUntil stamp  `db:"password_until"`
	Issuer        string `db:"issuer"`
	Subject       string `db:"subject"`
	ByProvider    bool   `db:"role_by_provider"`
	Search        string `db:"search"`
	DisabledAt    stamp  `db:"disabled_at"`
	Revision      int64  `db:"revision"`
	CreatedAt     stamp  `db:"created_at"`
	UpdatedAt     stamp  `db:"updated_at"`
}

func (r userRow) user() lab.User {
	return lab.User{
		ID: r.ID, Login: r.Login, Name: r.Name, Email: r.Email, Role: lab.Role(r.Role), Password: lab.Password(r.Password), PasswordUntil: r.PasswordUntil.pointer(),
		Issuer: r.Issuer, Subject: r.Subject, RoleByProvider: r.ByProvider, DisabledAt: r.DisabledAt.pointer(), Revision: r.Revision,
		CreatedAt: time.Time(r.CreatedAt), UpdatedAt: time.Time(r.UpdatedAt),
	}
}

func rowOfUser(u lab.User) userRow {
	return userRow{
		ID: u.ID, Login: u.Login, LoginKey: emailKey(u.Login), Name: u.Name, Email: u.Email, Role: string(u.Role),
		Password: string(u.Password), PasswordUntil: stampOf(u.PasswordUntil), Issuer: u.Issuer, Subject: u.Subject, ByProvider: u.RoleByProvider, Search: fold(u.Login, u.Name, u.Email),
		DisabledAt: stampOf(u.DisabledAt), CreatedAt: stamp(u.CreatedAt), UpdatedAt: stamp(u.UpdatedAt),
	}
}

// Users gives a page of the users that a filter chooses.
func (s *Store) Users(ctx context.Context, f lab.UserFilter, p lab.Page) (lab.List[lab.User], error) {
	var chosen conditions
	chosen.search(f.Search, "search")
	chosen.is("role", "role", string(f.Role))
	chosen.whether("disabled", "disabled_at IS NOT NULL", f.Disabled)
	return page(ctx, s, listing[userRow]{
		name: "users", from: selectUsers, standard: "login",
		sorts: map[string]order[userRow]{
			"login":      by(text("login_key", func(r userRow) string { return r.LoginKey })),
			"name":       by(text("name", func(r userRow) string { return r.Name })),
			"role":       by(text("role", func(r userRow) string { return r.Role })),
			"created_at": by(moment("created_at", func(r userRow) stamp { return r.CreatedAt })),
			"updated_at": by(moment("updated_at", func(r userRow) stamp { return r.UpdatedAt })),
		},
		id: text("id", func(r userRow) string { return r.ID }),
	}, chosen, p, userRow.user)
}

// User gives the user with an id or a login, in whatever case.
func (s *Store) User(ctx context.Context, ref string) (lab.User, error) {
	user, err := findUser(ctx, s.reader(), ref)
	if err != nil {
		return lab.User{}, s.failed(ctx, "read a user", err)
	}
	return user, nil
}

// CreateUser adds a user; CodeConflict when the login is taken.
func (s *Store) CreateUser(ctx context.Context, intent lab.Intent, user lab.User, audit lab.Audit) error {
	return s.act(ctx, intent, "create a user", func(tx session) (lab.Audit, error) {
		return audit, insert(ctx, tx, insertUser, rowOfUser(user))
	})
}

// ChangeUser writes what decide makes of the user as it is, without id, revision
// and time of making; where that is the same, nothing. With another role, what was
// given in the old one is taken. CodeConflict for the last active admin, who stays one.
func (s *Store) ChangeUser(
	ctx context.Context, intent lab.Intent, id string, decide func(lab.User) (lab.User, lab.Audit, error),
) (lab.User, error) {
	var changed lab.User
	err := s.act(ctx, intent, "change a user", func(tx session) (lab.Audit, error) {
		before, err := holdUser(ctx, tx, id)
		if err != nil {
			return lab.Audit{}, err
		}
		if err := intent.Admits(before.Revision, before); err != nil {
			return lab.Audit{}, err
		}
		after, audit, err := decide(before)
		if err != nil {
			return lab.Audit{}, err
		}
		if changed = before; after == before {
			return lab.Audit{Target: id}, nil
		}
		var ended access
		changed, ended, err = writeUser(ctx, tx, before, after)
		return ended.with(audit), err
	})
	return changed, err
}

// writeUser changes a user, who must be held, and gives them as they are then, and
// what access ended with it: who is disabled loses all that they have.
func writeUser(ctx context.Context, tx session, before, after lab.User) (_ lab.User, ended access, err error) {
	if err := keepAnAdmin(ctx, tx, before, after); err != nil {
		return before, access{}, err
	}
	if after.Role != before.Role {
		if err := takePosts(ctx, tx, before.ID); err != nil {
			return before, access{}, err
		}
	}
	if before.Active() && !after.Active() {
		if ended, err = shutOut(ctx, tx, []string{before.ID}, *after.DisabledAt); err != nil {
			return before, access{}, err
		}
	}
	after.Revision = before.Revision + 1
	row := rowOfUser(after)
	_, err = tx.exec(ctx, `UPDATE users SET login = ?, login_key = ?, name = ?, email = ?, role = ?, password = ?, password_until = ?, issuer = ?,
		subject = ?, role_by_provider = ?, search = ?, disabled_at = ?, lapsed = (lapsed AND ?), revision = ?, updated_at = ? WHERE id = ?`, row.Login, row.LoginKey, row.Name,
		row.Email, row.Role, row.Password, row.PasswordUntil, row.Issuer, row.Subject, row.ByProvider, row.Search, row.DisabledAt,
		after.DisabledAt == before.DisabledAt && after.Role == before.Role, after.Revision, row.UpdatedAt, before.ID)
	return after, ended, err
}

// keepAnAdmin is CodeConflict when a change leaves nobody who is an admin and active.
func keepAnAdmin(ctx context.Context, tx session, before, after lab.User) error {
	admin := func(u lab.User) bool { return u.Role == lab.RoleAdmin && u.Active() }
	if !admin(before) || admin(after) {
		return nil
	}
	// They are held: of two who take the right from each other at once, one is too late.
	var others []string
	err := tx.list(ctx, &others, `SELECT id FROM users WHERE role = 'admin' AND disabled_at IS NULL AND id <> ? ORDER BY id`+tx.locks.own, before.ID)
	if err == nil && len(others) == 0 {
		err = lab.Errorf(lab.CodeConflict, "%s is the last active admin", before.Login).WithHint("make somebody else an admin first")
	}
	return err
}

// takePosts takes from a user all that has been given to them.
func takePosts(ctx context.Context, tx session, id string) error {
	for _, table := range []string{"cohort_instructors", "course_instructors", "class_assistants"} {
		if _, err := tx.exec(ctx, `DELETE FROM `+table+` WHERE user_id = ?`, id); err != nil {
			return err
		}
	}
	return nil
}

// Appoint gives a cohort, course or class to exactly the users with these ids, and
// takes it from all others. Who had it and who has it now are added to the audit's
// detail; where they are the same, nothing is written. CodeConflict when a user is not
// (any more) what they must be to have it.
func (s *Store) Appoint(
	ctx context.Context, intent lab.Intent, to lab.Trust, id string, users []string, audit lab.Audit,
) (lab.Appointment, error) {
	var now lab.Appointment
	posts, err := appointments(to)
	if err != nil {
		return now, err
	}
	users = slices.Compact(slices.Sorted(slices.Values(users)))
	err = s.act(ctx, intent, "appoint users", func(tx session) (lab.Audit, error) {
		before, err := holdAppointment(ctx, tx, posts, id)
		if err != nil {
			return lab.Audit{}, err
		}
		if err := intent.Admits(before.Revision, before); err != nil {
			return lab.Audit{}, err
		}
		now = before
		if slices.Equal(users, slices.Sorted(slices.Values(convert(before.Users, userID)))) {
			return lab.Audit{Target: id}, nil
		}
		if err := writeAppointment(ctx, tx, posts, id, users); err != nil {
			return lab.Audit{}, err
		}
		if err := posts.changed(ctx, tx, id, audit.At); err != nil {
			return lab.Audit{}, err
		}
		if now, err = readAppointment(ctx, tx, posts, id); err != nil {
			return lab.Audit{}, err
		}
		written := audit
		written.Detail = maps.Clone(audit.Detail)
		written.Detail["before"], written.Detail["after"] = convert(before.Users, loginOf), convert(now.Users, loginOf)
		return written, nil
	})
	return now, err
}

func userID(u lab.User) string { return u.ID }

func loginOf(u lab.User) string { return u.Login }

// holdAppointment holds what is to be given, and reads who has it.
func holdAppointment(ctx context.Context, tx session, posts post, id string) (lab.Appointment, error) {
	if err := tx.lock(ctx, posts.thing, posts.lock, id); err != nil {
		return lab.Appointment{}, err
	}
	return readAppointment(ctx, tx, posts, id)
}

func readAppointment(ctx context.Context, s session, posts post, id string) (lab.Appointment, error) {
	var found lab.Appointment
	if err := s.find(ctx, posts.thing, id, &found.Revision, `SELECT revision FROM `+posts.of+` WHERE id = ?`, id); err != nil {
		return found, err
	}
	var rows []userRow
	err := s.list(ctx, &rows, selectUsers+`WHERE id IN (SELECT user_id FROM `+posts.table+` WHERE `+posts.column+` = ?) ORDER BY login_key`, id)
	found.Users = convert(rows, userRow.user)
	return found, err
}

// writeAppointment writes who has something, which must be held.
func writeAppointment(ctx context.Context, tx session, posts post, id string, users []string) error {
	if _, err := tx.exec(ctx, `DELETE FROM `+posts.table+` WHERE `+posts.column+` = ?`, id); err != nil {
		return err
	}
	for _, user := range users {
		if err := tx.lock(ctx, "user", lockUser, user); err != nil {
			return err
		}
		n, err := tx.exec(ctx, `INSERT INTO `+posts.table+` (`+posts.column+`, user_id)
			SELECT CAST(? AS TEXT), id FROM users WHERE id = ? AND role = ?`, id, user, string(posts.role))
		if err != nil {
			return err
		}
		if n == 0 {
			return lab.Errorf(lab.CodeConflict, "somebody named is no %s any more", posts.role).WithHint("look at the users, and ask again")
		}
	}
	return nil
}

// appointMaker gives a cohort or course to the instructor who makes it. Who else
// makes one has all of them.
func appointMaker(ctx context.Context, tx session, intent lab.Intent, to lab.Trust, id string) error {
	posts, err := appointments(to)
	if err != nil || intent.Actor.Role != lab.RoleInstructor {
		return err
	}
	_, err = tx.exec(ctx, `INSERT INTO `+posts.table+` (`+posts.column+`, user_id)
		SELECT CAST(? AS TEXT), id FROM users WHERE id = ? AND role = 'instructor'`, id, intent.Actor.UserID)
	return err
}

// Appointed gives who has the cohort, course or class with an id, by login.
func (s *Store) Appointed(ctx context.Context, to lab.Trust, id string) (lab.Appointment, error) {
	posts, err := appointments(to)
	if err != nil {
		return lab.Appointment{}, err
	}
	found, err := readAppointment(ctx, s.reader(), posts, id)
	if err != nil {
		return lab.Appointment{}, s.failed(ctx, "list who has been appointed", err)
	}
	return found, nil
}

// post is where it is kept to whom something has been given.
type post struct {
	// thing is what is given, and of its table.
	thing, of string
	// table has rows of column and user_id.
	table, column, lock string
	// role is what a user must be to have it.
	role lab.Role
	// changed raises the revision of what is given, which must be held, and tells of it.
	changed func(ctx context.Context, tx session, id string, at time.Time) error
}

func appointments(to lab.Trust) (post, error) {
	switch to {
	case lab.TrustCohort:
		return post{"cohort", "cohorts", "cohort_instructors", "cohort_id", lockCohort, lab.RoleInstructor, changedRoster}, nil
	case lab.TrustCourse:
		return post{"course", "courses", "course_instructors", "course_id", lockCourse, lab.RoleInstructor, changedCourse}, nil
	case lab.TrustClass:
		return post{"class", "classes", "class_assistants", "class_id", lockClass, lab.RoleAssistant, changedClass}, nil
	default:
		return post{}, fmt.Errorf("nobody is appointed to a %q", to)
	}
}

// changedCourse raises the revision of a course, which must be held.
func changedCourse(ctx context.Context, tx session, id string, at time.Time) error {
	if _, err := tx.exec(ctx, `UPDATE courses SET revision = revision + 1, updated_at = ? WHERE id = ?`, stamp(at), id); err != nil {
		return err
	}
	var row courseRow
	if err := tx.find(ctx, "course", id, &row, selectCourses+`WHERE id = ?`, id); err != nil {
		return err
	}
	tx.tellCourse(lab.EventCourseChanged, row.course())
	return nil
}

// changedClass raises the revision of a class, which must be held.
func changedClass(ctx context.Context, tx session, id string, at time.Time) error {
	if _, err := tx.exec(ctx, `UPDATE classes SET revision = revision + 1, updated_at = ? WHERE id = ?`, stamp(at), id); err != nil {
		return err
	}
	var row classRow
	if err := tx.find(ctx, "class", id, &row, selectClasses+`WHERE c.id = ?`, id); err != nil {
		return err
	}
	tx.tellClass(lab.EventClassChanged, row.class())
	return nil
}

// Post gives what a user has been given, and is a student of.
func (s *Store) Post(ctx context.Context, userID string) (lab.Post, error) {
	post := lab.Post{UserID: userID}
	for _, read := range []struct {
		into  *[]string
		query string
		args  []any
	}{
		{&post.Cohorts, `SELECT cohort_id FROM cohort_instructors WHERE user_id = ? ORDER BY 1`, []any{userID}},
		{&post.Courses, `SELECT course_id FROM course_instructors WHERE user_id = ? ORDER BY 1`, []any{userID}},
		{&post.Classes, `SELECT c.id FROM classes c JOIN cohort_instructors i ON i.cohort_id = c.cohort_id WHERE i.user_id = ?
			UNION SELECT class_id FROM class_assistants WHERE user_id = ? ORDER BY 1`, []any{userID, userID}},
		{&post.Students, `SELECT id FROM students WHERE user_id = ? AND withdrawn_at IS NULL ORDER BY 1`, []any{userID}},
	} {
		if err := s.reader().list(ctx, read.into, read.query, read.args...); err != nil {
			return lab.Post{}, s.failed(ctx, "read what a user has been given", err)
		}
	}
	return post, nil
}

// holdUser holds a user, and reads them as they are then.
func holdUser(ctx context.Context, tx session, id string) (lab.User, error) {
	if err := tx.lock(ctx, "user", lockUser, id); err != nil {
		return lab.User{}, err
	}
	return findUser(ctx, tx, id)
}

func findUser(ctx context.Context, s session, ref string) (lab.User, error) {
	var row userRow
	err := s.find(ctx, "user", ref, &row, selectUsers+`WHERE id = ? OR login_key = ?`, ref, emailKey(ref))
	return row.user(), err
}
