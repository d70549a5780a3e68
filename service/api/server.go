package api

import (
	"context"
	"strings"
	"time"
)

// server carries out the contract's operations. Its methods get requests that
// the contract's check has passed, and the intent in the context.
type server struct {
	config  Config
	metrics *metrics
}

var _ StrictServerInterface = (*server)(nil)

// classRef turns "fall-26~py101", as paths have it, into "fall-26/py101".
func classRef(ref string) string { return strings.ReplaceAll(ref, "~", "/") }

// GetStatus tells how Bothy is.
func (s *server) GetStatus(ctx context.Context, _ GetStatusRequestObject) (GetStatusResponseObject, error) {
	status := Status{
		Version:        s.config.Version,
		InstallationID: s.config.InstallationID,
		Dependencies:   []DependencyStatus{},
	}
	for i, err := range ask(ctx, s.config.Dependencies) {
		status.Dependencies = append(status.Dependencies, DependencyStatus{
			Name: s.config.Dependencies[i].Name, Ok: err == nil, Detail: shown(err),
		})
	}
	state := s.config.Reconciler()
	status.Reconciler = ReconcilerStatus{
		Instance: state.Instance, Active: state.Active, LastPassAt: timeOrNil(state.LastPassAt), Detail: shown(state.Err),
	}
	if state.Holder != "" {
		status.Reconciler.Holder = &ReconcilerHolder{Instance: state.Holder, Since: state.HeldSince}
	}
	return GetStatus200JSONResponse(status), nil
}

// each translates a list; the answer is never nil, so that JSON has [].
func each[From, To any](items []From, translate func(From) To) []To {
	out := make([]To, len(items))
	for i, item := range items {
		out[i] = translate(item)
	}
	return out
}

// given gives what an optional member holds, its zero value when it was left out.
func given[T any](optional *T) T {
	if optional == nil {
		var zero T
		return zero
	}
	return *optional
}

func timeOrNil(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	return &t
}
