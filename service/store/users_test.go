package store_test

import (
	"errors"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/bothylabs/bothy/service/lab"
	"github.com/bothylabs/bothy/service/store"
)

func (f *fixture) newUser(login string, role lab.Role) lab.User {
	return lab.User{
		ID: f.id("user"), Login: login, Name: "N. N.", Email: login, Role: role, Password: lab.PasswordNone,
		Revision: 1, CreatedAt: f.now, UpdatedAt: f.now,
	}
}

func (f *fixture) user(login string, role lab.Role) lab.User {
	f.t.Helper()
	u := f.newUser(login, role)
	f.must(f.CreateUser(f.t.Context(), somebody(), u, f.audit("user.create", u.ID)))
	return u
}

func TestAUserIsFoundByIDAndByLoginInWhateverCase(t *testing.T) {
	t.Parallel()
	onEach(t, func(t *testing.T, f *fixture) {
		u := f.user("Ada@Example.org", lab.RoleInstructor)
		for _, ref := range []string{u.ID, "ada@example.ORG"} {
			got, err := f.User(t.Context(), ref)
			if diff := cmp.Diff(u, got); err != nil || diff != "" {
				t.Errorf("by %s: %v\n%s", ref, err, diff)
			}
		}
		again := f.newUser("ADA@example.org", lab.RoleStudent)
		if err := f.CreateUser(t.Context(), somebody(), again, f.audit("user.create", again.ID)); lab.CodeOf(err) != lab.CodeConflict {
			t.Errorf("the same login again: %v", err)
		}
	})
}

func TestWhatIsGivenToAUserIsTheirPost(t *testing.T) {
	t.Parallel()
	onEach(t, func(t *testing.T, f *fixture) {
		cohort, course := f.cohort("fall"), f.course("py")
		class := f.class(cohort, course)
		teacher, helper := f.user("t@example.org", lab.RoleInstructor), f.user("h@example.org", lab.RoleAssistant)
		for to, id := range map[lab.Trust]string{lab.TrustCohort: cohort.ID, lab.TrustCourse: course.ID} {
			f.must(second(f.Appoint(t.Context(), somebody(), to, id, []string{teacher.ID}, f.audit("appoint", id))))
		}
		f.must(second(f.Appoint(t.Context(), somebody(), lab.TrustClass, class.ID, []string{helper.ID}, f.audit("appoint", class.ID))))

		want := map[string]lab.Post{
			teacher.ID: {UserID: teacher.ID, Cohorts: []string{cohort.ID}, Courses: []string{course.ID}, Classes: []string{class.ID}},
			helper.ID:  {UserID: helper.ID, Classes: []string{class.ID}},
		}
		for id, post := range want {
			got, err := f.Post(t.Context(), id)
			if diff := cmp.Diff(post, got); err != nil || diff != "" {
				t.Errorf("%s: %v\n%s", id, err, diff)
			}
		}
		if _, err := f.Appoint(t.Context(), somebody(), lab.TrustClass, class.ID, []string{"nobody"}, f.audit("appoint", class.ID)); lab.CodeOf(err) != lab.CodeNotFound {
			t.Errorf("nobody was appointed: %v", err)
		}
		if users, err := f.Appointed(t.Context(), lab.TrustClass, class.ID); err != nil || len(users.Users) != 1 || users.Users[0].ID != helper.ID {
			t.Errorf("a refused appointment changed something: %v, %v", users, err)
		}
	})
}

func TestWhoIsGivenSomethingIsWhatTheyMustBe(t *testing.T) {
	t.Parallel()
	onEach(t, func(t *testing.T, f *fixture) {
		ctx := t.Context()
		cohort := f.cohort("fall")
		teacher, other, pupil := f.user("t@example.org", lab.RoleInstructor), f.user("o@example.org", lab.RoleInstructor), f.user("p@example.org", lab.RoleStudent)
		appoint := func(intent lab.Intent, users ...string) (lab.Appointment, error) {
			f.now = f.now.Add(1)
			return f.Appoint(ctx, intent, lab.TrustCohort, cohort.ID, users, f.audit("cohort.appoint", cohort.ID))
		}
		first, err := appoint(somebody(), teacher.ID, teacher.ID)
		f.must(err)
		wantEqual(t, first.Revision, int64(2))
		again, err := appoint(somebody(), teacher.ID)
		f.must(err)
		wantEqual(t, again, first) // nothing changed, and nothing is recorded
		_, err = appoint(somebody(), pupil.ID)
		wantCode(t, err, lab.CodeConflict)
		stale := somebody()
		stale.Match = []int64{1}
		_, err = appoint(stale, other.ID)
		wantEqual(t, wantCode(t, err, lab.CodeStale).Current.(lab.Appointment), first)
		now, err := appoint(somebody(), other.ID)
		f.must(err)
		wantEqual(t, now.Revision, int64(3))
		audits, err := f.Audits(ctx, 2)
		f.must(err)
		wantEqual(t, audits[0].Detail, map[string]any{"key": "value", "before": []any{"t@example.org"}, "after": []any{"o@example.org"}})
		wantEqual(t, audits[1].Detail["after"], any([]any{"t@example.org"}))

		f.must(second(f.ChangeUser(ctx, somebody(), other.ID, func(u lab.User) (lab.User, lab.Audit, error) {
			u.Role = lab.RoleAssistant
			return u, f.audit("user.update", u.ID), nil
		})))
		left, err := f.Appointed(ctx, lab.TrustCohort, cohort.ID)
		f.must(err)
		if len(left.Users) != 0 {
			t.Errorf("another role kept what was given with the old one: %+v", left.Users)
		}
	})
}

func TestTheLastActiveAdminStaysOne(t *testing.T) {
	t.Parallel()
	onEach(t, func(t *testing.T, f *fixture) {
		a, b := f.user("a@example.org", lab.RoleAdmin), f.user("b@example.org", lab.RoleAdmin)
		f.user("t@example.org", lab.RoleInstructor)
		disable := func(s *store.Store, id string) error {
			return second(s.ChangeUser(t.Context(), somebody(), id, func(u lab.User) (lab.User, lab.Audit, error) {
				u.DisabledAt = &f.now
				return u, f.audit("user.disable", u.ID), nil
			}))
		}
		// Each of two takes the other's right away, at once.
		instances := f.instances()
		errs := make(chan error, 2)
		for i, id := range []string{a.ID, b.ID} {
			go func() { errs <- disable(instances[i], id) }()
		}
		one, two := <-errs, <-errs
		if (one == nil) == (two == nil) {
			t.Fatalf("got %v and %v", one, two)
		}
		wantCode(t, errors.Join(one, two), lab.CodeConflict)
		last := a
		if u, err := f.User(t.Context(), a.ID); err != nil || !u.Active() {
			last = b
		}
		wantCode(t, second(f.ChangeUser(t.Context(), somebody(), last.ID, func(u lab.User) (lab.User, lab.Audit, error) {
			u.Role = lab.RoleInstructor
			return u, f.audit("user.update", u.ID), nil
		})), lab.CodeConflict)
	})
}
