package store_test

import (
	"testing"

	"github.com/bothylabs/bothy/service/lab"
)

const someIssuer = "https://sso.example.org"

// meet has decide see who somebody of the provider is.
func (f *fixture) meet(subject, login string, decide func(lab.Acquaintance) lab.User) (lab.User, error) {
	f.t.Helper()
	return f.Meet(f.t.Context(), lab.Identity{Issuer: someIssuer, Subject: subject}, login, func(known lab.Acquaintance) (lab.User, lab.Audit, error) {
		u := decide(known)
		if u.ID == "" {
			return u, lab.Audit{}, nil
		}
		return u, f.audit("user.meet", u.ID), nil
	})
}

// acquainted gives who somebody of the provider is, and changes nothing.
func (f *fixture) acquainted(subject, login string) (known lab.Acquaintance) {
	f.t.Helper()
	f.must(second(f.meet(subject, login, func(k lab.Acquaintance) lab.User {
		known = k
		return lab.User{}
	})))
	return known
}

// linked makes a user of somebody of the provider.
func (f *fixture) linked(subject, login string, role lab.Role) lab.User {
	f.t.Helper()
	u := f.newUser(login, role)
	u.Issuer, u.Subject, u.RoleByProvider = someIssuer, subject, true
	made, err := f.meet(subject, login, func(lab.Acquaintance) lab.User { return u })
	f.must(err)
	wantEqual(f.t, made, u)
	return u
}

func TestSomebodyOfAProviderIsMetByWhoTheyAreThereAndThenByTheirLogin(t *testing.T) {
	t.Parallel()
	onEach(t, func(t *testing.T, f *fixture) {
		wantEqual(t, f.acquainted("1", "ada@example.org"), lab.Acquaintance{})
		ada := f.linked("1", "ada@example.org", lab.RoleStudent)
		wantEqual(t, f.person("ada@example.org"), ada)
		wantEqual(t, f.acquainted("1", "another@example.org"), lab.Acquaintance{User: &ada, Linked: true})
		wantEqual(t, f.acquainted("2", "ADA@example.org"), lab.Acquaintance{User: &ada})
		wantEqual(t, f.acquainted("2", ""), lab.Acquaintance{})

		ada.Name, ada.Role = "Ada L.", lab.RoleInstructor
		changed, err := f.meet("1", "", func(lab.Acquaintance) lab.User { return ada })
		f.must(err)
		ada.Revision++
		wantEqual(t, changed, ada)
		wantEqual(t, f.person(ada.ID), ada)

		taken := f.newUser("ada@example.org", lab.RoleStudent)
		_, err = f.meet("3", "", func(lab.Acquaintance) lab.User { return taken })
		wantCode(t, err, lab.CodeConflict)
		twin := f.newUser("twin@example.org", lab.RoleStudent)
		twin.Issuer, twin.Subject = someIssuer, "1"
		_, err = f.meet("3", "", func(lab.Acquaintance) lab.User { return twin })
		wantCode(t, err, lab.CodeConflict)
	})
}

func TestOfOnePersonWhoComesTwiceAtOnceOneUserIsMade(t *testing.T) {
	t.Parallel()
	onEach(t, func(t *testing.T, f *fixture) {
		made := 0
		for _, err := range together(4, func(int) error {
			_, err := f.meet("1", "ada@example.org", func(k lab.Acquaintance) lab.User {
				if k.User != nil {
					return *k.User
				}
				u := f.newUser("ada@example.org", lab.RoleStudent)
				u.Issuer, u.Subject = someIssuer, "1"
				return u
			})
			return err
		}) {
			switch lab.CodeOf(err) {
			case "":
				made++
			case lab.CodeConflict:
			default:
				t.Error(err)
			}
		}
		if known := f.acquainted("1", ""); made == 0 || known.User == nil || !known.Linked {
			t.Errorf("%d came in: %+v", made, known)
		}
	})
}

func TestWhatElseIsKnownOfSomebody(t *testing.T) {
	t.Parallel()
	onEach(t, func(t *testing.T, f *fixture) {
		root := f.linked("root", "root@example.org", lab.RoleAdmin)
		if !f.acquainted("root", "").LastAdmin {
			t.Error("the last admin is not known as one")
		}
		lowered := root
		lowered.Role = lab.RoleStudent
		_, err := f.meet("root", "", func(lab.Acquaintance) lab.User { return lowered })
		wantCode(t, err, lab.CodeConflict)
		f.user("other@example.org", lab.RoleAdmin)
		if f.acquainted("root", "").LastAdmin {
			t.Error("another admin is not seen")
		}

		fall, spring := f.cohort("fall"), f.cohort("spring")
		one := f.join(fall, "ada@example.org")
		f.leave(one)
		known := f.acquainted("1", "ada@example.org")
		if known.Linked || !known.Lapsed || known.User.Active() {
			t.Errorf("whoever left is %+v", known)
		}
		wantEqual(t, known.Cohorts, []string{fall.ID})

		// A membership may be a user's whose login is no address, and enables who lapsed.
		f.setUser(known.User.ID, func(u *lab.User) { u.Login = "ada" })
		again := f.newStudent(spring, "Ada", "ada@example.org")
		again.UserID = known.User.ID
		f.must(f.enroll(spring, again))
		known = f.acquainted("1", "ada")
		if known.Lapsed || !known.User.Active() || len(known.Cohorts) != 2 {
			t.Errorf("whoever came back is %+v", known)
		}
		_, err = f.User(t.Context(), "ada@example.org")
		wantCode(t, err, lab.CodeNotFound)
	})
}

func TestWhoSomebodyIsToAProviderIsGivenOutAndErasedWithThem(t *testing.T) {
	t.Parallel()
	onEach(t, func(t *testing.T, f *fixture) {
		f.linked("subject-1", "ada@example.org", lab.RoleStudent)
		student := f.join(f.cohort("fall"), "ada@example.org")
		data, err := f.Personal(t.Context(), student.ID)
		f.must(err)
		row := data.Records["users"][0]
		wantEqual(t, []any{row["issuer"], row["subject"]}, []any{someIssuer, "subject-1"})
		_, _, err = f.Erase(t.Context(), somebody(), student.ID, f.now, func(lab.Student) (lab.Audit, error) { return f.audit("student.erase", student.ID), nil })
		f.must(err)
		wantEqual(t, f.acquainted("subject-1", "ada@example.org"), lab.Acquaintance{})
	})
}
