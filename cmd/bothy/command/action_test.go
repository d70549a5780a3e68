package command

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/bothylabs/bothy/service/client"
	"github.com/bothylabs/bothy/service/lab"
)

func TestFlagsAndArgumentsComeInAnyOrder(t *testing.T) {
	cases := map[string]struct {
		line       []string
		positional []string
		name       string
		force      bool
	}{
		"flags first":         {[]string{"-name", "n", "-force", "a"}, []string{"a"}, "n", true},
		"arguments first":     {[]string{"a", "-name=n", "b", "-force"}, []string{"a", "b"}, "n", true},
		"two hyphens":         {[]string{"a", "--name", "n"}, []string{"a"}, "n", false},
		"all after --":        {[]string{"-name", "n", "--", "-force", "a"}, []string{"-force", "a"}, "n", false},
		"all after a late --": {[]string{"a", "--", "-force"}, []string{"a", "-force"}, "", false},
	}
	for what, c := range cases {
		t.Run(what, func(t *testing.T) {
			var name string
			var force bool
			f := newFlags("test")
			f.group("Options", func(set *flag.FlagSet) {
				set.StringVar(&name, "name", "", "")
				set.BoolVar(&force, "force", false, "")
			})
			positional, err := f.parse(c.line)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(c.positional, positional); diff != "" || name != c.name || force != c.force {
				t.Errorf("name %q, force %v, arguments: %s", name, force, diff)
			}
		})
	}
}

