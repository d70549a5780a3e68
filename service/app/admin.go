package app

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/bothylabs/bothy/service/auth"
	"github.com/bothylabs/bothy/service/config"
	"github.com/bothylabs/bothy/service/lab"
)

// Admin is somebody who may do everything.
type Admin struct {
	Login, Name string
	// Force makes another admin beside those that there are, and of somebody who has
	// an account already.
	Force bool
}

// MadeAdmin is who is an admin now.
type MadeAdmin struct {
	User lab.User
	// Known says that they had an account, and Ended what of theirs has ended.
	Known bool
	Ended lab.Ended
}

// SetUpAdmin makes the first admin of an installation, in the database and the Vault
// of a server's settings. Of somebody who has an account already, all sessions and API
// tokens end: whoever has them may not be whom the new password is for. ask gives the
// password, and is called only where there is none to refuse. CodeConflict when there
// is an admin, or the login is taken.
func SetUpAdmin(ctx context.Context, cfg config.Config, deps Deps, in Admin, ask func() (string, error)) (made MadeAdmin, err error) {
	deps = deps.withDefaults()
	a := &App{cfg: cfg, log: deps.Logger}
	if err := a.openStore(ctx, deps); err != nil {
		return MadeAdmin{}, err
	}
	defer func() { err = errors.Join(err, a.store.Close()) }()
	if a.adapters, err = newAdapters(cfg, deps); err != nil {
		return MadeAdmin{}, err
	}
	maker := &adminMaker{store: a.store, passwords: a.vault, deps: deps}
	return maker.make(ctx, in, ask)
}

// adminStore is where users are.
type adminStore interface {
	User(ctx context.Context, ref string) (lab.User, error)
	Users(ctx context.Context, filter lab.UserFilter, page lab.Page) (lab.List[lab.User], error)
	CreateUser(ctx context.Context, intent lab.Intent, user lab.User, audit lab.Audit) error
	ChangeUser(ctx context.Context, intent lab.Intent, id string, decide func(lab.User) (lab.User, lab.Audit, error)) (lab.User, error)
	PasswordSet(ctx context.Context, hold lab.PasswordHold, state lab.Password, kept string, tokens bool, at time.Time, audit lab.Audit) (lab.NewPassword, error)
	auth.PasswordHolds
}

type adminMaker struct {
	store     adminStore
	passwords auth.Passwords
	deps      Deps
}

func (m *adminMaker) make(ctx context.Context, in Admin, ask func() (string, error)) (MadeAdmin, error) {
	in.Login, in.Name = strings.TrimSpace(in.Login), strings.TrimSpace(in.Name)
	if err := checkAdmin(in); err != nil {
		return MadeAdmin{}, err
	}
	before, exists, err := m.before(ctx, in)
	if err != nil {
		return MadeAdmin{}, err
	}
	password, err := ask()
	if err != nil {
		return MadeAdmin{}, err
	}
	at := m.deps.Now()
	if !exists {
		before = lab.User{ID: m.deps.NewID(), Login: in.Login, Revision: 1, CreatedAt: at}
	}
	user := adminOf(before, in, at)
	if err := auth.CheckNewPassword(user, password); err != nil {
		return MadeAdmin{}, err
	}
	made := MadeAdmin{User: user, Known: exists}
	intent := lab.Intent{Actor: lab.Actor{Name: "setup"}}
	audit := func(action string) lab.Audit {
		return lab.Audit{ID: m.deps.NewID(), At: at, Actor: intent.Actor, Action: action, Target: user.ID, Detail: map[string]any{"login": user.Login}}
	}
	// Vault comes first: nobody is an admin who can't sign in.
	if !exists {
		if err := m.passwords.SetPassword(ctx, user.ID, password); err != nil {
			return MadeAdmin{}, fmt.Errorf("set the password: %w", err)
		}
		return made, m.store.CreateUser(ctx, intent, user, audit("admin.setup"))
	}
	// What others may hold ends before the role is given.
	giver := newGiver(m.store, m.passwords, m.deps)
	if err := giver.Give(ctx, lab.PasswordHold{UserID: user.ID, Disabled: true}, password, func(ctx context.Context, hold lab.PasswordHold) error {
		given, err := m.store.PasswordSet(ctx, hold, lab.PasswordOwn, "", true, at, audit("password.reset"))
		made.Ended = given.Ended
		return err
	}); err != nil {
		return MadeAdmin{}, err
	}
	made.User, err = m.store.ChangeUser(ctx, intent, user.ID, func(now lab.User) (lab.User, lab.Audit, error) {
		return adminOf(now, in, at), audit("admin.setup"), nil
	})
	return made, err
}

// adminOf makes an admin with a password of their own of a user.
func adminOf(user lab.User, in Admin, at time.Time) lab.User {
	user.Name, user.Role, user.Password, user.PasswordUntil, user.DisabledAt, user.UpdatedAt = in.Name, lab.RoleAdmin, lab.PasswordOwn, nil, nil, at
	user.RoleByProvider = false
	if user.Email == "" && strings.Contains(in.Login, "@") {
		user.Email = in.Login
	}
	return user
}

func checkAdmin(in Admin) error {
	var fields []lab.Field
	for name, value := range map[string]string{"-login": in.Login, "-name": in.Name} {
		if value == "" || len(value) > 320 || strings.ContainsFunc(value, func(r rune) bool { return r < ' ' || r == 0x7f }) {
			fields = append(fields, lab.Field{Name: name, Problem: "is missing, too long or has a control character", Remedy: "give the admin's login, mostly the e-mail address, and name"})
		}
	}
	if len(fields) > 0 {
		return lab.Invalid("the admin can't be made", fields...)
	}
	return nil
}

// before gives who has the login by now, and refuses what only force does.
func (m *adminMaker) before(ctx context.Context, in Admin) (user lab.User, exists bool, err error) {
	enabled := false
	admins, err := m.store.Users(ctx, lab.UserFilter{Role: lab.RoleAdmin, Disabled: &enabled}, lab.Page{Limit: 1})
	if err != nil {
		return lab.User{}, false, err
	}
	if len(admins.Items) > 0 && !in.Force {
		return lab.User{}, false, lab.Errorf(lab.CodeConflict, "there is an admin already: %s", admins.Items[0].Login).
			WithHint("they make others; -force makes another one from here")
	}
	user, err = m.store.User(ctx, in.Login)
	switch {
	case lab.CodeOf(err) == lab.CodeNotFound:
		return lab.User{}, false, nil
	case err == nil && !in.Force:
		err = lab.Errorf(lab.CodeConflict, "%s is somebody's login already", in.Login).WithHint("-force makes that person an admin, with a new password")
	}
	return user, true, err
}
