// Package consul is Bothy's one way to Consul, and the only importer of its client
// library. It watches the health of the workspaces' services, and holds the lock
// that lets one of several instances reconcile.
package consul

import (
	"context"
	"crypto/tls"
	"errors"
	"log/slog"
	"maps"
	"sync"
	"time"

	"github.com/cenkalti/backoff/v5"
	"github.com/hashicorp/consul/api"
	"go.opentelemetry.io/otel/trace"

	"github.com/bothylabs/bothy/service/lab"
)

// Config is how Consul is reached. Fields without a default must be set.
type Config struct {
	// Address is Consul's, "http://127.0.0.1:8500".
	Address string
	// Datacenter and Namespace are "" for the agent's own.
	Datacenter string
	Namespace  string
	// Token gives the ACL token for the next request; nil for none.
	Token func() (string, error)
	// TLS is nil for the system's own settings.
	TLS    *tls.Config
	Logger *slog.Logger
	// Traces takes the spans of requests; nil for none.
	Traces trace.TracerProvider

	// Pause is the shortest time between two readings. Default 250 ms. It grows with
	// the number of services, to 1 s for ten thousand.
	Pause time.Duration
	// Wait is how long Consul may hold a reading back while nothing changes. Default 1 min.
	Wait time.Duration
}

const (
	// checksPath lists the checks of the workspaces' services and of nothing else:
	// they carry the tag "bothy".
	checksPath = "/v1/health/state/any"
	checksOf   = `"bothy" in ServiceTags`

	maxDelay = 10 * time.Second
	// pausePerService keeps what is read in a second about the same at any size.
	pausePerService = 100 * time.Microsecond
)

// Watcher knows the health of the workspaces' services. Its zero value is not usable.
type Watcher struct {
	client
	changed chan struct{}

	mu       sync.Mutex
	services map[string]lab.Health
	unread   string
}

// New makes a watcher. It asks nothing of Consul before Run.
func New(cfg Config) (*Watcher, error) {
	if cfg.Pause == 0 {
		cfg.Pause = 250 * time.Millisecond
	}
	if cfg.Wait == 0 {
		cfg.Wait = time.Minute
	}
	c, err := newClient(cfg)
	if err != nil {
		return nil, err
	}
	return &Watcher{client: c, changed: make(chan struct{}, 1), unread: "Consul has not been read yet"}, nil
}

// Services gives the health of each workspace's service by name. Where unread is
// not "", it says why the map is not whole: what it lacks is not known.
func (w *Watcher) Services() (services map[string]lab.Health, unread string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.services, w.unread
}

// Changed receives after Services has changed; many changes are one signal.
func (w *Watcher) Changed() <-chan struct{} { return w.changed }

// set replaces what Services gives. The map is never written again.
func (w *Watcher) set(services map[string]lab.Health, unread string) {
	w.mu.Lock()
	same := maps.Equal(w.services, services) && w.unread == unread
	w.services, w.unread = services, unread
	w.mu.Unlock()
	if same {
		return
	}
	select {
	case w.changed <- struct{}{}:
	default:
	}
}

// Run reads until ctx ends, which is no error. While Consul can't be read,
// Services has nothing and says why.
func (w *Watcher) Run(ctx context.Context) error {
	delays := backoff.NewExponentialBackOff()
	delays.MaxInterval = maxDelay
	var index uint64
	for ctx.Err() == nil {
		services, unread, next, err := w.read(ctx, index)
		var delay time.Duration
		switch {
		case ctx.Err() != nil:
			return nil
		case err != nil:
			index, delay = 0, delays.NextBackOff()
			w.set(nil, reasonOf(err))
			w.cfg.Logger.WarnContext(ctx, "Consul can't be read", "error", err, "again_in", delay)
		default:
			delays.Reset()
			w.set(services, unread)
			delay = w.pause(len(services))
			index = following(index, next)
		}
		select {
		case <-ctx.Done():
		case <-time.After(delay):
		}
	}
	return nil
}

// following gives the index to wait for next. An index that went backwards is of
// another state of Consul: waiting for it to be passed could take forever.
func following(before, now uint64) uint64 {
	switch {
	case now < before:
		return 0
	case now == 0:
		return 1
	default:
		return now
	}
}

// pause grows with what a reading costs: it is always of everything.
func (w *Watcher) pause(services int) time.Duration {
	return max(w.cfg.Pause, time.Duration(services)*pausePerService)
}

// check is the part of a health check that counts.
type check struct {
	ServiceName string
	Status      string
}

// read gives the state of all checks once it differs from the one at index, or
// when the wait is over.
func (w *Watcher) read(ctx context.Context, index uint64) (map[string]lab.Health, string, uint64, error) {
	// Consul adds up to a sixteenth to the wait.
	ctx, cancel := context.WithTimeout(ctx, w.cfg.Wait+w.cfg.Wait/16+requestTimeout)
	defer cancel()
	q, err := w.query(ctx)
	if err != nil {
		return nil, "", 0, err
	}
	q.WaitIndex, q.WaitTime, q.Filter = index, w.cfg.Wait, checksOf
	var checks []check
	meta, err := w.api.Raw().Query(checksPath, &checks, q)
	if err != nil {
		return nil, "", 0, w.failed(err, readRights)
	}
	if !meta.KnownLeader {
		return nil, "", 0, lab.Errorf(lab.CodeUnavailable, "Consul has no leader")
	}
	unread := ""
	if meta.ResultsFilteredByACLs || q.Token == "" && meta.DefaultACLPolicy == "deny" {
		unread = "Consul does not show all services to this token"
	}
	return healthOf(checks), unread, meta.LastIndex, nil
}

// healthOf takes all checks of a service together: one that does not pass counts.
func healthOf(checks []check) map[string]lab.Health {
	services := make(map[string]lab.Health, len(checks))
	for _, c := range checks {
		switch {
		case c.Status != api.HealthPassing:
			services[c.ServiceName] = lab.HealthCritical
		case services[c.ServiceName] == "":
			services[c.ServiceName] = lab.HealthPassing
		}
	}
	return services
}

// reasonOf is what people are told.
func reasonOf(err error) string {
	var coded *lab.Error
	if errors.As(err, &coded) {
		return coded.Message
	}
	return "Consul can't be read"
}
