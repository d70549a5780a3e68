package api

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"regexp"
	"runtime/debug"
	"strings"

	"github.com/gin-gonic/gin"

	"github.com/bothylabs/bothy/service/lab"
)

const headerRequestID = "X-Request-Id"

// saneRequestID is a request id that is taken over from the caller: it can do no harm in a log.
var saneRequestID = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._-]{7,63}$`)

// statusClientGone is how the log names a request that its caller gave up; nobody sees it.
const statusClientGone = 499

// begin names the request and sets the headers that every answer has.
func (h *handler) begin(c *gin.Context) {
	id := c.GetHeader(headerRequestID)
	if !saneRequestID.MatchString(id) {
		id = h.config.NewRequestID()
	}
	header := c.Writer.Header()
	header.Set(headerRequestID, id)
	header.Set("Cache-Control", "no-store")
	header.Set("Content-Security-Policy", "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'")
	header.Set("Cross-Origin-Opener-Policy", "same-origin")
	header.Set("Cross-Origin-Resource-Policy", "same-origin")
	header.Set("Referrer-Policy", "no-referrer")
	header.Set("X-Content-Type-Options", "nosniff")
	header.Set("X-Frame-Options", "DENY")
}

// requestID gives the id that begin gave the request.
func requestID(c *gin.Context) string { return c.Writer.Header().Get(headerRequestID) }

// observe counts and logs the request, and turns a panic into a problem.
func (h *handler) observe(c *gin.Context) {
	started := h.config.Now()
	name := h.operationName(c)
	span := h.trace(c, name)
	defer func() {
		cause := recover()
		abort, _ := cause.(error)
		if !errors.Is(abort, http.ErrAbortHandler) {
			abort = nil
		}
		if cause != nil && abort == nil {
			h.config.Log.ErrorContext(c.Request.Context(), "panic while answering a request",
				"request_id", requestID(c), "panic", fmt.Sprint(cause), "stack", string(debug.Stack()))
			fail(c, lab.Errorf(lab.CodeInternal, "panic: %v", cause))
		}
		h.recordRefused(c)
		took := h.config.Now().Sub(started)
		h.metrics.observe(name, c.Writer.Status(), took, streamed(c.Writer.Header()))
		h.logAccess(c, name, slog.Duration("took", took))
		endTrace(c, span)
		if abort != nil {
			panic(abort) // an answer that breaks off is net/http's to end
		}
	}()
	c.Next()
}

// logAccess writes one line per request: the path without its query, and what
// went wrong with its cause.
func (h *handler) logAccess(c *gin.Context, name string, took slog.Attr) {
	status := c.Writer.Status()
	if c.Request.Context().Err() != nil && status >= http.StatusInternalServerError {
		status = statusClientGone
	}
	attrs := []slog.Attr{
		slog.String("request_id", requestID(c)),
		slog.String("method", c.Request.Method),
		slog.String("path", c.Request.URL.EscapedPath()),
		slog.String("operation", name),
		slog.Int("status", status),
		slog.Int("bytes", max(0, c.Writer.Size())),
		took,
		slog.String("remote", c.ClientIP()),
	}
	if actor, ok := c.Request.Context().Value(actorKey{}).(lab.Actor); ok {
		attrs = append(attrs, slog.String("actor", actor.Name))
	}
	level := slog.LevelInfo
	// Probes, polling and looking come by the thousand and change nothing.
	if c.Request.Method == http.MethodGet && status < http.StatusBadRequest && len(c.Errors) == 0 {
		level = slog.LevelDebug
	}
	if last := c.Errors.Last(); last != nil {
		attrs = append(attrs, slog.String("error", last.Err.Error()))
		if status >= http.StatusInternalServerError {
			level = slog.LevelError
		}
	}
	h.config.Log.LogAttrs(c.Request.Context(), level, "request", attrs...)
}

// operationName names what was asked for, from a small fixed set: the
// operationId, "probe:" and a path, or "unmatched".
func (h *handler) operationName(c *gin.Context) string {
	route := c.FullPath()
	if op := h.contract.operation(c.Request.Method, route); op != nil {
		return op.id
	}
	switch route {
	case "":
		return "unmatched"
	case "/healthz", "/readyz", "/metrics":
		return "probe:" + route
	default:
		return route
	}
}

// refuseCrossOrigin refuses writes that a browser sends from another origin.
func (h *handler) refuseCrossOrigin(c *gin.Context) {
	if err := h.crossOrigin.Check(c.Request); err != nil {
		fail(c, crossOriginRefused(err))
	}
}

func crossOriginRefused(err error) error {
	return lab.Wrap(lab.CodeForbidden, err, "a browser sent this from another origin").
		WithHint("use the console at Bothy's own address, or the command line")
}

// actorKey is the context key of the lab.Actor who makes a request.
type actorKey struct{}

// authenticate finds out who makes the request, or refuses it.
func (h *handler) authenticate(c *gin.Context) {
	caller, err := h.config.Authenticator.Authenticate(c.Request.Context(), c.Request, c.ClientIP(), c.Writer.Header())
	if err != nil {
		refuse(c, err)
		return
	}
	h.know(c, caller)
}

// know says to all that comes after who makes the request.
func (h *handler) know(c *gin.Context, caller lab.Caller) {
	ctx := context.WithValue(c.Request.Context(), actorKey{}, lab.Actor{Name: caller.Name, UserID: caller.UserID, Role: caller.Role, Remote: c.ClientIP()})
	request := c.Request
	ctx = context.WithValue(ctx, callerKey{}, caller)
	ctx = context.WithValue(ctx, sightKey{}, sight{
		scope: caller.Scope,
		again: func() (lab.Caller, error) { return h.config.Authenticator.Again(request.Context(), caller) },
	})
	c.Request = c.Request.WithContext(ctx)
}

// refuse answers those whose credential is not good.
func refuse(c *gin.Context, err error) {
	if lab.CodeOf(err) == lab.CodeUnauthenticated {
		c.Header("WWW-Authenticate", `Bearer realm="bothy"`)
	}
	fail(c, err)
}

// sightKey is the context key of the sight of whoever makes a request.
type sightKey struct{}

// sight is what a caller may see, and how to find out whether that still holds.
type sight struct {
	scope lab.Scope
	again func() (lab.Caller, error)
}

// checkRequest holds a request against the contract before anything acts on it.
func (h *handler) checkRequest(c *gin.Context) {
	op := h.contract.operation(c.Request.Method, c.FullPath())
	if op == nil {
		fail(c, fmt.Errorf("the route %s %s is not in the contract", c.Request.Method, c.FullPath()))
		return
	}
	path := make(map[string]string, len(c.Params))
	for _, p := range c.Params {
		path[p.Key] = p.Value
	}
	if err := op.check(c.Writer, c.Request, path); err != nil {
		fail(c, err)
	}
}

// lookAgain finds out who makes the request once its body is here: whoever sends it
// slowly acts with the rights of the moment in which it is whole, if they have any still.
func (h *handler) lookAgain(c *gin.Context) {
	if c.Request.ContentLength == 0 {
		return
	}
	caller, err := h.config.Authenticator.Again(c.Request.Context(), callerOf(c.Request.Context()))
	if err != nil {
		refuse(c, err)
		return
	}
	h.know(c, caller)
}

// noRoute answers for a path that there is not. Under /v1 it wants a token first, as everything there does.
func (h *handler) noRoute(c *gin.Context) {
	if h.guarded(c) {
		fail(c, lab.Errorf(lab.CodeNotFound, "there is no such path").WithHint("the paths are in /v1/openapi.json"))
	}
}

// noMethod answers for a path that does not take the method; Gin has set Allow.
func (h *handler) noMethod(c *gin.Context) {
	if h.guarded(c) {
		fail(c, lab.Errorf(codeMethodNotAllowed, "this path does not take %s", shorten(c.Request.Method)).
			WithHint("it takes %s", c.Writer.Header().Get("Allow")))
	}
}

// guarded authenticates a request for an unknown thing under /v1, and says whether to go on.
func (h *handler) guarded(c *gin.Context) bool {
	if c.Request.URL.Path == "/v1" || strings.HasPrefix(c.Request.URL.Path, "/v1/") {
		h.authenticate(c)
	}
	return !c.IsAborted()
}
