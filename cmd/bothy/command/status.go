package command

import (
	"context"
	"flag"
	"fmt"
	"strings"

	"github.com/bothylabs/bothy/service/client"
)

// status is `bothy status` and `bothy class status`.
type status struct {
	env    *Env
	remote remoteFlags
	output output
	// classNeeded holds for `bothy class status`, which shows one class only.
	classNeeded bool

	watch  bool
	list   listFlags
	filter workspaceFlags
}

func (c *status) doc() doc {
	if c.classNeeded {
		return doc{
			args:     []string{"<class>"},
			synopsis: "Show the workspaces of a class",
			text:     "Shows each student's workspace: its phase, its address or why it has none.",
			examples: []example{
				{"Follow a class", "bothy class status -watch fall-26/py101"},
				{"What went wrong, the newest first", "bothy class status -phase failed,lost -sort -since fall-26/py101"},
			},
		}
	}
	return doc{
		args:     []string{"[class or workspace]"},
		synopsis: "Show how Bothy, its classes and their workspaces are",
		text: `
Without an argument: whether the servers that Bothy needs answer, and how far
each class is. With a class: each student's workspace. With a workspace: that
one, as "bothy workspace status" shows it. Options that choose workspaces list
those of all classes where none is named.

-watch goes on showing changes until it is interrupted: at a terminal by
redrawing, elsewhere as a line for each change.
`,
		examples: []example{
			{"Everything", "bothy status"},
			{"What went wrong anywhere", "bothy status -phase failed,lost"},
			{"Follow one class", "bothy status -watch fall-26/py101"},
			{"One workspace", "bothy status fall-26-py101-ana-perez"},
			{"The addresses of a class", "bothy status -t '{{ range . }}{{ .student.name }} {{ .url }}{{ \"\\n\" }}{{ end }}' fall-26/py101"},
		},
	}
}

func (c *status) flags(f *flags) {
	f.group("Options", func(set *flag.FlagSet) {
		set.BoolVar(&c.watch, "watch", false, "Go on showing changes until interrupted.")
	})
	c.list.flags(f, "slug", "student", "phase", "since", "created_at", "updated_at")
	c.filter.flags(f, c.classNeeded)
	c.remote.flags(f)
	c.output.flags(f)
}

func (c *status) run(ctx context.Context, args []string) error {
	class := ""
	if len(args) == 1 {
		class = args[0]
	}
	if c.watch && (c.output.json || c.output.template != "") {
		return usagef("-watch shows changes to people; leave -json and -t away")
	}
	filter, chosen, err := c.filter.read(c.list)
	if err != nil {
		return err
	}
	if c.watch && chosen {
		return usagef("-watch shows all workspaces of a class, or of all classes; leave the options that choose some away")
	}
	s, err := c.remote.connect(c.env)
	if err != nil {
		return err
	}
	if class != "" && !c.classNeeded && !c.watch && !chosen {
		named, err := isClass(ctx, s, class)
		if err != nil {
			return err
		}
		if !named {
			return (&workspaceStatus{env: c.env, remote: c.remote, output: c.output}).run(ctx, args)
		}
	}
	if c.watch {
		return c.env.watch(ctx, s, class)
	}
	if class == "" && !chosen {
		return c.all(ctx, s)
	}
	filter.Class = class
	return c.workspaces(ctx, s, filter, chosen)
}

func (c *status) workspaces(ctx context.Context, s *client.Client, filter client.WorkspaceFilter, chosen bool) error {
	workspaces, err := s.Workspaces(ctx, filter)
	if err != nil {
		return err
	}
	return c.output.show(c.env, workspaces, func() {
		if len(workspaces) == 0 && chosen {
			c.env.UI.Output("No such workspaces.")
			return
		}
		if len(workspaces) == 0 {
			c.env.UI.Output("No workspaces yet. Make them with: bothy class launch " + filter.Class)
			return
		}
		c.env.show(workspaceTable(c.env.style(), c.env.Now(), workspaces))
	})
}

// overview is `bothy status` as JSON.
type overview struct {
	client.Status
	Classes []classOverview `json:"classes"`
}

type classOverview struct {
	Class  string         `json:"class"`
	Phases map[string]int `json:"phases"`

	workspaces []client.Workspace
}

func (c *status) all(ctx context.Context, s *client.Client) error {
	state, err := s.Status(ctx)
	if err != nil {
		return err
	}
	classes, err := s.Classes(ctx)
	if err != nil {
		return err
	}
	workspaces, err := s.Workspaces(ctx, client.WorkspaceFilter{})
	if err != nil {
		return err
	}
	all := overview{Status: state, Classes: overviews(classes, workspaces)}
	return c.output.show(c.env, all, func() { c.env.UI.Output(strings.Join(overviewLines(c.env.style(), c.remote.at(c.env), all), "\n")) })
}

func overviews(classes []client.Class, workspaces []client.Workspace) []classOverview {
	byClass := map[string][]client.Workspace{}
	for _, w := range workspaces {
		byClass[w.ClassID] = append(byClass[w.ClassID], w)
	}
	all := make([]classOverview, len(classes))
	for i, class := range classes {
		phases := map[string]int{}
		for _, w := range byClass[class.ID] {
			phases[string(w.Phase)]++
		}
		all[i] = classOverview{Class: class.Key, Phases: phases, workspaces: byClass[class.ID]}
	}
	return all
}

func overviewLines(s style, address string, all overview) []string {
	lines := []string{fmt.Sprintf("Bothy %s at %s", all.Version, address), ""}
	t := newTable("PART", "STATE", "")
	for _, d := range all.Dependencies {
		t.add(d.Name, "ok", d.Detail)
		t.paint(1, s.green)
		if !d.Ok {
			t.rows[len(t.rows)-1][1] = cell{text: "not ready", paint: s.red}
		}
	}
	r := all.Reconciler
	switch {
	case r.Active:
		t.add("reconciler", "active", r.Detail)
		t.paint(1, s.green)
	case r.Holder != nil:
		t.add("reconciler", "standby", r.Holder.Instance+" reconciles")
		t.paint(1, s.green)
	default:
		t.add("reconciler", "not active", r.Detail)
		t.paint(1, s.yellow)
	}
	lines = append(lines, t.lines(0)...)
	lines = append(lines, "")
	if len(all.Classes) == 0 {
		return append(lines, "No classes. Make one with: bothy class create")
	}
	t = newTable("CLASS", "WORKSPACES", "PHASES")
	for _, class := range all.Classes {
		t.add(class.Class, fmt.Sprint(len(class.workspaces)), counts(class.workspaces))
	}
	return append(lines, t.lines(0)...)
}
