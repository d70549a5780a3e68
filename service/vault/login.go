package vault

import (
	"context"
	"errors"
	"net/http"
	"time"

	"github.com/hashicorp/vault/api"

	"github.com/bothylabs/bothy/service/lab"
)

// Login is how Bothy gets a token by itself, at an auth method of Vault's.
type Login struct {
	// Mount is the auth method, without slashes at its ends.
	Mount string
	// Fields gives what to log in with, read anew each time: role_id and secret_id
	// for AppRole, role and jwt for an identity.
	Fields func() (map[string]string, error)
}

// session is the token that Bothy has logged in for.
type session struct {
	// free holds one token for whoever may log in.
	free chan struct{}
	// Of who holds it:
	token string
	// err is why the last login failed, which was over at failed.
	err    error
	failed time.Time
}

func newSession() *session { return &session{free: make(chan struct{}, 1)} }

// get gives the token, and logs in where there is none but the one given, which is
// known to be no good. Of many who ask at once one logs in, and all get what came of it.
func (s *session) get(ctx context.Context, bad string, logIn func(context.Context) (string, error)) (string, error) {
	came := time.Now()
	select {
	case s.free <- struct{}{}:
	case <-ctx.Done():
		return "", lab.Wrap(lab.CodeUnavailable, ctx.Err(), "Bothy is still logging in at Vault")
	}
	defer func() { <-s.free }()
	switch {
	case s.token != "" && s.token != bad:
		return s.token, nil
	case s.failed.After(came):
		return "", s.err
	}
	token, err := logIn(ctx)
	if err != nil {
		if ctx.Err() == nil {
			s.err, s.failed = err, time.Now()
		}
		return "", err
	}
	s.token = token
	return token, nil
}

// logIn asks Vault for a token.
func (c *Client) logIn(ctx context.Context) (string, error) {
	fields, err := c.cfg.Login.Fields()
	if err != nil {
		return "", lab.Wrap(lab.CodeUnavailable, err, "Vault can't be asked: what Bothy logs in with can't be read")
	}
	body := make(map[string]any, len(fields))
	for name, value := range fields {
		body[name] = value
	}
	secret, err := c.open.Logical().WriteWithContext(ctx, "auth/"+c.cfg.Login.Mount+"/login", body)
	var answer *api.ResponseError
	switch {
	case errors.As(err, &answer) && answer.StatusCode >= http.StatusBadRequest && answer.StatusCode < http.StatusInternalServerError && answer.StatusCode != http.StatusTooManyRequests:
		return "", lab.Wrap(lab.CodeRefused, err, "Vault does not let Bothy log in at auth/%s/", c.cfg.Login.Mount).
			WithHint("are the role and what it logs in with still those of Vault?")
	case err != nil:
		return "", c.failed(err, "")
	case secret == nil || secret.Auth == nil || secret.Auth.ClientToken == "":
		return "", lab.Errorf(lab.CodeUnavailable, "Vault has let Bothy log in and given no token")
	}
	c.cfg.Logger.InfoContext(ctx, "logged in at Vault", "mount", c.cfg.Login.Mount, "policies", secret.Auth.TokenPolicies, "lease", secret.Auth.LeaseDuration)
	return secret.Auth.ClientToken, nil
}

// asked gives a client with Bothy's token.
func (c *Client) asked(ctx context.Context) (*api.Client, error) { return c.askedAnew(ctx, "") }

// askedAnew gives a client with another token than the one given.
func (c *Client) askedAnew(ctx context.Context, bad string) (*api.Client, error) {
	var token string
	var err error
	if c.cfg.Login != nil {
		if token, err = c.session.get(ctx, bad, c.logIn); err != nil {
			return nil, err
		}
	} else if token, err = c.cfg.Token(); err != nil {
		return nil, lab.Wrap(lab.CodeUnavailable, err, "Vault can't be asked: its token can't be read")
	}
	// A copy, because others ask with another token at the same time.
	client := c.open.WithNamespace(c.cfg.Namespace)
	client.SetToken(token)
	return client, nil
}

// asBothy makes a request with Bothy's token. Where that has ended, revoked or at
// the end of its lease, it logs in and asks once more.
func (c *Client) asBothy(ctx context.Context, ask func(*api.Client) error) error {
	client, err := c.asked(ctx)
	if err != nil {
		return err
	}
	err = ask(client)
	if c.cfg.Login == nil || !forbidden(err) {
		return err
	}
	// A token that has ended and a right that is missing look alike.
	if _, alive := client.Auth().Token().LookupSelfWithContext(ctx); !forbidden(alive) {
		return err
	}
	if client, err = c.askedAnew(ctx, client.Token()); err != nil {
		return err
	}
	return ask(client)
}

func forbidden(err error) bool { return answered(err, http.StatusForbidden) }

// absent says that Vault has nothing at a path.
func absent(err error) bool { return answered(err, http.StatusNotFound) }

func answered(err error, status int) bool {
	var answer *api.ResponseError
	return errors.As(err, &answer) && answer.StatusCode == status
}
