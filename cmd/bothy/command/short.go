package command

import (
	"context"
	"strings"

	"github.com/bothylabs/bothy/service/client"
	"github.com/bothylabs/bothy/service/lab"
)

// shortAct is a short form that takes a class or a workspace: `bothy stop` is
// `bothy class stop` or `bothy workspace stop`.
type shortAct struct{ classAct }

func (c *shortAct) doc() doc {
	text := "The short form of \"bothy class " + c.act.name + "\" and \"bothy workspace " + c.act.name + "\".\n\n" + strings.TrimSpace(c.act.text)
	return doc{
		args: []string{"<class or workspace>"}, synopsis: capital(c.act.name) + " a class or one workspace", text: text,
		examples: []example{
			{"A class", "bothy " + c.act.name + " fall-26/py101"},
			{"One student's workspace", "bothy " + c.act.name + " fall-26-py101-ana-perez"},
		},
	}
}

func (c *shortAct) run(ctx context.Context, args []string) error {
	s, err := c.remote.connect(c.env)
	if err != nil {
		return err
	}
	class, err := isClass(ctx, s, args[0])
	if err != nil {
		return err
	}
	if class {
		return c.classAct.run(ctx, args)
	}
	one := workspaceAct{env: c.env, act: c.act, remote: c.remote, output: c.output, write: c.write, wait: c.wait, confirm: c.confirm}
	return one.run(ctx, args)
}

// isClass tells the name of a class, which has a slash, or its id, from those of a workspace.
func isClass(ctx context.Context, s *client.Client, ref string) (bool, error) {
	if strings.Contains(ref, "/") {
		return true, nil
	}
	_, err := s.Workspace(ctx, ref)
	if err == nil || lab.CodeOf(err) != lab.CodeNotFound {
		return false, err
	}
	if _, err := s.Class(ctx, ref); err == nil {
		return true, nil
	}
	return false, lab.NotFound("class or workspace", ref).WithHint("a class is named as in fall-26/py101, a workspace as in fall-26-py101-ana-perez")
}

// runClass is `bothy run`: `bothy class launch` for people used to `nomad job run`.
type runClass struct{ classAct }

func (c *runClass) doc() doc {
	d := c.classAct.doc()
	d.synopsis = "Launch a class and wait until it is ready"
	d.text = "The short form of \"bothy class launch\".\n\n" + strings.TrimSpace(d.text)
	d.examples = []example{{"Launch a class", "bothy run fall-26/py101"}, {"Without waiting", "bothy run -detach fall-26/py101"}}
	return d
}
