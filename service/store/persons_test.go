package store_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/bothylabs/bothy/service/lab"
)

// join enrolls somebody by their address.
func (f *fixture) join(cohort lab.Cohort, email string) lab.Student {
	f.t.Helper()
	f.now = f.now.Add(time.Second)
	s := f.newStudent(cohort, "Ada", email)
	f.must(f.enroll(cohort, s))
	s, err := f.Student(f.t.Context(), s.ID)
	f.must(err)
	return s
}

func (f *fixture) leave(s lab.Student) {
	f.t.Helper()
	f.now = f.now.Add(time.Second)
	_, err := f.Withdraw(f.t.Context(), somebody(), s.ID, f.now, f.audit("student.withdraw", s.ID))
	f.must(err)
}

func (f *fixture) person(ref string) lab.User {
	f.t.Helper()
	u, err := f.User(f.t.Context(), ref)
	f.must(err)
	return u
}

func (f *fixture) setUser(id string, set func(*lab.User)) {
	f.t.Helper()
	_, err := f.ChangeUser(f.t.Context(), somebody(), id, func(u lab.User) (lab.User, lab.Audit, error) {
		set(&u)
		return u, f.audit("user.update", id), nil
	})
	f.must(err)
}

func TestWhoIsEnrolledIsAUser(t *testing.T) {
	t.Parallel()
	onEach(t, func(t *testing.T, f *fixture) {
		fall, spring := f.cohort("fall"), f.cohort("spring")
		helper := f.user("Helper@example.org", lab.RoleAssistant)
		one, two := f.join(fall, "Ada@Example.org"), f.join(spring, "ada@example.ORG")
		if one.UserID == "" || one.UserID != two.UserID {
			t.Errorf("the same person is %q and %q", one.UserID, two.UserID)
		}
		u := f.person("ada@example.org")
		wantEqual(t, []any{u.ID, u.Login, u.Name, u.Email, u.Role, u.Password, u.Active()}, []any{one.UserID, "Ada@Example.org", "Ada", "Ada@Example.org", lab.RoleStudent, lab.PasswordNone, true})
		if got := f.join(fall, "helper@example.org"); got.UserID != helper.ID || f.person(helper.ID).Role != lab.RoleAssistant {
			t.Errorf("somebody who helps became %+v", got)
		}
		dry := somebody()
		dry.DryRun = true
		s := f.newStudent(fall, "Dry", "dry@example.org")
		f.must(second(f.Enroll(t.Context(), dry, fall.ID, func([]lab.Student) ([]lab.Student, lab.Audit, error) {
			return []lab.Student{s}, f.audit("student.enroll", s.ID), nil
		})))
		_, err := f.User(t.Context(), "dry@example.org")
		wantCode(t, err, lab.CodeNotFound)
	})
}

func TestWithTheLastMembershipAUserIsDisabledUntilTheNext(t *testing.T) {
	t.Parallel()
	onEach(t, func(t *testing.T, f *fixture) {
		fall, spring := f.cohort("fall"), f.cohort("spring")
		first, second := f.join(fall, "ada@example.org"), f.join(spring, "ada@example.org")
		helper := f.user("helper@example.org", lab.RoleAssistant)
		learns := f.join(fall, "helper@example.org")
		f.setUser(first.UserID, func(u *lab.User) { u.Password = lab.PasswordOwn })

		f.leave(first)
		if !f.person(first.UserID).Active() {
			t.Error("disabled with a membership left")
		}
		f.leave(second)
		f.leave(learns)
		u := f.person(first.UserID)
		if u.Active() || !u.DisabledAt.Equal(f.now.Add(-time.Second)) {
			t.Errorf("without a membership: %+v", u)
		}
		if !f.person(helper.ID).Active() {
			t.Error("who teaches was disabled")
		}
		audits, err := f.Audits(t.Context(), 2)
		f.must(err)
		wantEqual(t, audits[1].Detail["users_disabled"], any(float64(1)))

		third := f.join(fall, "ada@example.org")
		if back := f.person(third.UserID); third.UserID != first.UserID || !back.Active() || back.Password != lab.PasswordNone {
			t.Errorf("enrolled again: %+v", back)
		}
		f.must(f.DeleteCohort(t.Context(), somebody(), fall.ID, f.audit("cohort.delete", fall.ID)))
		if f.person(first.UserID).Active() {
			t.Error("the cohort is gone, and its student may sign in")
		}
		f.join(spring, "ada@example.org")

		// Whom somebody disabled stays so, whatever an instructor enrolls.
		f.setUser(first.UserID, func(u *lab.User) { u.DisabledAt = &f.now })
		f.join(f.cohort("summer"), "ada@example.org")
		if f.person(first.UserID).Active() {
			t.Error("enrolling enabled whom an admin has disabled")
		}
	})
}

