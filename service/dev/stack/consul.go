package stack

import (
	"context"
	"errors"
	"fmt"
	"net/http"

	"github.com/hashicorp/consul/api"

	"github.com/bothylabs/bothy/policies"
)

// consulServer sets up one Consul through its API.
type consulServer struct {
	client  *api.Client // with the management token
	secrets secretStore
	jwksURL string
}

func newConsul(cfg Config, secrets secretStore, management string) (*consulServer, error) {
	conf := &api.Config{
		Address: addressOf(cfg.Ports.ConsulHTTP), Scheme: "http", Token: management,
		// A client of its own keeps the caller's CONSUL_* variables out.
		HttpClient: &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 2}},
	}
	client, err := api.NewClient(conf)
	if err != nil {
		return nil, fmt.Errorf("make a Consul client: %w", err)
	}
	return &consulServer{
		client: client, secrets: secrets,
		jwksURL: fmt.Sprintf("http://%s/.well-known/jwks.json", addressOf(cfg.Ports.NomadHTTP)),
	}, nil
}

func query(ctx context.Context) *api.QueryOptions { return (&api.QueryOptions{}).WithContext(ctx) }

func writing(ctx context.Context) *api.WriteOptions { return (&api.WriteOptions{}).WithContext(ctx) }

// ready asks whether the server leads and knows the management token.
func (c *consulServer) ready(ctx context.Context) error {
	if _, _, err := c.client.ACL().TokenReadSelf(query(ctx)); err != nil {
		return fmt.Errorf("read the management token: %w", err)
	}
	// The agent's own node is in the catalog once its token works.
	nodes, _, err := c.client.Catalog().Nodes(query(ctx))
	if err != nil {
		return fmt.Errorf("list nodes: %w", err)
	}
	if len(nodes) == 0 {
		return errors.New("the agent has not registered itself yet")
	}
	return nil
}

// consulTokens are the tokens of the stack: the secret, and the policy it has.
func consulTokens() map[string]string {
	return map[string]string{
		consulAgent:   "consul-agent",
		consulNomad:   "nomad-agent",
		consulFabio:   "fabio",
		consulTraefik: "traefik",
		consulBothy:   "bothy",
	}
}

// setUpTokens installs policies and tokens. What is there already is brought up
// to date.
func (c *consulServer) setUpTokens(ctx context.Context) error {
	for _, name := range []string{"consul-agent", "nomad-agent", "fabio", "traefik", "bothy", "bothy-workspace"} {
		if err := c.putPolicy(ctx, name); err != nil {
			return err
		}
	}
	for secret, policy := range consulTokens() {
		if err := c.putToken(ctx, secret, policy); err != nil {
			return err
		}
	}
	return nil
}

func (c *consulServer) putPolicy(ctx context.Context, name string) error {
	rules, err := policies.Read(name + ".consul.hcl")
	if err != nil {
		return err
	}
	// A policy that is not there is an error in one version and nil in another.
	old, _, err := c.client.ACL().PolicyReadByName(name, query(ctx))
	if err != nil || old == nil {
		_, _, err = c.client.ACL().PolicyCreate(&api.ACLPolicy{Name: name, Rules: rules}, writing(ctx))
	} else if old.Rules != rules {
		old.Rules = rules
		_, _, err = c.client.ACL().PolicyUpdate(old, writing(ctx))
	}
	if err != nil {
		return fmt.Errorf("put Consul policy %s: %w", name, err)
	}
	return nil
}

func (c *consulServer) putToken(ctx context.Context, secret, policy string) error {
	value, err := c.secrets.ensure(secret)
	if err != nil {
		return err
	}
	opts := query(ctx)
	opts.Token = value
	if _, _, err := c.client.ACL().TokenReadSelf(opts); err == nil {
		return nil
	}
	// Not by the client's TokenCreate: it sends a field that servers up to 1.22
	// refuse.
	_, err = c.client.Raw().Write("/v1/acl/token", map[string]any{
		"SecretID":    value,
		"Description": "Bothy development stack: " + policy,
		"Policies":    []*api.ACLLink{{Name: policy}},
	}, nil, writing(ctx))
	if err != nil {
		return fmt.Errorf("make the Consul token for %s: %w", policy, err)
	}
	return nil
}

// trustNomad lets Nomad's workloads log in with their identities, the way
// `nomad setup consul` does it: services as themselves, tasks by a role of their
// namespace.
func (c *consulServer) trustNomad(ctx context.Context) error {
	method := &api.ACLAuthMethod{
		Name: consulAuthMethod, Type: "jwt", DisplayName: consulAuthMethod, TokenLocality: "local",
		Description: "Login for Nomad workloads by their identity",
		Config: map[string]any{
			"JWKSURL":          c.jwksURL,
			"JWTSupportedAlgs": []string{"RS256"},
			"BoundAudiences":   []string{consulAudience},
			"ClaimMappings": map[string]string{
				"nomad_namespace": "nomad_namespace",
				"nomad_job_id":    "nomad_job_id",
				"nomad_task":      "nomad_task",
				"nomad_service":   "nomad_service",
			},
		},
	}
	old, _, err := c.client.ACL().AuthMethodRead(consulAuthMethod, query(ctx))
	if err == nil && old != nil {
		_, _, err = c.client.ACL().AuthMethodUpdate(method, writing(ctx))
	} else {
		_, _, err = c.client.ACL().AuthMethodCreate(method, writing(ctx))
	}
	if err != nil {
		return fmt.Errorf("put Consul auth method %s: %w", consulAuthMethod, err)
	}
	const role = "nomad-" + Namespace + "-tasks"
	if old, _, err := c.client.ACL().RoleReadByName(role, query(ctx)); err != nil || old == nil {
		_, _, err := c.client.ACL().RoleCreate(&api.ACLRole{
			Name: role, Description: "Tasks in Bothy's Nomad namespace",
			Policies: []*api.ACLLink{{Name: "bothy-workspace"}},
		}, writing(ctx))
		if err != nil {
			return fmt.Errorf("put Consul role %s: %w", role, err)
		}
	}
	return c.bindWorkloads(ctx)
}

func (c *consulServer) bindWorkloads(ctx context.Context) error {
	rules, _, err := c.client.ACL().BindingRuleList(consulAuthMethod, query(ctx))
	if err != nil {
		return fmt.Errorf("list Consul binding rules: %w", err)
	}
	bound := map[string]bool{}
	for _, r := range rules {
		bound[r.Selector] = true
	}
	for _, r := range []*api.ACLBindingRule{
		{
			Description: "Services of Nomad workloads", AuthMethod: consulAuthMethod,
			BindType: api.BindingRuleBindTypeService, BindName: "${value.nomad_service}",
			Selector: `"nomad_service" in value`,
		},
		{
			Description: "Tasks of Nomad workloads", AuthMethod: consulAuthMethod,
			BindType: api.BindingRuleBindTypeRole, BindName: "nomad-${value.nomad_namespace}-tasks",
			Selector: `"nomad_service" not in value`,
		},
	} {
		if bound[r.Selector] {
			continue
		}
		if _, _, err := c.client.ACL().BindingRuleCreate(r, writing(ctx)); err != nil {
			return fmt.Errorf("put Consul binding rule: %w", err)
		}
	}
	return nil
}
