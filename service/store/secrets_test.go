package store_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/bothylabs/bothy/service/lab"
)

func (f *fixture) secret(owner lab.SecretOwner, name string) lab.Secret {
	f.t.Helper()
	secret := lab.Secret{Name: name, Bytes: 10, SetAt: f.now, SetBy: "Ada", Version: f.id("version")}
	var err error
	secret.Revision, err = f.BeginSecret(f.t.Context(), somebody(), owner, secret)
	f.must(err)
	f.must(f.KeepSecret(f.t.Context(), somebody(), owner, secret, f.audit("secret.set", owner.ID)))
	return secret
}

func (f *fixture) keys() int64 {
	f.t.Helper()
	epoch, err := f.ClaimKeys(f.t.Context())
	f.must(err)
	return epoch
}

func TestSecretsAreListedOnceTheirValuesAreInVault(t *testing.T) {
	t.Parallel()
	onEach(t, func(t *testing.T, f *fixture) {
		course := f.course("py")
		owner := lab.SecretOwner{Kind: lab.SecretOfCourse, ID: course.ID}
		b, a := f.secret(owner, "B"), f.secret(owner, "A")
		f.must(second(f.BeginSecret(t.Context(), somebody(), owner, lab.Secret{Name: "C", Bytes: 1, Version: "begun"})))
		list, err := f.Secrets(t.Context(), owner, lab.Page{Limit: 1})
		f.must(err)
		rest, err := f.Secrets(t.Context(), owner, lab.Page{Limit: 9, Cursor: list.Next})
		f.must(err)
		if diff := cmp.Diff([]lab.Secret{a, b}, append(list.Items, rest.Items...)); diff != "" {
			t.Error(diff)
		}
		// What is only begun is not removed from Vault.
		prune, err := f.SecretsToPrune(t.Context(), lab.SecretOwner{}, 9)
		f.must(err)
		wantEqual(t, prune, []lab.SecretsToPrune{{Owner: owner, Changes: 2}})
		keys, err := f.SecretKeys(t.Context(), owner)
		f.must(err)
		wantEqual(t, keys, []string{"A." + a.Version, "B." + b.Version, "C.begun"})
		versions, err := f.SecretVersions(t.Context(), owner)
		f.must(err)
		wantEqual(t, versions, map[string]string{"A": a.Version, "B": b.Version})
		epoch := f.keys()
		f.must(f.Pruned(t.Context(), epoch, prune[0]))
		prune, err = f.SecretsToPrune(t.Context(), lab.SecretOwner{}, 9)
		f.must(err)
		wantEqual(t, len(prune), 0)

		f.must(f.DeleteSecret(t.Context(), somebody(), owner, "B", f.audit("secret.delete", owner.ID)))
		wantCode(t, f.DeleteSecret(t.Context(), somebody(), owner, "B", f.audit("x", "x")), lab.CodeNotFound)
		f.must(f.DeleteCourse(t.Context(), somebody(), course.ID, f.audit("course.delete", course.ID)))
		prune, err = f.SecretsToPrune(t.Context(), lab.SecretOwner{}, 9)
		f.must(err)
		wantEqual(t, prune, []lab.SecretsToPrune{{Owner: owner, Gone: true, Changes: 3, Pruned: 2}})
		f.must(f.Pruned(t.Context(), epoch, prune[0]))
		prune, err = f.SecretsToPrune(t.Context(), lab.SecretOwner{}, 9)
		f.must(err)
		wantEqual(t, len(prune), 1) // until C, which is on its way, is given up
		f.now = f.now.Add(11 * time.Minute)
		f.must(f.AbandonSecrets(t.Context(), epoch))
		prune, err = f.SecretsToPrune(t.Context(), lab.SecretOwner{}, 9)
		f.must(err)
		f.must(f.Pruned(t.Context(), epoch, prune[0]))
		prune, err = f.SecretsToPrune(t.Context(), lab.SecretOwner{}, 9)
		f.must(err)
		wantEqual(t, len(prune), 0)
		wantCode(t, second(f.BeginSecret(t.Context(), somebody(), owner, lab.Secret{Name: "D"})), lab.CodeNotFound)
	})
}

