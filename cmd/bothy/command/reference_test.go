package command

import (
	"flag"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

var update = flag.Bool("update", false, "write the reference into docs/cli.md")

const (
	referenceBegin = "<!-- reference: made by go test ./cmd/bothy/command -update -->\n"
	referenceEnd   = "<!-- end of the reference -->\n"
)

func TestTheReferenceIsOfTheseCommands(t *testing.T) {
	path := filepath.Join("..", "..", "..", "docs", "cli.md")
	page, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	before, rest, ok := strings.Cut(string(page), referenceBegin)
	_, after, ok2 := strings.Cut(rest, referenceEnd)
	if !ok || !ok2 {
		t.Fatalf("%s lacks the marks of the reference", path)
	}
	want := before + referenceBegin + reference(newWorld(t).Env) + referenceEnd + after
	if *update {
		if err := os.WriteFile(path, []byte(want), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	if diff := cmp.Diff(want, string(page)); diff != "" {
		t.Errorf("the reference is not of these commands (go test ./cmd/bothy/command -update):\n%s", diff)
	}
}

func reference(env *Env) string {
	var b strings.Builder
	all := actions(env)
	for _, name := range slices.Sorted(maps.Keys(all)) {
		one := all[name]()
		d := one.doc()
		f := newFlags(name)
		one.flags(f)
		fmt.Fprintf(&b, "\n### bothy %s\n%s.\n\n```\nbothy %s\n```\n\n%s\n", name, d.synopsis, strings.Join(append(append(strings.Fields(name), "[options]"), d.args...), " "), strings.TrimSpace(d.text))
		b.WriteString("\n```sh\n")
		for _, e := range d.examples {
			fmt.Fprintf(&b, "# %s\n%s\n", e.what, e.line)
		}
		b.WriteString("```\n")
		for _, title := range f.titles {
			writeGroup(&b, title, f)
		}
	}
	return b.String()
}

// writeGroup writes a table of flags; what other places describe is named there only.
func writeGroup(b *strings.Builder, title string, f *flags) {
	switch {
	case strings.HasPrefix(title, "Settings (each"):
		b.WriteString("\nAnd a flag for each setting of [configuration.md](configuration.md): `-nomad-address` for `nomad.address`.\n")
		return
	case title == "Client Options":
		b.WriteString("\nAnd the client options.\n")
		return
	case title == "Output Options":
		b.WriteString("\nAnd the output options.\n")
		return
	}
	fmt.Fprintf(b, "\n| %s | |\n|---|---|\n", title)
	for _, name := range f.groups[title] {
		shown, usage := flagUsage(f.set.Lookup(name))
		fmt.Fprintf(b, "| `%s` | %s |\n", shown, strings.ReplaceAll(usage, "|", "\\|"))
	}
}
