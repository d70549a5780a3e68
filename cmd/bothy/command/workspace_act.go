package command

import (
	"context"
	"fmt"

	"github.com/bothylabs/bothy/service/client"
)

// workspaceAct is `bothy workspace start`, `stop` and `restart`.
type workspaceAct struct {
	env    *Env
	act    act
	remote remoteFlags
	wait   waitFlags
}

func (c *workspaceAct) doc() doc {
	text := map[string]string{
		"start":   "Wants one workspace running, and waits until it is ready.",
		"stop":    "Wants one workspace stopped, and waits until it is. Its home is kept.",
		"restart": "Restarts one workspace. An outdated one comes up with the newest template,\nparameters and settings. An open editor loses its connection; files are kept.",
	}
	return doc{
		args: []string{"<workspace>"}, synopsis: capital(c.act.name) + " one workspace", text: text[c.act.name],
		examples: []example{{capital(c.act.name) + " a student's workspace", "bothy workspace " + c.act.name + " fall-26-py101-ana-perez"}},
	}
}

func (c *workspaceAct) flags(f *flags) {
	if c.act.waits {
		c.wait.flags(f)
	}
	c.remote.flags(f)
}

func (c *workspaceAct) run(ctx context.Context, args []string) error {
	s, err := c.remote.connect(c.env)
	if err != nil {
		return err
	}
	workspace, err := c.act.onWorkspace(s, ctx, args[0])
	if err != nil {
		return err
	}
	later := "bothy workspace status " + workspace.Slug
	if !c.act.waits || c.wait.detach {
		c.env.UI.Output(fmt.Sprintf("%s is wanted %s; `%s` shows how far it is.", workspace.Slug, workspace.Desired, later))
		return nil
	}
	workspaces, err := await{
		env: c.env, goal: c.act.goal, timeout: c.wait.timeout, what: workspace.Slug, later: later,
		fetch: func(ctx context.Context) ([]client.Workspace, error) {
			one, err := s.Workspace(ctx, workspace.ID)
			return []client.Workspace{one}, err
		},
	}.run(ctx)
	if err != nil {
		return err
	}
	return c.env.conclude(workspaces, c.act.goal)
}
