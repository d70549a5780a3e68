package doctor

import (
	"context"
	"time"
)

// Clocks that differ by more than uneven are warned of; beyond wrong, tokens and
// certificates are refused and times in the record mislead.
const (
	uneven = 2 * time.Second
	wrong  = 30 * time.Second
)

// asker gives a server's time, to the second, and how long asking took.
type asker func(ctx context.Context) (time.Time, time.Duration, error)

func (p *patient) clockChecks() []check {
	compare := func(ask func() asker) func(context.Context) verdict {
		return func(ctx context.Context) verdict {
			at, took, err := ask()(ctx)
			if err != nil {
				return broken(err, "")
			}
			// The header Date leaves the fraction of the second away.
			return p.compared(at.Add(time.Second/2), took)
		}
	}
	return []check{
		{id: "clock.nomad", what: "this machine's clock and Nomad's", needs: []string{"nomad.reachable"}, run: compare(func() asker { return p.Nomad.Clock })},
		{id: "clock.consul", what: "this machine's clock and Consul's", needs: []string{"consul.reachable"}, run: compare(func() asker { return p.Consul.Clock })},
		{id: "clock.vault", what: "this machine's clock and Vault's", needs: []string{"vault.reachable"}, run: compare(func() asker { return p.Vault.Clock })},
		{id: "clock.store", what: "this machine's clock and the database's", needs: []string{"store.schema"}, run: p.databaseClock},
	}
}

func (p *patient) databaseClock(context.Context) verdict {
	if p.store.Now.IsZero() {
		return skipped("SQLite has this machine's")
	}
	skew := p.store.Now.Sub(p.store.Asked.Add(p.store.Took / 2))
	return judged(skew)
}

// compared judges a time that was told just now.
func (p *patient) compared(at time.Time, took time.Duration) verdict {
	return judged(at.Sub(p.Now().Add(-took / 2)))
}

func judged(skew time.Duration) verdict {
	const remedy = "let one NTP service set the clocks of all machines: timedatectl set-ntp true; chronyc tracking"
	way := "ahead of"
	if skew < 0 {
		way = "behind"
	}
	size := skew.Abs()
	switch {
	case size > wrong:
		return failed(remedy, "it is %s %s this machine's", size.Round(time.Second), way)
	case size > uneven:
		return warning(remedy, "it is %s %s this machine's", size.Round(time.Second), way)
	default:
		return good("within %s", uneven)
	}
}
