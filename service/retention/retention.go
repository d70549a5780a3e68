// Package retention ends the time for which things are kept.
package retention

import (
	"context"
	"fmt"
	"log/slog"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// every is how often a Keeper looks.
const every = 10 * time.Minute

// Rule is how long one kind of thing is kept.
type Rule struct {
	// Kind names it, in the metric and the log: "sessions".
	Kind string
	// Age is how long, 0 for ever.
	Age time.Duration
	// Clean removes what was over before a moment, and gives how many went.
	Clean func(ctx context.Context, before time.Time) (int64, error)
}

// Config is what a Keeper works with. Logger, Now and Active must be there.
type Config struct {
	Rules []Rule
	// Active says whether this instance is the one that does it.
	Active func() bool
	Logger *slog.Logger
	// Registry takes the metrics; nil for none.
	Registry prometheus.Registerer
	Now      func() time.Time
	// Every is how often it looks. Default 10 min.
	Every time.Duration
}

// Keeper removes what has been kept for long enough.
type Keeper struct {
	cfg     Config
	removed *prometheus.CounterVec
}

// New makes a Keeper.
func New(cfg Config) (*Keeper, error) {
	if cfg.Every == 0 {
		cfg.Every = every
	}
	k := &Keeper{cfg: cfg, removed: prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "bothy_retention_removed_total",
		Help: "Rows that were removed because their time was over, by what they were.",
	}, []string{"kind"})}
	for _, rule := range cfg.Rules {
		k.removed.WithLabelValues(rule.Kind)
	}
	if cfg.Registry != nil {
		if err := cfg.Registry.Register(k.removed); err != nil {
			return nil, fmt.Errorf("register the metric of retentions: %w", err)
		}
	}
	return k, nil
}

// Run looks now and then, until ctx ends, which is no error.
func (k *Keeper) Run(ctx context.Context) error {
	tick := time.NewTicker(k.cfg.Every)
	defer tick.Stop()
	for {
		k.look(ctx)
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
	}
}

// look follows each rule. What fails keeps nothing else from being removed.
func (k *Keeper) look(ctx context.Context) {
	for _, rule := range k.cfg.Rules {
		if rule.Age <= 0 || ctx.Err() != nil || !k.cfg.Active() {
			continue
		}
		n, err := rule.Clean(ctx, k.cfg.Now().Add(-rule.Age))
		k.removed.WithLabelValues(rule.Kind).Add(float64(n))
		if err != nil && ctx.Err() == nil {
			k.cfg.Logger.WarnContext(ctx, "what is old cannot be removed; trying again", "kind", rule.Kind, "error", err)
		}
	}
}
