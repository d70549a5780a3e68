package command

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"

	"github.com/bothylabs/bothy/service/app"
	"github.com/bothylabs/bothy/service/config"
	"github.com/bothylabs/bothy/service/lab"
)

// setupAdmin is `bothy setup admin`.
type setupAdmin struct {
	env      *Env
	file     string
	settings config.Flags

	admin        app.Admin
	passwordFile string
}

func (*setupAdmin) doc() doc {
	return doc{
		synopsis: "Make the first admin",
		text: `
Makes the first person who may do everything, in the database and the Vault of
the server's configuration; the server may run meanwhile. The password is asked
for twice, or read from a file; there is no default one. It goes to Vault and
nowhere else.

Where there is an admin already, it refuses; -force makes another one, or gives
somebody who has an account the role and a new password. That ends all their
sessions, the editors that they have open, and their API tokens, as a reset by
mail does, and says how many: whoever holds what they had is out.
`,
		examples: []example{
			{"Make the first admin", "bothy setup admin -config /etc/bothy.d/bothy.hcl -login ada@example.edu -name \"Ada Lovelace\""},
			{"From a script", "bothy setup admin -login ada@example.edu -name Ada -password-file - < password"},
		},
	}
}

func (c *setupAdmin) flags(f *flags) {
	f.group("Options", func(set *flag.FlagSet) {
		set.StringVar(&c.admin.Login, "login", "", "What the admin signs in with, mostly the e-mail `address`. Needed.")
		set.StringVar(&c.admin.Name, "name", "", "The admin's `name`. Needed.")
		set.StringVar(&c.passwordFile, "password-file", "", "`File` with the password; not for others to read; \"-\" reads standard input.")
		set.BoolVar(&c.admin.Force, "force", false, "Do it also where there is an admin, and to somebody who has an account.")
	})
	serverFlags(f, &c.file, &c.settings)
}

func (c *setupAdmin) run(ctx context.Context, _ []string) error {
	settings, err := config.Load(config.Sources{File: c.file, LookupEnv: c.env.LookupEnv, Flags: c.settings})
	if err != nil {
		return err
	}
	made, err := app.SetUpAdmin(ctx, settings, app.Deps{Logger: slog.New(slog.DiscardHandler), Version: c.env.Version}, c.admin, c.password)
	if err != nil {
		return err
	}
	c.env.UI.Output(fmt.Sprintf("%s is an admin, and signs in at %s/sign-in.", made.User.Login, settings.ConsoleURL))
	if made.Known {
		c.env.UI.Output("What they had before has ended: " + held(made.Ended) + ".")
	}
	return nil
}

// held says how many sessions and tokens: "2 sessions and no API tokens".
func held(ended lab.Ended) string {
	some := func(n int, noun string) string {
		if n == 0 {
			return "no " + noun + "s"
		}
		return count(n, noun)
	}
	return some(ended.Sessions, "session") + " and " + some(ended.Tokens, "API token")
}

// password reads the password, or asks for it twice without showing it.
func (c *setupAdmin) password() (string, error) {
	if c.passwordFile != "" {
		return c.passwordFrom()
	}
	if !c.env.InTerminal {
		return "", lab.Errorf(lab.CodeInvalid, "there is no terminal to ask for the password at").WithHint("give -password-file, or -password-file - for standard input")
	}
	first, err := c.env.UI.AskSecret("Password for " + c.admin.Login + ":")
	if err != nil {
		return "", lab.Wrap(lab.CodeInvalid, err, "no password was given")
	}
	again, err := c.env.UI.AskSecret("The same again:")
	if err != nil {
		return "", lab.Wrap(lab.CodeInvalid, err, "no password was given")
	}
	if first != again {
		return "", lab.Errorf(lab.CodeInvalid, "the two passwords are not the same")
	}
	return first, nil
}

func (c *setupAdmin) passwordFrom() (string, error) {
	if c.passwordFile == "-" {
		secret, err := c.env.lineFromStdin()
		return secret, err
	}
	secret, err := config.Credential{File: c.passwordFile}.Read()
	if err != nil {
		return "", lab.Wrap(lab.CodeInvalid, err, "the password can't be read").WithHint("the file holds the password alone, in one line, with mode 0600")
	}
	return secret.Reveal(), nil
}

// lineFromStdin reads all of standard input, without the end of its last line.
func (e *Env) lineFromStdin() (string, error) {
	text, err := io.ReadAll(io.LimitReader(e.Stdin, maxToken))
	if err != nil {
		return "", unreadable("standard input", err)
	}
	for len(text) > 0 && (text[len(text)-1] == '\n' || text[len(text)-1] == '\r') {
		text = text[:len(text)-1]
	}
	if len(text) == 0 {
		return "", errors.New("standard input is empty")
	}
	return string(text), nil
}
