package lab_test

import (
	"testing"
	"time"

	"github.com/bothylabs/bothy/service/lab"
)

var noon = time.Date(2026, 9, 1, 12, 0, 0, 0, time.UTC)

const (
	running = lab.DesiredRunning
	stopped = lab.DesiredStopped
	deleted = lab.DesiredDeleted

	pending    = lab.OutcomePending
	done       = lab.OutcomeDone
	failed     = lab.OutcomeFailed
	superseded = lab.OutcomeSuperseded
)

// seen is a workspace that is wanted so and was seen so, an hour ago unless the options say otherwise.
func seen(desired lab.Desired, phase lab.Phase, options ...func(*lab.Workspace)) lab.Workspace {
	w := lab.Workspace{Desired: desired, Status: lab.Status{Phase: phase, Reason: "so it was seen", Since: noon.Add(-time.Hour)}}
	for _, option := range options {
		option(&w)
	}
	return w
}

func released(w *lab.Workspace)  { w.DeletedAt = &noon }
func restarted(w *lab.Workspace) { w.Submitted.RestartsDone = 2 }
func emptied(w *lab.Workspace)   { w.ResetsDone = 2 }
func sinceThen(d time.Duration) func(*lab.Workspace) {
	return func(w *lab.Workspace) { w.Status.Since = noon.Add(d) }
}

func TestWhatBecomesOfAnItem(t *testing.T) {
	const (
		launch, start, stop    = lab.OperationLaunch, lab.OperationStart, lab.OperationStop
		restart, reset, remove = lab.OperationRestart, lab.OperationReset, lab.OperationDelete
	)
	for name, test := range map[string]struct {
		kind lab.OperationKind
		now  lab.Workspace
		want lab.Outcome
	}{
		"launched, not looked at":            {launch, seen(running, lab.PhaseUnknown), pending},
		"launched, waits for room":           {launch, seen(running, lab.PhaseQueued), pending},
		"launched, starts":                   {launch, seen(running, lab.PhaseStarting), pending},
		"launched, its node is lost":         {launch, seen(running, lab.PhaseLost), pending},
		"launched, ready":                    {launch, seen(running, lab.PhaseReady), done},
		"launched, stopped later":            {launch, seen(stopped, lab.PhaseReady), superseded},
		"launched, deleted later":            {launch, seen(deleted, lab.PhaseStopping), superseded},
		"launched, deleted and gone":         {launch, seen(deleted, lab.PhaseStopped, released), superseded},
		"launched, fails since just now":     {launch, seen(running, lab.PhaseFailed, sinceThen(55*time.Second)), pending},
		"launched, has failed":               {launch, seen(running, lab.PhaseFailed, sinceThen(50*time.Second)), failed},
		"launched, has failed ever since":    {launch, seen(running, lab.PhaseFailed), failed},
		"started, ready":                     {start, seen(running, lab.PhaseReady), done},
		"started, still stopped":             {start, seen(running, lab.PhaseStopped), pending},
		"stopped, still runs":                {stop, seen(stopped, lab.PhaseStopping), pending},
		"stopped":                            {stop, seen(stopped, lab.PhaseStopped), done},
		"stopped, started later":             {stop, seen(running, lab.PhaseStopped), superseded},
		"stopped, deleted later":             {stop, seen(deleted, lab.PhaseStopped), superseded},
		"stopped, a stranger has its job":    {stop, seen(stopped, lab.PhaseFailed), failed},
		"restarted, still the old one":       {restart, seen(running, lab.PhaseReady), pending},
		"restarted, comes up":                {restart, seen(running, lab.PhaseStarting, restarted), pending},
		"restarted, ready again":             {restart, seen(running, lab.PhaseReady, restarted), done},
		"restarted, stopped later":           {restart, seen(stopped, lab.PhaseStopped, restarted), superseded},
		"restarted, has failed":              {restart, seen(running, lab.PhaseFailed), failed},
		"reset, the home is not gone yet":    {reset, seen(running, lab.PhaseReady), pending},
		"reset, comes up":                    {reset, seen(running, lab.PhaseQueued, emptied), pending},
		"reset, ready again":                 {reset, seen(running, lab.PhaseReady, emptied), done},
		"reset while stopped":                {reset, seen(stopped, lab.PhaseStopped), pending},
		"reset while stopped, the home gone": {reset, seen(stopped, lab.PhaseStopped, emptied), done},
		"reset, deleted later":               {reset, seen(deleted, lab.PhaseStopping, emptied), superseded},
		"deleted, still there":               {remove, seen(deleted, lab.PhaseStopped), pending},
		"deleted":                            {remove, seen(deleted, lab.PhaseStopped, released), done},
	} {
		t.Run(name, func(t *testing.T) {
			operation := lab.Operation{Kind: test.kind, CreatedAt: noon}
			item := lab.OperationItem{Outcome: pending}
			switch test.kind {
			case restart:
				item.Restarts = 2
			case reset:
				item.Resets = 2
			case launch, start, stop, remove:
			}
			got, why := operation.Judge(item, test.now, noon.Add(time.Minute))
			if got != test.want || why == "" {
				t.Errorf("%s: %q, want %s", got, why, test.want)
			}
		})
	}
}

