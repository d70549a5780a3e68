package nomad

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/hashicorp/nomad/api"

	"github.com/bothylabs/bothy/service/lab"
)

// What follows asks Nomad about itself, for a person who looks for what is wrong.
// Nothing of it is changed.

// Leader gives the address of the leading server; CodeUnavailable when there is none.
func (c *Client) Leader(ctx context.Context) (string, error) {
	q, err := c.query(ctx)
	if err != nil {
		return "", err
	}
	var leader string
	if _, err := c.api.Raw().Query("/v1/status/leader", &leader, q); err != nil {
		return "", c.failed(err, "")
	}
	if leader == "" {
		return "", lab.Errorf(lab.CodeUnavailable, "Nomad has no leader")
	}
	return leader, nil
}

// Clock gives Nomad's time, to the second, and how long it took to be asked for.
func (c *Client) Clock(ctx context.Context) (time.Time, time.Duration, error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, c.cfg.Address+"/v1/status/leader", nil)
	if err != nil {
		return time.Time{}, 0, fmt.Errorf("ask for the time: %w", err)
	}
	begun := c.cfg.Now()
	answer, err := c.http.Do(r)
	if err != nil {
		return time.Time{}, 0, c.failed(err, "")
	}
	took := c.cfg.Now().Sub(begun)
	_ = answer.Body.Close()
	at, err := http.ParseTime(answer.Header.Get("Date"))
	if err != nil {
		return time.Time{}, 0, lab.Wrap(lab.CodeUnavailable, err, "Nomad does not tell its time")
	}
	return at, took, nil
}

// Versions gives the versions of the servers, each once.
func (c *Client) Versions(ctx context.Context) ([]string, error) {
	q, err := c.query(ctx)
	if err != nil {
		return nil, err
	}
	var members struct{ Members []api.AgentMember }
	if _, err := c.api.Raw().Query("/v1/agent/members", &members, q); err != nil {
		return nil, c.failed(err, "node:read")
	}
	var versions []string
	for _, m := range members.Members {
		versions = append(versions, m.Tags["build"])
	}
	slices.Sort(versions)
	return slices.Compact(versions), nil
}

// OwnToken looks at Bothy's token; CodeRefused when Nomad does not know it.
func (c *Client) OwnToken(ctx context.Context) (Token, error) {
	q, err := c.query(ctx)
	if err != nil {
		return Token{}, err
	}
	own, _, err := c.api.ACLTokens().Self(q)
	if err != nil && strings.Contains(bodyOf(err), "ACL support disabled") {
		return Token{Off: true}, nil
	}
	if err != nil {
		if statusOf(err) == http.StatusForbidden || statusOf(err) == http.StatusNotFound {
			return Token{}, lab.Wrap(lab.CodeRefused, err, "Nomad does not know Bothy's token")
		}
		return Token{}, c.failed(err, "")
	}
	t := Token{Name: own.Name, Management: own.Type == "management", policies: own.Policies}
	if own.ExpirationTime != nil {
		t.Expires = *own.ExpirationTime
	}
	for _, role := range own.Roles {
		t.roles = append(t.roles, role.ID)
	}
	return t, nil
}

// Missing compares what the token may do with what Bothy needs.
func (c *Client) Missing(ctx context.Context, t Token, needs []Need) ([]string, error) {
	if t.Management || t.Off {
		return nil, nil
	}
	q, err := c.query(ctx)
	if err != nil {
		return nil, err
	}
	policies := slices.Clone(t.policies)
	for _, id := range t.roles {
		role, _, err := c.api.ACLRoles().Get(id, q)
		if err != nil {
			return nil, c.failed(err, "its own role")
		}
		for _, p := range role.Policies {
			policies = append(policies, p.Name)
		}
	}
	var granted grants
	for _, name := range policies {
		policy, _, err := c.api.ACLPolicies().Info(name, q)
		if statusOf(err) == http.StatusNotFound {
			continue // a token may name a policy that is not there
		}
		if err != nil {
			return nil, c.failed(err, "its own policy")
		}
		rules, err := readGrants(policy.Rules)
		if err != nil {
			return nil, lab.Wrap(lab.CodeRefused, err, "the policy %q of Bothy's token can't be read", name)
		}
		granted = append(granted, rules...)
	}
	return granted.lack(needs), nil
}

