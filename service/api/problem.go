package api

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"math"
	"net/http"
	"strconv"

	"github.com/gin-gonic/gin"

	"github.com/bothylabs/bothy/service/lab"
)

// What only HTTP can get wrong.
const (
	codeMethodNotAllowed     lab.Code = "method_not_allowed"
	codeTooLarge             lab.Code = "too_large"
	codeUnsupportedMediaType lab.Code = "unsupported_media_type"
)

const mediaProblem = "application/problem+json"

// statusOf is the one map from a code to its HTTP status and title.
func statusOf(code lab.Code) (status int, title string) {
	switch code {
	case lab.CodeInvalid:
		return http.StatusBadRequest, "Invalid request"
	case lab.CodeUnauthenticated:
		return http.StatusUnauthorized, "Not signed in"
	case lab.CodeForbidden:
		return http.StatusForbidden, "Not allowed"
	case lab.CodeNotFound:
		return http.StatusNotFound, "Not found"
	case codeMethodNotAllowed:
		return http.StatusMethodNotAllowed, "Method not allowed"
	case lab.CodeConflict:
		return http.StatusConflict, "Conflict"
	case lab.CodeStale:
		return http.StatusPreconditionFailed, "Changed in the meantime"
	case codeTooLarge:
		return http.StatusRequestEntityTooLarge, "Too large"
	case codeUnsupportedMediaType:
		return http.StatusUnsupportedMediaType, "Unsupported media type"
	case lab.CodeTooMany:
		return http.StatusTooManyRequests, "Too many tries"
	case lab.CodeUnplaceable:
		return http.StatusUnprocessableEntity, "No node could run it"
	case lab.CodeRefused:
		return http.StatusBadGateway, "Refused by a server that Bothy needs"
	case lab.CodeUnavailable:
		return http.StatusServiceUnavailable, "Not available now"
	case lab.CodeInternal:
		return http.StatusInternalServerError, "Internal error"
	default:
		return http.StatusInternalServerError, "Internal error"
	}
}

// coded gives the error that the caller is told: the first coded one in err's
// chain, or one that says nothing about the cause.
func coded(err error) *lab.Error {
	var e *lab.Error
	if errors.As(err, &e) {
		if status, _ := statusOf(e.Code); status != http.StatusInternalServerError {
			return e
		}
	}
	if errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
		return lab.Wrap(lab.CodeUnavailable, err, "the request was given up before it was done").WithHint("try again")
	}
	return lab.Wrap(lab.CodeInternal, err, "Bothy failed to do this").
		WithHint("Bothy's log has the cause under the request_id")
}

// fail answers with a problem document and keeps the error for the access log.
func fail(c *gin.Context, err error) {
	_ = c.Error(err)
	c.Abort()
	if c.Writer.Written() {
		return
	}
	e := coded(err)
	status, title := statusOf(e.Code)
	problem := Problem{
		Type:      "urn:bothy:problem:" + string(e.Code),
		Title:     title,
		Status:    status,
		Code:      string(e.Code),
		Detail:    cmp.Or(e.Message, title),
		Hint:      e.Hint,
		Fields:    each(e.Fields, func(f lab.Field) ProblemField { return ProblemField(f) }),
		RequestID: requestID(c),
	}
	if current, revision, ok := asCurrent(e.Current); ok {
		problem.Current = current
		c.Header(headerETag, etag(revision))
	}
	if e.RetryAfter > 0 {
		c.Header("Retry-After", strconv.FormatInt(int64(math.Ceil(e.RetryAfter.Seconds())), 10))
	}
	var text bytes.Buffer
	encoder := json.NewEncoder(&text)
	encoder.SetEscapeHTML(false) // people read it in a terminal; no browser takes it for a page
	if err := encoder.Encode(problem); err != nil {
		c.Status(http.StatusInternalServerError)
		return
	}
	c.Header("Content-Length", strconv.Itoa(text.Len())) // so that it is whole for the caller once it is flushed
	c.Data(status, mediaProblem, text.Bytes())
}
