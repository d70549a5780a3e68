package events

import (
	"fmt"

	"github.com/prometheus/client_golang/prometheus"
)

type metrics struct {
	events prometheus.Counter
	lag    prometheus.Histogram
}

func newMetrics(registry prometheus.Registerer) (metrics, error) {
	m := metrics{
		events: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "bothy_events_total",
			Help: "Events that this instance has read.",
		}),
		lag: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name:    "bothy_events_lag_seconds",
			Help:    "From a change, by the clock of the instance that made it, until this instance has read its event.",
			Buckets: []float64{.005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10, 60},
		}),
	}
	if registry == nil {
		return m, nil
	}
	for _, c := range []prometheus.Collector{m.events, m.lag} {
		if err := registry.Register(c); err != nil {
			return metrics{}, fmt.Errorf("register the metrics of events: %w", err)
		}
	}
	return m, nil
}
