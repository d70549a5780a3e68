package command

import (
	"context"
	"flag"
	"slices"
	"strings"
	"time"

	"github.com/posener/complete"

	"github.com/bothylabs/bothy/service/client"
)

// completionTimeout is how long somebody who pressed Tab waits for names at most.
const completionTimeout = 1500 * time.Millisecond

// maxCompletions is how many workspaces or students are offered at most.
const maxCompletions = 200

// The scripts hand the line to the binary itself, which answers in the library's way (COMP_LINE).
const (
	bashCompletion = `_bothy() {
    local IFS=$'\n'
    COMPREPLY=($(COMP_LINE="$COMP_LINE" COMP_POINT="$COMP_POINT" bothy 2>/dev/null))
}
complete -o default -F _bothy bothy
`
	zshCompletion = `autoload -U +X bashcompinit && bashcompinit
complete -o default -C bothy bothy
`
	fishCompletion = `function __complete_bothy
    set -lx COMP_LINE (commandline -cp)
    test -z (commandline -ct)
    and set COMP_LINE "$COMP_LINE "
    bothy
end
complete -f -c bothy -a "(__complete_bothy)"
`
)

// completionCommand is `bothy completion`.
type completionCommand struct{ env *Env }

func (*completionCommand) doc() doc {
	return doc{
		args:     []string{"<bash|zsh|fish>"},
		synopsis: "Print a shell's completion script",
		text: `
Prints a script that completes commands and flags, and the names of classes,
cohorts, courses, workspaces and contexts, and students by their addresses
(fall-26/a). Names come from the server; while it does not answer
within a moment, there are none. "bothy" must be on the PATH.

bash: add to ~/.bashrc:  source <(bothy completion bash)
zsh:  add to ~/.zshrc:   source <(bothy completion zsh)
fish: bothy completion fish > ~/.config/fish/completions/bothy.fish
`,
		examples: []example{{"The script for bash", "bothy completion bash"}},
	}
}

func (*completionCommand) flags(*flags) {}

func (c *completionCommand) run(_ context.Context, args []string) error {
	script, known := map[string]string{"bash": bashCompletion, "zsh": zshCompletion, "fish": fishCompletion}[args[0]]
	if !known {
		return usagef("%q is none of bash, zsh and fish", args[0])
	}
	c.env.UI.Output(strings.TrimSuffix(script, "\n"))
	return nil
}

// AutocompleteArgs predicts positional arguments.
func (b *bound) AutocompleteArgs() complete.Predictor {
	args := b.action.doc().args
	if len(args) == 0 {
		return complete.PredictNothing
	}
	kind := strings.Trim(args[0], "<>[]")
	switch kind {
	case "class", "cohort", "course", "student", "workspace", "class or cohort", "class or workspace", "context", "template":
		names := complete.PredictFunc(func(a complete.Args) []string { return b.env.complete(kind, a.Last) })
		if slices.Contains(args, "<file>") {
			return complete.PredictOr(names, complete.PredictFiles("*"))
		}
		return names
	case "bash|zsh|fish":
		return complete.PredictSet("bash", "zsh", "fish")
	default:
		return complete.PredictFiles("*")
	}
}

// AutocompleteFlags predicts flags and their values.
func (b *bound) AutocompleteFlags() complete.Flags {
	f := newFlags(b.name)
	b.action.flags(f)
	known := complete.Flags{}
	f.set.VisitAll(func(one *flag.Flag) { known["-"+one.Name] = b.flagValues(one) })
	return known
}

func (b *bound) flagValues(one *flag.Flag) complete.Predictor {
	if isBoolFlag(one) {
		return complete.PredictNothing
	}
	switch one.Name {
	case "context", "cohort", "course", "template":
		return complete.PredictFunc(func(a complete.Args) []string { return b.env.complete(one.Name, a.Last) })
	case "task":
		return complete.PredictSet("workspace", "nginx")
	}
	switch placeholder, _ := flag.UnquoteUsage(one); strings.ToLower(placeholder) {
	case "file":
		return complete.PredictFiles("*")
	case "folder", "path":
		return complete.PredictDirs("*")
	default:
		return complete.PredictAnything
	}
}

// complete gives the names of a kind, and nothing when they cannot be had soon.
func (e *Env) complete(kind, typed string) []string {
	if kind == "context" {
		all, err := e.contexts()
		if err != nil {
			return nil
		}
		return all.names()
	}
	s, err := (&remoteFlags{}).connect(e)
	if err != nil {
		return nil
	}
	ctx, cancel := context.WithTimeout(context.Background(), completionTimeout)
	defer cancel()
	return namesOf(ctx, s, kind, typed)
}

// namesOf asks the server for names. What goes wrong gives none.
func namesOf(ctx context.Context, s *client.Client, kind, typed string) []string {
	var names []string
	switch kind {
	case "class or cohort", "class or workspace":
		_, other, _ := strings.Cut(kind, " or ")
		return append(namesOf(ctx, s, "class", typed), namesOf(ctx, s, other, typed)...)
	case "class":
		all, _ := s.Classes(ctx)
		for _, one := range all {
			names = append(names, one.Key)
		}
	case "workspace":
		all, _ := s.Workspaces(ctx, client.WorkspaceFilter{ListOptions: client.ListOptions{Search: typed, Limit: maxCompletions}})
		for _, one := range all {
			names = append(names, one.Slug)
		}
	case "student":
		cohort, email, _ := strings.Cut(typed, "/")
		options := client.ListOptions{Search: email, Limit: maxCompletions}
		all, _ := client.Collect(s.AllStudents(ctx, cohort, client.StudentFilter{ListOptions: options}))
		for _, one := range all {
			names = append(names, cohort+"/"+one.Email)
		}
	case "cohort":
		all, _ := s.Cohorts(ctx)
		for _, one := range all {
			names = append(names, one.Key)
		}
	case "course":
		all, _ := s.Courses(ctx)
		for _, one := range all {
			names = append(names, one.Key)
		}
	case "template":
		all, _ := s.Templates(ctx)
		for _, one := range all {
			names = append(names, one.Name)
		}
	}
	return names
}