func TestAFailureFromBeforeTheActIsGivenTime(t *testing.T) {
	launch := lab.Operation{Kind: lab.OperationLaunch, CreatedAt: noon}
	w := seen(running, lab.PhaseFailed)
	for after, want := range map[time.Duration]lab.Outcome{0: pending, lab.FailedFor - 1: pending, lab.FailedFor: failed} {
		if got, _ := launch.Judge(lab.OperationItem{}, w, noon.Add(after)); got != want {
			t.Errorf("after %s: %s, want %s", after, got, want)
		}
	}
}

func TestOnlyWhatAnActLeftAsItWasIsDoneAtOnce(t *testing.T) {
	for name, test := range map[string]struct {
		kind    lab.OperationKind
		now     lab.Workspace
		changed bool
		want    lab.Outcome
	}{
		"ready before and after":        {lab.OperationLaunch, seen(running, lab.PhaseReady), false, done},
		"ready, and was wanted stopped": {lab.OperationLaunch, seen(running, lab.PhaseReady), true, pending},
		"failed before and after":       {lab.OperationLaunch, seen(running, lab.PhaseFailed), false, pending},
		"being reset when it was started": {
			lab.OperationStart, seen(running, lab.PhaseReady, func(w *lab.Workspace) { w.ResetsWanted = 1 }), false, pending,
		},
		"stopped before and after": {lab.OperationStop, seen(stopped, lab.PhaseStopped), false, done},
		"a restart that was asked for does not keep it from being stopped": {
			lab.OperationStop, seen(stopped, lab.PhaseStopped, func(w *lab.Workspace) { w.RestartsWanted = 1 }), false, done,
		},
		"being deleted already": {lab.OperationDelete, seen(deleted, lab.PhaseStopped), false, pending},
	} {
		t.Run(name, func(t *testing.T) {
			operation := lab.Operation{ID: "o", Kind: test.kind, CreatedAt: noon}
			got := operation.Wants(test.now, test.changed, noon)
			if got.Outcome != test.want || (got.EndedAt == nil) != (test.want == pending) {
				t.Errorf("%+v, want %s", got, test.want)
			}
		})
	}
}

func TestAnOperationEndsWithItsLastPendingItem(t *testing.T) {
	for name, test := range map[string]struct {
		outcomes []lab.Outcome
		want     lab.OperationState
	}{
		"nothing to do":       {nil, lab.OperationDone},
		"all done":            {[]lab.Outcome{done, done}, lab.OperationDone},
		"one pending":         {[]lab.Outcome{done, failed, superseded, pending}, lab.OperationRunning},
		"one failed":          {[]lab.Outcome{done, superseded, failed}, lab.OperationFailed},
		"some were overtaken": {[]lab.Outcome{superseded, done}, lab.OperationSuperseded},
	} {
		t.Run(name, func(t *testing.T) {
			var counts lab.OperationCounts
			for _, outcome := range test.outcomes {
				counts.Add(outcome, 1)
			}
			if got := counts.State(); got != test.want || counts.Total != len(test.outcomes) {
				t.Errorf("%s of %+v, want %s", got, counts, test.want)
			}
		})
	}
}
