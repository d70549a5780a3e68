// Package vault is Bothy's one way to Vault, and the only importer of its client
// library. It gives each workspace a secret of its own, without ever reading one,
// and keeps Bothy's own token alive.
package vault

import (
	"context"
	"crypto/rand"
	"crypto/tls"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/hashicorp/vault/api"
	"go.opentelemetry.io/otel/trace"

	"github.com/bothylabs/bothy/service/lab"
	"github.com/bothylabs/bothy/service/tracing"
)

// Config is how Vault is reached. Fields without a default must be set.
type Config struct {
	// Address is Vault's, "http://127.0.0.1:8200".
	Address string
	// Namespace is "" outside of Vault Enterprise.
	Namespace string
	// Mount is the KV version 2 mount, without slashes at its ends.
	Mount string
	// PeopleMount is the userpass auth method of people, without slashes at its ends.
	PeopleMount string
	// Token gives the token for the next request, where there is no Login.
	Token func() (string, error)
	// Login is how Bothy gets a token by itself; nil where Token gives one.
	Login *Login
	// TLS is nil for the system's own settings.
	TLS    *tls.Config
	Logger *slog.Logger
	// Traces takes the spans of requests; nil for none.
	Traces trace.TracerProvider
	// Random is where secrets come from. Default crypto/rand.
	Random io.Reader
	// Now is the clock. Default time.Now.
	Now func() time.Time
}

const (
	// secretKey is the name that a workspace finds its credential under.
	secretKey = "WORKSPACE_SECRET"
	// secretBytes is the length of a credential before it is encoded.
	secretBytes = 32

	requestTimeout = 15 * time.Second
)

// Client makes and deletes the secrets of workspaces. Its methods give coded
// errors: CodeUnavailable when Vault does not answer or is sealed, CodeRefused when
// it says no.
type Client struct {
	cfg Config
	// open asks without a token.
	open    *api.Client
	http    *http.Client
	session *session
}

// New makes a client. It asks nothing of Vault.
func New(cfg Config) (*Client, error) {
	if cfg.Random == nil {
		cfg.Random = rand.Reader
	}
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	u, err := url.Parse(cfg.Address)
	if err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" {
		return nil, lab.Invalid("Vault can't be reached", lab.Field{
			Name: "vault.address", Problem: fmt.Sprintf("%q is not an http:// or https:// address", cfg.Address),
			Remedy: `write it like "http://127.0.0.1:8200"`,
		})
	}
	transport := &http.Transport{
		Proxy: http.ProxyFromEnvironment, MaxIdleConnsPerHost: 32,
		IdleConnTimeout: 90 * time.Second, TLSHandshakeTimeout: 10 * time.Second,
	}
	if cfg.TLS != nil {
		transport.TLSClientConfig = cfg.TLS.Clone()
	}
	web := &http.Client{Transport: tracing.Transport(transport, "vault", cfg.Traces)}
	c := &Client{cfg: cfg, http: web, session: newSession()}
	c.open, err = newClient(cfg, web)
	return c, err
}

func newClient(cfg Config, web *http.Client) (*api.Client, error) {
	// No retries here: whoever calls tries again, and knows when to give up.
	client, err := api.NewClient(&api.Config{
		Address: cfg.Address, HttpClient: web, Timeout: requestTimeout,
	})
	if err != nil {
		return nil, fmt.Errorf("make the Vault client: %w", err)
	}
	// What the environment says is for Vault's own programs.
	client.ClearToken()
	client.ClearNamespace()
	if cfg.Namespace != "" {
		client.SetNamespace(cfg.Namespace)
	}
	return client, nil
}

// HasWorkspaceSecret says whether there is something for the workspace with this job
// id to read: what somebody has deleted or destroyed by hand leaves a path with nothing
// in it.
func (c *Client) HasWorkspaceSecret(ctx context.Context, jobID string) (bool, error) {
	var found *api.KVMetadata
	err := c.asBothy(ctx, func(v *api.Client) (err error) {
		found, err = v.KVv2(c.cfg.Mount).GetMetadata(ctx, secretPath(jobID))
		return err
	})
	if errors.Is(err, api.ErrSecretNotFound) {
		return false, nil
	}
	if err != nil {
		return false, c.failed(err, fmt.Sprintf("read on %s/metadata/%s", c.cfg.Mount, secretPath(jobID)))
	}
	newest, there := found.Versions[strconv.Itoa(found.CurrentVersion)]
	gone := newest.Destroyed || !newest.DeletionTime.IsZero() && !newest.DeletionTime.After(c.cfg.Now())
	return there && !gone, nil
}

