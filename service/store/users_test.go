package store_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/bothylabs/bothy/service/lab"
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
			f.must(f.Appoint(t.Context(), somebody(), to, id, []string{teacher.ID}, f.audit("appoint", id)))
		}
		f.must(f.Appoint(t.Context(), somebody(), lab.TrustClass, class.ID, []string{helper.ID}, f.audit("appoint", class.ID)))

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
		if err := f.Appoint(t.Context(), somebody(), lab.TrustClass, class.ID, []string{"nobody"}, f.audit("appoint", class.ID)); lab.CodeOf(err) != lab.CodeNotFound {
			t.Errorf("nobody was appointed: %v", err)
		}
		if users, err := f.Appointed(t.Context(), lab.TrustClass, class.ID); err != nil || len(users) != 1 || users[0].ID != helper.ID {
			t.Errorf("a refused appointment changed something: %v, %v", users, err)
		}
	})
}
