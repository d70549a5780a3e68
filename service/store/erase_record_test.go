package store_test

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/bothylabs/bothy/service/lab"
)

// recorded writes a row of the record of changes.
func (f *fixture) recorded(action, target string, detail map[string]any) {
	f.t.Helper()
	audit := f.audit(action, target)
	audit.Detail = detail
	f.must(f.Record(f.t.Context(), audit))
}

// wantRecorded wants a text somewhere in the record of changes.
func (f *fixture) wantRecorded(texts ...string) {
	f.t.Helper()
	rows, err := f.Audits(f.t.Context(), 100)
	f.must(err)
	all, err := json.Marshal(rows)
	f.must(err)
	for _, text := range texts {
		if !strings.Contains(string(all), text) {
			f.t.Errorf("the record lacks %s", text)
		}
	}
}

// called is what the record has of what a user is called.
func called(name, email string) map[string]any {
	return map[string]any{"name": name, "email": email, "role": "student"}
}

func TestFormerNamesAndAddressesAreErased(t *testing.T) {
	t.Parallel()
	onEach(t, func(_ *testing.T, f *fixture) {
		bob := f.user("bob@example.org", lab.RoleStudent)
		ada := f.user("ada@example.org", lab.RoleStudent)
		f.setUser(ada.ID, func(u *lab.User) { u.Name, u.Email = "Ada King", "king@example.org" })
		f.recorded("user.create", ada.ID, map[string]any{"login": ada.Login, "after": called("Ada Byron", "byron@example.org")})
		f.recorded("mail.reset", ada.ID, map[string]any{"to": "byron@example.org"})
		f.recorded("user.update", ada.ID, map[string]any{"before": called("Ada Byron", "byron@example.org"), "after": called("Ada Bell", bob.Email)})
		f.recorded("user.update", ada.ID, map[string]any{"before": called("Ada Bell", bob.Email), "after": called("Ada King", "king@example.org")})
		f.recorded("roster.import", "a cohort", map[string]any{"first": "byron@example.org", "second": bob.Email})
		f.recorded("user.update", bob.ID, map[string]any{"before": called("Bob B.", "byron@example.org"), "after": called("Bob B.", bob.Email)})

		f.must(f.eraseUser(somebody(), ada.ID))
		f.nowhere("ada@", "king", "byron", "bell")
		f.wantRecorded("Bob B.", `"second":"bob@example.org"`)
	})
}

func TestAnErasureFindsMembershipsThatWentWithTheirCohort(t *testing.T) {
	t.Parallel()
	onEach(t, func(t *testing.T, f *fixture) {
		fall, spring := f.cohort("fall"), f.cohort("spring")
		first := f.student(fall, "Ada Lovelace", "ada@example.org")
		second := f.student(spring, "Ada King", "ada@example.org")
		f.recorded("student.enroll", first.ID, map[string]any{"cohort": "fall", "name": "Ada Byron", "email": "ada@example.org"})
		f.recorded("student.enroll", second.ID, map[string]any{"cohort": "spring", "name": "Ada King", "email": "Ada@example.org"})
		f.recorded("student.enroll", "somebody gone", map[string]any{"cohort": "spring", "name": "Eve", "email": "eve@example.org"})
		f.must(f.DeleteCohort(t.Context(), somebody(), spring.ID, f.audit("cohort.delete", spring.ID)))

		f.must(f.eraseUser(somebody(), f.person("ada@example.org").ID))
		f.nowhere("ada@", "lovelace", "king", "byron")
		f.wantRecorded("Eve", "eve@example.org", "spring")
	})
}

func TestPlainLoginsAreErasedWhereLoginsStand(t *testing.T) {
	t.Parallel()
	onEach(t, func(t *testing.T, f *fixture) {
		cohort := f.cohort("fall")
		ada, bob := f.newUser("lovelace", lab.RoleInstructor), f.newUser("bob", lab.RoleInstructor)
		ada.Email, bob.Email = "", ""
		for _, u := range []lab.User{ada, bob} {
			audit := f.audit("user.create", u.ID)
			audit.Actor = lab.Actor{Name: "provider:" + u.Login, UserID: u.ID}
			f.must(f.CreateUser(t.Context(), somebody(), u, audit))
		}
		appoint := func(users ...string) {
			audit := f.audit("cohort.appoint", cohort.ID)
			audit.Detail = map[string]any{"key": cohort.Key}
			f.must(second(f.Appoint(t.Context(), somebody(), lab.TrustCohort, cohort.ID, users, audit)))
		}
		appoint(ada.ID, bob.ID)
		appoint(bob.ID)
		f.setUser(ada.ID, func(u *lab.User) { u.Role = lab.RoleStudent })

		f.must(f.eraseUser(somebody(), ada.ID))
		f.nowhere("lovelace")
		f.wantRecorded(`["bob","Erased"]`, "provider:bob")
	})
}

func TestWhoHasTheSameAddressAndAnotherAccountIsSomebodyElse(t *testing.T) {
	t.Parallel()
	onEach(t, func(t *testing.T, f *fixture) {
		ctx := t.Context()
		former := f.student(f.cohort("fall"), "Ana", "a@example.org")
		holder, cohort := f.user("holder", lab.RoleStudent), f.cohort("spring")
		student := f.newStudent(cohort, "Anton", "a@example.org")
		student.UserID = holder.ID
		f.must(f.enroll(cohort, student))
		f.recorded("student.enroll", former.ID, map[string]any{"name": "Ana", "email": "a@example.org"})
		f.recorded("student.enroll", "of a cohort that is gone", map[string]any{"name": "Anabel", "email": "a@example.org"})
		f.recorded("student.enroll", "of another cohort that is gone", map[string]any{"name": "Anton", "email": "a@example.org"})
		version := f.newVersion("lab", "a source")
		version.Version, version.Author = 1, lab.Author{Name: "Ana", Email: "A@example.org"}
		f.must(f.RegisterTemplate(ctx, somebody(), version.Name, version.Digest, func(lab.TemplateState) (*lab.TemplateVersion, lab.Audit, error) {
			return &version, f.audit("template.push", version.ID), nil
		}))
		summer := f.newCohort("summer")
		f.must(f.CreateCohort(ctx, keyedBy("k", "f"), summer, f.audit("cohort.create", summer.ID)))
		f.must(f.KeepAnswer(ctx, keyedBy("k", "f"), lab.Answer{Status: 201, Body: []byte(`{"answered":"a@example.org"}`)}))

		data, err := f.Personal(ctx, student.ID)
		f.must(err)
		wantEqual(t, []any{data.StudentIDs, data.UserIDs}, []any{[]string{student.ID}, []string{holder.ID}})
		wantEqual(t, len(data.Records["template_versions"]), 0)
		_, _, err = f.Erase(ctx, somebody(), student.ID, f.now, func(lab.Student) (lab.Audit, error) { return f.audit("student.erase", student.ID), nil })
		f.must(err)
		f.nowhere("anton")
		left, err := f.Student(ctx, former.ID)
		f.must(err)
		wantEqual(t, []any{left.Name, left.Email, left.WithdrawnAt == nil}, []any{"Ana", "a@example.org", true})
		f.wantRecorded(`"name":"Ana"`, `"name":"Anabel"`, `"email":"a@example.org"`)
		kept := f.everywhere()
		for _, text := range []string{`template_versions "A@example.org"`, `\"answered\":\"a@example.org\"`} {
			if !strings.Contains(kept, text) {
				t.Errorf("the database lacks %s", text)
			}
		}
	})
}
