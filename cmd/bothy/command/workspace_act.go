package command

import (
	"context"
	"fmt"

	"github.com/bothylabs/bothy/service/client"
	"github.com/bothylabs/bothy/service/lab"
)

// workspaceAct is `bothy workspace start`, `stop`, `restart` and `reset`.
type workspaceAct struct {
	env     *Env
	act     act
	remote  remoteFlags
	output  output
	write   writeFlags
	wait    waitFlags
	confirm confirmFlags
}

func (c *workspaceAct) doc() doc {
	text := map[string]string{
		"start":   "Wants one workspace running, and waits until it is ready.",
		"stop":    "Wants one workspace stopped, and waits until it is. Its home is kept.",
		"restart": "Restarts one workspace, and waits until it is ready again. An outdated one comes\nup with the newest template, parameters and settings. An open editor loses its\nconnection; files are kept.",
		"reset":   "Stops one workspace and deletes its home, with everything that the student has\nstored there: it cannot be had back. If it is wanted running, it starts again\nwith a new home. Its name, address and secrets stay.",
	}
	return doc{
		args: []string{"<workspace>"}, synopsis: capital(c.act.name) + " one workspace", text: text[c.act.name],
		examples: []example{{capital(c.act.name) + " a student's workspace", "bothy workspace " + c.act.name + " fall-26-py101-ana-perez"}},
	}
}

func (c *workspaceAct) flags(f *flags) {
	c.wait.flags(f)
	c.write.flags(f)
	if c.act.destroys {
		c.confirm.flags(f)
	}
	c.remote.flags(f)
	c.output.flags(f)
}

func (c *workspaceAct) run(ctx context.Context, args []string) error {
	s, err := c.remote.connect(c.env)
	if err != nil {
		return err
	}
	ref := args[0]
	if c.act.destroys && !c.write.dryRun {
		workspace, err := s.Workspace(ctx, ref)
		if err != nil {
			return err
		}
		what := fmt.Sprintf("This deletes the home of %s (%s), and all files in it; this cannot be undone.", workspace.Slug, workspace.Student.Name)
		if err := c.confirm.ask(c.env, c.act.name, what, workspace.Slug); err != nil {
			return err
		}
		ref = workspace.ID
	}
	workspace, err := c.act.onWorkspace(c.write.on(s), ctx, ref)
	if err != nil {
		return err
	}
	if c.write.dryRun {
		return c.write.tried(c.env, &c.output, workspace, fmt.Sprintf("%s would be wanted %s.", workspace.Slug, c.act.wanted))
	}
	if c.wait.detach {
		return c.output.show(c.env, workspace, func() {
			c.env.UI.Output(fmt.Sprintf("%s is wanted %s; `bothy workspace status %s` shows how far it is.", workspace.Slug, c.act.wanted, workspace.Slug))
		})
	}
	_, err = workspacesAwait{
		await: await{
			env: c.env, server: s, events: client.EventFilter{Workspace: workspace.ID},
			quiet: c.output.chosen(), timeout: c.wait.timeout, what: workspace.Slug, later: "bothy workspace status " + workspace.Slug,
		},
		fetch: func(ctx context.Context) ([]client.Workspace, error) {
			now, err := s.Workspace(ctx, workspace.ID)
			if err == nil {
				workspace = now
			}
			return []client.Workspace{now}, err
		},
	}.run(ctx)
	if err != nil {
		return err
	}
	err = c.output.show(c.env, workspace, func() {
		c.env.show(workspaceTable(c.env.style(), c.env.Now(), []client.Workspace{workspace}))
	})
	if err != nil {
		return err
	}
	if settled(workspace) {
		return nil
	}
	return lab.Errorf(lab.CodeUnavailable, "%s is not %s: %s", workspace.Slug, goal(workspace), workspace.Reason).
		WithHint("Nomad's own view: `nomad job status -namespace=bothy bothy-%s`", workspace.Slug)
}
