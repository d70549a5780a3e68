package command

import (
	"context"
	"fmt"
	"strings"

	"github.com/bothylabs/bothy/service/client"
)

// workspaceStatus is `bothy workspace status`.
type workspaceStatus struct {
	env    *Env
	remote remoteFlags
	output output
}

func (*workspaceStatus) doc() doc {
	return doc{
		args:     []string{"<workspace>"},
		synopsis: "Show one workspace",
		text:     "Shows one workspace, by its name or id: what it should be, what it is, and why.",
		examples: []example{
			{"Show a workspace", "bothy workspace status fall-26-py101-ana-perez"},
			{"Its address alone", "bothy workspace status -t '{{ .url }}' fall-26-py101-ana-perez"},
		},
	}
}

func (c *workspaceStatus) flags(f *flags) {
	c.remote.flags(f)
	c.output.flags(f)
}

func (c *workspaceStatus) run(ctx context.Context, args []string) error {
	s, err := c.remote.connect(c.env)
	if err != nil {
		return err
	}
	workspace, err := s.Workspace(ctx, args[0])
	if err != nil {
		return err
	}
	return c.output.show(c.env, workspace, func() { c.env.show(c.people(workspace)) })
}

func (c *workspaceStatus) people(w client.Workspace) *table {
	t := newTable("Workspace", w.Slug)
	t.add("Address", w.URL)
	t.keepWhole(1)
	t.add("Student", fmt.Sprintf("%s <%s>", w.Student.Name, w.Student.Email))
	t.add("Class", w.Class)
	t.add("Wanted", string(w.Desired))
	if len(w.Due) > 0 {
		t.add("Due", strings.Join(w.Due, ", "))
	}
	t.add("Phase", string(w.Phase))
	t.paint(1, c.env.style().phase(w.Phase))
	t.add("Since", since(c.env.Now(), w.Since))
	if w.Reason != "" {
		t.add("Reason", w.Reason)
	}
	if w.Node != nil {
		t.add("Node", *w.Node)
	}
	if w.Drifted {
		t.add("Drifted", "yes: the Nomad job was changed by another hand")
	}
	if w.Outdated {
		t.add("Outdated", "yes: a restart brings the newest template, parameters and settings")
	}
	t.add("Nomad job", "bothy-"+w.Slug)
	return t
}
