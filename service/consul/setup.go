package consul

import (
	"context"
	"errors"
	"net/http"
	"strings"

	"github.com/hashicorp/consul/api"

	"github.com/bothylabs/bothy/policies"
	"github.com/bothylabs/bothy/service/lab"
)

// Differences gives what is not as Bothy needs it: its own policy, and that of the
// tasks of workspaces. Config.Token must be one with acl:write.
func (c client) Differences(ctx context.Context) ([]lab.Difference, error) {
	var found []lab.Difference
	for _, name := range []string{"bothy", "bothy-workspace"} {
		rules, err := policies.Read(name + ".consul.hcl")
		if err != nil {
			return nil, err
		}
		there, err := c.policy(ctx, name)
		if err != nil {
			return nil, err
		}
		if there.Rules == rules {
			continue
		}
		before := there.Rules
		found = append(found, lab.Difference{Subject: "policy " + name, Before: before, After: rules, Apply: func(ctx context.Context) error {
			return c.putPolicy(ctx, api.ACLPolicy{ID: there.ID, Name: name, Description: there.Description, Rules: rules})
		}})
	}
	return found, nil
}

// policy gives a policy, without an id where there is none.
func (c client) policy(ctx context.Context, name string) (api.ACLPolicy, error) {
	q, err := c.query(ctx)
	if err != nil {
		return api.ACLPolicy{}, err
	}
	there, _, err := c.api.ACL().PolicyReadByName(name, q)
	var answer api.StatusError
	switch {
	case errors.As(err, &answer) && (answer.Code == http.StatusNotFound || strings.Contains(answer.Body, "not found")):
		return api.ACLPolicy{}, nil
	case err != nil:
		return api.ACLPolicy{}, c.failed(err, "acl:read")
	case there == nil:
		return api.ACLPolicy{}, nil
	}
	return *there, nil
}

func (c client) putPolicy(ctx context.Context, policy api.ACLPolicy) error {
	w, err := c.write(ctx)
	if err != nil {
		return err
	}
	if policy.ID == "" {
		_, _, err = c.api.ACL().PolicyCreate(&policy, w)
	} else {
		_, _, err = c.api.ACL().PolicyUpdate(&policy, w)
	}
	if err != nil {
		return c.failed(err, "acl:write")
	}
	return nil
}
