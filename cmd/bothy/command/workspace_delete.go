package command

import (
	"context"
	"flag"
	"fmt"
)

// workspaceDelete is `bothy workspace delete`.
type workspaceDelete struct {
	env     *Env
	remote  remoteFlags
	confirm confirmFlags
	write   writeFlags

	releaseHome bool
}

func (*workspaceDelete) doc() doc {
	return doc{
		args:     []string{"<workspace>"},
		synopsis: "Delete one workspace",
		text: `
Stops and deletes one workspace. The student's home is kept unless -release-home
is given; what it held cannot be had back. The workspace's name is never given
again: the next launch of its class makes the student a new one.
`,
		examples: []example{{"Delete a workspace, keep the home", "bothy workspace delete fall-26-py101-ana-perez"}},
	}
}

func (c *workspaceDelete) flags(f *flags) {
	f.group("Options", func(set *flag.FlagSet) {
		set.BoolVar(&c.releaseHome, "release-home", false, "Delete the student's home as well. This cannot be undone.")
	})
	c.write.flags(f)
	c.confirm.flags(f)
	c.remote.flags(f)
}

func (c *workspaceDelete) run(ctx context.Context, args []string) error {
	s, err := c.remote.connect(c.env)
	if err != nil {
		return err
	}
	workspace, err := s.Workspace(ctx, args[0])
	if err != nil {
		return err
	}
	what := fmt.Sprintf("This deletes the workspace %s of %s (%s).", workspace.Slug, workspace.Student.Name, workspace.Phase)
	if !c.write.dryRun {
		if err := c.confirm.ask(c.env, "delete", what+" "+homes(c.releaseHome), workspace.Slug); err != nil {
			return err
		}
	}
	if _, err := c.write.on(s).DeleteWorkspace(ctx, workspace.ID, c.releaseHome); err != nil {
		return err
	}
	if c.write.dryRun {
		return c.write.tried(c.env, &output{}, workspace, workspace.Slug+" would be deleted. "+homes(c.releaseHome))
	}
	c.env.UI.Output(fmt.Sprintf("%s is being deleted; `bothy workspace status %s` shows how far it is.", workspace.Slug, workspace.Slug))
	return nil
}
