package app

import (
	"context"
	"errors"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/bothylabs/bothy/service/lab"
	"github.com/bothylabs/bothy/service/store"
)

// vaultOf stands for Vault.
type vaultOf struct {
	set map[string]string
	err error
}

func (v *vaultOf) SetPassword(_ context.Context, id, password string) error {
	if v.err == nil {
		v.set[id] = password
	}
	return v.err
}

func TestTheFirstAdminIsMadeOnce(t *testing.T) {
	ctx := t.Context()
	s, err := store.Open(ctx, store.Config{Driver: store.SQLite, Path: filepath.Join(t.TempDir(), "bothy.db")})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	vault := &vaultOf{set: map[string]string{}}
	maker := &adminMaker{store: s, passwords: vault, deps: Deps{NewID: uuid.NewString, Now: time.Now}}
	asked := 0
	says := func(password string) func() (string, error) {
		return func() (string, error) { asked++; return password, nil }
	}
	ada := Admin{Login: " ada@example.edu ", Name: "Ada Lovelace"}

	for want, try := range map[lab.Code]func() error{
		lab.CodeInvalid: func() error { _, err := maker.make(ctx, ada, says("short")); return err },
		lab.CodeUnavailable: func() error {
			vault.err = lab.Errorf(lab.CodeUnavailable, "sealed")
			defer func() { vault.err = nil }()
			_, err := maker.make(ctx, ada, says("a very long password"))
			return err
		},
		lab.CodeInternal: func() error {
			_, err := maker.make(ctx, ada, func() (string, error) { return "", errors.New("gone") })
			return err
		},
	} {
		if err := try(); lab.CodeOf(err) != want {
			t.Errorf("got %v, want %s", err, want)
		}
		if _, err := s.User(ctx, "ada@example.edu"); lab.CodeOf(err) != lab.CodeNotFound {
			t.Errorf("there is somebody after %s", want)
		}
	}
	if _, err := maker.make(ctx, Admin{}, says("x")); lab.CodeOf(err) != lab.CodeInvalid {
		t.Errorf("got %v", err)
	}

	made, err := maker.make(ctx, ada, says("a very long password"))
	if err != nil {
		t.Fatal(err)
	}
	got, err := s.User(ctx, "ada@example.edu")
	if err != nil || got.ID != made.ID || got.Role != lab.RoleAdmin || got.Password != lab.PasswordOwn || got.Email != "ada@example.edu" || vault.set[got.ID] != "a very long password" {
		t.Errorf("%v: %+v", err, got)
	}
	before := asked
	for _, again := range []Admin{ada, {Login: "bob@example.edu", Name: "Bob"}} {
		if _, err := maker.make(ctx, again, says("another long password")); lab.CodeOf(err) != lab.CodeConflict || asked != before {
			t.Errorf("got %v, asked %d times", err, asked-before)
		}
	}
	ada.Force, ada.Name = true, "Ada King"
	if _, err := maker.make(ctx, ada, says("another long password")); err != nil {
		t.Fatal(err)
	}
	if got, err = s.User(ctx, "ada@example.edu"); err != nil || got.Name != "Ada King" || vault.set[got.ID] != "another long password" || got.ID != made.ID {
		t.Errorf("%v: %+v", err, got)
	}
}
