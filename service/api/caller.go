package api

import (
	"context"

	"github.com/bothylabs/bothy/service/lab"
)

// callerKey is the context key of the lab.Caller who makes a request.
type callerKey struct{}

// callerOf gives who makes the request; without one, somebody who may nothing.
func callerOf(ctx context.Context) lab.Caller {
	caller, _ := ctx.Value(callerKey{}).(lab.Caller) // authenticate put it there
	return caller
}
