package nomad

import (
	"context"
	"crypto/tls"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"time"

	"github.com/hashicorp/nomad/api"
	"go.opentelemetry.io/otel/trace"

	"github.com/bothylabs/bothy/service/lab"
	"github.com/bothylabs/bothy/service/tracing"
)

// Config is how Nomad is reached. Fields without a default must be set.
type Config struct {
	// Address is Nomad's, "http://127.0.0.1:4646".
	Address string
	// Region is "" for the agent's own.
	Region string
	// Namespace is the one that all workspaces are in.
	Namespace string
	// Token gives the ACL token for the next request, so that a changed file takes
	// effect at once; nil for a cluster without ACLs.
	Token func() (string, error)
	// TLS is nil for the system's own settings.
	TLS    *tls.Config
	Logger *slog.Logger
	// Traces takes the spans of requests; nil for none.
	Traces trace.TracerProvider

	// Relist is the longest time between two listings of everything. Default 5 min.
	Relist time.Duration
	// Probe is how often Nomad is asked whether it still has a leader. Default 10 s.
	Probe time.Duration
	// Now is the clock. Default time.Now.
	Now func() time.Time
}

const (
	// requestTimeout bounds a request that Nomad answers from its state.
	requestTimeout = 30 * time.Second
	// listTimeout bounds a listing of everything.
	listTimeout = 2 * time.Minute
)

// Client talks to one namespace of one Nomad. Its methods give coded errors:
// CodeUnavailable when Nomad does not answer, CodeRefused when it says no.
type Client struct {
	cfg Config
	api *api.Client
	// sockets is for WebSockets, which Nomad's client opens on a plain transport only.
	sockets *api.Client
	http    *http.Client
	cache   *cache
	changed chan struct{}
	homes   *homes
}

// New makes a client. It asks nothing of Nomad; Run starts the picture.
func New(cfg Config) (*Client, error) {
	if cfg.Relist == 0 {
		cfg.Relist = 5 * time.Minute
	}
	if cfg.Probe == 0 {
		cfg.Probe = 10 * time.Second
	}
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	u, err := url.Parse(cfg.Address)
	if err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" {
		return nil, lab.Invalid("Nomad can't be reached", lab.Field{
			Name: "nomad.address", Problem: fmt.Sprintf("%q is not an http:// or https:// address", cfg.Address),
			Remedy: `write it like "http://127.0.0.1:4646"`,
		})
	}
	plain := transport(cfg.TLS)
	web := &http.Client{Transport: tracing.Transport(plain, "nomad", cfg.Traces)}
	var clients [2]*api.Client
	for i, with := range []*http.Client{web, {Transport: plain}} {
		if clients[i], err = api.NewClient(&api.Config{
			Address: cfg.Address, Region: cfg.Region, Namespace: cfg.Namespace, HttpClient: with,
		}); err != nil {
			return nil, fmt.Errorf("make the Nomad client: %w", err)
		}
	}
	return &Client{cfg: cfg, api: clients[0], sockets: clients[1], http: web, cache: newCache(), changed: make(chan struct{}, 1), homes: newHomes()}, nil
}

// transport keeps enough connections for all workers. It has no timeout of its
// own: the event stream stays open for days.
func transport(config *tls.Config) *http.Transport {
	t := &http.Transport{
		Proxy:                 http.ProxyFromEnvironment,
		MaxIdleConns:          64,
		MaxIdleConnsPerHost:   64,
		IdleConnTimeout:       90 * time.Second,
		TLSHandshakeTimeout:   10 * time.Second,
		ExpectContinueTimeout: time.Second,
	}
	if config != nil {
		t.TLSClientConfig = config.Clone()
	}
	return t
}

// Ready says whether Nomad answers, has a leader, has the namespace, and lets the
// token read it.
func (c *Client) Ready(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, requestTimeout)
	defer cancel()
	q, err := c.query(ctx)
	if err != nil {
		return err
	}
	if _, _, err := c.api.Namespaces().Info(c.cfg.Namespace, q); err != nil {
		return c.namespaceMissing(err)
	}
	q.PerPage = 1
	if _, _, err := c.api.Allocations().List(q); err != nil {
		return c.failed(err, c.needs("read-job"))
	}
	return nil
}

func (c *Client) namespaceMissing(err error) error {
	if statusOf(err) == http.StatusNotFound {
		return lab.Wrap(lab.CodeRefused, err, "Nomad has no namespace %q", c.cfg.Namespace).
			WithHint("make it with: nomad namespace apply %s", c.cfg.Namespace)
	}
	return c.failed(err, c.needs("read-job"))
}

// query gives the options of a request that only reads.
func (c *Client) query(ctx context.Context) (*api.QueryOptions, error) {
	token, err := c.token()
	if err != nil {
		return nil, err
	}
	return (&api.QueryOptions{AuthToken: token}).WithContext(ctx), nil
}

// write gives the options of a request that changes something.
func (c *Client) write(ctx context.Context) (*api.WriteOptions, error) {
	token, err := c.token()
	if err != nil {
		return nil, err
	}
	return (&api.WriteOptions{AuthToken: token}).WithContext(ctx), nil
}

func (c *Client) token() (string, error) {
	if c.cfg.Token == nil {
		return "", nil
	}
	token, err := c.cfg.Token()
	if err != nil {
		return "", lab.Wrap(lab.CodeUnavailable, err, "Nomad can't be asked: its token can't be read")
	}
	return token, nil
}
