package reconcile

import (
	"github.com/prometheus/client_golang/prometheus"

	"github.com/bothylabs/bothy/service/lab"
)

// metrics are the loop's. Their labels are closed sets: none grows with the workspaces.
type metrics struct {
	passes     *prometheus.CounterVec
	passTime   prometheus.Histogram
	actions    *prometheus.CounterVec
	actionTime *prometheus.HistogramVec
	workspaces *prometheus.GaugeVec
	waiting    prometheus.Gauge
	reported   *prometheus.GaugeVec
	readable   *prometheus.GaugeVec
	active     prometheus.Gauge
}

func newMetrics(registry prometheus.Registerer) (*metrics, error) {
	name := func(n string) string { return "bothy_reconcile_" + n }
	m := &metrics{
		passes: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: name("passes_total"), Help: "Comparisons of the desired with the observed state.",
		}, []string{"result"}),
		passTime: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name: name("pass_seconds"), Help: "Time that one comparison took.",
			Buckets: prometheus.ExponentialBuckets(0.001, 4, 8),
		}),
		actions: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: name("actions_total"), Help: "Actions taken, by kind and result (the code of the error, or ok).",
		}, []string{"kind", "result"}),
		actionTime: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: name("action_seconds"), Help: "Time that one action took.",
			Buckets: prometheus.ExponentialBuckets(0.005, 4, 8),
		}, []string{"kind"}),
		workspaces: prometheus.NewGaugeVec(prometheus.GaugeOpts{
			Name: "bothy_workspaces", Help: "Workspaces by phase.",
		}, []string{"phase"}),
		waiting: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: name("actions_waiting"), Help: "Actions that wait for a worker.",
		}),
		reported: prometheus.NewGaugeVec(prometheus.GaugeOpts{
			Name: name("reported"), Help: "Jobs that are left alone and shown: foreign, drifted, orphaned.",
		}, []string{"state"}),
		readable: prometheus.NewGaugeVec(prometheus.GaugeOpts{
			Name: name("readable"), Help: "1 while the source can be read, 0 while nothing is decided from it.",
		}, []string{"source"}),
		active: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: name("active"), Help: "1 while this instance reconciles, 0 while another one does, or none.",
		}),
	}
	for _, c := range []prometheus.Collector{
		m.passes, m.passTime, m.actions, m.actionTime, m.workspaces, m.waiting, m.reported, m.readable, m.active,
	} {
		if err := registry.Register(c); err != nil {
			return nil, err
		}
	}
	return m, nil
}

// begin and end bracket a turn of this instance. What it saw then is not shown
// on: another instance sees it now.
func (m *metrics) begin() { m.active.Set(1) }

func (m *metrics) end() {
	m.active.Set(0)
	m.waiting.Set(0)
	m.workspaces.Reset()
	m.reported.Reset()
	m.readable.Reset()
}

// phases is every phase, so that one that nobody is in counts 0.
func phases() []lab.Phase {
	return []lab.Phase{
		lab.PhaseQueued, lab.PhasePlacing, lab.PhaseStarting, lab.PhaseReady, lab.PhaseStopping,
		lab.PhaseStopped, lab.PhaseFailed, lab.PhaseLost, lab.PhaseUnknown,
	}
}

// count shows how many workspaces are in each phase.
func (m *metrics) count(byPhase map[lab.Phase]int) {
	for _, phase := range phases() {
		m.workspaces.WithLabelValues(string(phase)).Set(float64(byPhase[phase]))
	}
}

func (m *metrics) setReadable(source string, readable bool) {
	value := 0.0
	if readable {
		value = 1
	}
	m.readable.WithLabelValues(source).Set(value)
}
