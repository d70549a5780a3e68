package command

import (
	"flag"

	"github.com/bothylabs/bothy/service/client"
)

// writeFlags say on which conditions a command changes something.
type writeFlags struct {
	dryRun bool
	key    string
}

func (w *writeFlags) flags(f *flags) {
	f.group("Options", func(set *flag.FlagSet) {
		set.BoolVar(&w.dryRun, "dry-run", false, "Check everything and tell what would be done; change nothing.")
		set.StringVar(&w.key, "idempotency-key", "", "`Name` of this request: given again within a day, nothing more is done and the answer is the first one.")
	})
}

// on gives the client whose change carries the conditions.
func (w *writeFlags) on(s *client.Client) *client.Client {
	return s.With(client.Conditions{DryRun: w.dryRun, IdempotencyKey: w.key})
}

// tried shows what a dry run answered. That nothing was changed is said on
// standard error, so that it is seen beside JSON too.
func (w *writeFlags) tried(e *Env, out *output, answer any, would string) error {
	e.UI.Warn("Dry run: nothing was changed.")
	return out.show(e, answer, func() { e.UI.Output(would) })
}
