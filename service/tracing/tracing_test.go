package tracing

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"testing"

	"go.opentelemetry.io/otel/codes"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"

	"github.com/bothylabs/bothy/service/lab"
)

func TestARouteNamesNobody(t *testing.T) {
	for path, want := range map[string]string{
		"/v1/job/bothy-fall-26-py101-ada/plan":            "/v1/job/*/plan",
		"/v1/jobs/parse":                                  "/v1/jobs/parse",
		"/v1/bothy/data/workspaces/bothy-f26-py-ada/env":  "/v1/bothy/data/workspaces/*/env",
		"/v1/client/allocation/0b1c2d3e/restart":          "/v1/client/allocation/*/restart",
		"/v1/session/renew/0198c1d2-7a50-7c6e-9d0f-0b8a1": "/v1/session/renew/*",
		"/v1/kv/bothy/0198c1d2/reconciler":                "/v1/kv/bothy/*/reconciler",
		"/v1/health/state/any":                            "/v1/health/state/any",
		"":                                                "",
	} {
		if got := Route(path); got != want {
			t.Errorf("%s: %s, want %s", path, got, want)
		}
	}
}

func TestWhatBelongsToNoTraceMakesNoSpan(t *testing.T) {
	recorder := tracetest.NewSpanRecorder()
	p := sdktrace.NewTracerProvider(sdktrace.WithSpanProcessor(recorder))
	server := httptest.NewServer(http.NotFoundHandler())
	t.Cleanup(server.Close)
	web := &http.Client{Transport: Transport(http.DefaultTransport, "nomad", p)}
	get := func(ctx context.Context) {
		r, err := http.NewRequestWithContext(ctx, http.MethodGet, server.URL+"/v1/job/bothy-f26-py-ada", nil)
		if err != nil {
			t.Fatal(err)
		}
		answer, err := web.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		_ = answer.Body.Close()
	}
	get(t.Context())
	_, span := Child(t.Context(), Tracer(p), "store change")
	End(span, nil)
	if ended := recorder.Ended(); len(ended) != 0 {
		t.Fatalf("%d spans", len(ended))
	}

	ctx, parent := Tracer(p).Start(t.Context(), "parent")
	get(ctx)
	_, span = Child(ctx, Tracer(p), "store change")
	End(span, lab.Wrap(lab.CodeConflict, errors.New("Ada Lovelace is enrolled"), "Ada Lovelace is there already"))
	parent.End()
	ended := recorder.Ended()
	if len(ended) != 3 || ended[0].Name() != "nomad GET /v1/job/*" || ended[0].Parent().SpanID() != parent.SpanContext().SpanID() {
		t.Fatalf("%d spans, the first is %+v", len(ended), ended[0])
	}
	if s := ended[1].Status(); s.Code != codes.Error || s.Description != "conflict" {
		t.Errorf("of an error the span says %+v", s)
	}
}

func TestWithoutAProviderNothingIsInBetween(t *testing.T) {
	if Transport(http.DefaultTransport, "nomad", nil) != http.DefaultTransport {
		t.Error("the transport is wrapped")
	}
	ctx, span := Tracer(nil).Start(t.Context(), "x")
	if span.IsRecording() {
		t.Error("it records")
	}
	_, span = Child(ctx, Tracer(nil), "y")
	End(span, nil)
}
