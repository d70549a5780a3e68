package command

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/bothylabs/bothy/service/client"
	"github.com/bothylabs/bothy/service/lab"
)

// pollEvery is how often it is asked how far something is while the server does
// not tell: often enough that a change shows within a second.
const pollEvery = 500 * time.Millisecond

// await follows what goes on at the server until it has ended.
type await struct {
	env *Env
	// server tells of the events that match when it is worth to look again.
	server *client.Client
	events client.EventFilter
	// poll reads how far it is, and whether that is the end.
	poll func(ctx context.Context) (stand, bool, error)
	// quiet shows nothing while it waits.
	quiet bool
	// timeout bounds the wait; 0 for none.
	timeout time.Duration
	// what the wait is for, in words: "fall-26/py101".
	what string
	// later is a command that shows how it goes on.
	later string
}

// stand is how far something is: so many done of all, and the same in words.
type stand struct {
	done, total int
	text        string
	// again is when to look again though nothing is told; 0 for whenever.
	again time.Duration
}

// run shows progress until the wait is over. Its error says that the wait ended
// early; that something failed is not its error.
func (a await) run(ctx context.Context) error {
	begun := a.env.Now()
	show := a.env.progress(a.quiet)
	defer show.end()
	told := a.env.news(ctx, a.server, a.events)
	defer told.close()
	last := stand{text: "nothing is known"}
	for {
		now, ended, err := a.poll(ctx)
		took := a.env.Now().Sub(begun)
		switch {
		case ctx.Err() != nil:
			return a.interrupted()
		case err != nil && !transient(err):
			return err
		case err != nil:
			show.trouble(err, took)
		default:
			last = now
			show.update(now, took)
			if ended {
				return nil
			}
		}
		if a.timeout > 0 && took >= a.timeout {
			return lab.Errorf(lab.CodeUnavailable, "not done after %s: %s", a.timeout, last.text).
				WithHint("it goes on without this command; `%s` shows how far it is", a.later)
		}
		if told.wait(ctx, pollEvery, a.patience(last, took)); ctx.Err() != nil {
			return a.interrupted()
		}
	}
}

// patience is how long nothing may be told until it is time to look.
func (a await) patience(last stand, took time.Duration) time.Duration {
	most := newsHeard
	if last.again > 0 {
		most = min(most, last.again)
	}
	if a.timeout > 0 {
		most = min(most, a.timeout-took)
	}
	return most
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

// follow waits for an operation and gives it as it was last seen.
func (w *waitFlags) follow(ctx context.Context, e *Env, s *client.Client, o client.Operation, quiet bool) (client.Operation, error) {
	ask := false // the answer that began it is the first look
	err := await{
		env: e, quiet: quiet, timeout: w.timeout, what: o.Class, later: "bothy operation status -watch " + o.ID,
		server: s, events: client.EventFilter{Class: o.ClassID, Types: []client.EventType{client.EventType(lab.EventOperationChanged)}},
		poll: func(ctx context.Context) (stand, bool, error) {
			if ask {
				now, err := s.Operation(ctx, o.ID)
				if err != nil {
					return stand{}, false, err
				}
				o = now
			}
			ask = true
			return stand{done: o.Counts.Total - o.Counts.Pending, total: o.Counts.Total, text: outcomes(o.Counts)}, o.EndedAt != nil, nil
		},
	}.run(ctx)
	return o, err
}

// outcomes counts the items of an operation: "12 done, 3 pending".
func outcomes(c client.OperationCounts) string {
	var parts []string
	for _, part := range []struct {
		n       int
		outcome lab.Outcome
	}{{c.Done, lab.OutcomeDone}, {c.Pending, lab.OutcomePending}, {c.Superseded, lab.OutcomeSuperseded}, {c.Failed, lab.OutcomeFailed}} {
		if part.n > 0 {
			parts = append(parts, fmt.Sprintf("%d %s", part.n, part.outcome))
		}
	}
	if len(parts) == 0 {
		return "no workspaces"
	}
	return strings.Join(parts, ", ")
}

// workspacesAwait waits until workspaces are as they are wanted, or have failed for good.
type workspacesAwait struct {
	await
	// fetch reads the workspaces that are waited for.
	fetch func(context.Context) ([]client.Workspace, error)
}

// run gives the workspaces as they were last seen.
func (a workspacesAwait) run(ctx context.Context) ([]client.Workspace, error) {
	var last []client.Workspace
	failedSince := map[string]time.Time{}
	a.poll = func(ctx context.Context) (stand, bool, error) {
		workspaces, err := a.fetch(ctx)
		if err != nil {
			return stand{}, false, err
		}
		last = workspaces
		at := stand{total: len(workspaces), text: counts(workspaces)}
		failed := 0
		for _, w := range workspaces {
			switch {
			case settled(w):
				at.done++
			case a.failed(w, failedSince):
				failed++
			case lab.Phase(w.Phase) == lab.PhaseFailed, lab.Phase(w.Phase) == goal(w):
				at.again = pollEvery // it is not told that a failure lasts, or that what was due is done
			}
		}
		return at, at.done+failed == at.total, nil
	}
	err := a.await.run(ctx)
	return last, err
}

// failed says whether a workspace has been failed for so long that it counts:
// right after an act, what is seen may still be the failure before it.
func (a workspacesAwait) failed(w client.Workspace, since map[string]time.Time) bool {
	if lab.Phase(w.Phase) != lab.PhaseFailed {
		delete(since, w.ID)
		return false
	}
	now := a.env.Now()
	if _, known := since[w.ID]; !known {
		since[w.ID] = now
	}
	return now.Sub(since[w.ID]) >= lab.FailedFor
}

// settled says whether a workspace is as it is wanted, with nothing left to be done.
func settled(w client.Workspace) bool {
	return lab.Phase(w.Phase) == goal(w) && len(w.Due) == 0
}

// goal is the phase that a workspace is to come to.
func goal(w client.Workspace) lab.Phase {
	if lab.Desired(w.Desired) == lab.DesiredRunning {
		return lab.PhaseReady
	}
	return lab.PhaseStopped
}

// progress shows how a wait goes: a bar that is redrawn at a terminal, a line for
// each change elsewhere.
type progress struct {
	env    *Env
	quiet  bool
	screen *screen
	last   string
}

func (e *Env) progress(quiet bool) *progress {
	p := &progress{env: e, quiet: quiet}
	if e.OutTerminal && !quiet {
		p.screen = &screen{out: e.Stdout}
	}
	return p
}

func (p *progress) update(now stand, took time.Duration) {
	if p.screen == nil {
		p.line(now.text, took)
		return
	}
	width, _ := p.env.Size()
	line := fmt.Sprintf("%s %d/%d  %s  (%s)", bar(now.done, now.total, 20), now.done, now.total, now.text, short(took))
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
	if p.quiet || text == p.last {
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
