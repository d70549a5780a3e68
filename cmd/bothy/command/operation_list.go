package command

import (
	"context"
	"flag"

	"github.com/bothylabs/bothy/service/client"
	"github.com/bothylabs/bothy/service/lab"
)

// operationList is `bothy operation list`.
type operationList struct {
	env    *Env
	remote remoteFlags
	output output

	class, state string
	most         int
}

func (*operationList) doc() doc {
	return doc{
		synopsis: "List what was asked of classes, the newest first",
		text: `
Lists the operations: each act on a class, how far it is, and who asked for it.
Those on classes that are deleted stay listed.
`,
		examples: []example{
			{"The newest operations", "bothy operation list"},
			{"What goes on in a class", "bothy operation list -state running -class fall-26/py101"},
		},
	}
}

func (c *operationList) flags(f *flags) {
	f.group("Options", func(set *flag.FlagSet) {
		set.StringVar(&c.class, "class", "", "Only those on this `class`.")
		set.StringVar(&c.state, "state", "", "Only those in this `state`: running, done, failed or superseded.")
		set.IntVar(&c.most, "limit", 20, "Most `operations` to list; 0 for all.")
	})
	c.remote.flags(f)
	c.output.flags(f)
}

func (c *operationList) run(ctx context.Context, _ []string) error {
	s, err := c.remote.connect(c.env)
	if err != nil {
		return err
	}
	operations, err := s.Operations(ctx, client.OperationFilter{Class: c.class, State: client.OperationState(c.state)}, c.most)
	if err != nil {
		return err
	}
	return c.output.show(c.env, operations, func() {
		if len(operations) == 0 {
			c.env.UI.Output("No operations. An act on a class is one: bothy class launch")
			return
		}
		t := newTable("ID", "OPERATION", "CLASS", "STATE", "WORKSPACES", "AGE", "BY").optional(6, 5)
		for _, o := range operations {
			t.add(o.ID, o.Kind, o.Class, string(o.State), outcomes(o.Counts), since(c.env.Now(), &o.CreatedAt), o.Actor)
			t.paint(3, c.env.style().operation(o.State))
		}
		c.env.show(t)
	})
}

func (s style) operation(state client.OperationState) func(string) string {
	switch lab.OperationState(state) {
	case lab.OperationDone:
		return s.green
	case lab.OperationFailed:
		return s.red
	case lab.OperationSuperseded:
		return s.faint
	default:
		return s.yellow
	}
}
