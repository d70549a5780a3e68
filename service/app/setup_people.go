package app

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/bothylabs/bothy/service/auth"
	"github.com/bothylabs/bothy/service/config"
	"github.com/bothylabs/bothy/service/lab"
)

// Person is somebody who is there from the beginning, with a password that whoever
// sets them up knows.
type Person struct {
	Login, Name string
	Role        lab.Role
	Password    config.Secret
	// Renew gives the password also to somebody who has another one.
	Renew bool
}

// SetUpPeople makes those of these people who are not there. It says of each whether
// they can sign in with the password: not who has chosen another one since, or is
// disabled. What else has become of them is left as it is. Run must be running.
func (a *App) SetUpPeople(ctx context.Context, people []Person) ([]bool, error) {
	setup := &personMaker{store: a.store, passwords: a.vault, deps: Deps{NewID: a.people.NewID, Now: a.people.Now}}
	good := make([]bool, len(people))
	for i, person := range people {
		var err error
		if good[i], err = setup.ensure(ctx, person); err != nil {
			return nil, fmt.Errorf("set up %s: %w", person.Login, err)
		}
	}
	return good, nil
}

// personStore is where users are.
type personStore interface {
	User(ctx context.Context, ref string) (lab.User, error)
	CreateUser(ctx context.Context, intent lab.Intent, user lab.User, audit lab.Audit) error
	PasswordSet(ctx context.Context, hold lab.PasswordHold, state lab.Password, kept string, tokens bool, at time.Time, audit lab.Audit) (lab.NewPassword, error)
	auth.PasswordHolds
}

type personMaker struct {
	store     personStore
	passwords auth.Passwords
	deps      Deps
}

func (m *personMaker) ensure(ctx context.Context, person Person) (good bool, err error) {
	user, err := m.store.User(ctx, person.Login)
	switch {
	case lab.CodeOf(err) == lab.CodeNotFound:
		return true, m.create(ctx, person)
	case err != nil:
		return false, err
	case !user.Active():
		return false, nil
	case person.Renew:
		return true, m.renew(ctx, user, person)
	}
	switch err := m.passwords.CheckPassword(ctx, user.ID, person.Password.Reveal()); lab.CodeOf(err) {
	case lab.CodeUnauthenticated, lab.CodeForbidden:
		return false, nil
	default:
		return err == nil, err
	}
}

func (m *personMaker) create(ctx context.Context, person Person) error {
	at := m.deps.Now()
	user := lab.User{
		ID: m.deps.NewID(), Login: person.Login, Name: person.Name, Role: person.Role, Password: lab.PasswordOwn,
		Revision: 1, CreatedAt: at, UpdatedAt: at,
	}
	if strings.Contains(user.Login, "@") {
		user.Email = user.Login
	}
	// Vault comes first: nobody is there who can't sign in, or would be invited.
	if err := m.passwords.SetPassword(ctx, user.ID, person.Password.Reveal()); err != nil {
		return fmt.Errorf("set a password: %w", err)
	}
	intent, audit := m.record("user.create", user)
	return m.store.CreateUser(ctx, intent, user, audit)
}

func (m *personMaker) renew(ctx context.Context, user lab.User, person Person) error {
	_, audit := m.record("password.reset", user)
	giver := newGiver(m.store, m.passwords, m.deps)
	return giver.Give(ctx, lab.PasswordHold{UserID: user.ID}, person.Password.Reveal(), func(ctx context.Context, hold lab.PasswordHold) error {
		_, err := m.store.PasswordSet(ctx, hold, lab.PasswordOwn, "", false, audit.At, audit)
		return err
	})
}

func (m *personMaker) record(action string, user lab.User) (lab.Intent, lab.Audit) {
	intent := lab.Intent{Actor: lab.Actor{Name: "setup"}}
	return intent, lab.Audit{
		ID: m.deps.NewID(), At: m.deps.Now(), Actor: intent.Actor, Action: action, Target: user.ID,
		Detail: map[string]any{"login": user.Login, "role": user.Role},
	}
}

// newGiver gives passwords outside of a request.
func newGiver(holds auth.PasswordHolds, passwords auth.Passwords, deps Deps) auth.Giver {
	return auth.Giver{Holds: holds, Passwords: passwords, NewID: deps.NewID, Now: deps.Now, After: time.After}
}