// What somebody lost by being disabled may be in the hands of whoever it was stolen by.
func TestWhoIsEnabledAgainHasNothingOfBefore(t *testing.T) {
	t.Parallel()
	onEach(t, func(t *testing.T, f *fixture) {
		fall, other := f.cohort("fall"), f.user("other@example.org", lab.RoleStudent)
		others := f.session(other, "another's")
		disabled := func(u *lab.User) { u.DisabledAt = &f.now }
		for name, does := range map[string]struct{ disable, enable func(lab.Student) }{
			"by an admin": {
				disable: func(s lab.Student) { f.setUser(s.UserID, disabled) },
				enable:  func(s lab.Student) { f.setUser(s.UserID, func(u *lab.User) { u.DisabledAt = nil }) },
			},
			"by a withdrawal": {disable: f.leave, enable: func(s lab.Student) { f.join(fall, s.Email) }},
			"by a roster": {
				disable: func(s lab.Student) {
					f.must(second(f.ImportRoster(t.Context(), somebody(), fall.ID, func([]lab.Student) (lab.RosterChange, error) {
						return lab.RosterChange{Withdraw: []string{s.ID}, At: f.now, Audit: f.audit("roster.import", fall.ID)}, nil
					})))
				},
				enable: func(s lab.Student) { f.join(fall, s.Email) },
			},
		} {
			student := f.join(fall, f.id("ada")+"@example.org")
			user := f.person(student.UserID)
			session, token := f.session(user, "session of "+name), f.apiToken(user)

			does.disable(student)
			audits, err := f.Audits(t.Context(), 1)
			f.must(err)
			wantEqual(t, []any{audits[0].Detail["ended_sessions"], audits[0].Detail["revoked_tokens"]}, []any{float64(1), []any{token.ID}})

			does.enable(student)
			if !f.person(user.ID).Active() {
				t.Fatalf("%s: still disabled", name)
			}
			ended, err := f.Session(t.Context(), session.ID)
			f.must(err)
			revoked, err := f.Token(t.Context(), token.ID)
			f.must(err)
			if ended.EndedAt == nil || revoked.RevokedAt == nil {
				t.Errorf("%s: %+v, %+v", name, ended, revoked)
			}
		}
		wantEqual(t, f.live(other.ID), []lab.Session{others})
	})
}

func TestWhoWasDisabledInAnOlderStoreHasNothingLeft(t *testing.T) {
	t.Parallel()
	for _, d := range databases() {
		t.Run(d.driver, func(t *testing.T) {
			t.Parallel()
			where, raw := at(t, d, 19)
			f := &fixture{t: t, db: d, where: where, now: time.Date(2026, 9, 1, 8, 0, 0, 0, time.UTC)}
			for _, statement := range []string{
				`INSERT INTO users (id, login, login_key, name, email, role, password, issuer, subject, search, disabled_at, revision, created_at, updated_at)
					VALUES ('on', 'on', 'on', '', '', 'student', 'own', '', '', '', NULL, 1, 1, 1), ('off', 'off', 'off', '', '', 'student', 'own', '', '', '', 7, 1, 1, 1)`,
				`INSERT INTO sessions (id, hash, previous_hash, rotated_at, user_id, password_due, remote, agent, created_at, seen_at, expires_at)
					SELECT id, id, '', 1, id, 0, '', '', 1, 1, 9 FROM users`,
				`INSERT INTO api_tokens (id, hash, user_id, name, scope, created_at, expires_at) SELECT id, id, id, '', 'read', 1, 9 FROM users`,
			} {
				_, err := raw.ExecContext(t.Context(), statement)
				f.must(err)
			}
			f.Store = f.reopen()
			for id, ended := range map[string]bool{"on": false, "off": true} {
				session, err := f.Session(t.Context(), id)
				f.must(err)
				token, err := f.Token(t.Context(), id)
				f.must(err)
				wantEqual(t, []bool{session.EndedAt != nil, token.RevokedAt != nil}, []bool{ended, ended})
			}
		})
	}
}

