package auth

import (
	"context"

	"github.com/prometheus/client_golang/prometheus"
)

// Once does what Run does all the time.
func (l *Letters) Once(ctx context.Context) error { return l.round(ctx, true) }

// SignIns counts them.
func (p *People) SignIns() *prometheus.CounterVec { return p.signIns }

// The turns of those whose passwords are looked at.
const (
	Turns    = turns
	TurnWait = turnWait
)
