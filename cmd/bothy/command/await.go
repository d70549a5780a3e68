package command

import (
	"context"
	"fmt"
	"time"

	"github.com/bothylabs/bothy/service/client"
	"github.com/bothylabs/bothy/service/lab"
)

const (
	// pollEvery is how often the state of workspaces is asked for: often enough
	// that a change shows within a second.
	pollEvery = 500 * time.Millisecond
	// failedFor is how long a workspace must have been failed, while it is waited
	// for, until that is final: right after a start, what is seen may still be the
	// failure before it.
	failedFor = 10 * time.Second
)

// await follows workspaces until all have come to where they should be, or to a
// failure that stays.
type await struct {
	env *Env
	// fetch reads the workspaces that are waited for.
	fetch func(context.Context) ([]client.Workspace, error)
	// goal is the phase that is waited for.
	goal lab.Phase
	// timeout bounds the wait; 0 for none.
	timeout time.Duration
	// what the wait is for, in words: "fall-26/py101".
	what string
	// later is a command that shows how it goes on.
	later string
}

// run shows progress until the wait is over, and gives the workspaces as they are then.
// Its error says that the wait ended early; that some failed is not its error.
func (a await) run(ctx context.Context) ([]client.Workspace, error) {
	begun := a.env.Now()
	show := a.env.progress()
	defer show.end()
	failedSince := map[string]time.Time{}
	var last []client.Workspace
	for {
		workspaces, err := a.fetch(ctx)
		now := a.env.Now()
		switch {
		case ctx.Err() != nil:
			return last, a.interrupted()
		case err != nil && !transient(err):
			return last, err
		case err != nil:
			show.trouble(err, now.Sub(begun))
		default:
			last = workspaces
			pending := a.pending(workspaces, failedSince, now)
			show.update(workspaces, a.goal, now.Sub(begun))
			if pending == 0 {
				return workspaces, nil
			}
		}
		if a.timeout > 0 && now.Sub(begun) >= a.timeout {
			return last, lab.Errorf(lab.CodeUnavailable, "not done after %s: %s", a.timeout, counts(last)).
				WithHint("it goes on without this command; `%s` shows how far it is", a.later)
		}
		select {
		case <-ctx.Done():
			return last, a.interrupted()
		case <-a.env.After(pollEvery):
		}
	}
}

// pending counts the workspaces that may still get to the goal.
func (a await) pending(workspaces []client.Workspace, failedSince map[string]time.Time, now time.Time) int {
	n := 0
	for _, w := range workspaces {
		phase := lab.Phase(w.Phase)
		if phase != lab.PhaseFailed {
			delete(failedSince, w.ID)
		}
		switch phase {
		case a.goal:
		case lab.PhaseFailed:
			first, known := failedSince[w.ID]
			if !known {
				failedSince[w.ID], first = now, now
			}
			if now.Sub(first) < failedFor {
				n++
			}
		default:
			n++
		}
	}
	return n
}

func (a await) interrupted() error {
	return lab.Errorf(lab.CodeUnavailable, "interrupted while waiting for %s", a.what).
		WithHint("it goes on without this command; `%s` shows how far it is", a.later)
}

// transient says whether asking again may help.
func transient(err error) bool {
	code := lab.CodeOf(err)
	return code == lab.CodeUnavailable || code == lab.CodeInternal
}

// progress shows how a wait goes: a bar that is redrawn at a terminal, a line for
// each change elsewhere.
type progress struct {
	env    *Env
	screen *screen
	last   string
}

func (e *Env) progress() *progress {
	p := &progress{env: e}
	if e.OutTerminal {
		p.screen = &screen{out: e.Stdout}
	}
	return p
}

func (p *progress) update(workspaces []client.Workspace, goal lab.Phase, took time.Duration) {
	done, text := in(goal, workspaces), counts(workspaces)
	if p.screen == nil {
		p.line(text, took)
		return
	}
	width, _ := p.env.Size()
	line := fmt.Sprintf("%s %d/%d  %s  (%s)", bar(done, len(workspaces), 20), done, len(workspaces), text, short(took))
	p.screen.draw([]string{cut(line, width-1)})
}

func (p *progress) trouble(err error, took time.Duration) {
	lines, _ := explain(err)
	text := lines[0] + "; trying again"
	if p.screen == nil {
		p.line(text, took)
		return
	}
	width, _ := p.env.Size()
	p.screen.draw([]string{cut(text+" ("+short(took)+")", width-1)})
}

func (p *progress) line(text string, took time.Duration) {
	if text == p.last {
		return
	}
	p.last = text
	fmt.Fprintf(p.env.Stdout, "%6s  %s\n", short(took), text)
}

func (p *progress) end() {
	if p.screen != nil {
		p.screen.keep()
	}
}
