package consul

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"net"
	"net/http"
	"regexp"
	"slices"
	"strconv"
	"time"

	"github.com/hashicorp/consul/api"
)

const (
	// lookAfter is how often a registration is looked after: an agent that lost its
	// state has it again this much later.
	lookAfter = 10 * time.Second
	// checkEvery and checkWithin are of the check by which routers see a listener go,
	// gone how long it may fail before Consul forgets it.
	checkEvery  = "2s"
	checkWithin = "1s"
	gone        = "1m"
	// writeRights is what the token needs for the registration.
	writeRights = "service:write for "
)

// Registration is a service of Bothy's own.
type Registration struct {
	// Name is the service's, ID this instance's of it.
	Name, ID string
	// Address is where it is reached: host and port.
	Address string
	Tags    []string
	// CheckPath is a path at Address that answers 2xx while it works.
	CheckPath string
}

// Registrar keeps a service registered for as long as it runs.
type Registrar struct {
	client
	service *api.AgentServiceRegistration
	log     *slog.Logger
}

// NewRegistrar asks nothing of Consul before Run.
func NewRegistrar(cfg Config, r Registration) (*Registrar, error) {
	c, err := newClient(cfg)
	if err != nil {
		return nil, err
	}
	host, text, err := net.SplitHostPort(r.Address)
	port, portErr := strconv.Atoi(text)
	if err := errors.Join(err, portErr); err != nil {
		return nil, fmt.Errorf("address of the service %s: %w", r.Name, err)
	}
	return &Registrar{client: c, log: cfg.Logger, service: &api.AgentServiceRegistration{
		Name: r.Name, ID: r.ID, Address: host, Port: port, Tags: r.Tags,
		Check: &api.AgentServiceCheck{
			Name: "answers", HTTP: "http://" + r.Address + r.CheckPath, Interval: checkEvery, Timeout: checkWithin, DeregisterCriticalServiceAfter: gone,
		},
	}}, nil
}

// Run registers the service, again whenever it is missing or was changed, and takes
// it away once ctx ends, which is no error.
func (r *Registrar) Run(ctx context.Context) error {
	ticker := time.NewTicker(lookAfter)
	defer ticker.Stop()
	failing := ""
	for {
		err := r.ensure(ctx)
		if ctx.Err() != nil {
			break
		}
		// The same failure every ten seconds is one line.
		if err != nil && err.Error() != failing {
			r.log.WarnContext(ctx, "the service can't be registered", "service", r.service.Name, "error", err)
		}
		failing = ""
		if err != nil {
			failing = err.Error()
		}
		select {
		case <-ctx.Done():
		case <-ticker.C:
		}
		if ctx.Err() != nil {
			break
		}
	}
	ending, cancel := context.WithTimeout(context.WithoutCancel(ctx), requestTimeout)
	defer cancel()
	if err := r.remove(ending); err != nil && failing == "" {
		r.log.WarnContext(ending, "the service can't be taken away: Consul forgets it by itself", "service", r.service.Name, "error", err)
	}
	return nil
}

func (r *Registrar) ensure(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, requestTimeout)
	defer cancel()
	q, err := r.query(ctx)
	if err != nil {
		return err
	}
	there, _, err := r.api.Agent().Service(r.service.ID, q)
	var answer api.StatusError
	switch {
	case errors.As(err, &answer) && answer.Code == http.StatusNotFound:
	case err != nil:
		return r.failed(err, readRights)
	case there.Address == r.service.Address && there.Port == r.service.Port && slices.Equal(there.Tags, r.service.Tags) && maps.Equal(there.Meta, r.service.Meta):
		return nil
	}
	if err := r.api.Agent().ServiceRegisterOpts(r.service, api.ServiceRegisterOpts{Token: q.Token}.WithContext(ctx)); err != nil {
		return r.failed(err, writeRights+r.service.Name)
	}
	return nil
}

func (r *Registrar) remove(ctx context.Context) error {
	q, err := r.query(ctx)
	if err != nil {
		return err
	}
	if err := r.api.Agent().ServiceDeregisterOpts(r.service.ID, q); err != nil {
		return r.failed(err, writeRights+r.service.Name)
	}
	return nil
}

// CatchAll gives the tags by which Fabio and Traefik send a service what no
// workspace has a route for on the labs origin, whose host has no port here. Fabio
// prefers routes with a host, so this one has none; Traefik goes by priority.
func CatchAll(labsHost string) []string {
	return []string{
		"urlprefix-/",
		"traefik.enable=true",
		"traefik.http.routers.bothy-door.rule=Host(`" + labsHost + "`) || HostRegexp(`^[a-z0-9-]+\\." + regexp.QuoteMeta(labsHost) + "$`)",
		"traefik.http.routers.bothy-door.priority=1",
	}
}
