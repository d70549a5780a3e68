package consul

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"time"

	"github.com/hashicorp/consul/api"

	"github.com/bothylabs/bothy/service/lab"
	"github.com/bothylabs/bothy/service/tracing"
)

const (
	// requestTimeout bounds a request that Consul answers at once.
	requestTimeout = 10 * time.Second
	// readRights is what the token needs for the watching.
	readRights = "service:read and node:read"
)

// client asks Consul, with the token of the moment, and translates its errors.
type client struct {
	cfg  Config
	api  *api.Client
	http *http.Client
}

func newClient(cfg Config) (client, error) {
	u, err := url.Parse(cfg.Address)
	if err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" {
		return client{}, lab.Invalid("Consul can't be reached", lab.Field{
			Name: "consul.address", Problem: fmt.Sprintf("%q is not an http:// or https:// address", cfg.Address),
			Remedy: `write it like "http://127.0.0.1:8500"`,
		})
	}
	transport := &http.Transport{
		Proxy: http.ProxyFromEnvironment, IdleConnTimeout: 90 * time.Second, TLSHandshakeTimeout: 10 * time.Second,
	}
	if cfg.TLS != nil {
		transport.TLSClientConfig = cfg.TLS.Clone()
	}
	web := &http.Client{Transport: tracing.Transport(transport, "consul", cfg.Traces)}
	made, err := api.NewClient(&api.Config{
		Address: cfg.Address, Scheme: u.Scheme, Datacenter: cfg.Datacenter, Namespace: cfg.Namespace, HttpClient: web,
	})
	if err != nil {
		return client{}, fmt.Errorf("make the Consul client: %w", err)
	}
	return client{cfg: cfg, api: made, http: web}, nil
}

// Ready says whether Consul answers, has a leader and shows the services.
func (c client) Ready(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, requestTimeout)
	defer cancel()
	q, err := c.query(ctx)
	if err != nil {
		return err
	}
	leader, err := c.api.Status().LeaderWithQueryOptions(q)
	if err != nil {
		return c.failed(err, readRights)
	}
	if leader == "" {
		return lab.Errorf(lab.CodeUnavailable, "Consul has no leader")
	}
	return nil
}

// query gives the options of a request that reads.
func (c client) query(ctx context.Context) (*api.QueryOptions, error) {
	token, err := c.token()
	if err != nil {
		return nil, err
	}
	return (&api.QueryOptions{Token: token}).WithContext(ctx), nil
}

// write gives the options of a request that changes something.
func (c client) write(ctx context.Context) (*api.WriteOptions, error) {
	token, err := c.token()
	if err != nil {
		return nil, err
	}
	return (&api.WriteOptions{Token: token}).WithContext(ctx), nil
}

func (c client) token() (string, error) {
	if c.cfg.Token == nil {
		return "", nil
	}
	token, err := c.cfg.Token()
	if err != nil {
		return "", lab.Wrap(lab.CodeUnavailable, err, "Consul can't be asked: its token can't be read")
	}
	return token, nil
}

// failed translates an error of Consul's client. needed is the right that the
// request takes.
func (c client) failed(err error, needed string) error {
	var answer api.StatusError
	switch {
	case errors.Is(err, context.Canceled):
		return err
	case errors.Is(err, context.DeadlineExceeded):
		return lab.Wrap(lab.CodeUnavailable, err, "Consul at %s does not answer in time", c.cfg.Address)
	case !errors.As(err, &answer):
		return lab.Wrap(lab.CodeUnavailable, err, "Consul does not answer at %s", c.cfg.Address).
			WithHint("is it running, and is this its address?")
	case answer.Code == http.StatusForbidden:
		return lab.Wrap(lab.CodeRefused, err, "Consul refused: the token is unknown or lacks %s", needed).
			WithHint("compare the token's policy with the one that Bothy needs")
	case answer.Code >= http.StatusInternalServerError:
		return lab.Wrap(lab.CodeUnavailable, err, "Consul at %s failed", c.cfg.Address)
	default:
		return lab.Wrap(lab.CodeRefused, err, "Consul refused the request")
	}
}
