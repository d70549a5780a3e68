package command

import (
	"context"
	"flag"
	"fmt"
	"time"

	"github.com/bothylabs/bothy/service/client"
	"github.com/bothylabs/bothy/service/lab"
)

// classAct is `bothy class launch`, `start`, `stop` and `restart`.
type classAct struct {
	env    *Env
	act    act
	remote remoteFlags
	wait   waitFlags
}

// act is something that people ask of a class or a workspace.
type act struct {
	name string // "launch"
	past string // "launched"
	// goal is the phase that the act leads to.
	goal lab.Phase
	// desired is what it makes of the workspaces that it concerns.
	desired lab.Desired
	// waits says that the phase tells when the act is done; after a restart it
	// does not, because a workspace may be seen ready before and after only.
	waits    bool
	synopsis string
	text     string
	// onClass and onWorkspace ask for it; onWorkspace is nil where only a class can be asked.
	onClass     func(*client.Client, context.Context, string) (client.ClassActResult, error)
	onWorkspace func(*client.Client, context.Context, string) (client.Workspace, error)
}

func launch() act {
	return act{
		name: "launch", past: "launched", goal: lab.PhaseReady, desired: lab.DesiredRunning, waits: true,
		onClass:  (*client.Client).LaunchClass,
		synopsis: "Give every student of a class a running workspace",
		text: `
Makes a workspace for every student of the class who has none, and wants all of
the class running. Before anything is changed, one workspace is rendered and
checked by Nomad: what could never run is refused with the reason.

The command waits until all workspaces are ready, or have failed, and ends with
each student's address. An interrupt ends the waiting, not the launch.
`,
	}
}

func start() act {
	return act{
		name: "start", past: "started", goal: lab.PhaseReady, desired: lab.DesiredRunning, waits: true,
		onClass: (*client.Client).StartClass, onWorkspace: (*client.Client).StartWorkspace,
		synopsis: "Start the workspaces of a class",
		text: `
Wants all existing workspaces of the class running. Students who joined since
the last launch get none; that is what "bothy class launch" does.
`,
	}
}

func stop() act {
	return act{
		name: "stop", past: "stopped", goal: lab.PhaseStopped, desired: lab.DesiredStopped, waits: true,
		onClass: (*client.Client).StopClass, onWorkspace: (*client.Client).StopWorkspace,
		synopsis: "Stop the workspaces of a class",
		text: `
Wants all workspaces of the class stopped. Homes are kept: a start brings every
student back to their files.
`,
	}
}

func restart() act {
	return act{
		name: "restart", past: "restarting", desired: lab.DesiredRunning,
		onClass: (*client.Client).RestartClass, onWorkspace: (*client.Client).RestartWorkspace,
		synopsis: "Restart the workspaces of a class",
		text: `
Restarts the workspaces of the class that are wanted running. Those that are
outdated come up with the newest template, parameters and settings. Open
editors lose their connection; files are kept.
`,
	}
}

func (c *classAct) doc() doc {
	return doc{
		args: []string{"<class>"}, synopsis: c.act.synopsis, text: c.act.text,
		examples: []example{{capital(c.act.name) + " a class", "bothy class " + c.act.name + " fall-26/py101"}},
	}
}

func (c *classAct) flags(f *flags) {
	if c.act.waits {
		c.wait.flags(f)
	}
	c.remote.flags(f)
}

func (c *classAct) run(ctx context.Context, args []string) error {
	class := args[0]
	s, err := c.remote.connect(c.env)
	if err != nil {
		return err
	}
	result, err := c.act.onClass(s, ctx, class)
	if err != nil {
		return err
	}
	watch := "bothy status -watch " + class
	if !c.act.waits || c.wait.detach {
		c.env.UI.Output(fmt.Sprintf("%d of %s newly wanted %s; `%s` shows how far they are.", result.Affected, count(len(result.Workspaces), "workspace"), c.act.desired, watch))
		return nil
	}
	concerned := map[string]bool{}
	for _, w := range result.Workspaces {
		if lab.Desired(w.Desired) == c.act.desired {
			concerned[w.ID] = true
		}
	}
	if len(concerned) == 0 {
		c.env.UI.Output("The class has no workspaces" + c.none())
		return nil
	}
	workspaces, err := await{
		env: c.env, goal: c.act.goal, timeout: c.wait.timeout, what: class, later: watch,
		fetch: func(ctx context.Context) ([]client.Workspace, error) {
			all, err := s.Workspaces(ctx, client.WorkspaceFilter{Class: class})
			return only(concerned, all), err
		},
	}.run(ctx)
	if err != nil {
		return err
	}
	return c.env.conclude(workspaces, c.act.goal)
}

func (c *classAct) none() string {
	if c.act.name == "launch" {
		return ", because its cohort has no students. Enroll them with: bothy roster import"
	}
	return ". Make them with: bothy class launch"
}

// only keeps the workspaces with the ids that are wanted.
func only(ids map[string]bool, all []client.Workspace) []client.Workspace {
	var some []client.Workspace
	for _, w := range all {
		if ids[w.ID] {
			some = append(some, w)
		}
	}
	return some
}

// conclude shows how a wait ended; it is an error when not all came to the goal.
func (e *Env) conclude(workspaces []client.Workspace, goal lab.Phase) error {
	e.show(workspaceTable(e.style(), e.Now(), workspaces))
	missed := len(workspaces) - in(goal, workspaces)
	if missed == 0 {
		return nil
	}
	return lab.Errorf(lab.CodeUnavailable, "%d of %s not %s: %s", missed, count(len(workspaces), "workspace"), goal, counts(workspaces)).
		WithHint("the reasons stand beside them; Nomad's own view: `nomad job status -namespace=bothy bothy-<workspace>`")
}

// waitFlags say whether and how long a command waits for what it asked for.
type waitFlags struct {
	detach  bool
	timeout time.Duration
}

func (w *waitFlags) flags(f *flags) {
	f.group("Options", func(set *flag.FlagSet) {
		set.BoolVar(&w.detach, "detach", false, "Return at once instead of waiting.")
		set.DurationVar(&w.timeout, "timeout", 15*time.Minute, "Longest `time` to wait; 0 waits for ever.")
	})
}