func TestARosterMakesUsersAndEndsTheirAccess(t *testing.T) {
	t.Parallel()
	onEach(t, func(t *testing.T, f *fixture) {
		const many = 600 // more than one statement takes
		cohort := f.cohort("fall")
		var students []lab.Student
		for i := range many {
			students = append(students, f.newStudent(cohort, "N", fmt.Sprintf("s%d@example.org", i)))
		}
		change := func(c lab.RosterChange) {
			t.Helper()
			c.At = f.now
			c.Audit = f.audit("roster.import", cohort.ID)
			f.must(second(f.ImportRoster(t.Context(), somebody(), cohort.ID, func([]lab.Student) (lab.RosterChange, error) { return c, nil })))
		}
		active := func(disabled *bool) int {
			t.Helper()
			list, err := f.Users(t.Context(), lab.UserFilter{Role: lab.RoleStudent, Disabled: disabled}, lab.Page{Limit: 1000})
			f.must(err)
			return len(list.Items)
		}
		change(lab.RosterChange{Students: students})
		wantEqual(t, []int{active(no()), active(yes())}, []int{many, 0})
		change(lab.RosterChange{Withdraw: convert(students, func(s lab.Student) string { return s.ID })})
		wantEqual(t, []int{active(no()), active(yes())}, []int{0, many})
	})
}

// Of who leaves one cohort and joins another at once, one waits for the other.
func TestWhoMovesKeepsTheirAccess(t *testing.T) {
	t.Parallel()
	onEach(t, func(t *testing.T, f *fixture) {
		from, to := f.cohort("from"), f.cohort("to")
		instances := f.instances()
		for i := range 10 {
			email := fmt.Sprintf("s%d@example.org", i)
			old := f.join(from, email)
			s, joined, left := f.newStudent(to, "Ada", email), f.audit("student.enroll", "x"), f.audit("student.withdraw", old.ID)
			errs := make(chan error, 2)
			go func() {
				errs <- enrollIn(t.Context(), instances[0], to.ID, func([]lab.Student) ([]lab.Student, lab.Audit, error) {
					return []lab.Student{s}, joined, nil
				})
			}()
			go func() { errs <- second(instances[1].Withdraw(t.Context(), somebody(), old.ID, f.now, left)) }()
			f.must(<-errs)
			f.must(<-errs)
			if !f.person(email).Active() {
				t.Fatalf("%s is a student and may not sign in", email)
			}
		}
	})
}

func TestStudentsOfOlderStoresAreUsers(t *testing.T) {
	t.Parallel()
	for _, d := range databases() {
		t.Run(d.driver, func(t *testing.T) {
			t.Parallel()
			where, raw := at(t, d, 7)
			f := &fixture{t: t, db: d, where: where, now: time.Date(2026, 9, 1, 8, 0, 0, 0, time.UTC)}
			_, err := raw.ExecContext(t.Context(), `INSERT INTO cohorts (id, key, name, search, created_at, updated_at) VALUES ('a', 'a', 'A', '', 1, 1), ('b', 'b', 'B', '', 1, 1)`)
			f.must(err)
			_, err = raw.ExecContext(t.Context(), `INSERT INTO students (id, cohort_id, name, email, email_key, search, created_at, updated_at, withdrawn_at) VALUES
				('1', 'a', 'Ada', 'Ada@x.org', 'ada@x.org', '', 1, 1, 5), ('2', 'b', 'Ada L.', 'ada@x.org', 'ada@x.org', '', 2, 2, NULL),
				('3', 'a', 'Bob', 'bob@x.org', 'bob@x.org', '', 1, 1, 7), ('4', 'b', 'Bob', 'bob@x.org', 'bob@x.org', '', 1, 1, 9),
				('5', 'a', 'Zoë', 'zoe@x.org', 'zoe@x.org', '', 1, 1, NULL)`)
			f.must(err)
			f.Store = f.reopen()
			f.Store = f.reopen() // once more changes nothing
			var got []string
			list, err := f.Users(t.Context(), lab.UserFilter{}, lab.Page{Limit: 10})
			f.must(err)
			for _, u := range list.Items {
				post, err := f.Post(t.Context(), u.ID)
				f.must(err)
				got = append(got, fmt.Sprint(u.ID, " ", u.Login, " ", u.Name, " ", u.Role, " ", u.Active(), " ", post.Students))
			}
			wantEqual(t, got, []string{"2 ada@x.org Ada L. student true [2]", "4 bob@x.org Bob student false []", "5 zoe@x.org Zoë student true [5]"})
			found, err := f.Users(t.Context(), lab.UserFilter{Search: "ZOË"}, lab.Page{Limit: 1})
			f.must(err)
			wantEqual(t, len(found.Items), 1)
			if back := f.join(lab.Cohort{ID: "a"}, "bob@x.org"); back.UserID != "4" || !f.person("4").Active() {
				t.Errorf("enrolled again: %+v", back)
			}
		})
	}
}
