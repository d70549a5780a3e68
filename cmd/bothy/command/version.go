package command

import (
	"context"
	"fmt"
	"runtime"
	"runtime/debug"
)

// versionCommand is `bothy version`.
type versionCommand struct {
	env    *Env
	output output
}

func (*versionCommand) doc() doc {
	return doc{
		synopsis: "Print the version of this binary",
		text:     "Prints the version of this binary and of the Go it was built with.",
		examples: []example{{"Print the version", "bothy version"}},
	}
}

func (c *versionCommand) flags(f *flags) { c.output.flags(f) }

func (c *versionCommand) run(_ context.Context, _ []string) error {
	v := map[string]string{"version": c.env.Version, "go": runtime.Version()}
	return c.output.show(c.env, v, func() {
		c.env.UI.Output(fmt.Sprintf("Bothy %s (%s)", c.env.Version, runtime.Version()))
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