// HasNamespace is CodeRefused when Nomad has no such namespace.
func (c *Client) HasNamespace(ctx context.Context) error {
	q, err := c.query(ctx)
	if err != nil {
		return err
	}
	if _, _, err := c.api.Namespaces().Info(c.cfg.Namespace, q); err != nil {
		return c.namespaceMissing(err)
	}
	return nil
}

// HasPool is CodeRefused when Nomad has no such node pool.
func (c *Client) HasPool(ctx context.Context, pool string) error {
	q, err := c.query(ctx)
	if err != nil {
		return err
	}
	_, _, err = c.api.NodePools().Info(pool, q)
	if statusOf(err) == http.StatusNotFound {
		return lab.Wrap(lab.CodeRefused, err, "Nomad has no node pool %q", pool)
	}
	return c.failed(err, "node_pool:read")
}

// Node is a node that workspaces may run on.
type Node struct {
	Name, ID, Datacenter, Pool, Version string
	// Problem says why nothing is placed on it now; "" when it is ready and eligible.
	Problem string
	// Drivers are those that are detected and healthy.
	Drivers []string
	// Attributes are what its fingerprinters found; nil for nodes beyond the first few.
	Attributes map[string]string
}

// maxAttributes bounds how many nodes are asked for their attributes.
const maxAttributes = 20

// Nodes gives the nodes of a pool and its datacenters. The attributes are of the
// first twenty that are ready.
func (c *Client) Nodes(ctx context.Context, pool string, datacenters []string) ([]Node, error) {
	all, err := c.nodes(ctx)
	if err != nil {
		return nil, err
	}
	q, err := c.query(ctx)
	if err != nil {
		return nil, err
	}
	var found []Node
	asked := 0
	for _, stub := range all {
		inside := slices.ContainsFunc(datacenters, func(pattern string) bool { return globMatches(pattern, stub.Datacenter) })
		if !inside || pool != api.NodePoolAll && stub.NodePool != pool {
			continue
		}
		n := Node{
			Name: stub.Name, ID: stub.ID, Datacenter: stub.Datacenter, Pool: stub.NodePool, Version: stub.Version,
			Problem: problemOf(stub),
		}
		for name, driver := range stub.Drivers {
			if driver != nil && driver.Detected && driver.Healthy {
				n.Drivers = append(n.Drivers, name)
			}
		}
		slices.Sort(n.Drivers)
		if n.Problem == "" && asked < maxAttributes {
			asked++
			whole, _, err := c.api.Nodes().Info(stub.ID, q)
			if err != nil {
				return nil, c.failed(err, "node:read")
			}
			n.Attributes = whole.Attributes
		}
		found = append(found, n)
	}
	return found, nil
}

func problemOf(n *api.NodeListStub) string {
	switch {
	case n.Status != api.NodeStatusReady:
		return "is " + n.Status
	case n.Drain:
		return "is draining"
	case n.SchedulingEligibility != api.NodeSchedulingEligible:
		return "is not eligible"
	default:
		return ""
	}
}

// CSIPlugin gives how many of a plugin's controllers and node parts are healthy;
// CodeRefused when there is no such plugin.
func (c *Client) CSIPlugin(ctx context.Context, id string) (controllers, nodes int, err error) {
	q, err := c.query(ctx)
	if err != nil {
		return 0, 0, err
	}
	plugin, _, err := c.api.CSIPlugins().Info(id, q)
	if statusOf(err) == http.StatusNotFound {
		return 0, 0, lab.Wrap(lab.CodeRefused, err, "Nomad has no CSI plugin %q", id)
	}
	if err != nil {
		return 0, 0, c.failed(err, "plugin:read")
	}
	if plugin.ControllerRequired && plugin.ControllersHealthy == 0 {
		return 0, plugin.NodesHealthy, lab.Errorf(lab.CodeUnavailable, "no controller of the CSI plugin %q is healthy", id)
	}
	return plugin.ControllersHealthy, plugin.NodesHealthy, nil
}
