package stack

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/hashicorp/nomad/api"

	"github.com/bothylabs/bothy/policies"
)

// Namespace is the Nomad namespace of all workspaces.
const Namespace = "bothy"

// forceDrain is the drain deadline that ends all allocations at once, each with
// its kill timeout.
const forceDrain = -1 * time.Second

// nomadServer sets up one Nomad through its API.
type nomadServer struct {
	client  *api.Client // to the server, with the management token
	agent   *api.Client // to the client's agent, the same
	secrets secretStore
}

func newNomad(cfg Config, secrets secretStore, management string) (*nomadServer, error) {
	server, err := nomadAPI(cfg.Ports.NomadHTTP, management)
	if err != nil {
		return nil, err
	}
	agent, err := nomadAPI(cfg.Ports.NomadClientHTTP, management)
	if err != nil {
		return nil, err
	}
	return &nomadServer{client: server, agent: agent, secrets: secrets}, nil
}

func nomadAPI(port int, token string) (*api.Client, error) {
	client, err := api.NewClient(&api.Config{
		Address: "http://" + addressOf(port), SecretID: token,
		HttpClient: &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 2}},
	})
	if err != nil {
		return nil, fmt.Errorf("make a Nomad client: %w", err)
	}
	return client, nil
}

func asking(ctx context.Context) *api.QueryOptions {
	return (&api.QueryOptions{}).WithContext(ctx)
}

func telling(ctx context.Context) *api.WriteOptions {
	return (&api.WriteOptions{}).WithContext(ctx)
}

// leads asks whether the server has a leader, which is itself.
func (n *nomadServer) leads(ctx context.Context) error {
	var leader string
	if _, err := n.client.Raw().Query("/v1/status/leader", &leader, asking(ctx)); err != nil {
		return fmt.Errorf("read the leader: %w", err)
	}
	if leader == "" {
		return errors.New("no leader yet")
	}
	return nil
}

// signs asks whether the server has the keys that it signs identities with.
func (n *nomadServer) signs(ctx context.Context) error {
	var jwks struct{ Keys []any }
	if _, err := n.client.Raw().Query("/.well-known/jwks.json", &jwks, asking(ctx)); err != nil {
		return fmt.Errorf("read the signing keys: %w", err)
	}
	if len(jwks.Keys) == 0 {
		return errors.New("no signing keys yet")
	}
	return nil
}

// bootstrap makes the management token valid. It is chosen beforehand, so that a
// second call finds it in place.
func (n *nomadServer) bootstrap(ctx context.Context, management string) error {
	_, _, err := n.client.ACLTokens().BootstrapOpts(management, telling(ctx))
	if err != nil && !strings.Contains(err.Error(), "already done") {
		return fmt.Errorf("bootstrap Nomad's ACLs: %w", err)
	}
	if _, _, err := n.client.ACLTokens().Self(asking(ctx)); err != nil {
		return fmt.Errorf("use Nomad's management token: %w", err)
	}
	return nil
}

// setUp makes the namespace, and Bothy's policy and token.
func (n *nomadServer) setUp(ctx context.Context) error {
	if _, err := n.client.Namespaces().Register(&api.Namespace{
		Name: Namespace, Description: "Workspaces that Bothy runs",
	}, telling(ctx)); err != nil {
		return fmt.Errorf("make Nomad namespace %s: %w", Namespace, err)
	}
	rules, err := policies.Read("bothy.nomad.hcl")
	if err != nil {
		return err
	}
	if _, err := n.client.ACLPolicies().Upsert(&api.ACLPolicy{
		Name: "bothy", Description: "The Bothy server", Rules: rules,
	}, telling(ctx)); err != nil {
		return fmt.Errorf("put Nomad policy bothy: %w", err)
	}
	return n.putToken(ctx)
}

func (n *nomadServer) putToken(ctx context.Context) error {
	secret, err := n.secrets.get(nomadBothy)
	if err != nil {
		return err
	}
	if secret != "" {
		opts := asking(ctx)
		opts.AuthToken = secret
		if _, _, err := n.client.ACLTokens().Self(opts); err == nil {
			return nil
		}
	}
	token, _, err := n.client.ACLTokens().Create(&api.ACLToken{
		Name: "bothy", Type: "client", Policies: []string{"bothy"},
	}, telling(ctx))
	if err != nil {
		return fmt.Errorf("make Bothy's Nomad token: %w", err)
	}
	return n.secrets.put(nomadBothy, token.SecretID)
}

