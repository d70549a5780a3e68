package command

import (
	"context"
	"flag"
	"fmt"
	"runtime"
	"runtime/debug"
)

// versionCommand is `bothy version`.
type versionCommand struct {
	env    *Env
	remote remoteFlags
	output output
	server bool
}

func (*versionCommand) doc() doc {
	return doc{
		synopsis: "Print the version of this binary, and of the server",
		text:     "Prints the version of this binary and of the Go it was built with, and with\n-server the version of the Bothy server.",
		examples: []example{{"Print the version", "bothy version"}, {"And the server's", "bothy version -server -json"}},
	}
}

func (c *versionCommand) flags(f *flags) {
	f.group("Options", func(set *flag.FlagSet) {
		set.BoolVar(&c.server, "server", false, "Ask the server for its version too.")
	})
	c.remote.flags(f)
	c.output.flags(f)
}

func (c *versionCommand) run(ctx context.Context, _ []string) error {
	v := map[string]string{"version": c.env.Version, "go": runtime.Version()}
	if c.server {
		s, err := c.remote.connect(c.env)
		if err != nil {
			return err
		}
		status, err := s.Status(ctx)
		if err != nil {
			return err
		}
		v["server"] = status.Version
	}
	return c.output.show(c.env, v, func() {
		c.env.UI.Output(fmt.Sprintf("Bothy %s (%s)", c.env.Version, runtime.Version()))
		if c.server {
			c.env.UI.Output(fmt.Sprintf("Server %s at %s", v["server"], c.remote.at(c.env)))
		}
	})
}

// buildVersion is what Go stamped into the binary: a tag, or a revision's pseudo-version.
func buildVersion() string {
	info, ok := debug.ReadBuildInfo()
	if !ok || info.Main.Version == "" {
		return "(unknown)"
	}
	return info.Main.Version
}
