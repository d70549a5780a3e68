package command

import (
	"context"
	"flag"
	"fmt"

	"github.com/bothylabs/bothy/service/client"
)

// classDelete is `bothy class delete`.
type classDelete struct {
	env     *Env
	remote  remoteFlags
	output  output
	wait    waitFlags
	confirm confirmFlags
	write   writeFlags

	releaseHomes bool
}

func (*classDelete) doc() doc {
	return doc{
		args:     []string{"<class>"},
		synopsis: "Delete a class and all its workspaces",
		text: `
Stops and deletes every workspace of the class, and then the class. The
students' homes are kept unless -release-homes is given; what a home held
cannot be had back. The names of the workspaces are never given again.

The command waits until all of it is gone. An interrupt ends the waiting, not
the deletion.
`,
		examples: []example{
			{"Delete a class, keep the homes", "bothy class delete fall-26/py101"},
			{"In a script", "bothy class delete -yes fall-26/py101"},
		},
	}
}

func (c *classDelete) flags(f *flags) {
	f.group("Options", func(set *flag.FlagSet) {
		set.BoolVar(&c.releaseHomes, "release-homes", false, "Delete the students' homes as well. This cannot be undone.")
	})
	c.wait.flags(f)
	c.write.flags(f)
	c.confirm.flags(f)
	c.remote.flags(f)
	c.output.flags(f)
}

func (c *classDelete) run(ctx context.Context, args []string) error {
	s, err := c.remote.connect(c.env)
	if err != nil {
		return err
	}
	class, err := s.Class(ctx, args[0])
	if err != nil {
		return err
	}
	workspaces, err := s.Workspaces(ctx, client.WorkspaceFilter{Class: class.Key})
	if err != nil {
		return err
	}
	if c.write.dryRun {
		return c.try(ctx, s, class.Key)
	}
	what := fmt.Sprintf("This deletes the class %s with its %s (%s).", class.Key, count(len(workspaces), "workspace"), counts(workspaces))
	if err := c.confirm.ask(c.env, "delete", what+" "+homes(c.releaseHomes), class.Key); err != nil {
		return err
	}
	operation, err := c.write.on(s).DeleteClass(ctx, class.Key, c.releaseHomes)
	if err != nil {
		return err
	}
	if c.wait.detach {
		return c.wait.detached(c.env, &c.output, operation, "deleted")
	}
	if operation, err = c.wait.follow(ctx, c.env, s, operation, c.output.chosen()); err != nil {
		return err
	}
	if err := verdict(operation); err != nil {
		return err
	}
	return c.output.show(c.env, operation, func() {
		c.env.UI.Output(fmt.Sprintf("Class %s is deleted with its %s.", class.Key, count(operation.Counts.Total, "workspace")))
	})
}

func (c *classDelete) try(ctx context.Context, s *client.Client, class string) error {
	operation, err := c.write.on(s).DeleteClass(ctx, class, c.releaseHomes)
	if err != nil {
		return err
	}
	return c.write.tried(c.env, &c.output, operation, fmt.Sprintf("Class %s would be deleted with its %s. %s",
		class, count(operation.Counts.Total, "workspace"), homes(c.releaseHomes)))
}

func homes(release bool) string {
	if release {
		return "The homes and all files in them are DELETED TOO; this cannot be undone."
	}
	return "The homes are kept."
}
