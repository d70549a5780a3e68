package auth

import (
	"context"

	"github.com/prometheus/client_golang/prometheus"
)

// Once does what Run does all the time.
func (l *Letters) Once(ctx context.Context) error { return l.round(ctx, true) }

// SignIns counts them.
func (p *People) SignIns() *prometheus.CounterVec { return p.signIns }

// GivePause is between two looks whether another act has set somebody's password.
const GivePause = givePause

// The turns of those whose passwords are looked at.
const (
	Turns    = turns
	TurnWait = turnWait
)
