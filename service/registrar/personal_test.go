package registrar_test

import (
	"testing"

	"github.com/bothylabs/bothy/service/lab"
	"github.com/bothylabs/bothy/service/registrar"
)

func TestAUserIsErasedWhomTheLoginConfirms(t *testing.T) {
	t.Parallel()
	o := open(t)
	ctx := t.Context()
	user, err := o.CreateUser(ctx, o.intent, registrar.UserInput{Login: "grace@example.edu", Name: "Grace", Email: "grace@example.edu", Role: lab.RoleInstructor})
	o.must(err)
	export, err := o.ExportUser(ctx, o.intent, "grace@example.edu")
	o.must(err)
	wantEqual(t, export.UserIDs, []string{user.ID})
	erase := func(login string) func() error {
		return func() error { return second(o.EraseUser(ctx, o.intent, user.ID, login)) }
	}
	o.refused(lab.CodeConflict, erase("Grace@example.edu")) // staff still
	student := lab.RoleStudent
	_, err = o.UpdateUser(ctx, o.intent, user.ID, registrar.UserPatch{Role: &student})
	o.must(err)
	wrong := o.refused(lab.CodeInvalid, erase("alan@example.edu"))
	wantEqual(t, wrong.Fields[0].Name, "login")
	done, err := o.EraseUser(ctx, o.intent, "grace@example.edu", "Grace@example.edu")
	o.must(err)
	if done.UserID != user.ID || len(done.Erased) == 0 || len(done.Kept) == 0 {
		t.Errorf("got %+v", done)
	}
	o.refused(lab.CodeNotFound, func() error { return second(o.ExportUser(ctx, o.intent, "grace@example.edu")) })
	o.refused(lab.CodeConflict, erase(user.ID+"@erased.invalid"))
}