func TestAnOwnersSecretsAreBounded(t *testing.T) {
	t.Parallel()
	onEach(t, func(t *testing.T, f *fixture) {
		owner := lab.SecretOwner{Kind: lab.SecretOfCourse, ID: f.course("py").ID}
		for i := range lab.MaxSecrets {
			f.secret(owner, fmt.Sprintf("N%d", i))
		}
		wantCode(t, second(f.BeginSecret(t.Context(), somebody(), owner, lab.Secret{Name: "MORE"})), lab.CodeConflict)
		f.must(second(f.BeginSecret(t.Context(), somebody(), owner, lab.Secret{Name: "N0", Bytes: 11})))
		wantCode(t, second(f.BeginSecret(t.Context(), somebody(), owner, lab.Secret{Name: "N0", Bytes: lab.MaxSecretsOfKind})), lab.CodeConflict)
	})
}

func TestAWorkspaceLacksTheSecretsThatHaveChanged(t *testing.T) {
	t.Parallel()
	onEach(t, func(t *testing.T, f *fixture) {
		ctx := t.Context()
		cohort, course := f.cohort("fall"), f.course("py")
		class := f.class(cohort, course)
		workspaces := f.workspaces(class, cohort, 2)
		lacking := func() (slugs []string) {
			t.Helper()
			all, err := f.WorkspacesWithoutSecrets(ctx, "", 9)
			f.must(err)
			for _, w := range all {
				slugs = append(slugs, string(w.Slug))
			}
			return slugs
		}
		wantEqual(t, len(lacking()), 0)
		f.secret(lab.SecretOwner{Kind: lab.SecretOfCourse, ID: course.ID}, "A")
		f.secret(lab.SecretOwner{Kind: lab.SecretOfStudent, ID: workspaces[1].StudentID}, "A")
		wantEqual(t, len(lacking()), 2)

		epoch := f.keys()
		one, err := f.SecretsOfWorkspace(ctx, workspaces[0].Slug)
		f.must(err)
		wantEqual(t, one, lab.WorkspaceSecrets{
			WorkspaceID: workspaces[0].ID, Slug: workspaces[0].Slug, Names: []string{}, Changes: 1,
			Owners: [3]lab.SecretOwner{{Kind: lab.SecretOfCourse, ID: course.ID}, {Kind: lab.SecretOfClass, ID: class.ID}, {Kind: lab.SecretOfStudent, ID: workspaces[0].StudentID}},
		})
		f.must(f.BeginWorkspaceSecrets(ctx, epoch, workspaces[0].ID, []string{"B", "A"}))
		wantEqual(t, len(lacking()), 2)
		f.must(f.WroteWorkspaceSecrets(ctx, epoch, workspaces[0].ID, []string{"B", "A"}, 1))
		wantEqual(t, lacking(), []string{string(workspaces[1].Slug)})
		one, err = f.SecretsOfWorkspace(ctx, workspaces[0].Slug)
		f.must(err)
		wantEqual(t, one.Names, []string{"A", "B"})

		next := f.keys()
		wantCode(t, f.BeginWorkspaceSecrets(ctx, epoch, workspaces[0].ID, nil), lab.CodeConflict)
		f.must(f.BeginWorkspaceSecrets(ctx, next, workspaces[0].ID, nil))
		_, err = f.Withdraw(ctx, somebody(), workspaces[1].StudentID, f.now, f.audit("student.withdraw", workspaces[1].StudentID))
		f.must(err)
		wantEqual(t, len(lacking()), 0)
		prune, err := f.SecretsToPrune(ctx, lab.SecretOwner{}, 9)
		f.must(err)
		if len(prune) != 2 || !prune[1].Gone {
			t.Errorf("the secrets of a withdrawn student stay: %+v", prune)
		}
		after, err := f.SecretsToPrune(ctx, prune[0].Owner, 9)
		f.must(err)
		wantEqual(t, after, prune[1:])
	})
}

