// Package doctor looks at everything that a Bothy server depends on, from where
// its configuration is, and says of each thing that is wrong what to do about it.
// It changes nothing.
package doctor

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/bothylabs/bothy/service/lab"
)

// checkTimeout bounds one check.
const checkTimeout = 10 * time.Second

// State is how a check ended. Written by the check.
type State string

// The states, from good to bad; skip is for what could not be looked at.
const (
	OK   State = "ok"
	Skip State = "skip"
	Warn State = "warn"
	Fail State = "fail"
)

// Finding is what one check found.
type Finding struct {
	// ID is stable: "nomad.namespace". docs/doctor.md explains each.
	ID string `json:"id"`
	// What is what was looked at, in a few words.
	What  string `json:"what"`
	State State  `json:"state"`
	// Detail is what was found, a sentence.
	Detail string `json:"detail"`
	// Remedy is what to do about it; "" where nothing is to be done.
	Remedy string `json:"remedy"`
}

// Report is what all checks found.
type Report struct {
	// State is the worst of the findings'; skipped ones do not count.
	State    State     `json:"state"`
	Findings []Finding `json:"findings"`
}

// check is one question. Those whose answers it needs are asked first, and when
// one of them fails it is skipped.
type check struct {
	id, what string
	needs    []string
	// after are those whose findings it uses where there are any.
	after []string
	run   func(ctx context.Context) verdict
}

type verdict struct {
	state          State
	detail, remedy string
}

func good(format string, args ...any) verdict {
	return verdict{state: OK, detail: fmt.Sprintf(format, args...)}
}

func skipped(format string, args ...any) verdict {
	return verdict{state: Skip, detail: fmt.Sprintf(format, args...)}
}

func failed(remedy, format string, args ...any) verdict {
	return verdict{state: Fail, detail: fmt.Sprintf(format, args...), remedy: remedy}
}

func warning(remedy, format string, args ...any) verdict {
	return verdict{state: Warn, detail: fmt.Sprintf(format, args...), remedy: remedy}
}

// broken is a failure as an adapter tells it. remedy is for errors without a hint.
func broken(err error, remedy string) verdict {
	var coded *lab.Error
	if errors.Is(err, context.DeadlineExceeded) && !errors.As(err, &coded) {
		return failed(remedy, "no answer within %s", checkTimeout)
	}
	if !errors.As(err, &coded) {
		return failed(remedy, "%v", err)
	}
	detail := coded.Message
	for _, f := range coded.Fields {
		detail += "; " + f.Name + ": " + f.Problem
	}
	if coded.Hint != "" && remedy == "" {
		remedy = coded.Hint
	}
	return failed(remedy, "%s", detail)
}

// examine asks all checks, those that do not need each other at the same time.
// The findings are in the order of the checks.
func examine(ctx context.Context, checks []check) Report {
	findings := make([]Finding, len(checks))
	done := make(map[string]chan struct{}, len(checks))
	at := make(map[string]int, len(checks))
	for i, c := range checks {
		done[c.id], at[c.id] = make(chan struct{}), i
	}
	var all sync.WaitGroup
	for i, c := range checks {
		all.Go(func() {
			defer close(done[c.id])
			for _, before := range c.after {
				<-done[before]
			}
			var lacking []string
			for _, need := range c.needs {
				<-done[need]
				if s := findings[at[need]].State; s == Fail || s == Skip {
					lacking = append(lacking, need)
				}
			}
			var v verdict
			if len(lacking) > 0 {
				v = skipped("depends on %s", strings.Join(lacking, ", "))
			} else {
				limited, cancel := context.WithTimeout(ctx, checkTimeout)
				defer cancel()
				v = c.run(limited)
			}
			findings[i] = Finding{ID: c.id, What: c.what, State: v.state, Detail: v.detail, Remedy: v.remedy}
		})
	}
	all.Wait()
	return Report{State: worst(findings), Findings: findings}
}

func worst(findings []Finding) State {
	state := OK
	for _, f := range findings {
		if f.State == Fail || f.State == Warn && state == OK {
			state = f.State
		}
	}
	return state
}
