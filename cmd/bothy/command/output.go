package command

import (
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"strings"
	"text/template"
)

// output is how a read command shows what it read: as a table for people, as
// JSON, or through a Go template over that same JSON.
type output struct {
	json     bool
	template string
}

func (o *output) flags(f *flags) {
	f.group("Output Options", func(set *flag.FlagSet) {
		set.BoolVar(&o.json, "json", false, "Print JSON, as the API gives it.")
		set.StringVar(&o.template, "t", "", "Print through a Go `template` over the names of -json.")
	})
}

// chosen says that the output is for a program.
func (o *output) chosen() bool { return o.json || o.template != "" }

// show prints v as was asked for; people are called for the form without flags.
func (o *output) show(e *Env, v any, people func()) error {
	switch {
	case o.json && o.template != "":
		return usagef("-json and -t exclude each other")
	case o.json:
		encoded, err := json.MarshalIndent(v, "", "  ")
		if err != nil {
			return fmt.Errorf("encode: %w", err)
		}
		fmt.Fprintf(e.Stdout, "%s\n", encoded)
	case o.template != "":
		return e.showTemplate(o.template, v)
	default:
		people()
	}
	return nil
}

func (e *Env) showTemplate(text string, v any) error {
	parsed, err := template.New("-t").Option("missingkey=error").Parse(text)
	if err != nil {
		return usagef("%w", err)
	}
	encoded, err := json.Marshal(v)
	if err != nil {
		return fmt.Errorf("encode: %w", err)
	}
	decoder := json.NewDecoder(bytes.NewReader(encoded))
	decoder.UseNumber() // else whole numbers print as floats
	var names any
	if err := decoder.Decode(&names); err != nil {
		return fmt.Errorf("decode: %w", err)
	}
	var out strings.Builder
	if err := parsed.Execute(&out, names); err != nil {
		return usagef("%w", err)
	}
	fmt.Fprint(e.Stdout, out.String())
	if !strings.HasSuffix(out.String(), "\n") {
		fmt.Fprintln(e.Stdout)
	}
	return nil
}
