package command

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"strings"
	"time"

	"github.com/bothylabs/bothy/service/client"
	"github.com/bothylabs/bothy/service/lab"
)

// events is `bothy events`.
type events struct {
	env    *Env
	remote remoteFlags

	class, cohort, workspace, types, since string
	json                                   bool
	// trouble is what was last said to be wrong.
	trouble string
}

func (*events) doc() doc {
	return doc{
		synopsis: "Follow what changes",
		text: `
Prints a line for each change of workspaces, classes, cohorts, students,
courses, operations and templates, until it is interrupted. A connection that is
lost is made again, and goes on where it was.

-since goes on after an event, by the id in the second column. Events are kept
for a day, where the server does not say otherwise; what is not kept any more
is said to be missed.
`,
		examples: []example{
			{"Follow everything", "bothy events"},
			{"Follow the workspaces of a class", "bothy events -class fall-26/py101 -type workspace.created,workspace.changed,workspace.deleted"},
			{"Follow the acts on a class to their ends", "bothy events -class fall-26/py101 -type operation.changed"},
			{"Go on where an earlier run ended", "bothy events -since 4711-9f3c2a1b"},
			{"Each change as a line of JSON, for a script", "bothy events -json -type workspace.changed"},
		},
	}
}

func (c *events) flags(f *flags) {
	f.group("Options", func(set *flag.FlagSet) {
		set.StringVar(&c.class, "class", "", "Only what belongs to this `class`.")
		set.StringVar(&c.cohort, "cohort", "", "Only what belongs to this `cohort`.")
		set.StringVar(&c.workspace, "workspace", "", "Only this `workspace`.")
		set.StringVar(&c.types, "type", "", "Only these `types`, such as workspace.changed, with commas between them.")
		set.StringVar(&c.since, "since", "", "Go on after the event with this `id`.")
	})
	f.group("Output Options", func(set *flag.FlagSet) {
		set.BoolVar(&c.json, "json", false, "Print each message as a line of JSON, as the API gives it; the first is of the type hello.")
	})
	c.remote.flags(f)
}

func (c *events) run(ctx context.Context, _ []string) error {
	s, err := c.remote.connect(c.env)
	if err != nil {
		return err
	}
	filter := client.EventFilter{Class: c.class, Cohort: c.cohort, Workspace: c.workspace}
	for _, t := range strings.FieldsFunc(c.types, func(r rune) bool { return r == ',' || r == ' ' }) {
		filter.Types = append(filter.Types, client.EventType(t))
	}
	for event, err := range s.Events(ctx, filter, c.since) {
		if err != nil && !transient(err) {
			return err
		}
		c.tell(err)
		if err != nil {
			continue
		}
		if err := c.print(event); err != nil {
			return err
		}
	}
	return nil // an interrupt is how a person ends this
}

// tell says once that the server cannot be reached, and that it can again.
func (c *events) tell(err error) {
	trouble := problemLine(err)
	switch {
	case trouble == c.trouble:
	case trouble != "":
		fmt.Fprintln(c.env.Stderr, "bothy: "+trouble+"; trying again")
	default:
		fmt.Fprintln(c.env.Stderr, "bothy: answers again")
	}
	c.trouble = trouble
}

func (c *events) print(event client.Event) error {
	if c.json {
		text, err := json.Marshal(event)
		if err != nil {
			return fmt.Errorf("encode: %w", err)
		}
		fmt.Fprintf(c.env.Stdout, "%s\n", text)
		return nil
	}
	switch event.Type {
	case client.EventHello:
	case client.EventReset:
		fmt.Fprintln(c.env.Stderr, "bothy: some events are missed: they are not kept any more")
	default:
		line := strings.Join([]string{event.At.Local().Format(time.TimeOnly), event.ID, string(event.Type), eventSubject(event)}, "  ")
		fmt.Fprintln(c.env.Stdout, printable(strings.TrimRight(line, " ")))
	}
	return nil
}

// eventSubject says in words how the subject of an event is.
func eventSubject(event client.Event) string {
	switch {
	case event.Workspace != nil:
		w := event.Workspace
		parts := []string{w.Slug, w.Phase}
		if w.Desired == string(lab.DesiredDeleted) && event.Type != client.EventType(lab.EventWorkspaceDeleted) {
			parts = append(parts, "being deleted")
		}
		return strings.Join(append(parts, w.Reason), "  ")
	case event.Class != nil && event.Class.Deleting && event.Type != client.EventType(lab.EventClassDeleted):
		return event.Class.Key + "  being deleted"
	case event.Class != nil:
		return event.Class.Key
	case event.Cohort != nil:
		return event.Cohort.Key
	case event.Course != nil:
		return event.Course.Key
	case event.Operation != nil:
		o := event.Operation
		return strings.Join([]string{o.Kind, o.Class, string(o.State), outcomes(o.Counts), o.ID}, "  ")
	case event.Template != nil:
		return fmt.Sprintf("%s  version %d", event.Template.Name, event.Template.Version)
	case event.Student != nil && event.Student.WithdrawnAt != nil:
		return event.Student.ID + "  withdrawn"
	case event.Student != nil:
		return event.Student.ID
	default:
		return ""
	}
}
