package command

import (
	"context"
	"flag"
	"fmt"
	"time"

	"github.com/bothylabs/bothy/service/client"
)

// userList is `bothy user list`.
type userList struct {
	env    *Env
	list   listFlags
	remote remoteFlags
	output output

	role     string
	disabled choice
}

func (*userList) doc() doc {
	return doc{
		synopsis: "List the users",
		text: `
Lists everybody who may sign in, and those who may not any more, by login where
no other order is asked for.
`,
		examples: []example{
			{"Who teaches", "bothy user list -role instructor"},
			{"Who may not sign in any more", "bothy user list -disabled"},
		},
	}
}

func (c *userList) flags(f *flags) {
	c.list.flags(f, "login", "name", "role", "created_at", "updated_at")
	f.group("Options", func(set *flag.FlagSet) {
		set.StringVar(&c.role, "role", "", "Show only the users with this `role`: "+roleWords()+".")
		set.Var(&c.disabled, "disabled", "Show only the users who are disabled, or with -disabled=false only those who are not.")
	})
	c.remote.flags(f)
	c.output.flags(f)
}

func (c *userList) run(ctx context.Context, _ []string) error {
	options, err := c.list.options()
	if err != nil {
		return err
	}
	s, err := c.remote.connect(c.env)
	if err != nil {
		return err
	}
	users, err := s.Users(ctx, client.UserFilter{ListOptions: options, Role: client.Role(c.role), Disabled: c.disabled.wanted})
	if err != nil {
		return err
	}
	return c.output.show(c.env, users, func() {
		if len(users) == 0 {
			c.env.UI.Output("No such users.")
			return
		}
		t := newTable("LOGIN", "NAME", "ROLE", "PASSWORD", "DISABLED").optional(3, 1)
		for _, user := range users {
			t.add(user.Login, user.Name, string(user.Role), passwordOf(user, c.env.Now()), disabledAt(user))
		}
		c.env.show(t)
	})
}

func roleWords() string { return alternatives([]string{"admin", "instructor", "assistant", "student"}) }

func disabledAt(user client.User) string {
	if user.DisabledAt == nil {
		return "-"
	}
	return date(*user.DisabledAt)
}

// userShow is `bothy user show`.
type userShow struct {
	env    *Env
	remote remoteFlags
	output output
}

func (*userShow) doc() doc {
	return doc{
		args:     []string{"<user>"},
		synopsis: "Show a user",
		text:     "Shows a user, who is named by login or id.",
		examples: []example{{"Show a user", "bothy user show grace@example.edu"}},
	}
}

func (c *userShow) flags(f *flags) {
	c.remote.flags(f)
	c.output.flags(f)
}

func (c *userShow) run(ctx context.Context, args []string) error {
	s, err := c.remote.connect(c.env)
	if err != nil {
		return err
	}
	user, err := s.User(ctx, args[0])
	if err != nil {
		return err
	}
	return c.output.show(c.env, user, func() { c.env.UI.Output(userTable(user, c.env.Now()).String()) })
}

func userTable(user client.User, now time.Time) *table {
	t := newTable("User", user.Login)
	t.add("Name", user.Name)
	t.add("Role", string(user.Role))
	if user.Email != "" {
		t.add("E-mail", user.Email)
	}
	t.add("Password", passwordOf(user, now))
	if user.Linked {
		t.add("Single sign-on", "linked")
	}
	t.add("Created", date(user.CreatedAt))
	if user.DisabledAt != nil {
		t.add("Disabled", date(*user.DisabledAt))
	}
	return t
}

// passwordOf says how far a user is with a password.
func passwordOf(user client.User, now time.Time) string {
	switch until := user.PasswordUntil; {
	case until == nil:
		return string(user.Password)
	case until.After(now):
		return string(user.Password) + ", until " + date(*until)
	default:
		return string(user.Password) + ", too old since " + date(*until)
	}
}

// userCreate is `bothy user create`.
type userCreate struct {
	env    *Env
	write  writeFlags
	remote remoteFlags
	output output

	name, email, role string
}

func (*userCreate) doc() doc {
	return doc{
		args:     []string{"<login>"},
		synopsis: "Create a user",
		text: `
Creates somebody who may sign in with the login, which is mostly their e-mail
address. Where the server sends mail, they get an invitation with a temporary
password. Students are made by enrolling them ("bothy student enroll").
`,
		examples: []example{{"An instructor", "bothy user create -role instructor -name \"Grace Hopper\" grace@example.edu"}},
	}
}

func (c *userCreate) flags(f *flags) {
	f.group("Options", func(set *flag.FlagSet) {
		set.StringVar(&c.name, "name", "", "`Name` for people. Needed.")
		set.StringVar(&c.role, "role", "", "`Role`: "+roleWords()+". Needed.")
		set.StringVar(&c.email, "email", "", "`Address` for mail; the login without it, where that is one.")
	})
	c.write.flags(f)
	c.remote.flags(f)
	c.output.flags(f)
}

