package command

import (
	"flag"
	"fmt"
	"strings"

	"github.com/mitchellh/go-wordwrap"
)

// helpWidth is the width of help texts, in columns.
const helpWidth = 80

func helpText(name string, d doc, f *flags) string {
	var b strings.Builder
	fmt.Fprintf(&b, "Usage: bothy %s", name)
	if len(f.titles) > 0 {
		b.WriteString(" [options]")
	}
	for _, arg := range d.args {
		b.WriteString(" " + arg)
	}
	b.WriteString("\n\n")
	for line := range strings.Lines(strings.TrimSpace(d.text)) {
		b.WriteString(strings.TrimRight("  "+line, " \n") + "\n")
	}
	for _, e := range d.examples {
		fmt.Fprintf(&b, "\n  %s:\n\n      $ %s\n", e.what, strings.ReplaceAll(e.line, "\n", "\n      "))
	}
	for _, title := range f.titles {
		fmt.Fprintf(&b, "\n%s:\n", title)
		for _, one := range f.groups[title] {
			writeFlag(&b, f.set.Lookup(one))
		}
	}
	return strings.TrimRight(b.String(), "\n")
}

func writeFlag(b *strings.Builder, one *flag.Flag) {
	shown, usage := flagUsage(one)
	fmt.Fprintf(b, "\n  %s\n", shown)
	for line := range strings.Lines(wordwrap.WrapString(usage, helpWidth-6)) {
		b.WriteString("      " + line)
	}
	b.WriteString("\n")
}

// flagUsage gives a flag as it is written, "-roster=<file>", and what it is for.
func flagUsage(one *flag.Flag) (shown, usage string) {
	value, usage := flag.UnquoteUsage(one)
	shown = "-" + one.Name
	if !isBoolFlag(one) {
		if value == "" {
			value = "value"
		}
		shown += "=<" + strings.ToLower(value) + ">"
	}
	if one.DefValue != "" && one.DefValue != "false" && one.DefValue != "0" {
		usage += fmt.Sprintf(" Default: %s.", strings.Replace(one.DefValue, "m0s", "m", 1))
	}
	return shown, usage
}