func TestVaultIsToldOfWhoIsDisabledAndEnabled(t *testing.T) {
	t.Parallel()
	onEach(t, func(t *testing.T, f *fixture) {
		ctx := t.Context()
		ada := f.user("ada@example.org", lab.RoleStudent)
		f.user("bob@example.org", lab.RoleStudent)
		change := func(to func(*lab.User)) {
			t.Helper()
			_, err := f.ChangeUser(ctx, somebody(), ada.ID, func(u lab.User) (lab.User, lab.Audit, error) {
				to(&u)
				return u, f.audit("user.change", u.ID), nil
			})
			f.must(err)
		}
		told := func(want ...lab.PersonToSettle) {
			t.Helper()
			got, err := f.PeopleToSettle(ctx, "", 9)
			f.must(err)
			if diff := cmp.Diff(want, append([]lab.PersonToSettle(nil), got...)); diff != "" {
				t.Error(diff)
			}
		}
		told()
		at := f.now.Add(time.Minute)
		change(func(u *lab.User) { u.DisabledAt, u.Password = &at, lab.PasswordOwn })
		told(lab.PersonToSettle{ID: ada.ID, Disabled: true})
		epoch := f.keys()
		f.must(f.BeginPerson(ctx, epoch, ada.ID))
		// Enabled while Vault was being told, and the end of that never written.
		change(func(u *lab.User) { u.DisabledAt = nil })
		told(lab.PersonToSettle{ID: ada.ID})
		change(func(u *lab.User) { u.DisabledAt = &at })
		f.must(f.SettledPerson(ctx, epoch, lab.PersonToSettle{ID: ada.ID, Disabled: true}))
		told()
		after, err := f.User(ctx, ada.ID)
		f.must(err)
		wantEqual(t, after.Password, lab.PasswordNone)
		change(func(u *lab.User) { u.DisabledAt = nil })
		told(lab.PersonToSettle{ID: ada.ID})
		f.must(f.SettledPerson(ctx, epoch, lab.PersonToSettle{ID: ada.ID}))
		told()
		f.keys()
		wantCode(t, f.BeginPerson(ctx, epoch, ada.ID), lab.CodeConflict)
	})
}

func TestASecretIsChangedAtTheRevisionThatIsWanted(t *testing.T) {
	t.Parallel()
	onEach(t, func(t *testing.T, f *fixture) {
		ctx, owner := t.Context(), lab.SecretOwner{Kind: lab.SecretOfCourse, ID: f.course("py").ID}
		matching := func(revisions ...int64) lab.Intent {
			intent := somebody()
			intent.Match = revisions
			return intent
		}
		secret := lab.Secret{Name: "A", Bytes: 10, SetAt: f.now, SetBy: "Ada", Version: "one"}
		wantCode(t, second(f.BeginSecret(ctx, matching(1), owner, secret)), lab.CodeNotFound)
		first := f.secret(owner, "A")
		wantEqual(t, first.Revision, int64(1))
		wantEqual(t, wantCode(t, second(f.BeginSecret(ctx, matching(2), owner, secret)), lab.CodeStale).Current, any(first))
		wantCode(t, f.DeleteSecret(ctx, matching(2), owner, "A", f.audit("x", "x")), lab.CodeStale)

		// Of two that set it at the same revision, one gets through; of two that set it
		// at any, the first one is told.
		one, err := f.BeginSecret(ctx, matching(1), owner, secret)
		f.must(err)
		wantCode(t, second(f.BeginSecret(ctx, matching(1), owner, secret)), lab.CodeStale)
		secret.Version = "other"
		other, err := f.BeginSecret(ctx, somebody(), owner, secret)
		f.must(err)
		secret.Revision, secret.Version = one, "one"
		wantCode(t, f.KeepSecret(ctx, somebody(), owner, secret, f.audit("x", "x")), lab.CodeConflict)
		secret.Revision, secret.Version = other, "other"
		f.must(f.KeepSecret(ctx, somebody(), owner, secret, f.audit("secret.set", owner.ID)))
		f.must(f.DeleteSecret(ctx, matching(other), owner, "A", f.audit("secret.delete", owner.ID)))
		wantCode(t, f.KeepSecret(ctx, somebody(), owner, secret, f.audit("x", "x")), lab.CodeConflict)
	})
}