func (c *userCreate) run(ctx context.Context, args []string) error {
	switch "" {
	case c.name:
		return usagef("-name is missing")
	case c.role:
		return usagef("-role is missing: give %s", roleWords())
	}
	s, err := c.remote.connect(c.env)
	if err != nil {
		return err
	}
	input := client.UserInput{Login: args[0], Name: c.name, Role: client.Role(c.role)}
	if c.email != "" {
		input.Email = &c.email
	}
	user, err := c.write.on(s).CreateUser(ctx, input)
	if err != nil {
		return err
	}
	if c.write.dryRun {
		return c.write.tried(c.env, &c.output, user, fmt.Sprintf("User %s would be created, with the role %s.", user.Login, user.Role))
	}
	return c.output.show(c.env, user, func() {
		c.env.UI.Output(fmt.Sprintf("User %s created, with the role %s.", user.Login, user.Role))
	})
}

// userUpdate is `bothy user update`.
type userUpdate struct {
	env    *Env
	remote remoteFlags
	output output

	name, email, role string
	unlink            bool
}

func (*userUpdate) doc() doc {
	return doc{
		args:     []string{"<user>"},
		synopsis: "Change a user",
		text: `
Changes what the flags name, and leaves the rest. With another role, what was
given to the user in the old one is taken away. Nobody changes their own role,
and the last active admin stays one.
`,
		examples: []example{
			{"Make somebody an assistant", "bothy user update -role assistant alan@example.edu"},
			{"Let another account of the provider's open theirs", "bothy user update -unlink alan@example.edu"},
		},
	}
}

func (c *userUpdate) flags(f *flags) {
	f.group("Options", func(set *flag.FlagSet) {
		set.StringVar(&c.name, "name", "", "`Name` for people.")
		set.StringVar(&c.role, "role", "", "`Role`: "+roleWords()+".")
		set.StringVar(&c.email, "email", "", "`Address` for mail.")
		set.BoolVar(&c.unlink, "unlink", false, "Forget who they are to the provider of single sign-on.")
	})
	c.remote.flags(f)
	c.output.flags(f)
}

func (c *userUpdate) run(ctx context.Context, args []string) error {
	var patch client.UserPatch
	if c.name != "" {
		patch.Name = &c.name
	}
	if c.email != "" {
		patch.Email = &c.email
	}
	if c.role != "" {
		role := client.Role(c.role)
		patch.Role = &role
	}
	if c.unlink {
		linked := false
		patch.Linked = &linked
	}
	if patch == (client.UserPatch{}) {
		return usagef("nothing to change: give -name, -email, -role or -unlink")
	}
	s, err := c.remote.connect(c.env)
	if err != nil {
		return err
	}
	user, err := s.UpdateUser(ctx, args[0], patch)
	if err != nil {
		return err
	}
	return c.output.show(c.env, user, func() { c.env.UI.Output(userTable(user, c.env.Now()).String()) })
}

// userAccess is `bothy user disable` and `bothy user enable`.
type userAccess struct {
	env     *Env
	remote  remoteFlags
	output  output
	disable bool
}

func (c *userAccess) doc() doc {
	if c.disable {
		return doc{
			args:     []string{"<user>"},
			synopsis: "End a user's access",
			text: `
Ends a user's access at once. Nothing of theirs is deleted, and "bothy user
enable" gives it back. Nobody disables themselves, and the last active admin
stays one.
`,
			examples: []example{{"End somebody's access", "bothy user disable alan@example.edu"}},
		}
	}
	return doc{
		args:     []string{"<user>"},
		synopsis: "Give a disabled user access again",
		text: `
Lets a user who was disabled sign in again. Their password, sessions and API
tokens of before are gone: where the server sends mail, they are invited again.
`,
		examples: []example{{"Give it back", "bothy user enable alan@example.edu"}},
	}
}

func (c *userAccess) flags(f *flags) {
	c.remote.flags(f)
	c.output.flags(f)
}

func (c *userAccess) run(ctx context.Context, args []string) error {
	s, err := c.remote.connect(c.env)
	if err != nil {
		return err
	}
	user, err := s.UpdateUser(ctx, args[0], client.UserPatch{Disabled: &c.disable})
	if err != nil {
		return err
	}
	return c.output.show(c.env, user, func() {
		word := "enabled"
		if c.disable {
			word = "disabled"
		}
		c.env.UI.Output(fmt.Sprintf("User %s is %s.", user.Login, word))
	})
}

// whoami is `bothy whoami`.
type whoami struct {
	env    *Env
	remote remoteFlags
	output output
}

func (*whoami) doc() doc {
	return doc{
		synopsis: "Show who you are to the server",
		text:     "Shows whose token you use, which role they have, and what the token is good for.",
		examples: []example{{"Who am I", "bothy whoami"}},
	}
}

func (c *whoami) flags(f *flags) {
	c.remote.flags(f)
	c.output.flags(f)
}

func (c *whoami) run(ctx context.Context, _ []string) error {
	s, err := c.remote.connect(c.env)
	if err != nil {
		return err
	}
	me, err := s.Me(ctx)
	if err != nil {
		return err
	}
	return c.output.show(c.env, me, func() {
		t := newTable("Name", me.Name)
		if me.User != nil {
			t = newTable("Login", me.User.Login)
			t.add("Name", me.User.Name)
		}
		t.add("Role", string(me.Role))
		if me.Token != nil {
			t.add("Token", "good for "+*me.Token)
		}
		c.env.UI.Output(t.String())
	})
}
