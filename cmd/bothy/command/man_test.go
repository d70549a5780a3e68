package command

import (
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/cpuguy83/go-md2man/v2/md2man"
	"github.com/google/go-cmp/cmp"
)

func TestTheManPagesAreOfTheseCommands(t *testing.T) {
	dir := filepath.Join("..", "..", "..", "docs", "man")
	want := manPages(newWorld(t).Env)
	if *update {
		if err := os.RemoveAll(dir); err != nil {
			t.Fatal(err)
		}
		if err := os.MkdirAll(dir, 0o755); err != nil {
			t.Fatal(err)
		}
		for name, page := range want {
			if err := os.WriteFile(filepath.Join(dir, name), []byte(page), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		return
	}
	files, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	got := map[string]string{}
	for _, file := range files {
		page, err := os.ReadFile(filepath.Join(dir, file.Name()))
		if err != nil {
			t.Fatal(err)
		}
		got[file.Name()] = string(page)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("the man pages are not of these commands (go test ./cmd/bothy/command -update):\n%s", diff)
	}
}

// manPages gives bothy.1 and a page for each command, by file name.
func manPages(env *Env) map[string]string {
	all := actions(env)
	pages := map[string]string{"bothy.1": manPage(manIndex(env, slices.Sorted(maps.Keys(all))))}
	for name, newAction := range all {
		pages[manName(name)+".1"] = manPage(manOf(name, newAction()))
	}
	return pages
}

func manName(command string) string { return "bothy-" + strings.ReplaceAll(command, " ", "-") }

// manPage renders a page. The library leaves spaces at line ends, which Git would remark on.
func manPage(markdown string) string {
	var b strings.Builder
	for line := range strings.Lines(string(md2man.Render([]byte(markdown)))) {
		b.WriteString(strings.TrimRight(line, " \n") + "\n")
	}
	return b.String()
}

func manIndex(env *Env, names []string) string {
	var b strings.Builder
	b.WriteString("% \"BOTHY\" \"1\" \"\" \"Bothy\" \"Bothy\"\n\n# NAME\nbothy - ready development environments for classes, on HashiCorp Nomad\n\n")
	b.WriteString("# SYNOPSIS\n**bothy** *command* [*options*] [*arguments*]\n\n# DESCRIPTION\n")
	b.WriteString("The server, the development stack and the client in one. Flags and arguments come in any order, with one hyphen or two; after **--** everything is an argument.\n\n# COMMANDS\n")
	for _, name := range names {
		fmt.Fprintf(&b, "**bothy %s**\n: %s. See **%s**(1).\n\n", name, manText(actions(env)[name]().doc().synopsis), manName(name))
	}
	b.WriteString("# EXIT STATUS\n**0**\n: It is done.\n\n**1**\n: Wrong usage or wrong input; no server was asked.\n\n**2**\n: A server does not answer, refused, or could not do what was asked.\n\n**bothy exec** exits with the command's own exit status.\n\n")
	b.WriteString("# ENVIRONMENT\n**BOTHY_ADDR**, **BOTHY_TOKEN**, **BOTHY_TOKEN_FILE**, **BOTHY_CONTEXT**, **BOTHY_CACERT**, **BOTHY_TLS_SERVER_NAME**\n: The server and who asks it; flags go before them, and they before the current context.\n\n**NO_COLOR**\n: No colours, whatever its value.\n\n")
	b.WriteString("# FILES\n*$XDG_CONFIG_HOME/bothy/contexts.json*, *~/.config/bothy/contexts.json*\n: What **bothy login** remembers.\n")
	return b.String()
}

func manOf(name string, one action) string {
	d := one.doc()
	f := newFlags(name)
	one.flags(f)
	var b strings.Builder
	fmt.Fprintf(&b, "%% %q \"1\" \"\" \"Bothy\" \"Bothy\"\n\n", strings.ToUpper(manName(name)))
	fmt.Fprintf(&b, "# NAME\n%s - %s\n\n# SYNOPSIS\n**bothy %s**", manName(name), manText(strings.ToLower(d.synopsis[:1])+d.synopsis[1:]), name)
	if len(f.titles) > 0 {
		b.WriteString(" [*options*]")
	}
	for _, arg := range d.args {
		b.WriteString(" " + manText(arg))
	}
	fmt.Fprintf(&b, "\n\n# DESCRIPTION\n%s\n\n", manText(strings.TrimSpace(d.text)))
	for _, title := range f.titles {
		fmt.Fprintf(&b, "# %s\n", strings.ToUpper(title))
		for _, flag := range f.groups[title] {
			shown, usage := flagUsage(f.set.Lookup(flag))
			fmt.Fprintf(&b, "**%s**\n: %s\n\n", manText(shown), manText(usage))
		}
	}
	b.WriteString("# EXAMPLES\n")
	for _, e := range d.examples {
		fmt.Fprintf(&b, "%s:\n\n    %s\n\n", manText(e.what), strings.ReplaceAll(e.line, "\n", "\n    "))
	}
	b.WriteString("# SEE ALSO\n**bothy**(1)\n")
	return b.String()
}

// manText keeps text from being read as Markdown.
func manText(text string) string {
	return strings.NewReplacer(`\`, `\\`, `*`, `\*`, `_`, `\_`, `<`, `\<`, `>`, `\>`, `[`, `\[`, `]`, `\]`, "`", "\\`", `|`, `\|`).Replace(text)
}
