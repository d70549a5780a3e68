package command

import (
	"context"
	"flag"
	"fmt"
	"slices"
	"strings"

	"github.com/bothylabs/bothy/service/client"
	"github.com/bothylabs/bothy/service/lab"
)

// The exit codes of a plan are those of `nomad job plan`.
const (
	exitNoChanges  = 0
	exitChanges    = 1
	exitPlanFailed = 255
)

// maxNodesShown is how many nodes people are shown.
const maxNodesShown = 40

// plan is `bothy plan`.
type plan struct {
	env     *Env
	remote  remoteFlags
	output  output
	act     string
	diff    bool
	student string
}

func (*plan) doc() doc {
	return doc{
		args:     []string{"<class>"},
		synopsis: "Show what an act on a class would come to",
		text: `
Shows what launching a class would come to in the cluster as it is now: how many
workspaces Nomad would place, and what is missing for the others. Nothing is
changed. The plan is of the class as a whole: where "nomad job plan" sees an
empty cluster for each student, it counts the room that the others take, and
the nodes that homes are bound to.

A class that does not fit can be launched all the same: those that find no place
wait until there is room.

Exit codes are those of "nomad job plan": 0 when nothing would change, 1 when
something would, 255 for an error.
`,
		examples: []example{
			{"Plan a launch", "bothy plan fall-26/py101"},
			{"What a restart would change, student by student", "bothy plan -act restart -diff fall-26/py101"},
			{"Nomad's own diff for one student", "bothy plan -student fall-26-py101-ana-perez fall-26/py101"},
			{"How many find no place", "bothy plan -t '{{ .unplaceable }}' fall-26/py101"},
		},
	}
}

func (c *plan) flags(f *flags) {
	f.group("Options", func(set *flag.FlagSet) {
		set.StringVar(&c.act, "act", "launch", "What to plan: launch, start, restart or stop.")
		set.BoolVar(&c.diff, "diff", false, "Also show Nomad's own diff for each workspace whose job would change.")
		set.StringVar(&c.student, "student", "", "Show Nomad's own diff for this `workspace` alone.")
	})
	c.remote.flags(f)
	c.output.flags(f)
}

// failureCode is the exit code of whatever goes wrong: 1 is said of changes.
func (*plan) failureCode() int { return exitPlanFailed }

// planned is a plan as it is shown: that of the class, and those of its workspaces
// where they were asked for.
type planned struct {
	client.ClassPlan
	Workspaces []client.WorkspacePlan `json:"workspaces,omitempty"`
}

func (c *plan) run(ctx context.Context, args []string) error {
	acts := []string{"launch", "start", "restart", "stop"}
	if !slices.Contains(acts, c.act) {
		return usagef("-act %q is not one of %s", c.act, strings.Join(acts, ", "))
	}
	s, err := c.remote.connect(c.env)
	if err != nil {
		return err
	}
	if c.student != "" {
		return c.runOne(ctx, s, args[0])
	}
	whole, err := s.PlanClass(ctx, args[0], client.PlannedAct(c.act))
	if err != nil {
		return err
	}
	found := planned{ClassPlan: whole}
	if c.diff {
		if found.Workspaces, err = c.diffs(ctx, s, args[0]); err != nil {
			return err
		}
	}
	if err := c.output.show(c.env, found, func() { c.people(found) }); err != nil {
		return err
	}
	return changes(whole.Changes)
}

func (c *plan) runOne(ctx context.Context, s *client.Client, class string) error {
	workspace, err := s.Workspace(ctx, c.student)
	if err != nil {
		return err
	}
	if workspace.Class != class && workspace.ClassID != class {
		return lab.Invalid("not planned", lab.Field{
			Name: "-student", Problem: fmt.Sprintf("workspace %s is of the class %s", workspace.Slug, workspace.Class), Remedy: "name that class",
		})
	}
	one, err := s.PlanWorkspace(ctx, workspace.Slug)
	if err != nil {
		return err
	}
	if err := c.output.show(c.env, one, func() { c.showDiff(one) }); err != nil {
		return err
	}
	return changes(differs(one))
}

// changes is the exit code of a plan as an error.
func changes(some bool) error {
	if some {
		return reported{exitChanges}
	}
	return nil
}

// diffs gives the plans of the workspaces that there are and whose jobs would change.
func (c *plan) diffs(ctx context.Context, s *client.Client, class string) ([]client.WorkspacePlan, error) {
	all, err := s.Workspaces(ctx, client.WorkspaceFilter{Class: class})
	if err != nil {
		return nil, err
	}
	var plans []client.WorkspacePlan
	for _, w := range all {
		if lab.Desired(w.Desired) == lab.DesiredDeleted {
			continue
		}
		one, err := s.PlanWorkspace(ctx, w.Slug)
		if err != nil {
			return nil, err
		}
		if differs(one) {
			plans = append(plans, one)
		}
	}
	return plans, nil
}

// differs as `nomad job plan` sees it: Nomad also calls it an update in place when it
// only takes the same job again.
func differs(p client.WorkspacePlan) bool {
	return string(p.Type) != "none" || p.Create+p.UpdateDestructive > 0
}

