package command

import (
	"context"
	"flag"
	"fmt"
	"time"

	"github.com/bothylabs/bothy/service/client"
	"github.com/bothylabs/bothy/service/lab"
)

// classAct is `bothy class launch`, `start`, `stop`, `restart` and `reset`.
type classAct struct {
	env     *Env
	act     act
	remote  remoteFlags
	output  output
	write   writeFlags
	wait    waitFlags
	confirm confirmFlags
}

// act is something that people ask of a class or a workspace.
type act struct {
	name string // "launch"
	// wanted is what becomes of workspaces, in words: "running".
	wanted string
	// destroys says that the students' files are lost, so that it is asked first.
	destroys bool
	synopsis string
	text     string
	// onClass and onWorkspace ask for it; onWorkspace is nil where only a class can be asked.
	onClass     func(*client.Client, context.Context, string) (client.Operation, error)
	onWorkspace func(*client.Client, context.Context, string) (client.Workspace, error)
}

func launch() act {
	return act{
		name: "launch", wanted: "running",
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
		name: "start", wanted: "running",
		onClass: (*client.Client).StartClass, onWorkspace: (*client.Client).StartWorkspace,
		synopsis: "Start the workspaces of a class",
		text: `
Wants all existing workspaces of the class running, and waits until they are
ready. Students who joined since the last launch get none; that is what
"bothy class launch" does.
`,
	}
}

func stop() act {
	return act{
		name: "stop", wanted: "stopped",
		onClass: (*client.Client).StopClass, onWorkspace: (*client.Client).StopWorkspace,
		synopsis: "Stop the workspaces of a class",
		text: `
Wants all workspaces of the class stopped, and waits until they are. Homes are
kept: a start brings every student back to their files.
`,
	}
}

func restart() act {
	return act{
		name: "restart", wanted: "restarted",
		onClass: (*client.Client).RestartClass, onWorkspace: (*client.Client).RestartWorkspace,
		synopsis: "Restart the workspaces of a class",
		text: `
Restarts the workspaces of the class that are wanted running, and waits until
they are ready again. Those that are outdated come up with the newest template,
parameters and settings. Open editors lose their connection; files are kept.
`,
	}
}

func reset() act {
	return act{
		name: "reset", wanted: "reset", destroys: true,
		onClass: (*client.Client).ResetClass, onWorkspace: (*client.Client).ResetWorkspace,
		synopsis: "Give the workspaces of a class new, empty homes",
		text: `
Stops all workspaces of the class and deletes their homes, with everything that
the students have stored there: it cannot be had back. Those that are wanted
running start again with new homes; the others stay stopped. Names, addresses
and secrets stay.
`,
	}
}

func (c *classAct) doc() doc {
	return doc{
		args: []string{"<class>"}, synopsis: c.act.synopsis, text: c.act.text,
		examples: []example{
			{capital(c.act.name) + " a class", "bothy class " + c.act.name + " fall-26/py101"},
			{"In a script, and wait later", "bothy class " + c.act.name + c.unasked() + " -detach -t '{{ .id }}' fall-26/py101"},
		},
	}
}

func (c *classAct) unasked() string {
	if c.act.destroys {
		return " -yes"
	}
	return ""
}

func (c *classAct) flags(f *flags) {
	c.wait.flags(f)
	c.write.flags(f)
	if c.act.destroys {
		c.confirm.flags(f)
	}
	c.remote.flags(f)
	c.output.flags(f)
}

func (c *classAct) run(ctx context.Context, args []string) error {
	class := args[0]
	s, err := c.remote.connect(c.env)
	if err != nil {
		return err
	}
	if c.act.destroys && !c.write.dryRun {
		if err := c.ask(ctx, s, class); err != nil {
			return err
		}
	}
	if c.act.wanted == "running" {
		c.env.sayWhatLacks(ctx, s, class, client.PlannedAct(c.act.name))
	}
	operation, err := c.act.onClass(c.write.on(s), ctx, class)
	if err != nil {
		return err
	}
	if c.write.dryRun {
		return c.write.tried(c.env, &c.output, operation, fmt.Sprintf("It would change what is wanted of %d of %s: %s.",
			operation.Affected, count(operation.Counts.Total, "workspace"), c.act.wanted))
	}
	if c.wait.detach {
		return c.wait.detached(c.env, &c.output, operation, c.act.wanted)
	}
	operation, err = c.wait.follow(ctx, c.env, s, operation, c.output.chosen())
	if err != nil {
		return err
	}
	if err := c.output.show(c.env, operation, func() { err = c.people(ctx, s, operation) }); err != nil {
		return err
	}
	if err != nil {
		return err
	}
	return verdict(operation)
}

func (c *classAct) ask(ctx context.Context, s *client.Client, class string) error {
	workspaces, err := s.Workspaces(ctx, client.WorkspaceFilter{Class: class})
	if err != nil {
		return err
	}
	what := fmt.Sprintf("This deletes the homes of the %s of %s, and all files in them; this cannot be undone.",
		count(len(workspaces), "workspace"), class)
	return c.confirm.ask(c.env, c.act.name, what, class)
}

// people shows the workspaces that an operation was about.
func (c *classAct) people(ctx context.Context, s *client.Client, operation client.Operation) error {
	if operation.Counts.Total == 0 {
		c.env.UI.Output("The class has no workspaces. Make them with: bothy class launch " + operation.Class)
		return nil
	}
	items, err := s.OperationItems(ctx, operation.ID, "")
	if err != nil {
		return err
	}
	all, err := s.Workspaces(ctx, client.WorkspaceFilter{Class: operation.Class})
	if err != nil {
		return err
	}
	concerned := map[string]bool{}
	for _, item := range items {
		concerned[item.WorkspaceID] = true
	}
	c.env.show(workspaceTable(c.env.style(), c.env.Now(), only(concerned, all)))
	return nil
}

// verdict is an error when an operation has ended and not all of it is done.
func verdict(o client.Operation) error {
	if lab.OperationState(o.State) == lab.OperationDone {
		return nil
	}
	return lab.Errorf(lab.CodeUnavailable, "%s of %s: %s", o.Kind, o.Class, outcomes(o.Counts)).
		WithHint("`bothy operation status %s` has the reasons; Nomad's own view: `nomad job status -namespace=bothy bothy-<workspace>`", o.ID)
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

// detached tells how an operation can be followed that is not waited for.
func (w *waitFlags) detached(e *Env, out *output, o client.Operation, wanted string) error {
	return out.show(e, o, func() {
		e.UI.Output("Operation ID: " + o.ID)
		e.UI.Output(fmt.Sprintf("%d of %s newly wanted %s; `bothy operation status -watch %s` shows how far they are.",
			o.Affected, count(o.Counts.Total, "workspace"), wanted, o.ID))
	})
}
