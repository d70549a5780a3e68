package command

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"

	"github.com/bothylabs/bothy/service/client"
	"github.com/bothylabs/bothy/service/lab"
)

// studentExport is `bothy student export`.
type studentExport struct {
	env    *Env
	remote remoteFlags
}

func (*studentExport) doc() doc {
	return doc{
		args:     []string{"<student id>"},
		synopsis: "Print all that is kept of a person",
		text: `
Prints one JSON document with every row about the person who the student is, in
whatever cohort, the record of changes among them. Files in homes are not in it.
The id is in: bothy student list -json
`,
		examples: []example{{"Into a file", "bothy student export 0198c1d2-7a50-7c6e-9d0f-0b8a1c2d3e51 > ada.json"}},
	}
}

func (c *studentExport) flags(f *flags) { c.remote.flags(f) }

func (c *studentExport) run(ctx context.Context, args []string) error {
	s, err := c.remote.connect(c.env)
	if err != nil {
		return err
	}
	export, err := s.ExportStudent(ctx, args[0])
	if err != nil {
		return err
	}
	return printExport(c.env, export)
}

func printExport(env *Env, export client.PersonalExport) error {
	text, err := json.MarshalIndent(export, "", "  ")
	if err != nil {
		return fmt.Errorf("encode: %w", err)
	}
	fmt.Fprintf(env.Stdout, "%s\n", text)
	return nil
}

// studentErase is `bothy student erase`.
type studentErase struct {
	env    *Env
	remote remoteFlags
	output output

	email  string
	dryRun bool
}

func (*studentErase) doc() doc {
	return doc{
		args:     []string{"<student id>"},
		synopsis: "Take a person out of Bothy for good",
		text: `
Replaces the name and address of the person who the student is wherever they
stand, withdraws them from every cohort, and deletes their workspaces with their
homes. It cannot be undone. The student's address confirms who is meant. Says
what was erased, and what is kept and why.
`,
		examples: []example{
			{"See what it would do", "bothy student erase -email ada@example.edu -dry-run 0198c1d2-7a50-7c6e-9d0f-0b8a1c2d3e51"},
		},
	}
}

func (c *studentErase) flags(f *flags) {
	f.group("Options", func(set *flag.FlagSet) {
		set.StringVar(&c.email, "email", "", "The student's `address`, to confirm who is meant.")
		set.BoolVar(&c.dryRun, "dry-run", false, "Tell what would be erased; change nothing.")
	})
	c.remote.flags(f)
	c.output.flags(f)
}

func (c *studentErase) run(ctx context.Context, args []string) error {
	if c.email == "" {
		return lab.Errorf(lab.CodeInvalid, "the student was not erased: -email is missing").
			WithHint("confirm who is meant with the student's address")
	}
	s, err := c.remote.connect(c.env)
	if err != nil {
		return err
	}
	erasure, err := s.With(client.Conditions{DryRun: c.dryRun}).EraseStudent(ctx, args[0], c.email)
	if err != nil {
		return err
	}
	if c.dryRun {
		c.env.UI.Warn("Dry run: nothing was changed.")
	}
	return c.output.show(c.env, erasure, func() { showErasure(c.env, erasure.Erased, erasure.Kept) })
}

func showErasure(env *Env, erased []client.ErasedRows, kept []client.KeptData) {
	t := newTable("ERASED", "ROWS")
	for _, e := range erased {
		t.add(e.Table, fmt.Sprint(e.Rows))
	}
	env.show(t)
	t = newTable("KEPT", "WHY")
	for _, k := range kept {
		t.add(k.What, k.Why)
	}
	env.UI.Output("")
	env.show(t)
}