func TestAnErrorIsOneLineAndAHint(t *testing.T) {
	cases := map[string]struct {
		err  error
		want []string
		code int
	}{
		"plain":                 {errors.New("what happened"), []string{"Error: what happened"}, exitLocal},
		"with the end of a log": {errors.New("fabio has ended:\n  one\ttwo\n\n  \x1b[2Jthree"), []string{"Error: fabio has ended:", "  one two", "  [2Jthree"}, exitLocal},
		"coded": {
			lab.NotFound("class", "x").WithHint("`bothy class list` shows them"),
			[]string{`Error: no class "x"`, "Hint: `bothy class list` shows them."},
			exitLocal,
		},
		"one field, the remedy as hint": {
			lab.Invalid("the roster is not valid", lab.Field{Name: "s.csv:4:2", Problem: "is no e-mail address", Remedy: "write name@host"}),
			[]string{"Error: s.csv:4:2: is no e-mail address", "Hint: Write name@host."},
			exitLocal,
		},
		"many fields": {
			lab.Invalid("the roster is not valid", lab.Field{Name: "s.csv:4:2", Problem: "is bad", Remedy: "mend it"}, lab.Field{Name: "s.csv:5:1", Problem: "is worse"}),
			[]string{"Error: the roster is not valid (2 problems)", "  s.csv:4:2: is bad (mend it)", "  s.csv:5:1: is worse"},
			exitLocal,
		},
		"a server's":         {lab.Errorf(lab.CodeUnavailable, "Bothy does not answer"), []string{"Error: Bothy does not answer"}, exitRemote},
		"an interrupt":       {fmt.Errorf("wait: %w", context.Canceled), []string{"Error: interrupted", "Hint: What was asked of the server before that may be done all the same; `bothy status` shows how things are."}, exitLocal},
		"told already":       {reported{exitRemote}, nil, exitRemote},
		"nothing went wrong": {nil, nil, exitOK},
	}
	for what, c := range cases {
		t.Run(what, func(t *testing.T) {
			w := newWorld(t)
			if code := w.report(c.err); code != c.code {
				t.Errorf("exit code %d, want %d", code, c.code)
			}
			got := strings.TrimSuffix(w.ui.ErrorWriter.String(), "\n")
			if diff := cmp.Diff(strings.Join(c.want, "\n"), got); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestEveryCommandHasItsHelp(t *testing.T) {
	for name := range actions(newWorld(t).Env) {
		t.Run(name, func(t *testing.T) {
			for _, flag := range []string{"-h", "-help", "--help"} {
				newWorld(t).run(append(strings.Fields(name), flag)...).ok().says("Usage: bothy "+name, "$ bothy "+name)
			}
			d := actions(newWorld(t).Env)[name]().doc()
			if d.synopsis == "" || strings.HasSuffix(d.synopsis, ".") || len(d.synopsis) > 60 {
				t.Errorf("the synopsis is to be a short line without a full stop: %q", d.synopsis)
			}
			for line := range strings.Lines(d.text) {
				if columns(line) > helpWidth+1 {
					t.Errorf("wider than %d columns: %s", helpWidth, line)
				}
			}
		})
	}
}

func TestEveryExampleIsACommandLineThatParses(t *testing.T) {
	env := newWorld(t).Env
	for name, newAction := range actions(env) {
		for _, e := range newAction().doc().examples {
			t.Run(e.line, func(t *testing.T) {
				words := splitShell(t, e.line)
				prefix := append([]string{"bothy"}, strings.Fields(name)...)
				if len(words) < len(prefix) || !cmp.Equal(words[:len(prefix)], prefix) {
					t.Fatalf("an example of %q begins otherwise", name)
				}
				action := actions(env)[name]()
				f := newFlags(name)
				action.flags(f)
				positional, err := f.parse(words[len(prefix):])
				if err == nil {
					err = checkArgs(action.doc().args, positional)
				}
				if err != nil {
					t.Error(err)
				}
			})
		}
	}
}

func TestAWrongCommandLineSaysWhereToLook(t *testing.T) {
	w := newWorld(t)
	w.run("version", "-colour").fails(exitLocal, "Error: flag provided but not defined: -colour", "Hint: `bothy version -h` shows how it is used.")
	w.run("version", "extra").fails(exitLocal, `Error: unexpected argument "extra"`)
}

func TestVersionInThreeForms(t *testing.T) {
	w := newWorld(t)
	w.run("version").ok().says("Bothy v0.0.0-test (go")
	w.run("-version").ok().says("Bothy v0.0.0-test (go")
	w.run("version", "-json").ok().says(`"version": "v0.0.0-test"`)
	w.run("version", "-t", "{{ .version }}").ok().says("v0.0.0-test\n")
	w.run("version", "-t", "{{ .nothing }}").fails(exitLocal, "nothing")
	w.run("version", "-t", "{{").fails(exitLocal, "unclosed action")
	newFakeAPI(t, w).on("GET /v1/status", 200, client.Status{Version: "v9"})
	w.run("version", "-server").ok().says("Bothy v0.0.0-test (go", "Server v9 at http://127.0.0.1")
	w.run("version", "-server", "-json").ok().says(`"server": "v9"`)
	w.run("version", "-t", "x", "-json").fails(exitLocal, "exclude each other")
}

func TestColoursAreForTerminalsThatWantThem(t *testing.T) {
	w := newWorld(t)
	if w.style().on {
		t.Error("no colours into a pipe")
	}
	w.OutTerminal = true
	if !w.style().on {
		t.Error("colours at a terminal")
	}
	w.vars["NO_COLOR"] = "1"
	if w.style().on {
		t.Error("no colours where NO_COLOR is set")
	}
}

// splitShell takes a command line apart as a shell does, as far as examples go.
func splitShell(t *testing.T, line string) []string {
	t.Helper()
	var words []string
	var word strings.Builder
	inWord, quote := false, rune(0)
	for _, r := range strings.ReplaceAll(line, "\\\n", " ") {
		switch {
		case quote != 0 && r == quote:
			quote = 0
		case quote != 0:
			word.WriteRune(r)
		case r == '"' || r == '\'':
			quote, inWord = r, true
		case r == ' ' || r == '\n':
			if inWord {
				words = append(words, word.String())
				word.Reset()
				inWord = false
			}
		default:
			word.WriteRune(r)
			inWord = true
		}
	}
	if quote != 0 {
		t.Fatalf("an unclosed quote in %s", line)
	}
	if inWord {
		words = append(words, word.String())
	}
	for _, redirection := range []string{">", "<"} { // these are the shell's business
		if i := slices.Index(words, redirection); i >= 0 {
			words = words[:i]
		}
	}
	return words
}
