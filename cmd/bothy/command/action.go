package command

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/hashicorp/cli"
)

// An action is what one command does. Its flags are fields of its own.
type action interface {
	doc() doc
	flags(f *flags)
	run(ctx context.Context, args []string) error
}

// failing is an action whose failures have an exit code of their own.
type failing interface{ failureCode() int }

// doc is a command's help.
type doc struct {
	// args are the positional arguments: "<template>" is needed, "[class]" may be
	// left out, a last "..." lets the one before it repeat.
	args []string
	// synopsis is one line without a full stop, for the list of commands.
	synopsis string
	// text is the help's body, in lines of at most 80 characters.
	text string
	// examples are command lines that work as they stand.
	examples []example
}

type example struct{ what, line string }

// bound fits an action into the CLI library.
type bound struct {
	env    *Env
	name   string
	action action
}

var (
	_ cli.Command             = (*bound)(nil)
	_ cli.CommandAutocomplete = (*bound)(nil)
)

// Synopsis gives the one line of the list of commands.
func (b *bound) Synopsis() string { return b.action.doc().synopsis }

// Help gives the whole help.
func (b *bound) Help() string {
	f := newFlags(b.name)
	b.action.flags(f)
	return helpText(b.name, b.action.doc(), f)
}

// Run reads the command line, runs the action and gives the exit code.
func (b *bound) Run(args []string) int {
	f := newFlags(b.name)
	b.action.flags(f)
	positional, err := f.parse(args)
	if errors.Is(err, flag.ErrHelp) {
		b.env.UI.Output(b.Help())
		return exitOK
	}
	if err == nil {
		err = checkArgs(b.action.doc().args, positional)
	}
	if err != nil {
		return b.report(usageError{command: b.name, err: err})
	}

	ctx, release := b.env.Interruptible()
	defer release()
	err = b.action.run(ctx, positional)
	var usage usageError
	if errors.As(err, &usage) && usage.command == "" {
		err = usageError{command: b.name, err: usage.err}
	}
	return b.report(err)
}

// report shows err, if it is one, and gives the exit code.
func (b *bound) report(err error) int {
	code := b.env.report(err)
	var done reported
	if own, ok := b.action.(failing); ok && code != exitOK && !errors.As(err, &done) {
		return own.failureCode()
	}
	return code
}

func checkArgs(want, got []string) error {
	least, most := 0, len(want)
	for _, arg := range want {
		switch {
		case arg == "...":
			most = -1
		case strings.HasPrefix(arg, "<"):
			least++
		}
	}
	if len(got) >= least && (most < 0 || len(got) <= most) {
		return nil
	}
	if len(want) == 0 {
		return fmt.Errorf("unexpected argument %q", got[0])
	}
	if len(got) < least {
		return fmt.Errorf("%s is missing", want[len(got)])
	}
	return fmt.Errorf("unexpected argument %q", got[most])
}

// flags are a command's flags, in groups for its help.
type flags struct {
	set *flag.FlagSet
	// titles are the groups in their order, with the names of their flags.
	titles []string
	groups map[string][]string
	// verbatimAfter is after how many arguments nothing is a flag any more; 0 for never.
	verbatimAfter int
}

func newFlags(name string) *flags {
	set := flag.NewFlagSet(name, flag.ContinueOnError)
	set.SetOutput(io.Discard)
	set.Usage = func() {}
	return &flags{set: set, groups: map[string][]string{}}
}

// group declares the flags that declare adds under a title of the help.
func (f *flags) group(title string, declare func(set *flag.FlagSet)) {
	before := f.names()
	declare(f.set)
	if !slices.Contains(f.titles, title) {
		f.titles = append(f.titles, title)
	}
	for _, name := range f.names() {
		if !slices.Contains(before, name) {
			f.groups[title] = append(f.groups[title], name)
		}
	}
}

func (f *flags) names() []string {
	var names []string
	f.set.VisitAll(func(one *flag.Flag) { names = append(names, one.Name) })
	return names
}

// parse reads flags and positional arguments in any order, as people type them;
// after "--" everything is positional.
func (f *flags) parse(args []string) (positional []string, err error) {
	for {
		if err := f.set.Parse(args); err != nil {
			return nil, err
		}
		rest := f.set.Args()
		if len(rest) == 0 {
			return positional, nil
		}
		if consumed := len(args) - len(rest); consumed > 0 && args[consumed-1] == "--" {
			return append(positional, rest...), nil
		}
		positional = append(positional, rest[0])
		args = rest[1:]
		if f.verbatimAfter > 0 && len(positional) == f.verbatimAfter {
			if len(args) > 0 && args[0] == "--" {
				args = args[1:]
			}
			return append(positional, args...), nil
		}
	}
}

func isBoolFlag(one *flag.Flag) bool {
	b, ok := one.Value.(interface{ IsBoolFlag() bool })
	return ok && b.IsBoolFlag()
}

// repeated is a flag that may be given several times.
type repeated []string

func (r *repeated) String() string { return strings.Join(*r, ",") }

func (r *repeated) Set(text string) error {
	*r = append(*r, text)
	return nil
}
