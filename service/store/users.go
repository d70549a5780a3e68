package store

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/bothylabs/bothy/service/lab"
)

const (
	selectUsers = `SELECT id, login, login_key, name, email, role, password, issuer, subject, disabled_at, revision, created_at, updated_at FROM users `
	insertUser  = `INSERT INTO users (id, login, login_key, name, email, role, password, issuer, subject, search, disabled_at, revision, created_at, updated_at)
		VALUES (:id, :login, :login_key, :name, :email, :role, :password, :issuer, :subject, :search, :disabled_at, 1, :created_at, :updated_at)`
	lockUser = `SELECT id FROM users WHERE id = ?`
)

type userRow struct {
	ID         string `db:"id"`
	Login      string `db:"login"`
	LoginKey   string `db:"login_key"`
	Name       string `db:"name"`
	Email      string `db:"email"`
	Role       string `db:"role"`
	Password   string `db:"password"`
	Issuer     string `db:"issuer"`
	Subject    string `db:"subject"`
	Search     string `db:"search"`
	DisabledAt stamp  `db:"disabled_at"`
	Revision   int64  `db:"revision"`
	CreatedAt  stamp  `db:"created_at"`
	UpdatedAt  stamp  `db:"updated_at"`
}

func (r userRow) user() lab.User {
	return lab.User{
		ID: r.ID, Login: r.Login, Name: r.Name, Email: r.Email, Role: lab.Role(r.Role), Password: lab.Password(r.Password),
		Issuer: r.Issuer, Subject: r.Subject, DisabledAt: r.DisabledAt.pointer(), Revision: r.Revision,
		CreatedAt: time.Time(r.CreatedAt), UpdatedAt: time.Time(r.UpdatedAt),
	}
}

func rowOfUser(u lab.User) userRow {
	return userRow{
		ID: u.ID, Login: u.Login, LoginKey: emailKey(u.Login), Name: u.Name, Email: u.Email, Role: string(u.Role),
		Password: string(u.Password), Issuer: u.Issuer, Subject: u.Subject, Search: fold(u.Login, u.Name, u.Email),
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

// UserOfSubject gives who somebody of an OpenID provider is here.
func (s *Store) UserOfSubject(ctx context.Context, issuer, subject string) (lab.User, error) {
	var row userRow
	err := s.reader().find(ctx, "user", subject, &row, selectUsers+`WHERE issuer = ? AND subject = ? AND subject <> ''`, issuer, subject)
	if err != nil {
		return lab.User{}, s.failed(ctx, "read a user", err)
	}
	return row.user(), nil
}

// CreateUser adds a user; CodeConflict when the login is taken.
func (s *Store) CreateUser(ctx context.Context, intent lab.Intent, user lab.User, audit lab.Audit) error {
	return s.act(ctx, intent, "create a user", func(tx session) (lab.Audit, error) {
		return audit, insert(ctx, tx, insertUser, rowOfUser(user))
	})
}

// ChangeUser writes what decide makes of the user as it is, without id, revision
// and time of making.
func (s *Store) ChangeUser(
	ctx context.Context, intent lab.Intent, id string, decide func(lab.User) (lab.User, lab.Audit, error),
) (lab.User, error) {
	var changed lab.User
	err := s.act(ctx, intent, "change a user", func(tx session) (lab.Audit, error) {
		if err := tx.lock(ctx, "user", lockUser, id); err != nil {
			return lab.Audit{}, err
		}
		before, err := findUser(ctx, tx, id)
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
		changed = after
		changed.Revision = before.Revision + 1
		row := rowOfUser(changed)
		_, err = tx.exec(ctx, `UPDATE users SET login = ?, login_key = ?, name = ?, email = ?, role = ?, password = ?, issuer = ?, subject = ?,
			search = ?, disabled_at = ?, revision = ?, updated_at = ? WHERE id = ?`, row.Login, row.LoginKey, row.Name, row.Email, row.Role,
			row.Password, row.Issuer, row.Subject, row.Search, row.DisabledAt, changed.Revision, row.UpdatedAt, id)
		return audit, err
	})
	return changed, err
}

// Appoint gives a cohort, course or class to exactly the users named, and takes it
// from all others. CodeNotFound names a user that there is not.
func (s *Store) Appoint(ctx context.Context, intent lab.Intent, to lab.Trust, id string, users []string, audit lab.Audit) error {
	posts, err := appointments(to)
	if err != nil {
		return err
	}
	return s.act(ctx, intent, "appoint users", func(tx session) (lab.Audit, error) {
		if err := tx.lock(ctx, string(to), posts.lock, id); err != nil {
			return lab.Audit{}, err
		}
		if _, err := tx.exec(ctx, `DELETE FROM `+posts.table+` WHERE `+posts.column+` = ?`, id); err != nil {
			return lab.Audit{}, err
		}
		for _, user := range slices.Compact(slices.Sorted(slices.Values(users))) {
			if err := tx.lock(ctx, "user", lockUser, user); err != nil {
				return lab.Audit{}, err
			}
			if _, err := tx.exec(ctx, `INSERT INTO `+posts.table+` (`+posts.column+`, user_id) VALUES (?, ?)`, id, user); err != nil {
				return lab.Audit{}, err
			}
		}
		return audit, nil
	})
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

// Appointed gives who has a cohort, course or class, by login.
func (s *Store) Appointed(ctx context.Context, to lab.Trust, id string) ([]lab.User, error) {
	posts, err := appointments(to)
	if err != nil {
		return nil, err
	}
	var rows []userRow
	err = s.reader().list(ctx, &rows, selectUsers+`WHERE id IN (SELECT user_id FROM `+posts.table+` WHERE `+posts.column+` = ?) ORDER BY login_key`, id)
	if err != nil {
		return nil, s.failed(ctx, "list who has been appointed", err)
	}
	return convert(rows, userRow.user), nil
}

// post is where it is kept to whom something has been given.
type post struct{ table, column, lock string }

func appointments(to lab.Trust) (post, error) {
	switch to {
	case lab.TrustCohort:
		return post{"cohort_instructors", "cohort_id", lockCohort}, nil
	case lab.TrustCourse:
		return post{"course_instructors", "course_id", lockCourse}, nil
	case lab.TrustClass:
		return post{"class_assistants", "class_id", lockClass}, nil
	default:
		return post{}, fmt.Errorf("nobody is appointed to a %q", to)
	}
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

func findUser(ctx context.Context, s session, ref string) (lab.User, error) {
	var row userRow
	err := s.find(ctx, "user", ref, &row, selectUsers+`WHERE id = ? OR login_key = ?`, ref, emailKey(ref))
	return row.user(), err
}
