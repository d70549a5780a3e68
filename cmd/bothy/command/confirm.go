package command

import (
	"errors"
	"flag"
	"io"
	"strings"

	"github.com/bothylabs/bothy/service/lab"
)

// confirmFlags guard what cannot be taken back.
type confirmFlags struct{ yes bool }

func (c *confirmFlags) flags(f *flags) {
	f.group("Options", func(set *flag.FlagSet) {
		set.BoolVar(&c.yes, "yes", false, "Do not ask.")
	})
}

// ask says what is about to happen and wants its name typed. Without a person at
// the terminal it refuses. act is the act's name: "delete".
func (c *confirmFlags) ask(e *Env, act, what, name string) error {
	undone := map[string]string{"delete": "not deleted", "reset": "not reset", "withdraw": "not withdrawn", "import": "nothing was imported", "apply": "nothing was changed"}[act]
	if c.yes {
		return nil
	}
	if !e.InTerminal {
		return lab.Errorf(lab.CodeInvalid, "%s: there is no terminal to ask at", undone).WithHint("give -yes to %s without being asked", act)
	}
	e.UI.Output(what)
	answer, err := e.UI.Ask("Type " + e.style().bold(name) + " to go on:")
	if err != nil && !errors.Is(err, io.EOF) {
		return lab.Errorf(lab.CodeInvalid, "%s: %v", undone, err)
	}
	if strings.TrimSpace(answer) != name {
		return lab.Errorf(lab.CodeInvalid, "%s: %q is not %q", undone, strings.TrimSpace(answer), name)
	}
	return nil
}
