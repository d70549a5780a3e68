package command

import (
	"flag"

	"github.com/bothylabs/bothy/service/client"
)

// dryRunFlag lets a command that changes something only tell what it would do.
type dryRunFlag struct{ dryRun bool }

func (d *dryRunFlag) flags(f *flags) {
	f.group("Options", func(set *flag.FlagSet) {
		set.BoolVar(&d.dryRun, "dry-run", false, "Check everything and tell what would be done; change nothing.")
	})
}

// matching gives the client whose change is made only while its subject is as the
// tag says; "" for any.
func (d *dryRunFlag) matching(s *client.Client, tag string) *client.Client {
	return s.With(client.Conditions{DryRun: d.dryRun, IfMatch: tag})
}

// warn says that nothing was changed, if that is so: on standard error, so that it
// is seen beside JSON too.
func (d *dryRunFlag) warn(e *Env) {
	if d.dryRun {
		e.UI.Warn("Dry run: nothing was changed.")
	}
}

// tried shows what a dry run answered.
func (d *dryRunFlag) tried(e *Env, out *output, answer any, would string) error {
	d.warn(e)
	return out.show(e, answer, func() { e.UI.Output(would) })
}

// writeFlags are those of a command whose request can have a name of its own as well.
type writeFlags struct {
	dryRunFlag
	key string
}

func (w *writeFlags) flags(f *flags) {
	w.dryRunFlag.flags(f)
	f.group("Options", func(set *flag.FlagSet) {
		set.StringVar(&w.key, "idempotency-key", "", "`Name` of this request: given again within a day, nothing more is done and the answer is the first one.")
	})
}

// on gives the client whose change carries the conditions.
func (w *writeFlags) on(s *client.Client) *client.Client {
	return s.With(client.Conditions{DryRun: w.dryRun, IdempotencyKey: w.key})
}
