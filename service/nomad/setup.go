package nomad

import (
	"context"
	"net/http"
	"strings"

	"github.com/hashicorp/nomad/api"

	"github.com/bothylabs/bothy/policies"
	"github.com/bothylabs/bothy/service/lab"
)

// OwnPolicy is the name of Bothy's own ACL policy.
const OwnPolicy = "bothy"

// Differences gives what is not as Bothy needs it, in the order in which it is to be
// applied: the namespace of workspaces, and Bothy's policy for it. Config.Token must
// be a management token.
func (c *Client) Differences(ctx context.Context) ([]lab.Difference, error) {
	q, err := c.query(ctx)
	if err != nil {
		return nil, err
	}
	var found []lab.Difference
	name := c.cfg.Namespace
	if _, _, err := c.api.Namespaces().Info(name, q); statusOf(err) == http.StatusNotFound {
		found = append(found, lab.Difference{
			Subject: "namespace " + name, After: `description = "Workspaces that Bothy runs"`,
			Apply: func(ctx context.Context) error {
				w, err := c.write(ctx)
				if err != nil {
					return err
				}
				if _, err := c.api.Namespaces().Register(&api.Namespace{Name: name, Description: "Workspaces that Bothy runs"}, w); err != nil {
					return c.failed(err, "a management token")
				}
				return nil
			},
		})
	} else if err != nil {
		return nil, c.failed(err, "a management token")
	}

	rules, err := policies.Read("bothy.nomad.hcl")
	if err != nil {
		return nil, err
	}
	rules = strings.Replace(rules, `namespace "bothy" {`, `namespace "`+name+`" {`, 1)
	before := ""
	policy, _, err := c.api.ACLPolicies().Info(OwnPolicy, q)
	switch {
	case err == nil:
		before = policy.Rules
	case statusOf(err) != http.StatusNotFound:
		return nil, c.failed(err, "a management token")
	}
	if before != rules {
		found = append(found, lab.Difference{Subject: "policy " + OwnPolicy, Before: before, After: rules, Apply: func(ctx context.Context) error {
			w, err := c.write(ctx)
			if err != nil {
				return err
			}
			if _, err := c.api.ACLPolicies().Upsert(&api.ACLPolicy{Name: OwnPolicy, Description: "The Bothy server", Rules: rules}, w); err != nil {
				return c.failed(err, "a management token")
			}
			return nil
		}})
	}
	return found, nil
}
