package store_test

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/jmoiron/sqlx"

	"github.com/bothylabs/bothy/service/lab"
	"github.com/bothylabs/bothy/service/store"
)

// site is a store with one of everything that acts are on.
type site struct {
	*fixture
	// name is in the keys of all that is the site's, so that one store has room for many.
	name      string
	cohort    lab.Cohort
	empty     lab.Cohort
	course    lab.Course
	unused    lab.Course
	student   lab.Student
	class     lab.Class
	workspace lab.Workspace
	user      lab.User
	former    lab.User
	session   lab.Session
	token     lab.APIToken
}

func newSite(f *fixture) site {
	s := site{fixture: f, name: f.id("site")}
	s.cohort, s.empty = f.cohort(s.name+"-fall"), f.cohort(s.name+"-spring")
	s.course, s.unused = f.course(s.name+"-py"), f.course(s.name+"-go")
	s.student = f.student(s.cohort, "Ada", "ada@example.org")
	s.class = f.class(s.cohort, s.course)
	s.user = f.user(s.name+"@example.org", lab.RoleInstructor)
	s.former = f.user(s.name+"-former@example.org", lab.RoleStudent)
	s.session, s.token = f.newSession(s.user), f.newToken(s.user)
	f.must(f.BeginSession(f.t.Context(), lab.SignIn{Session: s.session, Hash: s.name, Device: s.name}, f.audit("session.create", s.session.ID), nil))
	f.must(f.CreateToken(f.t.Context(), somebody(), lab.Caller{}, s.token, s.name, f.audit("token.create", s.token.ID)))
	s.workspace = f.workspace(s.class, s.student, lab.Slug(s.name+"-ada"))
	f.secret(lab.SecretOwner{Kind: lab.SecretOfCourse, ID: s.course.ID}, "TOKEN")
	f.must(second(f.BeginSecret(f.t.Context(), somebody(), lab.SecretOwner{Kind: lab.SecretOfClass, ID: s.class.ID}, lab.Secret{Name: "BEGUN", Bytes: 9})))
	return s
}

// act is one of the store's writes for somebody. on is what Match is compared
// with, nil where an act makes something new.
type act struct {
	do func(ctx context.Context, s *store.Store, intent lab.Intent) error
	on func(ctx context.Context, s *store.Store) (revision int64, current any, err error)
}