// registered asks a client's own agent whether the server has answered it in this
// run; the server still remembers the node from the last one.
func (n *nomadServer) registered(ctx context.Context) error {
	var self api.AgentSelf
	if _, err := n.agent.Raw().Query("/v1/agent/self", &self, asking(ctx)); err != nil {
		return fmt.Errorf("read the client's agent: %w", err)
	}
	if ttl, err := time.ParseDuration(self.Stats["client"]["heartbeat_ttl"]); err != nil || ttl <= 0 {
		return errors.New("the client is not registered yet")
	}
	return nil
}

// clientReady asks whether a node has all that workspaces need.
func (n *nomadServer) clientReady(ctx context.Context, id string) error {
	node, _, err := n.client.Nodes().Info(id, asking(ctx))
	if err != nil {
		return fmt.Errorf("read node %s: %w", id, err)
	}
	if node.Status != api.NodeStatusReady {
		return fmt.Errorf("the node is %s", node.Status)
	}
	if driver := node.Drivers["exec"]; driver == nil || !driver.Healthy {
		return errors.New("the exec driver is not healthy")
	}
	if !slices.ContainsFunc(node.NodeResources.Networks, func(r *api.NetworkResource) bool { return r.Mode == "bridge" }) {
		return errors.New("no bridge network was found")
	}
	for _, attribute := range []string{"consul.version", "vault.version", "plugins.cni.version.bridge", "plugins.cni.version.portmap"} {
		if node.Attributes[attribute] == "" {
			return fmt.Errorf("%s is not known yet", attribute)
		}
	}
	return nil
}

// known asks whether a node was ever registered.
func (n *nomadServer) known(ctx context.Context, id string) (bool, error) {
	_, _, err := n.client.Nodes().Info(id, asking(ctx))
	if err != nil && strings.Contains(err.Error(), "node not found") {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("read node %s: %w", id, err)
	}
	return true, nil
}

// admit lets the scheduler use the node again, after a drain.
func (n *nomadServer) admit(ctx context.Context, id string) error {
	node, _, err := n.client.Nodes().Info(id, asking(ctx))
	if err != nil {
		return fmt.Errorf("read node %s: %w", id, err)
	}
	if node.DrainStrategy == nil && node.SchedulingEligibility == api.NodeSchedulingEligible {
		return nil
	}
	if _, err := n.client.Nodes().UpdateDrain(id, nil, true, telling(ctx)); err != nil {
		return fmt.Errorf("make node %s eligible: %w", id, err)
	}
	return nil
}

// startDrain tells all allocations of a node to end and lets none be placed.
func (n *nomadServer) startDrain(ctx context.Context, id string) error {
	_, err := n.client.Nodes().UpdateDrain(id, &api.DrainSpec{Deadline: forceDrain}, false, telling(ctx))
	if err != nil {
		return fmt.Errorf("drain node %s: %w", id, err)
	}
	return nil
}

// given asks whether no allocation of a node is wanted any more.
func (n *nomadServer) given(ctx context.Context, id string) error {
	return n.eachAlloc(ctx, id, func(a *api.Allocation) error {
		if a.DesiredStatus == api.AllocDesiredStatusRun && !a.ClientTerminalStatus() {
			return fmt.Errorf("allocation %s is still wanted", a.ID)
		}
		return nil
	})
}

// ended asks whether every allocation of a node has ended.
func (n *nomadServer) ended(ctx context.Context, id string) error {
	return n.eachAlloc(ctx, id, func(a *api.Allocation) error {
		if !a.ClientTerminalStatus() {
			return fmt.Errorf("allocation %s of job %s is %s", a.ID, a.JobID, a.ClientStatus)
		}
		return nil
	})
}

func (n *nomadServer) eachAlloc(ctx context.Context, id string, check func(*api.Allocation) error) error {
	allocs, _, err := n.client.Nodes().Allocations(id, asking(ctx))
	if err != nil {
		return fmt.Errorf("list allocations: %w", err)
	}
	for _, a := range allocs {
		if err := check(a); err != nil {
			return err
		}
	}
	return nil
}