func (c *plan) showDiff(p client.WorkspacePlan) {
	style := c.env.style()
	for line := range strings.Lines(p.Text) {
		line = printable(strings.TrimRight(line, "\n"))
		paint := func(text string) string { return text }
		switch sign := strings.TrimLeft(line, " "); {
		case strings.HasPrefix(sign, "+/-"):
			paint = style.yellow
		case strings.HasPrefix(sign, "+ "):
			paint = style.green
		case strings.HasPrefix(sign, "- WARNING"), strings.HasPrefix(sign, "-   "):
			paint = style.red
		}
		c.env.UI.Output(paint(line))
	}
}

func (c *plan) people(p planned) {
	e := c.env
	for _, one := range p.Workspaces {
		c.showDiff(one)
		e.UI.Output("")
	}
	e.UI.Output(fmt.Sprintf("%s of %s, as of %s\n", capital(string(p.Act)), p.Class, p.SampledAt.Local().Format("15:04:05")))
	if len(p.Reasons) > 0 {
		c.show(reasonTable(e.style(), p.Reasons))
	}
	if nodes, left := nodesToShow(p.Nodes); len(nodes) > 0 {
		c.show(nodeTable(e.style(), nodes))
		if left > 0 {
			e.UI.Output(fmt.Sprintf("… and %s more; -json shows all\n", count(left, "node")))
		}
		e.UI.Output(fmt.Sprintf("Each workspace needs %s.\n", resources(p.Needs)))
	}
	for _, warning := range p.Warnings {
		e.UI.Output(e.style().yellow("Not certain:") + " " + sentence(printable(warning)))
	}
	line := "Plan: " + printable(p.Summary)
	if p.Unplaceable > 0 {
		line = e.style().bold(line)
	}
	e.UI.Output(line)
}

// show prints a table as wide as the terminal, and whole for everything else.
func (c *plan) show(t *table) {
	limit := 0
	if c.env.OutTerminal {
		limit, _ = c.env.Size()
	}
	c.env.UI.Output(strings.Join(t.lines(limit), "\n") + "\n")
}

func reasonTable(s style, reasons []client.PlanReason) *table {
	t := newTable("UNPLACEABLE", "REASON", "WORKSPACES")
	for _, r := range reasons {
		names := strings.Join(r.Workspaces[:min(len(r.Workspaces), 3)], ", ")
		if r.Count > 3 {
			names += fmt.Sprintf(" and %d more", r.Count-3)
		}
		t.add(fmt.Sprint(r.Count), r.Reason, names)
		t.paint(0, s.red)
	}
	return t
}

// nodesToShow leaves out the nodes that have nothing to do with the class, and some of
// very many.
func nodesToShow(all []client.PlanNode) (some []client.PlanNode, left int) {
	for _, n := range all {
		if n.Unusable == "" || n.Homes > 0 || n.Waits > 0 {
			some = append(some, n)
		}
	}
	shown := min(len(some), maxNodesShown)
	return some[:shown], len(all) - shown
}

func nodeTable(s style, nodes []client.PlanNode) *table {
	t := newTable("NODE", "PLACES", "WAIT", "ROOM", "HOMES", "FREE MEMORY", "FREE CPU", "FREE DISK", "LACKS")
	for _, n := range nodes {
		remark := strings.Join(n.Lacks, ", ")
		switch {
		case n.Unusable != "":
			remark = n.Unusable
		case n.Filtered != "":
			remark = "filtered: " + n.Filtered
		}
		room := fmt.Sprint(n.Room)
		if n.Room > 0 && len(n.Lacks) == 0 {
			room += "+" // no more was asked for
		}
		t.add(n.Name, fmt.Sprint(n.Places), fmt.Sprint(n.Waits), room, fmt.Sprint(n.Homes),
			of(n.Free.Memory, n.Total.Memory, "MB"), of(n.Free.CPU, n.Total.CPU, "MHz"), of(n.Free.Disk, n.Total.Disk, "MB"), remark)
		if n.Waits > 0 {
			t.paint(2, s.red)
		}
	}
	return t
}

func of(free, total int64, unit string) string { return fmt.Sprintf("%d/%d %s", free, total, unit) }

// resources names amounts: "memory 1072 MB, cpu 600 MHz, disk 300 MB, 1 port".
func resources(r client.Resources) string {
	parts := []string{fmt.Sprintf("memory %d MB", r.Memory)}
	if r.CPU > 0 {
		parts = append(parts, fmt.Sprintf("cpu %d MHz", r.CPU))
	}
	if r.Cores > 0 {
		parts = append(parts, count(int(r.Cores), "core"))
	}
	parts = append(parts, fmt.Sprintf("disk %d MB", r.Disk))
	if r.Ports > 0 {
		parts = append(parts, count(int(r.Ports), "port"))
	}
	return strings.Join(parts, ", ")
}

// sayWhatLacks warns before an act that not all of a class will find a place. Whatever
// keeps the plan from being made is the act's own to report.
func (e *Env) sayWhatLacks(ctx context.Context, s *client.Client, class string, act client.PlannedAct) {
	p, err := s.PlanClass(ctx, class, act)
	if err != nil || p.Unplaceable == 0 {
		return
	}
	e.UI.Warn(e.style().yellow("Not all find a place now:") + " " + printable(p.Summary))
	e.UI.Warn(fmt.Sprintf("They wait until there is room; `bothy plan %s` shows what lacks.", class))
}
