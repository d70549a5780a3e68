package command

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/bothylabs/bothy/service/client"
)

// auditCommand is `bothy audit`.
type auditCommand struct {
	env    *Env
	remote remoteFlags
	output output

	filter   client.AuditFilter
	result   string
	from, to string
	csv      bool
	lines    bool
}

func (*auditCommand) doc() doc {
	return doc{
		synopsis: "Show the record of changes",
		text: `
Lists who did what, the newest first: every change and every command inside a
workspace, with what was before and what is after, and what was refused to
whom. Nobody can change a row; rows go when audit.max_age says so.
`,
		examples: []example{
			{"What happened lately", "bothy audit"},
			{"What was done with classes in September", "bothy audit -action class. -from 2026-09-01 -to 2026-10-01"},
			{"What was refused", "bothy audit -result refused -limit 0"},
			{"All of it for a spreadsheet", "bothy audit -csv > audit.csv"},
		},
	}
}

func (c *auditCommand) flags(f *flags) {
	f.group("Options", func(set *flag.FlagSet) {
		set.StringVar(&c.filter.Actor, "actor", "", "Only acts of this `name` of a credential or user, or of this user's id.")
		set.StringVar(&c.filter.Role, "role", "", "Only acts in this `role`: admin, instructor, assistant or student.")
		set.StringVar(&c.filter.Action, "action", "", "Only this `action`; with a dot at its end, all of one kind: class.")
		set.StringVar(&c.filter.Target, "target", "", "Only acts on the thing with this `id`.")
		set.StringVar(&c.result, "result", "", "Only this `result`: done or refused.")
		set.StringVar(&c.from, "from", "", "Only from this `time` on: 2026-09-01, or 2026-09-01T08:00:00Z.")
		set.StringVar(&c.to, "to", "", "Only before this `time`.")
		set.IntVar(&c.filter.Limit, "limit", 50, "Most `rows` to list; 0 for all. An export always has all.")
		set.BoolVar(&c.csv, "csv", false, "Export as CSV.")
		set.BoolVar(&c.lines, "ndjson", false, "Export as JSON, a row a line.")
	})
	c.remote.flags(f)
	c.output.flags(f)
}

func (c *auditCommand) run(ctx context.Context, _ []string) error {
	c.filter.Result = client.AuditResult(c.result)
	for _, bound := range []struct {
		name, text string
		into       *time.Time
	}{{"-from", c.from, &c.filter.From}, {"-to", c.to, &c.filter.To}} {
		if err := readMoment(bound.name, bound.text, bound.into); err != nil {
			return err
		}
	}
	s, err := c.remote.connect(c.env)
	if err != nil {
		return err
	}
	if c.csv || c.lines {
		return c.export(ctx, s)
	}
	rows, err := s.Audit(ctx, c.filter)
	if err != nil {
		return err
	}
	return c.output.show(c.env, rows, func() {
		if len(rows) == 0 {
			c.env.UI.Output("Nothing is recorded that suits.")
			return
		}
		t := newTable("TIME", "WHO", "ROLE", "FROM", "ACTION", "RESULT", "ON", "WHAT").optional(6, 3, 2)
		for _, a := range rows {
			t.add(a.At.Local().Format(time.DateTime), a.Actor.Name, a.Actor.Role, a.Actor.Remote, a.Action, string(a.Result), a.Target, change(a))
			if a.Result == client.AuditResultRefused {
				t.paint(5, c.env.style().red)
			}
		}
		c.env.show(t)
	})
}

func (c *auditCommand) export(ctx context.Context, s *client.Client) error {
	if c.csv && c.lines {
		return usagef("-csv and -ndjson exclude each other")
	}
	format := "csv"
	if c.lines {
		format = "ndjson"
	}
	body, err := s.ExportAudit(ctx, c.filter, format)
	if err != nil {
		return err
	}
	_, err = io.Copy(c.env.Stdout, body)
	return errors.Join(err, body.Close())
}

// change words what an act changed, in one line.
func change(a client.Audit) string {
	before, after := map[string]any{}, map[string]any{}
	if a.Before != nil {
		before = *a.Before
	}
	if a.After != nil {
		after = *a.After
	}
	words := pairs(a.Detail)
	for _, name := range slices.Sorted(maps.Keys(before)) {
		if is, still := after[name]; still {
			words = append(words, fmt.Sprintf("%s: %s -> %s", name, compact(before[name]), compact(is)))
		}
	}
	return strings.Join(words, " ")
}

func pairs(object map[string]any) []string {
	var words []string
	for _, name := range slices.Sorted(maps.Keys(object)) {
		words = append(words, name+"="+compact(object[name]))
	}
	return words
}

// compact is a value as JSON, a plain text without its quotes.
func compact(value any) string {
	if text, ok := value.(string); ok {
		return text
	}
	text, err := json.Marshal(value)
	if err != nil {
		return fmt.Sprint(value)
	}
	return string(text)
}

// readMoment reads a day, which begins at midnight here, or a moment.
func readMoment(name, text string, into *time.Time) error {
	if text == "" {
		return nil
	}
	for _, layout := range []string{time.RFC3339, time.DateOnly} {
		if at, err := time.ParseInLocation(layout, text, time.Local); err == nil {
			*into = at
			return nil
		}
	}
	return usagef("%s: %q is no time; write it as 2026-09-01 or 2026-09-01T08:00:00Z", name, text)
}
