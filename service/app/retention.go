package app

import (
	"time"

	"github.com/bothylabs/bothy/service/auth"
	"github.com/bothylabs/bothy/service/lab"
	"github.com/bothylabs/bothy/service/retention"
)

const (
	// kept is how long what is good for nothing any more is there for those who look
	// into a fault: what it was is in the record of changes.
	kept = 24 * time.Hour
	// tokensKept is longer: whoever wonders why a program fails finds that its token expired.
	tokensKept = 30 * 24 * time.Hour
)

// retentions is how long everything is kept that would otherwise grow for ever. Events
// are the feed's, tickets and passes the door's, and homes the reconciler's.
func (a *App) retentions() []retention.Rule {
	return []retention.Rule{
		{Kind: "audit", Age: a.cfg.Audit.MaxAge, Clean: a.store.CleanAudit},
		{Kind: "look_ins", Age: a.cfg.Audit.MaxAge, Clean: a.store.CleanLookIns},
		{Kind: "operations", Age: a.cfg.Operations.MaxAge, Clean: a.store.CleanOperations},
		{Kind: "sessions", Age: kept, Clean: a.store.CleanSessions},
		{Kind: "devices", Age: auth.DeviceAge, Clean: a.store.CleanDevices},
		{Kind: "tokens", Age: tokensKept, Clean: a.store.CleanTokens},
		{Kind: "letters", Age: kept, Clean: a.store.CleanLetters},
		{Kind: "attempts", Age: kept, Clean: a.store.CleanAttempts},
		{Kind: "keys", Age: lab.KeyRetention, Clean: a.store.CleanKeys},
	}
}
