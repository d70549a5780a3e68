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

// newStore opens an empty database.
func newStore(t *testing.T) *store.Store {
	t.Helper()
	s, err := store.Open(t.Context(), store.Config{Driver: store.SQLite, Path: filepath.Join(t.TempDir(), "bothy.db")})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	return s
}

func TestTheFirstAdminIsMadeOnce(t *testing.T) {
	ctx := t.Context()
	s := newStore(t)
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
	if err != nil || made.Known || got.ID != made.User.ID || got.Role != lab.RoleAdmin || got.Password != lab.PasswordOwn || got.Email != "ada@example.edu" || vault.set[got.ID] != "a very long password" {
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
	if got, err = s.User(ctx, "ada@example.edu"); err != nil || got.Name != "Ada King" || vault.set[got.ID] != "another long password" || got.ID != made.User.ID {
		t.Errorf("%v: %+v", err, got)
	}
}

func TestSomebodyDisabledIsMadeAnAdminByForce(t *testing.T) {
	ctx := t.Context()
	s := newStore(t)
	maker := &adminMaker{store: s, passwords: &vaultOf{set: map[string]string{}}, deps: Deps{NewID: uuid.NewString, Now: time.Now}}
	at := time.Now()
	ada := lab.User{ID: uuid.NewString(), Login: "ada@example.edu", Name: "Ada", Role: lab.RoleStudent, Password: lab.PasswordNone, DisabledAt: &at, Revision: 1, CreatedAt: at, UpdatedAt: at}
	if err := s.CreateUser(ctx, lab.Intent{}, ada, lab.Audit{ID: uuid.NewString(), At: at, Action: "user.create"}); err != nil {
		t.Fatal(err)
	}
	made, err := maker.make(ctx, Admin{Login: ada.Login, Name: ada.Name, Force: true}, func() (string, error) { return "a very long password", nil })
	if err != nil || !made.User.Active() || made.User.Role != lab.RoleAdmin {
		t.Errorf("%v: %+v", err, made)
	}
}

func TestWhoIsMadeAdminAgainKeepsNothingThatOthersMayHold(t *testing.T) {
	ctx := t.Context()
	s := newStore(t)
	maker := &adminMaker{store: s, passwords: &vaultOf{set: map[string]string{}}, deps: Deps{NewID: uuid.NewString, Now: time.Now}}
	says := func() (string, error) { return "a very long password", nil }
	audit := func(action string) lab.Audit {
		return lab.Audit{ID: uuid.NewString(), At: time.Now(), Action: action}
	}
	var made [2]MadeAdmin
	for i, in := range []Admin{{Login: "ada@example.edu", Name: "Ada"}, {Login: "bob@example.edu", Name: "Bob", Force: true}} {
		var err error
		if made[i], err = maker.make(ctx, in, says); err != nil {
			t.Fatal(err)
		}
		for _, hash := range []string{in.Name + " here", in.Name + " there"} {
			session := lab.Session{
				ID: uuid.NewString(), UserID: made[i].User.ID, CreatedAt: time.Now(), SeenAt: time.Now(), RotatedAt: time.Now(), ExpiresAt: time.Now().Add(time.Hour),
			}
			if err := s.BeginSession(ctx, lab.SignIn{Session: session, Hash: hash, Device: hash}, audit("session.create"), nil); err != nil {
				t.Fatal(err)
			}
		}
		token := lab.APIToken{ID: uuid.NewString(), UserID: made[i].User.ID, Name: "ci", Scope: lab.TokenWrite, CreatedAt: time.Now(), ExpiresAt: time.Now().Add(time.Hour)}
		if err := s.CreateToken(ctx, lab.Intent{}, lab.Caller{}, token, in.Name, audit("token.create")); err != nil {
			t.Fatal(err)
		}
	}

	again, err := maker.make(ctx, Admin{Login: "ada@example.edu", Name: "Ada", Force: true}, says)
	if err != nil || !again.Known || again.Ended != (lab.Ended{Sessions: 2, Tokens: 1}) {
		t.Errorf("%v: %+v", err, again)
	}
	for i, want := range []int{0, 3} {
		sessions, err := s.Sessions(ctx, made[i].User.ID, time.Now(), time.Hour, lab.Page{Limit: 9})
		if err != nil {
			t.Fatal(err)
		}
		tokens, err := s.Tokens(ctx, made[i].User.ID, lab.Page{Limit: 9})
		if err != nil {
			t.Fatal(err)
		}
		if left := len(sessions.Items) + len(tokens.Items); left != want {
			t.Errorf("%s is left %d sessions and tokens, not %d", made[i].User.Login, left, want)
		}
	}
}