// What Vault holds is written without a lock: only what is kept here is in force.
func TestOnlyAValueThatWasKeptIsInForce(t *testing.T) {
	t.Parallel()
	onEach(t, func(t *testing.T, f *fixture) {
		ctx, owner := t.Context(), lab.SecretOwner{Kind: lab.SecretOfCourse, ID: f.course("py").ID}
		epoch := f.keys()
		begin := func(version string) lab.Secret {
			t.Helper()
			secret := lab.Secret{Name: "A", Bytes: 10, SetAt: f.now, SetBy: "Ada", Version: version}
			var err error
			secret.Revision, err = f.BeginSecret(ctx, somebody(), owner, secret)
			f.must(err)
			return secret
		}
		keep := func(secret lab.Secret) error {
			return f.KeepSecret(ctx, somebody(), owner, secret, f.audit("secret.set", owner.ID))
		}
		holds := func(inForce string, keys ...string) {
			t.Helper()
			versions, err := f.SecretVersions(ctx, owner)
			f.must(err)
			wantEqual(t, versions["A"], inForce)
			got, err := f.SecretKeys(ctx, owner)
			f.must(err)
			wantEqual(t, got, keys)
		}
		prune := func() bool {
			t.Helper()
			due, err := f.SecretsToPrune(ctx, lab.SecretOwner{}, 9)
			f.must(err)
			for _, one := range due {
				f.must(f.Pruned(ctx, epoch, one))
			}
			return len(due) > 0
		}
		first := begin("first")
		second := begin("second")
		holds("", "A.second")
		f.must(keep(second))
		holds("second", "A.second")
		wantEqual(t, prune(), true)
		wantEqual(t, prune(), false)
		// The first one's value may have reached Vault after that.
		wantCode(t, keep(first), lab.CodeConflict)
		f.must(f.DropSecret(ctx, owner, "A", "first"))
		holds("second", "A.second")
		due, err := f.SecretsToPrune(ctx, lab.SecretOwner{}, 9)
		f.must(err)
		f.must(f.DropSecret(ctx, owner, "A", "first")) // once more, while it is pruned
		f.must(f.Pruned(ctx, epoch, due[0]))
		wantEqual(t, prune(), true)
		wantEqual(t, prune(), false)

		// A value that fails changes nothing, and nobody kept waits for ever.
		third := begin("third")
		holds("second", "A.second", "A.third")
		f.must(f.DropSecret(ctx, owner, "A", "third"))
		holds("second", "A.second")
		wantCode(t, keep(third), lab.CodeConflict)
		begin("fourth")
		f.must(f.AbandonSecrets(ctx, epoch))
		holds("second", "A.second", "A.fourth")
		f.now = f.now.Add(11 * time.Minute)
		wantCode(t, f.AbandonSecrets(ctx, epoch-1), lab.CodeConflict)
		f.must(f.AbandonSecrets(ctx, epoch))
		holds("second", "A.second")
		wantEqual(t, prune(), true)

		// A secret that is deleted and set again is another one.
		late := begin("late")
		f.must(f.DeleteSecret(ctx, somebody(), owner, "A", f.audit("secret.delete", owner.ID)))
		again := begin("again")
		wantCode(t, keep(late), lab.CodeConflict)
		f.must(f.DropSecret(ctx, owner, "A", "late"))
		f.must(keep(again))
		holds("again", "A.again")

		// One that was never set leaves no name.
		f.must(f.DeleteSecret(ctx, somebody(), owner, "A", f.audit("secret.delete", owner.ID)))
		begin("never")
		f.must(f.DropSecret(ctx, owner, "A", "never"))
		for i := range lab.MaxSecrets {
			f.secret(owner, fmt.Sprintf("N%d", i))
		}
	})
}

// A value may reach Vault after all of its owner's were removed there.
func TestAValueThatComesAfterItsOwnerHasGoneIsPruned(t *testing.T) {
	t.Parallel()
	onEach(t, func(t *testing.T, f *fixture) {
		ctx, course := t.Context(), f.course("py")
		owner, epoch := lab.SecretOwner{Kind: lab.SecretOfCourse, ID: course.ID}, f.keys()
		begin := func(name, version string) {
			t.Helper()
			f.must(second(f.BeginSecret(ctx, somebody(), owner, lab.Secret{Name: name, Bytes: 10, Version: version})))
		}
		due := func() []lab.SecretsToPrune {
			t.Helper()
			all, err := f.SecretsToPrune(ctx, lab.SecretOwner{}, 9)
			f.must(err)
			return all
		}
		prune := func() {
			t.Helper()
			for _, one := range due() {
				f.must(f.Pruned(ctx, epoch, one))
			}
		}
		f.secret(owner, "A")
		begin("A", "on its way")
		begin("B", "overtaken")
		begin("B", "second")
		f.must(f.DeleteCourse(ctx, somebody(), course.ID, f.audit("course.delete", course.ID)))
		prune()
		wantEqual(t, len(due()), 1)
		f.must(f.DropSecret(ctx, owner, "A", "on its way"))
		pruning := due()
		f.must(f.DropSecret(ctx, owner, "B", "second"))
		f.must(f.Pruned(ctx, epoch, pruning[0]))
		wantEqual(t, len(due()), 1) // what was dropped while it was pruned may be there
		prune()
		wantEqual(t, len(due()), 0)

		f.must(f.DropSecret(ctx, owner, "B", "overtaken"))
		wantEqual(t, due(), []lab.SecretsToPrune{{Owner: owner, Gone: true, Pruned: -1}})
		prune()
		wantEqual(t, len(due()), 0)
	})
}
