package api

import (
	"fmt"
	"strconv"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// metrics are the API's own figures. Their labels come from fixed sets: the
// contract's operations and the HTTP statuses.
type metrics struct {
	requests *prometheus.CounterVec
	seconds  *prometheus.HistogramVec
	streams  prometheus.Gauge
	ended    *prometheus.CounterVec
}

func newMetrics(registry prometheus.Registerer) (*metrics, error) {
	m := &metrics{
		requests: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "bothy_http_requests_total",
			Help: "Requests answered, by operation and HTTP status.",
		}, []string{"operation", "status"}),
		seconds: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name:    "bothy_http_request_duration_seconds",
			Help:    "How long requests took to answer, by operation.",
			Buckets: []float64{.001, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10, 30},
		}, []string{"operation"}),
		streams: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "bothy_event_streams",
			Help: "Streams of events that are followed now.",
		}),
		ended: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "bothy_event_streams_ended_total",
			Help: "Streams of events that ended, by why: left, slow (the reader was dropped), token, shutdown, failed.",
		}, []string{"why"}),
	}
	for _, collector := range []prometheus.Collector{m.requests, m.seconds, m.streams, m.ended} {
		if err := registry.Register(collector); err != nil {
			return nil, fmt.Errorf("register the API's metrics: %w", err)
		}
	}
	return m, nil
}

// observe counts an answer; how long a stream was followed says nothing about how fast it was.
func (m *metrics) observe(operation string, status int, took time.Duration, stream bool) {
	m.requests.WithLabelValues(operation, strconv.Itoa(status)).Inc()
	if stream {
		return
	}
	m.seconds.WithLabelValues(operation).Observe(took.Seconds())
}
