package command

import (
	"context"
	"flag"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/bothylabs/bothy/service/client"
	"github.com/bothylabs/bothy/service/lab"
)

// secretOwner are the flags that say whose secret it is.
type secretOwner struct{ of client.SecretOwner }

func (o *secretOwner) flags(set *flag.FlagSet) {
	set.StringVar(&o.of.Course, "course", "", "The secrets of a course, by its `key` or id.")
	set.StringVar(&o.of.Class, "class", "", "The secrets of a `class`, <cohort>/<course>.")
	set.StringVar(&o.of.Student, "student", "", "The secrets of a student, by `id`.")
}

func (o *secretOwner) check() error {
	given := 0
	for _, ref := range []string{o.of.Course, o.of.Class, o.of.Student} {
		if ref != "" {
			given++
		}
	}
	if given != 1 {
		return usagef("name one of -course, -class and -student")
	}
	return nil
}

// String gives the owner for people: "course py101".
func (o *secretOwner) String() string {
	switch {
	case o.of.Course != "":
		return "course " + o.of.Course
	case o.of.Class != "":
		return "class " + o.of.Class
	default:
		return "student " + o.of.Student
	}
}

// secretSet is `bothy secret set`.
type secretSet struct {
	env    *Env
	remote remoteFlags
	output output
	write  writeFlags
	owner  secretOwner

	file string
}

func (*secretSet) doc() doc {
	return doc{
		args:     []string{"<name>"},
		synopsis: "Set a secret",
		text: `
Gives a course, a class or a student a secret, which its workspaces find in
their environment. The value comes from standard input or a file, without the
line's end that closes it, and never from the command line, which others can
see. It goes into Vault; nobody gets it back from here.
`,
		examples: []example{
			{"From standard input", "bothy secret set -course py101 DATABASE_URL < database.url"},
			{"From a file", "bothy secret set -class fall-26/py101 -file api.key API_KEY"},
		},
	}
}

func (c *secretSet) flags(f *flags) {
	f.group("Options", func(set *flag.FlagSet) {
		c.owner.flags(set)
		set.StringVar(&c.file, "file", "-", "`File` with the value; - is standard input.")
	})
	c.write.flags(f)
	c.remote.flags(f)
	c.output.flags(f)
}

func (c *secretSet) run(ctx context.Context, args []string) error {
	if err := c.owner.check(); err != nil {
		return err
	}
	s, err := c.remote.connect(c.env)
	if err != nil {
		return err
	}
	value, err := c.value()
	if err != nil {
		return err
	}
	secret, err := c.write.on(s).SetSecret(ctx, c.owner.of, args[0], value)
	if err != nil {
		return err
	}
	if c.write.dryRun {
		return c.write.tried(c.env, &c.output, secret, fmt.Sprintf("Secret %s of %s would be set.", secret.Name, &c.owner))
	}
	return c.output.show(c.env, secret, func() {
		c.env.UI.Output(fmt.Sprintf("Secret %s of %s set.", secret.Name, &c.owner))
	})
}

// value reads the secret. What is wrong with it is said without it.
func (c *secretSet) value() (string, error) {
	from, name := c.env.Stdin, "standard input"
	if c.file != "-" {
		file, err := os.Open(c.file)
		if err != nil {
			return "", lab.Wrap(lab.CodeInvalid, err, "the value can't be read: %v", err)
		}
		defer func() { _ = file.Close() }() // it was only read
		from, name = file, c.file
	} else if c.env.InTerminal {
		c.env.UI.Error("Type the value, then Ctrl-D:")
	}
	text, err := io.ReadAll(io.LimitReader(from, lab.MaxSecretValue+3))
	if err != nil {
		return "", lab.Wrap(lab.CodeInvalid, err, "the value can't be read from %s", name)
	}
	value := strings.TrimSuffix(strings.TrimSuffix(string(text), "\n"), "\r")
	if value == "" || len(value) > lab.MaxSecretValue {
		return "", lab.Errorf(lab.CodeInvalid, "%s has no value, or one of more than %d bytes", name, lab.MaxSecretValue)
	}
	return value, nil
}

// secretList is `bothy secret list`.
type secretList struct {
	env    *Env
	remote remoteFlags
	output output
	owner  secretOwner
}

func (*secretList) doc() doc {
	return doc{
		synopsis: "List secrets",
		text:     "Lists the names of a course's, a class's or a student's secrets, when each was\nset and by whom. Their values are in Vault.",
		examples: []example{{"Of a course", "bothy secret list -course py101"}},
	}
}

func (c *secretList) flags(f *flags) {
	f.group("Options", c.owner.flags)
	c.remote.flags(f)
	c.output.flags(f)
}

func (c *secretList) run(ctx context.Context, _ []string) error {
	if err := c.owner.check(); err != nil {
		return err
	}
	s, err := c.remote.connect(c.env)
	if err != nil {
		return err
	}
	secrets, err := client.Collect(s.AllSecrets(ctx, c.owner.of, client.ListOptions{}))
	if err != nil {
		return err
	}
	return c.output.show(c.env, secrets, func() {
		t := newTable("Name", "Set", "By")
		for _, secret := range secrets {
			t.add(secret.Name, date(secret.SetAt), secret.SetBy)
		}
		c.env.show(t)
	})
}

// secretDelete is `bothy secret delete`.
type secretDelete struct {
	env    *Env
	remote remoteFlags
	output output
	write  writeFlags
	owner  secretOwner
}

func (*secretDelete) doc() doc {
	return doc{
		args:     []string{"<name>"},
		synopsis: "Delete a secret",
		text:     "Takes a secret away, in Vault and from the workspaces. Where another value of\nthe same name stands behind it, that one holds again.",
		examples: []example{{"Of a course", "bothy secret delete -course py101 DATABASE_URL"}},
	}
}

func (c *secretDelete) flags(f *flags) {
	f.group("Options", c.owner.flags)
	c.write.flags(f)
	c.remote.flags(f)
	c.output.flags(f)
}

func (c *secretDelete) run(ctx context.Context, args []string) error {
	if err := c.owner.check(); err != nil {
		return err
	}
	s, err := c.remote.connect(c.env)
	if err != nil {
		return err
	}
	if err := c.write.on(s).DeleteSecret(ctx, c.owner.of, args[0]); err != nil {
		return err
	}
	deleted := map[string]string{"name": args[0]}
	if c.write.dryRun {
		return c.write.tried(c.env, &c.output, deleted, fmt.Sprintf("Secret %s of %s would be deleted.", args[0], &c.owner))
	}
	return c.output.show(c.env, deleted, func() {
		c.env.UI.Output(fmt.Sprintf("Secret %s of %s deleted.", args[0], &c.owner))
	})
}
