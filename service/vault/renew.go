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
// which is no error. A token that can't be renewed is reported when it is first met;
// one that Bothy has logged in for is replaced before it ends.
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
			if c.cfg.Login == nil && !own.renewable && own.ttl > 0 && !warned {
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
	ttl time.Duration
	// given is the ttl that it began with.
	given     time.Duration
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
	if err != nil || own.ttl == 0 {
		return own, err
	}
	if own.renewable {
		if own.ttl, err = c.renewed(ctx, own.ttl); err != nil {
			return life{}, err
		}
	}
	if c.cfg.Login == nil || own.ttl > own.given/3 {
		return own, nil
	}
	// It can't be renewed for long any more.
	before, err := c.asked(ctx)
	if err != nil {
		return life{}, err
	}
	if _, err := c.askedAnew(ctx, before.Token()); err != nil {
		return life{}, err
	}
	return c.lookup(ctx)
}

// renewed renews the token and says how long it lives now; ttl is how long it did.
func (c *Client) renewed(ctx context.Context, ttl time.Duration) (time.Duration, error) {
	var secret *api.Secret
	err := c.asBothy(ctx, func(v *api.Client) (err error) {
		secret, err = v.Auth().Token().RenewSelfWithContext(ctx, 0)
		return err
	})
	if err != nil {
		return 0, c.failed(err, "update on auth/token/renew-self")
	}
	if secret != nil && secret.Auth != nil {
		ttl = time.Duration(secret.Auth.LeaseDuration) * time.Second
	}
	return ttl, nil
}

func (c *Client) lookup(ctx context.Context) (life, error) {
	var secret *api.Secret
	err := c.asBothy(ctx, func(v *api.Client) (err error) {
		secret, err = v.Auth().Token().LookupSelfWithContext(ctx)
		return err
	})
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
	for name, target := range map[string]*time.Duration{"ttl": &own.ttl, "creation_ttl": &own.given} {
		seconds, ok := secret.Data[name].(json.Number)
		if !ok {
			continue
		}
		n, err := seconds.Int64()
		if err != nil {
			return life{}, lab.Wrap(lab.CodeUnavailable, err, "Vault's answer about Bothy's token can't be read")
		}
		*target = time.Duration(n) * time.Second
	}
	own.renewable, _ = secret.Data["renewable"].(bool)
	return own, nil
}
