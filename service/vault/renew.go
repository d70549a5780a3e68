package vault

import (
	"context"
	"encoding/json"
	"time"

	"github.com/hashicorp/vault/api"

	"github.com/bothylabs/bothy/service/lab"
)

const (
	// lookAgain is the longest time between two looks at the token: another one may
	// have been put in its place.
	lookAgain = 5 * time.Minute
	// firstRetry and lastRetry bound the time to the next try after a failure.
	firstRetry = time.Second
	lastRetry  = 30 * time.Second
)

// Run renews Bothy's own token, each time half of its life is over, until ctx ends,
// which is no error. A token that can't be renewed is reported when it is first met.
func (c *Client) Run(ctx context.Context) error {
	retry := firstRetry
	warned := false
	for ctx.Err() == nil {
		delay := retry
		own, err := c.renew(ctx)
		switch {
		case ctx.Err() != nil:
			return nil
		case err != nil:
			c.cfg.Logger.WarnContext(ctx, "Vault's token can't be renewed", "error", err, "again_in", delay)
			retry = min(2*retry, lastRetry)
		default:
			delay, retry = own.next(), firstRetry
			if !own.renewable && own.ttl > 0 && !warned {
				warned = true
				c.cfg.Logger.WarnContext(ctx, "Vault's token is not renewable", "ends_in", own.ttl)
			}
		}
		select {
		case <-ctx.Done():
		case <-time.After(delay):
		}
	}
	return nil
}

// life is how long a token is valid; a ttl of 0 is for ever.
type life struct {
	ttl       time.Duration
	renewable bool
}

// next is when to look at the token again.
func (l life) next() time.Duration {
	if l.ttl == 0 {
		return lookAgain
	}
	return min(max(l.ttl/2, firstRetry), lookAgain)
}

// renew looks at the token and renews it where that helps.
func (c *Client) renew(ctx context.Context) (life, error) {
	own, err := c.lookup(ctx)
	if err != nil || !own.renewable || own.ttl == 0 {
		return own, err
	}
	secret, err := c.api.Auth().Token().RenewSelfWithContext(ctx, 0)
	if err != nil {
		return life{}, c.failed(err, "update on auth/token/renew-self")
	}
	if secret != nil && secret.Auth != nil {
		own.ttl = time.Duration(secret.Auth.LeaseDuration) * time.Second
	}
	return own, nil
}

func (c *Client) lookup(ctx context.Context) (life, error) {
	if err := c.useToken(); err != nil {
		return life{}, err
	}
	secret, err := c.api.Auth().Token().LookupSelfWithContext(ctx)
	if err != nil {
		return life{}, c.failed(err, "read on auth/token/lookup-self")
	}
	return lifeOf(secret)
}

func lifeOf(secret *api.Secret) (life, error) {
	if secret == nil || secret.Data == nil {
		return life{}, lab.Errorf(lab.CodeUnavailable, "Vault says nothing of Bothy's token")
	}
	var own life
	if seconds, ok := secret.Data["ttl"].(json.Number); ok {
		n, err := seconds.Int64()
		if err != nil {
			return life{}, lab.Wrap(lab.CodeUnavailable, err, "Vault's answer about Bothy's token can't be read")
		}
		own.ttl = time.Duration(n) * time.Second
	}
	own.renewable, _ = secret.Data["renewable"].(bool)
	return own, nil
}
