// Package tracing is what all parts share to take part in a trace: OpenTelemetry's
// API, without its globals, and the rules for what a span may say. Spans are told
// apart by fixed names; none holds a secret, a student's name or a slug, which is
// made of one.
package tracing

import (
	"context"
	"net/http"
	"strings"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/trace"
	"go.opentelemetry.io/otel/trace/noop"

	"github.com/bothylabs/bothy/service/lab"
)

// name is the instrumentation scope of all spans.
const name = "github.com/bothylabs/bothy"

// Tracer gives the tracer of a provider; nil is for a provider that drops everything.
func Tracer(p trace.TracerProvider) trace.Tracer {
	if p == nil {
		p = noop.NewTracerProvider()
	}
	return p.Tracer(name)
}

// Child begins a span below the one that ctx is in. Outside of a trace there is
// none: what runs in the background all the time is not traced.
func Child(ctx context.Context, t trace.Tracer, span string, attributes ...attribute.KeyValue) (context.Context, trace.Span) {
	if !trace.SpanContextFromContext(ctx).IsValid() {
		return ctx, noop.Span{}
	}
	return t.Start(ctx, span, trace.WithAttributes(attributes...))
}

// End ends a span. Of an error it keeps the code: texts may name a student.
func End(span trace.Span, err error) {
	if err != nil {
		span.SetStatus(codes.Error, string(lab.CodeOf(err)))
	}
	span.End()
}

// Transport makes a span of each request to a server that belongs to a trace. A
// nil provider gives base as it is.
func Transport(base http.RoundTripper, system string, p trace.TracerProvider) http.RoundTripper {
	if p == nil {
		return base
	}
	return transport{base: base, system: system, tracer: Tracer(p)}
}

type transport struct {
	base   http.RoundTripper
	system string
	tracer trace.Tracer
}

// RoundTrip implements http.RoundTripper. The span is over when the answer begins.
func (t transport) RoundTrip(r *http.Request) (*http.Response, error) {
	if !trace.SpanContextFromContext(r.Context()).IsValid() {
		return t.base.RoundTrip(r)
	}
	route := Route(r.URL.Path)
	_, span := t.tracer.Start(r.Context(), t.system+" "+r.Method+" "+route, trace.WithSpanKind(trace.SpanKindClient), trace.WithAttributes(
		attribute.String("peer.service", t.system),
		attribute.String("http.request.method", r.Method),
		attribute.String("url.template", route),
		attribute.String("server.address", r.URL.Host),
	))
	defer span.End()
	answer, err := t.base.RoundTrip(r)
	if err != nil {
		span.SetStatus(codes.Error, "no answer")
		return nil, err
	}
	span.SetAttributes(attribute.Int("http.response.status_code", answer.StatusCode))
	if answer.StatusCode >= http.StatusInternalServerError {
		span.SetStatus(codes.Error, answer.Status)
	}
	return answer, nil
}

// Route is a path with * for all that is not a plain word: ids, slugs and keys
// have digits or hyphens, words of an API have not.
func Route(path string) string {
	parts := strings.Split(path, "/")
	for i, part := range parts {
		if part != "v1" && strings.ContainsFunc(part, func(r rune) bool { return (r < 'a' || r > 'z') && r != '_' }) {
			parts[i] = "*"
		}
	}
	return strings.Join(parts, "/")
}
