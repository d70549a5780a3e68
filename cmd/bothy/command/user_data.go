package command

import (
	"context"
	"flag"

	"github.com/bothylabs/bothy/service/client"
	"github.com/bothylabs/bothy/service/lab"
)

// userExport is `bothy user export`.
type userExport struct {
	env    *Env
	remote remoteFlags
}

func (*userExport) doc() doc {
	return doc{
		args:     []string{"<login>"},
		synopsis: "Print all that is kept of a user",
		text: `
Prints one JSON document with every row about the person, as bothy student
export does: of whoever is no student any more because the cohort was deleted,
or never was one. Files in homes are not in it.
`,
		examples: []example{{"Into a file", "bothy user export grace@example.edu > grace.json"}},
	}
}

func (c *userExport) flags(f *flags) { c.remote.flags(f) }

func (c *userExport) run(ctx context.Context, args []string) error {
	s, err := c.remote.connect(c.env)
	if err != nil {
		return err
	}
	export, err := s.ExportUser(ctx, args[0])
	if err != nil {
		return err
	}
	return printExport(c.env, export)
}

// userErase is `bothy user erase`.
type userErase struct {
	env    *Env
	remote remoteFlags
	output output

	login  string
	dryRun bool
}

func (*userErase) doc() doc {
	return doc{
		args:     []string{"<user id>"},
		synopsis: "Take a user out of Bothy for good",
		text: `
Does what bothy student erase does for whoever is no student any more because
the cohort was deleted, or never was one. Give former staff the role of a
student first: bothy user update -role student. It cannot be undone. The login
confirms who is meant.
`,
		examples: []example{
			{"See what it would do", "bothy user erase -login grace@example.edu -dry-run 0198c1d2-7a50-7c6e-9d0f-0b8a1c2d3e70"},
		},
	}
}

func (c *userErase) flags(f *flags) {
	f.group("Options", func(set *flag.FlagSet) {
		set.StringVar(&c.login, "login", "", "The user's `login`, to confirm who is meant.")
		set.BoolVar(&c.dryRun, "dry-run", false, "Tell what would be erased; change nothing.")
	})
	c.remote.flags(f)
	c.output.flags(f)
}

func (c *userErase) run(ctx context.Context, args []string) error {
	if c.login == "" {
		return lab.Errorf(lab.CodeInvalid, "the user was not erased: -login is missing").
			WithHint("confirm who is meant with the user's login")
	}
	s, err := c.remote.connect(c.env)
	if err != nil {
		return err
	}
	erasure, err := s.With(client.Conditions{DryRun: c.dryRun}).EraseUser(ctx, args[0], c.login)
	if err != nil {
		return err
	}
	if c.dryRun {
		c.env.UI.Warn("Dry run: nothing was changed.")
	}
	return c.output.show(c.env, erasure, func() { showErasure(c.env, erasure.Erased, erasure.Kept) })
}