// MakeWorkspaceSecret gives the workspace with this job id a path with a random
// credential and these values, unless it has one, and says whether it did: what is
// there is left as it is, and never read.
func (c *Client) MakeWorkspaceSecret(ctx context.Context, jobID string, values map[string]string) (bool, error) {
	random := make([]byte, secretBytes)
	if _, err := io.ReadFull(c.cfg.Random, random); err != nil {
		return false, fmt.Errorf("make a random secret: %w", err)
	}
	data := asAny(values)
	data[secretKey] = base64.RawURLEncoding.EncodeToString(random)
	made, err := c.writeFirst(ctx, jobID, data)
	if err != nil || made {
		return made, err
	}
	if there, err := c.HasWorkspaceSecret(ctx, jobID); err != nil || there {
		return false, err
	}
	if err := c.DeleteWorkspaceSecret(ctx, jobID); err != nil {
		return false, err
	}
	return c.writeFirst(ctx, jobID, data)
}

// writeFirst writes a path's first version, and says false where there is one.
func (c *Client) writeFirst(ctx context.Context, jobID string, data map[string]any) (bool, error) {
	err := c.asBothy(ctx, func(v *api.Client) error {
		_, err := v.KVv2(c.cfg.Mount).Put(ctx, secretPath(jobID), data, api.WithCheckAndSet(0))
		return err
	})
	if exists(err) {
		return false, nil
	}
	return err == nil, c.failed(err, fmt.Sprintf("create and update on %s/data/%s", c.cfg.Mount, secretPath(jobID)))
}

// DeleteWorkspaceSecret deletes all versions of the workspace's secret. No error
// when there is none.
func (c *Client) DeleteWorkspaceSecret(ctx context.Context, jobID string) error {
	err := c.asBothy(ctx, func(v *api.Client) error { return v.KVv2(c.cfg.Mount).DeleteMetadata(ctx, secretPath(jobID)) })
	return c.failed(err, fmt.Sprintf("delete on %s/metadata/%s", c.cfg.Mount, secretPath(jobID)))
}

// secretPath is where the workspace's template finds its secret, below the mount.
func secretPath(jobID string) string { return "workspaces/" + jobID + "/env" }

// exists says that a secret was not written because there is one.
func exists(err error) bool {
	var answer *api.ResponseError
	return errors.As(err, &answer) && answer.StatusCode == http.StatusBadRequest &&
		slices.ContainsFunc(answer.Errors, func(text string) bool {
			return strings.Contains(text, "check-and-set parameter did not match")
		})
}

// Ready says whether Vault answers, is unsealed and knows Bothy's token.
func (c *Client) Ready(ctx context.Context) error {
	_, err := c.lookup(ctx)
	return err
}

// failed translates an error of Vault's client. needed is the right that the
// request takes. Nothing of a request's body is ever in Vault's errors.
func (c *Client) failed(err error, needed string) error {
	var answer *api.ResponseError
	var coded *lab.Error
	switch {
	case err == nil, errors.Is(err, context.Canceled), errors.As(err, &coded):
		return err
	case errors.Is(err, context.DeadlineExceeded):
		return lab.Wrap(lab.CodeUnavailable, err, "Vault at %s does not answer in time", c.cfg.Address)
	case !errors.As(err, &answer):
		return lab.Wrap(lab.CodeUnavailable, err, "Vault does not answer at %s", c.cfg.Address).
			WithHint("is it running, and is this its address?")
	case answer.StatusCode == http.StatusServiceUnavailable:
		return lab.Wrap(lab.CodeUnavailable, err, "Vault is sealed or not able to work").
			WithHint("unseal it: vault operator unseal")
	case answer.StatusCode == http.StatusForbidden:
		return lab.Wrap(lab.CodeRefused, err, "Vault refused: the token is not valid any more or lacks %s", needed).
			WithHint("compare the token's policy with the one that Bothy needs")
	case answer.StatusCode == http.StatusNotFound:
		return lab.Wrap(lab.CodeRefused, err, "Vault has no KV version 2 secrets engine at %q", c.cfg.Mount).
			WithHint("enable it: vault secrets enable -path=%s -version=2 kv", c.cfg.Mount)
	case answer.StatusCode >= http.StatusInternalServerError, answer.StatusCode == http.StatusTooManyRequests:
		return lab.Wrap(lab.CodeUnavailable, err, "Vault at %s failed", c.cfg.Address)
	default:
		return lab.Wrap(lab.CodeRefused, err, "Vault refused the request")
	}
}
