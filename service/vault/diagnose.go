package vault

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/bothylabs/bothy/service/lab"
)

// What follows asks Vault about itself, for a person who looks for what is wrong.
// Nothing of it is changed.

// Health is how a Vault is.
type Health struct {
	Initialized, Sealed bool
	Version             string
}

// Health asks without a token.
func (c *Client) Health(ctx context.Context) (Health, error) {
	answer, err := c.open.Sys().HealthWithContext(ctx)
	if err != nil {
		return Health{}, c.failed(err, "")
	}
	return Health{Initialized: answer.Initialized, Sealed: answer.Sealed, Version: answer.Version}, nil
}

// Clock gives Vault's time, to the second, and how long it took to be asked for.
func (c *Client) Clock(ctx context.Context) (time.Time, time.Duration, error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, c.cfg.Address+"/v1/sys/health", nil)
	if err != nil {
		return time.Time{}, 0, fmt.Errorf("ask for the time: %w", err)
	}
	begun := time.Now()
	answer, err := c.http.Do(r)
	if err != nil {
		return time.Time{}, 0, c.failed(err, "")
	}
	took := time.Since(begun)
	_ = answer.Body.Close()
	at, err := http.ParseTime(answer.Header.Get("Date"))
	if err != nil {
		return time.Time{}, 0, lab.Wrap(lab.CodeUnavailable, err, "Vault does not tell its time")
	}
	return at, took, nil
}

// Token is Bothy's own token, as Vault knows it.
type Token struct {
	// TTL is what is left of its life; 0 for one that does not end.
	TTL       time.Duration
	Renewable bool
	// Root tokens may do everything.
	Root bool
}

// OwnToken looks at Bothy's token; CodeRefused when Vault does not know it.
func (c *Client) OwnToken(ctx context.Context) (Token, error) {
	v, err := c.asked(ctx)
	if err != nil {
		return Token{}, err
	}
	secret, err := v.Auth().Token().LookupSelfWithContext(ctx)
	if err != nil {
		return Token{}, c.failed(err, "read on auth/token/lookup-self")
	}
	own, err := lifeOf(secret)
	if err != nil {
		return Token{}, err
	}
	policies, err := secret.TokenPolicies()
	if err != nil {
		return Token{}, lab.Wrap(lab.CodeUnavailable, err, "Vault's answer about Bothy's token can't be read")
	}
	return Token{TTL: own.ttl, Renewable: own.renewable, Root: slices.Contains(policies, "root")}, nil
}

// Missing gives the rights that Bothy needs and its token lacks, as lines of a policy.
func (c *Client) Missing(ctx context.Context) ([]string, error) {
	v, err := c.asked(ctx)
	if err != nil {
		return nil, err
	}
	data, metadata := c.cfg.Mount+"/data/workspaces/", c.cfg.Mount+"/metadata/workspaces/"
	people := "auth/" + c.cfg.PeopleMount + "/users/"
	const example, person = "bothy-doctor/env", "bothy-doctor"
	needs := []struct {
		rule, path   string
		capabilities []string
	}{
		{data + "*", data + example, []string{"create", "update", "patch"}},
		{metadata + "*", metadata + example, []string{"read", "delete"}},
		{c.cfg.Mount + "/data/courses/+/env", c.cfg.Mount + "/data/courses/" + example, []string{"create", "read", "update"}},
		{c.cfg.Mount + "/data/classes/+/env", c.cfg.Mount + "/data/classes/" + example, []string{"create", "read", "update"}},
		{c.cfg.Mount + "/data/students/+/env", c.cfg.Mount + "/data/students/" + example, []string{"create", "read", "update"}},
		{people + "+", people + person, []string{"create", "update", "delete"}},
		{"identity/entity-alias", "identity/entity-alias", []string{"update"}},
		{"identity/lookup/entity", "identity/lookup/entity", []string{"update"}},
		{"identity/entity/id/+", "identity/entity/id/" + person, []string{"update"}},
		{"auth/token/lookup-self", "auth/token/lookup-self", []string{"read"}},
		{"auth/token/renew-self", "auth/token/renew-self", []string{"update"}},
	}
	paths := make([]string, len(needs))
	for i, n := range needs {
		paths[i] = n.path
	}
	answer, err := v.Logical().WriteWithContext(ctx, "sys/capabilities-self", map[string]any{"paths": paths})
	if err != nil {
		return nil, c.failed(err, "update on sys/capabilities-self")
	}
	if answer == nil {
		return nil, lab.Errorf(lab.CodeUnavailable, "Vault says nothing of what Bothy's token may do")
	}
	var missing []string
	for _, n := range needs {
		has, _ := answer.Data[n.path].([]any) // another form is none
		lacks := slices.DeleteFunc(slices.Clone(n.capabilities), func(capability string) bool {
			return slices.Contains(has, any(capability)) || slices.Contains(has, any("root"))
		})
		if len(lacks) > 0 {
			missing = append(missing, fmt.Sprintf(`path %q { capabilities = ["%s"] }`, n.rule, strings.Join(lacks, `", "`)))
		}
	}
	return missing, nil
}

// MountVersion gives the version of the KV engine that holds the secrets;
// CodeRefused when there is no such engine.
func (c *Client) MountVersion(ctx context.Context) (string, error) {
	v, err := c.asked(ctx)
	if err != nil {
		return "", err
	}
	answer, err := v.Logical().ReadWithContext(ctx, "sys/internal/ui/mounts/"+c.cfg.Mount)
	if err != nil {
		return "", c.failed(err, "any right below "+c.cfg.Mount+"/, if that is mounted at all")
	}
	if answer == nil || answer.Data["type"] != "kv" {
		return "", lab.Errorf(lab.CodeRefused, "Vault has no KV secrets engine at %q", c.cfg.Mount)
	}
	options, _ := answer.Data["options"].(map[string]any) // none means version 1
	version, _ := options["version"].(string)
	return version, nil
}

// HasRole says whether the JWT auth method has the role that workspaces log in
// with: CodeNotFound when it has not, CodeRefused when that can't be read.
func (c *Client) HasRole(ctx context.Context, mount, role string) error {
	v, err := c.asked(ctx)
	if err != nil {
		return err
	}
	path := "auth/" + mount + "/role/" + role
	answer, err := v.Logical().ReadWithContext(ctx, path)
	if err != nil {
		return c.failed(err, "read on "+path)
	}
	if answer == nil {
		return lab.Errorf(lab.CodeNotFound, "Vault's auth method %s/ has no role %q", mount, role)
	}
	return nil
}
