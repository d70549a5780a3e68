package api

import (
	"context"
	"net/url"

	"github.com/gin-gonic/gin"

	"github.com/bothylabs/bothy/service/auth"
	"github.com/bothylabs/bothy/service/lab"
)

// Belongings says whose things are; kind is cohort, course, class, student, operation
// or workspace, ref as the registrar takes it. CodeNotFound when there is no such thing.
type Belongings interface {
	Belonging(ctx context.Context, kind, ref string) (lab.Belonging, error)
}

// callerKey is the context key of the lab.Caller who makes a request.
type callerKey struct{}

// callerOf gives who makes the request; without one, somebody who may nothing.
func callerOf(ctx context.Context) lab.Caller {
	caller, _ := ctx.Value(callerKey{}).(lab.Caller)
	return caller
}

// viewerOf gives for whom a list is read.
func viewerOf(ctx context.Context) lab.Viewer { return callerOf(ctx).Viewer() }

// admits says of what the caller may make a class; nil where that is anything.
func admits(ctx context.Context) func(lab.Belonging) error {
	caller := callerOf(ctx)
	if caller.Scope.All {
		return nil
	}
	return func(b lab.Belonging) error { return auth.Allows("createClass", caller, b) }
}

// belonging says of a path's parameter whether what it names belongs to somebody,
// and whether it is known at all.
func belonging(parameter string) (owned, known bool) {
	switch parameter {
	case "cohort", "course", "class", "student", "operation", "workspace":
		return true, true
	// A secret is of what stands before it in the path; whose a token or session is, their keeper knows.
	case "template", "user", "secret", "token", "session":
		return false, true
	default:
		return false, false
	}
}

// narrows says whether a query's parameter names something that must be there for a
// list to be given.
func (op *operation) narrows(parameter string) bool {
	owned, _ := belonging(parameter)
	return owned && op.id != "listOperations" // whose classes may be gone
}

// goneKey holds the error of a request for what there is not (any more), which is the
// answer unless the same request was carried out before, under its key.
const goneKey = "bothy/gone"

// refuseGone ends such a request once it is known to be no repetition.
func refuseGone(c *gin.Context) {
	if err, ok := c.Value(goneKey).(error); ok {
		fail(c, err)
	}
}

// authorize lets through what the caller may do. What they cannot see is answered as
// if it were not there, in the same words.
func (h *handler) authorize(c *gin.Context) {
	ctx, caller := c.Request.Context(), callerOf(c.Request.Context())
	op := h.contract.operation(c.Request.Method, c.FullPath())
	if caller.Scope.All {
		if err := auth.Allows(op.id, caller, lab.Belonging{}); err != nil {
			fail(c, err)
		}
		return
	}
	single := false
	for _, p := range c.Params {
		owned, known := belonging(p.Key)
		switch {
		case !known:
			fail(c, lab.Errorf(lab.CodeForbidden, "only an admin may do this"))
			return
		case !owned:
			continue
		}
		single = true
		if gone, err := h.allows(ctx, op, caller, p.Key, p.Value); gone && intentOf(ctx).Key != "" {
			c.Set(goneKey, err)
		} else if err != nil {
			fail(c, err)
			return
		}
	}
	if single {
		return
	}
	if err := auth.Allows(op.id, caller, lab.Belonging{}); err != nil {
		fail(c, err)
		return
	}
	if err := h.seesNamed(ctx, op, caller, c.Request.URL.Query()); err != nil {
		fail(c, err)
	}
}

// permits says whether the caller may do the operation on what a path names, as
// authorize does of a request that begins.
func (h *handler) permits(ctx context.Context, op *operation, caller lab.Caller, params gin.Params) error {
	single := false
	for _, p := range params {
		if owned, _ := belonging(p.Key); owned && !caller.Scope.All {
			single = true
			if _, err := h.allows(ctx, op, caller, p.Key, p.Value); err != nil {
				return err
			}
		}
	}
	if single {
		return nil
	}
	return auth.Allows(op.id, caller, lab.Belonging{})
}

// allows says whether the caller may do the operation on one thing, and where not,
// whether that is because there is no such thing.
func (h *handler) allows(ctx context.Context, op *operation, caller lab.Caller, kind, ref string) (gone bool, err error) {
	b, err := h.config.Belongings.Belonging(ctx, kind, refOf(kind, ref))
	if lab.CodeOf(err) == lab.CodeNotFound || err == nil && b == (lab.Belonging{}) {
		return true, lab.NotFound(kind, refOf(kind, ref))
	}
	if err != nil {
		return false, err
	}
	err = auth.Allows(op.id, caller, b)
	if lab.CodeOf(err) == lab.CodeNotFound {
		err = lab.Unseen(kind, refOf(kind, ref))
	}
	return false, err
}

// seesNamed says that the caller sees what a query narrows a list to.
func (h *handler) seesNamed(ctx context.Context, op *operation, caller lab.Caller, query url.Values) error {
	for _, kind := range op.query {
		if !op.narrows(kind) || !query.Has(kind) {
			continue
		}
		ref := refOf(kind, query.Get(kind))
		b, err := h.config.Belongings.Belonging(ctx, kind, ref)
		if err != nil && lab.CodeOf(err) != lab.CodeNotFound {
			return err
		}
		if err != nil {
			return lab.NotFound(kind, ref)
		}
		if !caller.Scope.Holds(b) {
			return lab.Unseen(kind, ref)
		}
	}
	return nil
}

func refOf(kind, ref string) string {
	if kind == "class" {
		return classRef(ref)
	}
	return ref
}
