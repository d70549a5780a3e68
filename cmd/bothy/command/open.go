package command

import (
	"context"
	"flag"
	"os"
	"os/exec"
	"runtime"

	"github.com/bothylabs/bothy/service/client"
	"github.com/bothylabs/bothy/service/lab"
)

// openCommand is `bothy open`.
type openCommand struct {
	env    *Env
	remote remoteFlags
	output output
	print  bool
	link   bool
}

func (*openCommand) doc() doc {
	return doc{
		args:     []string{"<workspace>"},
		synopsis: "Open a workspace in the browser",
		text: `
Opens a workspace in the browser of this machine, and prints its address. Where
there is no browser, it prints a link that opens the workspace once and within
a minute. The browser shows who opens it, and asks before it does. Whoever is
not the workspace's student looks in, which the student sees. A workspace that
is not ready is not opened.
`,
		examples: []example{
			{"Open a workspace", "bothy open fall-26-py101-ana-perez"},
			{"Its address alone", "bothy open -print fall-26-py101-ana-perez"},
			{"A link that opens it once", "bothy open -link fall-26-py101-ana-perez"},
		},
	}
}

func (c *openCommand) flags(f *flags) {
	f.group("Options", func(set *flag.FlagSet) {
		set.BoolVar(&c.link, "link", false, "Print a link that opens the workspace once and within a minute, and open nothing.")
		set.BoolVar(&c.print, "print", false, "Print the address, whatever the workspace's phase, and open nothing.")
	})
	c.remote.flags(f)
	c.output.flags(f)
}

func (c *openCommand) run(ctx context.Context, args []string) error {
	s, err := c.remote.connect(c.env)
	if err != nil {
		return err
	}
	workspace, err := s.Workspace(ctx, args[0])
	if err != nil {
		return err
	}
	if c.link {
		link, err := s.LinkWorkspace(ctx, args[0], "")
		if err != nil {
			return err
		}
		return c.output.show(c.env, link, func() { c.env.UI.Output(link.URL) })
	}
	if err := c.output.show(c.env, workspace, func() { c.env.UI.Output(workspace.URL) }); err != nil {
		return err
	}
	if c.print || c.output.json || c.output.template != "" {
		return nil
	}
	return c.open(ctx, s, workspace)
}

func (c *openCommand) open(ctx context.Context, api *client.Client, w client.Workspace) error {
	if lab.Phase(w.Phase) != lab.PhaseReady {
		return lab.Errorf(lab.CodeConflict, "%s is not ready but %s: %s", w.Slug, w.Phase, firstOf(w.Reason, "no reason is known")).
			WithHint("bring it up with: bothy start %s", w.Slug)
	}
	link, err := api.LinkWorkspace(ctx, w.Slug, "")
	if err != nil {
		return err
	}
	browse := c.env.Browser()
	if browse == nil {
		c.env.UI.Warn("There is no browser on this machine: open this link elsewhere, within a minute.")
		c.env.UI.Output(link.URL)
		return nil
	}
	if err := browse(ctx, link.URL); err != nil {
		return lab.Wrap(lab.CodeInvalid, err, "the browser cannot be opened").WithHint("open the address by hand; -print only prints it")
	}
	return nil
}

// browser gives what opens an address in this machine's browser, nil where there is none.
func browser() func(ctx context.Context, url string) error {
	var command []string
	switch runtime.GOOS {
	case "darwin":
		command = []string{"open"}
	case "windows":
		command = []string{"rundll32", "url.dll,FileProtocolHandler"}
	default:
		if os.Getenv("DISPLAY") == "" && os.Getenv("WAYLAND_DISPLAY") == "" {
			return nil
		}
		command = []string{"xdg-open"}
	}
	path, err := exec.LookPath(command[0])
	if err != nil {
		return nil
	}
	return func(ctx context.Context, url string) error {
		return exec.CommandContext(ctx, path, append(command[1:], url)...).Run() //nolint:wrapcheck // its caller says what it was
	}
}
