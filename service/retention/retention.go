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

// Record is the record of changes.
type Record interface {
	// CleanAudit removes what is older than a moment, and gives how many rows went.
	CleanAudit(ctx context.Context, before time.Time) (int64, error)
}

// Config is what a Keeper works with. Record, Logger, Now and Active must be there.
type Config struct {
	Record Record
	// MaxAge is how long rows of the record are kept, 0 for ever.
	MaxAge time.Duration
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
	removed prometheus.Counter
}

// New makes a Keeper.
func New(cfg Config) (*Keeper, error) {
	if cfg.Every == 0 {
		cfg.Every = every
	}
	k := &Keeper{cfg: cfg, removed: prometheus.NewCounter(prometheus.CounterOpts{
		Name: "bothy_audit_removed_total",
		Help: "Rows of the record of changes that were removed because their time was over.",
	})}
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
		if k.cfg.MaxAge > 0 && k.cfg.Active() {
			n, err := k.cfg.Record.CleanAudit(ctx, k.cfg.Now().Add(-k.cfg.MaxAge))
			k.removed.Add(float64(n))
			if err != nil && ctx.Err() == nil {
				k.cfg.Logger.WarnContext(ctx, "old rows of the record of changes cannot be removed; trying again", "error", err)
			}
		}
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
	}
}
