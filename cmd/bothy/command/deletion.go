package command

import (
	"fmt"

	"github.com/bothylabs/bothy/service/client"
)

// deletion is what the commands share that delete one thing at once.
type deletion struct {
	env     *Env
	remote  remoteFlags
	confirm confirmFlags
	write   dryRunFlag
}

func (d *deletion) flags(f *flags) {
	d.write.flags(f)
	d.confirm.flags(f)
	d.remote.flags(f)
}

// doomed is what is to be deleted, as it was read.
type doomed struct {
	kind, key, name string // "course", "py101", "Python 101"
	// along says what goes with it: " with its 12 students"; "" for nothing.
	along string
	tag   string
}

// of asks, and deletes the thing if it is still as it was read.
func (d *deletion) of(s *client.Client, it doomed, remove func(*client.Client) error) error {
	if !d.write.dryRun {
		what := fmt.Sprintf("This deletes the %s %s (%s)%s.", it.kind, it.key, printable(it.name), it.along)
		if err := d.confirm.ask(d.env, "delete", what, it.key); err != nil {
			return err
		}
	}
	if err := remove(d.write.matching(s, it.tag)); err != nil {
		return err
	}
	if d.write.dryRun {
		return d.write.tried(d.env, &output{}, nil, fmt.Sprintf("%s %s would be deleted%s.", capital(it.kind), it.key, it.along))
	}
	d.env.UI.Output(fmt.Sprintf("%s %s deleted%s.", capital(it.kind), it.key, it.along))
	return nil
}
