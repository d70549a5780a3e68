// Package tracingtest gives tests a collector of traces: a receiver of OTLP over
// HTTP that keeps the spans it gets. It stands for a real collector, of which
// Bothy uses nothing more.
package tracingtest

import (
	"compress/gzip"
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"

	collector "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	"google.golang.org/protobuf/proto"
)

// Span is a span as it arrived.
type Span struct {
	Trace, ID, Parent string
	Name              string
	Attributes        map[string]string
	// Links are the traces that it is linked to.
	Links []string
	// Error is the description of a span that failed, "" for one that did not.
	Error string
}

// Collector keeps spans.
type Collector struct {
	// URL is the endpoint to name in the settings.
	URL string

	mu    sync.Mutex
	spans []Span
	came  chan struct{}
}

// New starts a collector that ends with the test.
func New(t testing.TB) *Collector {
	t.Helper()
	c := &Collector{came: make(chan struct{})}
	server := httptest.NewServer(http.HandlerFunc(c.receive))
	t.Cleanup(server.Close)
	c.URL = server.URL
	return c
}

// Spans gives all spans that have arrived.
func (c *Collector) Spans() []Span {
	c.mu.Lock()
	defer c.mu.Unlock()
	return append([]Span(nil), c.spans...)
}

// Await waits until a span arrives that is wanted, and gives it.
func (c *Collector) Await(ctx context.Context, wanted func(Span) bool) (Span, error) {
	for {
		c.mu.Lock()
		came := c.came
		for _, s := range c.spans {
			if wanted(s) {
				c.mu.Unlock()
				return s, nil
			}
		}
		c.mu.Unlock()
		select {
		case <-came:
		case <-ctx.Done():
			return Span{}, fmt.Errorf("no such span: %w", ctx.Err())
		}
	}
}

func (c *Collector) receive(w http.ResponseWriter, r *http.Request) {
	spans, err := read(r)
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.spans = append(c.spans, spans...)
	close(c.came)
	c.came = make(chan struct{})
}

func read(r *http.Request) ([]Span, error) {
	if r.URL.Path != "/v1/traces" {
		return nil, errors.New("this is not the path of traces")
	}
	body := io.Reader(r.Body)
	if r.Header.Get("Content-Encoding") == "gzip" {
		unzipped, err := gzip.NewReader(r.Body)
		if err != nil {
			return nil, fmt.Errorf("unzip: %w", err)
		}
		body = unzipped
	}
	text, err := io.ReadAll(body)
	if err != nil {
		return nil, fmt.Errorf("read: %w", err)
	}
	var request collector.ExportTraceServiceRequest
	if err := proto.Unmarshal(text, &request); err != nil {
		return nil, fmt.Errorf("decode: %w", err)
	}
	var spans []Span
	for _, resource := range request.GetResourceSpans() {
		for _, scope := range resource.GetScopeSpans() {
			for _, s := range scope.GetSpans() {
				span := Span{
					Trace: hex.EncodeToString(s.GetTraceId()), ID: hex.EncodeToString(s.GetSpanId()), Parent: hex.EncodeToString(s.GetParentSpanId()),
					Name: s.GetName(), Attributes: map[string]string{}, Error: s.GetStatus().GetMessage(),
				}
				for _, a := range s.GetAttributes() {
					span.Attributes[a.GetKey()] = a.GetValue().String()
				}
				for _, l := range s.GetLinks() {
					span.Links = append(span.Links, hex.EncodeToString(l.GetTraceId()))
				}
				spans = append(spans, span)
			}
		}
	}
	return spans, nil
}
