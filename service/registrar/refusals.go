package registrar

import (
	"sync"
	"time"

	"golang.org/x/time/rate"
)

const (
	// refusedAtOnce is how many refused acts of one person are written down at once;
	// more are when they have not come for a while, refusedEvery for each.
	refusedAtOnce = 100
	refusedEvery  = time.Hour / refusedAtOnce
	// countedPeople bounds how many people's refused acts are counted at a time.
	countedPeople = 10_000
)

// refusals count the refused acts of each person, on one instance.
type refusals struct {
	mu sync.Mutex
	of map[string]*refused
}

type refused struct {
	limit   *rate.Limiter
	leftOut int
}

func newRefusals() *refusals { return &refusals{of: map[string]*refused{}} }

// take says of a refused act at a moment whether it is to be written down, and if so
// how many were not since the last one that was.
func (r *refusals) take(who string, now time.Time) (write bool, leftOut int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	of, known := r.of[who]
	if !known {
		r.forget(now)
		of = &refused{limit: rate.NewLimiter(rate.Every(refusedEvery), refusedAtOnce)}
		r.of[who] = of
	}
	if !of.limit.AllowN(now, 1) {
		of.leftOut++
		return false, 0
	}
	leftOut, of.leftOut = of.leftOut, 0
	return true, leftOut
}

// forget makes room for one more: of those first for whom all is as at the beginning.
func (r *refusals) forget(now time.Time) {
	if len(r.of) < countedPeople {
		return
	}
	for who, of := range r.of {
		if of.leftOut == 0 && of.limit.TokensAt(now) >= refusedAtOnce {
			delete(r.of, who)
		}
	}
	for who := range r.of {
		if len(r.of) < countedPeople {
			return
		}
		delete(r.of, who)
	}
}
