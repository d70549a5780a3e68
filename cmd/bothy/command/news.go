package command

import (
	"context"
	"sync/atomic"
	"time"

	"github.com/bothylabs/bothy/service/client"
)

const (
	// newsSettle is how long changes may gather before one look shows them all.
	newsSettle = 200 * time.Millisecond
	// newsUnheard is how often a command looks by itself while it is told of
	// nothing, and newsHeard while it is: that is only the net below.
	newsUnheard = 2 * time.Second
	newsHeard   = 15 * time.Second
)

// news tells a command when it is worth to look again.
type news struct {
	env *Env
	// rang holds something after a change, heard says that the stream is open.
	rang   chan struct{}
	heard  atomic.Bool
	cancel context.CancelFunc
	done   chan struct{}
}

// news follows the events that match, until close. A server that cannot tell
// of any makes no error: then wait takes its own time.
func (e *Env) news(ctx context.Context, s *client.Client, filter client.EventFilter) *news {
	ctx, cancel := context.WithCancel(ctx)
	c := &news{env: e, rang: make(chan struct{}, 1), cancel: cancel, done: make(chan struct{})}
	go func() {
		defer close(c.done)
		for _, err := range s.Events(ctx, filter, "") {
			c.hear(err == nil)
		}
		c.hear(false)
	}()
	return c
}

// hear notes whether the stream is open, and wakes whoever waits: for a change
// that was told, and for a stream that is lost, because they wait too long then.
func (c *news) hear(open bool) {
	if was := c.heard.Swap(open); !open && !was {
		return
	}
	select {
	case c.rang <- struct{}{}:
	default:
	}
}

// wait waits until something has changed, or until it is time to look in any case:
// after unheard while nothing is told, and never longer than most.
func (c *news) wait(ctx context.Context, unheard, most time.Duration) {
	net := unheard
	if c.heard.Load() {
		net = newsHeard
	}
	select {
	case <-ctx.Done():
	case <-c.env.After(min(net, most)):
	case <-c.rang:
		select {
		case <-ctx.Done():
		case <-c.env.After(newsSettle):
		}
	}
}

func (c *news) close() {
	c.cancel()
	<-c.done
}
