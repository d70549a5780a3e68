package consul

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/hashicorp/consul/api"

	"github.com/bothylabs/bothy/service/lab"
)

// What follows asks Consul about itself, for a person who looks for what is wrong.
// Nothing of it is changed.

// Token is Bothy's own ACL token, as Consul knows it.
type Token struct {
	Name string
	// Expires is zero for a token that does not.
	Expires time.Time
	// Off says that Consul has no access control.
	Off bool
}

// OwnToken looks at Bothy's token; CodeRefused when Consul does not know it.
func (c client) OwnToken(ctx context.Context) (Token, error) {
	q, err := c.query(ctx)
	if err != nil {
		return Token{}, err
	}
	own, _, err := c.api.ACL().TokenReadSelf(q)
	var answer api.StatusError
	switch {
	case errors.As(err, &answer) && strings.Contains(answer.Body, "ACL support disabled"):
		return Token{Off: true}, nil
	case errors.As(err, &answer) && (answer.Code == http.StatusForbidden || answer.Code == http.StatusNotFound):
		return Token{}, lab.Wrap(lab.CodeRefused, err, "Consul does not know Bothy's token")
	case err != nil:
		return Token{}, c.failed(err, "")
	}
	t := Token{Name: own.Description}
	if own.ExpirationTime != nil {
		t.Expires = *own.ExpirationTime
	}
	return t, nil
}

// right is a right as Consul's authorizer takes it.
type right struct {
	Resource, Access, Segment string
	Allow                     bool `json:",omitempty"`
}

// Missing gives the rights that Bothy needs and its token lacks; lockPath is the
// key of the reconciler's lock, "" for none.
func (c client) Missing(ctx context.Context, lockPath string) ([]string, error) {
	needs := []right{
		// Any name stands for all of them here.
		{Resource: "service", Access: "read", Segment: "bothy-doctor"},
		{Resource: "node", Access: "read", Segment: "bothy-doctor"},
	}
	if lockPath != "" {
		needs = append(
			needs, right{Resource: "key", Access: "write", Segment: lockPath},
			right{Resource: "session", Access: "write", Segment: c.node(ctx)},
		)
	}
	answers, err := c.authorize(ctx, needs)
	if err != nil {
		return nil, err
	}
	var missing []string
	for _, r := range answers {
		switch {
		case r.Allow:
		case r.Resource == "key" || r.Resource == "session":
			missing = append(missing, fmt.Sprintf("%s %q { policy = %q }", r.Resource, r.Segment, r.Access))
		default:
			missing = append(missing, fmt.Sprintf("%s_prefix \"\" { policy = %q }", r.Resource, r.Access))
		}
	}
	return missing, nil
}

// authorize has Consul say which of these rights the token has, as its UI does.
// The client library has no call for it.
func (c client) authorize(ctx context.Context, rights []right) ([]right, error) {
	body, err := json.Marshal(rights)
	if err != nil {
		return nil, fmt.Errorf("ask for the token's rights: %w", err)
	}
	token, err := c.token()
	if err != nil {
		return nil, err
	}
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, c.cfg.Address+"/v1/internal/acl/authorize", bytes.NewReader(body))
	if err != nil {
		return nil, fmt.Errorf("ask for the token's rights: %w", err)
	}
	r.Header.Set("X-Consul-Token", token)
	answer, err := c.http.Do(r)
	if err != nil {
		return nil, c.failed(err, "")
	}
	defer func() { _ = answer.Body.Close() }() // it was only read
	if answer.StatusCode != http.StatusOK {
		return nil, c.failed(api.StatusError{Code: answer.StatusCode}, "")
	}
	var answers []right
	if err := json.NewDecoder(answer.Body).Decode(&answers); err != nil {
		return nil, lab.Wrap(lab.CodeUnavailable, err, "Consul's answer about the token's rights can't be read")
	}
	return answers, nil
}

// node is the node of the agent that is asked: sessions belong to it. A token
// without agent:read gets a name that stands for any.
func (c client) node(ctx context.Context) string {
	q, err := c.query(ctx)
	if err != nil {
		return "bothy-doctor"
	}
	var self struct{ Config struct{ NodeName string } }
	if _, err := c.api.Raw().Query("/v1/agent/self", &self, q); err != nil || self.Config.NodeName == "" {
		return "bothy-doctor"
	}
	return self.Config.NodeName
}

// Clock gives Consul's time, to the second, and how long it took to be asked for.
func (c client) Clock(ctx context.Context) (time.Time, time.Duration, error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, c.cfg.Address+"/v1/status/leader", nil)
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
		return time.Time{}, 0, lab.Wrap(lab.CodeUnavailable, err, "Consul does not tell its time")
	}
	return at, took, nil
}
