package app

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"sync/atomic"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracehttp"
	"go.opentelemetry.io/otel/sdk/resource"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace"
)

// A collector that is slow or gone costs no request anything: spans wait in a
// queue of their own, and what does not fit is dropped.
const (
	spanQueue     = 2048
	exportTimeout = 10 * time.Second
	// flushTimeout bounds how long the end waits for the last spans to be taken.
	flushTimeout = 3 * time.Second
	// exportLogEvery is how often at most a collector's failure is logged.
	exportLogEvery = time.Minute
)

// telemetry makes spans and sends them off. Its zero value makes none.
type telemetry struct{ sdk *sdktrace.TracerProvider }

// newTelemetry begins to send spans to an OTLP collector; without an endpoint
// there are none. OpenTelemetry's own variables for headers, certificates and
// sampling (OTEL_EXPORTER_OTLP_HEADERS, OTEL_TRACES_SAMPLER, …) count.
func newTelemetry(ctx context.Context, endpoint, version, instance string, log *slog.Logger) (telemetry, error) {
	if endpoint == "" {
		return telemetry{}, nil
	}
	target, err := url.JoinPath(endpoint, "v1", "traces")
	if err != nil {
		return telemetry{}, fmt.Errorf("telemetry.otlp_endpoint: %w", err)
	}
	otlp, err := otlptracehttp.New(ctx,
		otlptracehttp.WithEndpointURL(target), otlptracehttp.WithTimeout(exportTimeout),
		otlptracehttp.WithRetry(otlptracehttp.RetryConfig{Enabled: true, InitialInterval: time.Second, MaxInterval: 5 * time.Second, MaxElapsedTime: exportTimeout}))
	if err != nil {
		return telemetry{}, fmt.Errorf("make the exporter of traces: %w", err)
	}
	who, err := resource.New(ctx, resource.WithFromEnv(), resource.WithAttributes(
		attribute.String("service.name", "bothy"), attribute.String("service.version", version), attribute.String("service.instance.id", instance)))
	if err != nil && !errors.Is(err, resource.ErrPartialResource) {
		return telemetry{}, fmt.Errorf("describe this server to the collector: %w", err)
	}
	return telemetry{sdk: sdktrace.NewTracerProvider(
		sdktrace.WithResource(who),
		sdktrace.WithBatcher(&quietExporter{SpanExporter: otlp, log: log}, sdktrace.WithMaxQueueSize(spanQueue), sdktrace.WithExportTimeout(exportTimeout)),
	)}, nil
}

// provider is nil while there is no tracing.
func (t telemetry) provider() trace.TracerProvider {
	if t.sdk == nil {
		return nil
	}
	return t.sdk
}

// end sends off what is left.
func (t telemetry) end(ctx context.Context) {
	if t.sdk == nil {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, flushTimeout)
	defer cancel()
	// Spans that a collector does not take in time are lost: nobody waits for them.
	_ = t.sdk.Shutdown(ctx)
}

// quietExporter tells the log of a collector's failures, now and then: the SDK
// would tell a handler that is global to the process.
type quietExporter struct {
	sdktrace.SpanExporter
	log *slog.Logger
	// told is when the last failure was logged, in ns.
	told atomic.Int64
}

// ExportSpans implements sdktrace.SpanExporter.
func (q *quietExporter) ExportSpans(ctx context.Context, spans []sdktrace.ReadOnlySpan) error {
	err := q.SpanExporter.ExportSpans(ctx, spans)
	if err == nil {
		return nil
	}
	now, before := time.Now().UnixNano(), q.told.Load()
	if now-before >= int64(exportLogEvery) && q.told.CompareAndSwap(before, now) {
		q.log.WarnContext(ctx, "the collector of traces does not take them; they are dropped", "spans", len(spans), "error", err)
	}
	return nil
}
