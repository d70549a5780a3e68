package command

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/bothylabs/bothy/service/client"
)

// watch shows the workspaces of a class (of all classes for "") until it is
// interrupted, which is no error: a person ends it that way.
func (e *Env) watch(ctx context.Context, s *client.Client, class string) error {
	var view watchView = &watchLines{env: e, phases: map[string]string{}}
	if e.OutTerminal {
		view = &watchScreen{env: e, screen: &screen{out: e.Stdout}, class: class}
	}
	told := e.news(ctx, s, client.EventFilter{Class: class})
	defer told.close()
	for {
		workspaces, err := s.Workspaces(ctx, client.WorkspaceFilter{Class: class})
		if ctx.Err() != nil {
			return nil //nolint:nilerr // an interrupt is how a person ends this
		}
		if err != nil && !transient(err) {
			return err
		}
		view.show(workspaces, err)
		if told.wait(ctx, newsUnheard, newsHeard); ctx.Err() != nil {
			return nil
		}
	}
}

// watchView shows what was read, or why it could not be.
type watchView interface {
	show(workspaces []client.Workspace, err error)
}

// watchLines prints a line for each workspace that changed.
type watchLines struct {
	env *Env
	// phases are what was printed last, by slug.
	phases  map[string]string
	trouble string
}

func (v *watchLines) show(workspaces []client.Workspace, err error) {
	trouble := problemLine(err)
	if trouble != v.trouble {
		v.trouble = trouble
		if trouble == "" {
			trouble = "answers again"
		}
		v.print("bothy: " + trouble)
	}
	if err != nil {
		return
	}
	seen := map[string]string{}
	for _, w := range workspaces {
		state := string(w.Phase) + "  " + remark(w)
		seen[w.Slug] = state
		if v.phases[w.Slug] != state {
			v.print(state)
		}
		delete(v.phases, w.Slug)
	}
	for _, slug := range slices.Sorted(maps.Keys(v.phases)) {
		v.print("deleted  " + slug)
	}
	v.phases = seen
}

func (v *watchLines) print(what string) {
	fmt.Fprintf(v.env.Stdout, "%s  %s\n", v.env.Now().Local().Format(time.TimeOnly), printable(what))
}

// watchScreen redraws a table.
type watchScreen struct {
	env    *Env
	screen *screen
	class  string
	last   []client.Workspace
}

func (v *watchScreen) show(workspaces []client.Workspace, err error) {
	if err == nil {
		v.last = workspaces
	}
	title := v.class
	if title == "" {
		title = "all classes"
	}
	width, height := v.env.Size()
	lines := []string{cut(title+": "+counts(v.last), width-1), ""}
	rows := v.last
	// Title, blank line, head of the table, the line about the rest, and the cursor's own.
	if room := height - 5; len(rows) > room && room > 0 {
		rows = rows[:room]
	}
	lines = append(lines, workspaceTable(v.env.style(), v.env.Now(), rows).lines(width-1)...)
	if hidden := len(v.last) - len(rows); hidden > 0 {
		lines = append(lines, fmt.Sprintf("… and %d more", hidden))
	}
	if err != nil {
		lines = append(lines, cut(problemLine(err)+"; this is what was last seen", width-1))
	}
	v.screen.draw(lines)
}

func problemLine(err error) string {
	if err == nil {
		return ""
	}
	lines, _ := explain(err)
	return lines[0]
}
