package command

import (
	"context"
	"flag"
	"fmt"

	"github.com/bothylabs/bothy/service/client"
	"github.com/bothylabs/bothy/service/lab"
)

// operationStatus is `bothy operation status`.
type operationStatus struct {
	env    *Env
	remote remoteFlags
	output output
	wait   waitFlags

	watch   bool
	outcome string
}

func (*operationStatus) doc() doc {
	return doc{
		args:     []string{"<operation>"},
		synopsis: "Show what became of an act on a class",
		text: `
Shows how far an operation is, and what became of each workspace and why.

-watch waits until the operation has ended, and then fails (exit code 2) unless
all of it is done. An interrupt ends the waiting, not the operation.
`,
		examples: []example{
			{"What failed, and why", "bothy operation status -outcome failed 0198c1d2-7a50-7c6e-9d0f-0b8a1c2d3e55"},
			{"Wait in a script", "bothy operation status -watch -t '{{ .state }}' 0198c1d2-7a50-7c6e-9d0f-0b8a1c2d3e55"},
		},
	}
}

func (c *operationStatus) flags(f *flags) {
	f.group("Options", func(set *flag.FlagSet) {
		set.BoolVar(&c.watch, "watch", false, "Wait until the operation has ended.")
		set.DurationVar(&c.wait.timeout, "timeout", 0, "Longest `time` to wait; 0 waits for ever.")
		set.StringVar(&c.outcome, "outcome", "", "Only the workspaces of this `outcome`: pending, done, failed or superseded.")
	})
	c.remote.flags(f)
	c.output.flags(f)
}

// operationView is an operation with its items, as JSON.
type operationView struct {
	client.Operation
	Items []client.OperationItem `json:"items"`
}

func (c *operationStatus) run(ctx context.Context, args []string) error {
	s, err := c.remote.connect(c.env)
	if err != nil {
		return err
	}
	operation, err := s.Operation(ctx, args[0])
	if err != nil {
		return err
	}
	if c.watch {
		if operation, err = c.wait.follow(ctx, c.env, s, operation, c.output.chosen()); err != nil {
			return err
		}
	}
	items, err := s.OperationItems(ctx, operation.ID, client.Outcome(c.outcome))
	if err != nil {
		return err
	}
	err = c.output.show(c.env, operationView{operation, items}, func() { c.people(operation, items) })
	if err != nil || !c.watch {
		return err
	}
	return verdict(operation)
}

func (c *operationStatus) people(o client.Operation, items []client.OperationItem) {
	t := newTable("Operation", o.ID)
	t.add("Kind", o.Kind)
	t.add("Class", o.Class)
	t.add("State", string(o.State))
	t.paint(1, c.env.style().operation(o.State))
	t.add("Workspaces", fmt.Sprintf("%d: %s", o.Counts.Total, outcomes(o.Counts)))
	t.add("Affected", fmt.Sprint(o.Affected))
	t.add("Asked by", o.Actor)
	t.add("Age", since(c.env.Now(), &o.CreatedAt))
	if o.EndedAt != nil {
		t.add("Took", short(o.EndedAt.Sub(o.CreatedAt)))
	}
	c.env.UI.Output(t.String())
	if len(items) == 0 {
		return
	}
	t = newTable("WORKSPACE", "OUTCOME", "TOOK", "REASON")
	for _, item := range items {
		took := "-"
		if item.EndedAt != nil {
			took = short(item.EndedAt.Sub(o.CreatedAt))
		}
		t.add(item.Slug, string(item.Outcome), took, item.Reason)
		t.paint(1, c.env.style().outcome(item.Outcome))
	}
	c.env.UI.Output("\n" + t.String())
}

func (s style) outcome(outcome client.Outcome) func(string) string {
	switch lab.Outcome(outcome) {
	case lab.OutcomeDone:
		return s.green
	case lab.OutcomeFailed:
		return s.red
	case lab.OutcomeSuperseded:
		return s.faint
	default:
		return s.yellow
	}
}
