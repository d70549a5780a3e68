package app

import (
	"context"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/bothylabs/bothy/service/config"
	"github.com/bothylabs/bothy/service/lab"
)

func (v *vaultOf) CheckPassword(_ context.Context, id, password string) error {
	if v.set[id] != password {
		return lab.Errorf(lab.CodeUnauthenticated, "wrong")
	}
	return v.err
}

func TestPeopleAreSetUpOnceAndThenLeftAlone(t *testing.T) {
	ctx := t.Context()
	s := newStore(t)
	vault := &vaultOf{set: map[string]string{}}
	maker := &personMaker{store: s, passwords: vault, deps: Deps{NewID: uuid.NewString, Now: time.Now}}
	ana := Person{Login: "ana@example.edu", Name: "Ana", Role: lab.RoleStudent, Password: config.NewSecret("the first password")}
	ensure := func(what string, p Person, want bool) {
		t.Helper()
		if good, err := maker.ensure(ctx, p); err != nil || good != want {
			t.Errorf("%s: %v, %v", what, good, err)
		}
	}

	vault.err = lab.Errorf(lab.CodeUnavailable, "sealed")
	if _, err := maker.ensure(ctx, ana); lab.CodeOf(err) != lab.CodeUnavailable {
		t.Errorf("got %v", err)
	}
	if _, err := s.User(ctx, ana.Login); lab.CodeOf(err) != lab.CodeNotFound {
		t.Error("there is somebody without a password")
	}
	vault.err = nil
	ensure("made", ana, true)
	user, err := s.User(ctx, ana.Login)
	if err != nil || user.Role != lab.RoleStudent || user.Password != lab.PasswordOwn || user.Email != ana.Login || vault.set[user.ID] != "the first password" {
		t.Errorf("%v: %+v", err, user)
	}
	ensure("there", ana, true)

	vault.set[user.ID] = "one of her own"
	ensure("with another password", ana, false)
	if vault.set[user.ID] != "one of her own" {
		t.Error("her own password was replaced")
	}
	ana.Password, ana.Renew = config.NewSecret("the second password"), true
	ensure("renewed", ana, true)
	if vault.set[user.ID] != "the second password" {
		t.Error("it was not renewed")
	}

	if _, err := s.ChangeUser(ctx, lab.Intent{}, user.ID, func(u lab.User) (lab.User, lab.Audit, error) {
		at := time.Now()
		u.DisabledAt = &at
		return u, lab.Audit{ID: uuid.NewString(), At: at, Action: "user.disable", Target: u.ID}, nil
	}); err != nil {
		t.Fatal(err)
	}
	ana.Password = config.NewSecret("the third password")
	ensure("disabled", ana, false)
	if vault.set[user.ID] != "the second password" {
		t.Error("somebody disabled has a new password")
	}
}