// acts are all writes of the store that people ask for.
func (s site) acts() map[string]act {
	cohort := func(id string) func(context.Context, *store.Store) (int64, any, error) {
		return func(ctx context.Context, st *store.Store) (int64, any, error) {
			c, err := st.Cohort(ctx, id)
			return c.Revision, c, err
		}
	}
	course := func(id string) func(context.Context, *store.Store) (int64, any, error) {
		return func(ctx context.Context, st *store.Store) (int64, any, error) {
			c, err := st.Course(ctx, id)
			return c.Revision, c, err
		}
	}
	class := func(ctx context.Context, st *store.Store) (int64, any, error) {
		c, err := st.Class(ctx, s.class.ID)
		return c.Revision, c, err
	}
	return map[string]act{
		"create a cohort": {do: func(ctx context.Context, st *store.Store, intent lab.Intent) error {
			c := s.newCohort(s.name + "-summer")
			return st.CreateCohort(ctx, intent, c, s.audit("cohort.create", c.ID))
		}},
		"delete a cohort": {do: func(ctx context.Context, st *store.Store, intent lab.Intent) error {
			return st.DeleteCohort(ctx, intent, s.empty.ID, s.audit("cohort.delete", s.empty.ID))
		}, on: cohort(s.empty.ID)},
		"enroll": {do: func(ctx context.Context, st *store.Store, intent lab.Intent) error {
			return second(st.Enroll(ctx, intent, s.cohort.ID, func([]lab.Student) ([]lab.Student, lab.Audit, error) {
				renamed := s.student
				renamed.Name = "Ada L."
				bob := s.newStudent(s.cohort, "Bob", fmt.Sprintf("%s@example.org", s.id("bob")))
				return []lab.Student{bob, renamed}, s.audit("roster.import", s.cohort.ID), nil
			}))
		}, on: cohort(s.cohort.ID)},
		"withdraw": {do: func(ctx context.Context, st *store.Store, intent lab.Intent) error {
			return second(st.Withdraw(ctx, intent, s.student.ID, s.now, s.audit("student.withdraw", s.student.ID)))
		}, on: func(ctx context.Context, st *store.Store) (int64, any, error) {
			one, err := st.Student(ctx, s.student.ID)
			return one.Revision, one, err
		}},
		"erase a user": {do: func(ctx context.Context, st *store.Store, intent lab.Intent) error {
			_, _, err := st.EraseUser(ctx, intent, s.former.ID, s.now, func(lab.User) (lab.Audit, error) {
				return s.audit("user.erase", s.former.ID), nil
			})
			return err
		}, on: func(ctx context.Context, st *store.Store) (int64, any, error) {
			u, err := st.User(ctx, s.former.ID)
			return u.Revision, u, err
		}},
		"erase": {do: func(ctx context.Context, st *store.Store, intent lab.Intent) error {
			_, _, err := st.Erase(ctx, intent, s.student.ID, s.now, func(lab.Student) (lab.Audit, error) {
				return s.audit("student.erase", s.student.ID), nil
			})
			return err
		}, on: func(ctx context.Context, st *store.Store) (int64, any, error) {
			one, err := st.Student(ctx, s.student.ID)
			return one.Revision, one, err
		}},
		"keep a secret": {do: func(ctx context.Context, st *store.Store, intent lab.Intent) error {
			owner := lab.SecretOwner{Kind: lab.SecretOfClass, ID: s.class.ID}
			return st.KeepSecret(ctx, intent, owner, lab.Secret{Name: "BEGUN", Bytes: 9, SetAt: s.now, SetBy: "Ada", Revision: 1}, s.audit("class.secret.set", s.class.ID))
		}},
		"delete a secret": {do: func(ctx context.Context, st *store.Store, intent lab.Intent) error {
			return st.DeleteSecret(ctx, intent, lab.SecretOwner{Kind: lab.SecretOfCourse, ID: s.course.ID}, "TOKEN", s.audit("course.secret.delete", s.course.ID))
		}},
		"create a user": {do: func(ctx context.Context, st *store.Store, intent lab.Intent) error {
			u := s.newUser(s.id("new")+"@example.org", lab.RoleStudent)
			return st.CreateUser(ctx, intent, u, s.audit("user.create", u.ID))
		}},
		"change a user": {do: func(ctx context.Context, st *store.Store, intent lab.Intent) error {
			return second(st.ChangeUser(ctx, intent, s.user.ID, func(u lab.User) (lab.User, lab.Audit, error) {
				u.Name = s.id("name")
				return u, s.audit("user.update", u.ID), nil
			}))
		}, on: func(ctx context.Context, st *store.Store) (int64, any, error) {
			u, err := st.User(ctx, s.user.ID)
			return u.Revision, u, err
		}},
		"invite a user": {do: func(ctx context.Context, st *store.Store, intent lab.Intent) error {
			return second(st.Invite(ctx, intent, lab.Invitees{UserID: s.user.ID}, func() string { return s.id("letter") }, s.now, func(lab.Invited) lab.Audit {
				return s.audit("user.invite", s.user.ID)
			}))
		}, on: func(ctx context.Context, st *store.Store) (int64, any, error) {
			u, err := st.User(ctx, s.user.ID)
			return u.Revision, u, err
		}},
		"invite a cohort": {do: func(ctx context.Context, st *store.Store, intent lab.Intent) error {
			return second(st.Invite(ctx, intent, lab.Invitees{CohortID: s.cohort.ID}, func() string { return s.id("letter") }, s.now, func(lab.Invited) lab.Audit {
				return s.audit("cohort.invite", s.cohort.ID)
			}))
		}, on: cohort(s.cohort.ID)},
		"create a token": {do: func(ctx context.Context, st *store.Store, intent lab.Intent) error {
			token := s.newToken(s.user)
			return st.CreateToken(ctx, intent, lab.Caller{}, token, token.ID, s.audit("token.create", token.ID))
		}},
		"revoke a token": {do: func(ctx context.Context, st *store.Store, intent lab.Intent) error {
			return st.RevokeToken(ctx, intent, s.user.ID, s.token.ID, s.now, s.audit("token.revoke", s.token.ID))
		}},
		"end a session": {do: func(ctx context.Context, st *store.Store, intent lab.Intent) error {
			return st.EndSession(ctx, intent, "", s.session.ID, s.now, s.audit("session.end", s.session.ID))
		}},
		"end all sessions": {do: func(ctx context.Context, st *store.Store, intent lab.Intent) error {
			return st.EndSessions(ctx, intent, s.user.ID, true, s.now, s.audit("session.end_all", s.user.ID))
		}},
		"appoint": {do: func(ctx context.Context, st *store.Store, intent lab.Intent) error {
			return second(st.Appoint(ctx, intent, lab.TrustCohort, s.cohort.ID, []string{s.user.ID}, s.audit("appoint", s.cohort.ID)))
		}, on: func(ctx context.Context, st *store.Store) (int64, any, error) {
			a, err := st.Appointed(ctx, lab.TrustCohort, s.cohort.ID)
			return a.Revision, a, err
		}},
		"create a course": {do: func(ctx context.Context, st *store.Store, intent lab.Intent) error {
			c := s.newCourse(s.name + "-rs")
			return st.CreateCourse(ctx, intent, c, s.audit("course.create", c.ID))
		}},
		"change a course": {do: func(ctx context.Context, st *store.Store, intent lab.Intent) error {
			return second(st.ChangeCourse(ctx, intent, s.course.ID, func(state lab.CourseState) (lab.Course, lab.Audit, error) {
				c := state.Course
				c.Name = s.id("name")
				return c, s.audit("course.update", c.ID), nil
			}))
		}, on: course(s.course.ID)},
		"delete a course": {do: func(ctx context.Context, st *store.Store, intent lab.Intent) error {
			return st.DeleteCourse(ctx, intent, s.unused.ID, s.audit("course.delete", s.unused.ID))
		}, on: course(s.unused.ID)},
		"create a class": {do: func(ctx context.Context, st *store.Store, intent lab.Intent) error {
			cohort, course := s.newCohort(s.name+"-winter"), s.newCourse(s.name+"-c")
			class := s.newClass(cohort, course)
			class.Cohort, class.Course = &cohort, &course
			return st.CreateClass(ctx, intent, class, func([]lab.Student) ([]lab.Student, error) {
				return []lab.Student{s.newStudent(cohort, "Eve", "eve@example.org")}, nil
			})
		}},
		"set the parameters of a class": {do: func(ctx context.Context, st *store.Store, intent lab.Intent) error {
			return second(st.SetClassParameters(ctx, intent, s.class.ID, func(c lab.Class, _ lab.CourseState) (lab.Class, lab.Audit, error) {
				c.Parameters = map[string]any{"note": s.id("note")}
				return c, s.audit("class.update", c.ID), nil
			}))
		}, on: class},
		"register a template": {do: func(ctx context.Context, st *store.Store, intent lab.Intent) error {
			v := s.newVersion("acts", s.id("source"))
			return st.RegisterTemplate(ctx, intent, v.Name, v.Digest, func(state lab.TemplateState) (*lab.TemplateVersion, lab.Audit, error) {
				v.Version = state.Newest.Version + 1
				return &v, s.audit("template.push", v.ID), nil
			})
		}},
		"change a class": {do: func(ctx context.Context, st *store.Store, intent lab.Intent) error {
			return second(st.ChangeClass(ctx, intent, s.class.ID, func(state lab.ClassState) (lab.ClassChange, error) {
				change := lab.ClassChange{Update: state.Workspaces, Audit: s.audit("class.restart", s.class.ID)}
				o := lab.Operation{ID: s.id("operation"), Kind: lab.OperationRestart, ClassID: s.class.ID, State: lab.OperationRunning, CreatedAt: s.now}
				for i := range change.Update {
					change.Update[i].RestartsWanted++
					change.Items = append(change.Items, o.Wants(change.Update[i], true, s.now))
				}
				o.Counts.Add(lab.OutcomePending, len(change.Items))
				change.Operation = o
				return change, nil
			}))
		}, on: class},
		"delete a class": {do: func(ctx context.Context, st *store.Store, intent lab.Intent) error {
			return second(st.ChangeClass(ctx, intent, s.class.ID, func(state lab.ClassState) (lab.ClassChange, error) {
				change := lab.ClassChange{Update: state.Workspaces, Delete: true, Audit: s.audit("class.delete", s.class.ID)}
				for i := range change.Update {
					change.Update[i].Desired = lab.DesiredDeleted
				}
				return change, nil
			}))
		}, on: class},
		"change a workspace": {do: func(ctx context.Context, st *store.Store, intent lab.Intent) error {
			return second(st.ChangeWorkspace(ctx, intent, s.workspace.ID, func(w lab.Workspace) (lab.Workspace, lab.Audit, error) {
				w.RestartsWanted++
				return w, s.audit("workspace.restart", w.ID), nil
			}))
		}, on: func(ctx context.Context, st *store.Store) (int64, any, error) {
			w, err := st.Workspace(ctx, s.workspace.ID)
			return w.Version(), w, err
		}},
	}
}

// dump is every row of every table, as the database itself has it.
func (f *fixture) dump() map[string][]string {
	f.t.Helper()
	raw, err := f.db.open(f.where)
	f.must(err)
	defer func() { _ = raw.Close() }()
	var columns []string
	f.must(raw.SelectContext(f.t.Context(), &columns, f.db.columns))
	tables := map[string][]string{}
	for _, c := range columns {
		table, _, _ := strings.Cut(c, ".")
		if _, done := tables[table]; done {
			continue
		}
		all, err := rowsOf(f.t.Context(), raw, table)
		f.must(err)
		slices.Sort(all)
		tables[table] = all
	}
	return tables
}

func rowsOf(ctx context.Context, raw *sqlx.DB, table string) ([]string, error) {
	rows, err := raw.QueryxContext(ctx, "SELECT * FROM "+table) //nolint:sqlclosecheck // it is, below
	if err != nil {
		return nil, err
	}
	defer func() { _ = rows.Close() }()
	all := []string{}
	for rows.Next() {
		values, err := rows.SliceScan()
		if err != nil {
			return nil, err
		}
		all = append(all, fmt.Sprintf("%q", values))
	}
	return all, rows.Err()
}
