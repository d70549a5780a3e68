package api

import (
	"net/http"
	"strings"

	"github.com/gin-gonic/gin"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/trace"
	"go.opentelemetry.io/otel/trace/noop"
)

// trace begins the span of a request, below the caller's own where it sent one
// (W3C's traceparent), and puts it into the request's context. Probes have none.
func (h *handler) trace(c *gin.Context, operation string) trace.Span {
	if strings.HasPrefix(operation, "probe:") {
		return noop.Span{}
	}
	ctx := propagation.TraceContext{}.Extract(c.Request.Context(), propagation.HeaderCarrier(c.Request.Header))
	ctx, span := h.tracer.Start(ctx, operation, trace.WithSpanKind(trace.SpanKindServer), trace.WithAttributes(
		attribute.String("http.request.method", knownMethod(c.Request.Method)),
		attribute.String("http.route", c.FullPath()),
		attribute.String("bothy.request_id", requestID(c)),
	))
	c.Request = c.Request.WithContext(ctx)
	return span
}

// knownMethod keeps what a caller made up out of a span.
func knownMethod(method string) string {
	switch method {
	case http.MethodGet, http.MethodHead, http.MethodPost, http.MethodPut, http.MethodPatch, http.MethodDelete, http.MethodOptions:
		return method
	default:
		return "_OTHER"
	}
}

// endTrace ends the span of a request.
func endTrace(c *gin.Context, span trace.Span) {
	status := c.Writer.Status()
	span.SetAttributes(attribute.Int("http.response.status_code", status))
	if status >= http.StatusInternalServerError {
		span.SetStatus(codes.Error, http.StatusText(status))
	}
	span.End()
}
