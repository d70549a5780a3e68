package doctor

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"golang.org/x/mod/semver"

	"github.com/bothylabs/bothy/service/lab"
	"github.com/bothylabs/bothy/service/nomad"
)

// oldestNomad is the first with dynamic host volumes, and the volume plugin that
// makes homes on them.
const (
	oldestNomad = "1.10.0"
	hostPlugin  = "mkdir"
)

// soon is how long before its end an expiring token is warned of.
const soon = 7 * 24 * time.Hour

func (p *patient) nomadChecks() []check {
	known := []string{"nomad.token"}
	onNodes := []string{"nomad.nodes"}
	return []check{
		{id: "nomad.reachable", what: "Nomad answers and has a leader", run: p.nomadAnswers},
		{id: "nomad.token", what: "Bothy's Nomad token", needs: []string{"nomad.reachable"}, run: p.nomadToken},
		{id: "nomad.rights", what: "what that token may do", needs: known, run: p.nomadRights},
		{id: "nomad.version", what: "Nomad's version", needs: known, run: p.nomadVersion},
		{id: "nomad.namespace", what: "the namespace of the workspaces", needs: known, run: p.namespaceExists},
		{id: "nomad.nodes", what: "nodes for workspaces", needs: known, run: p.nodesReady},
		{id: "nomad.drivers", what: "the templates' task drivers", needs: onNodes, after: []string{"store.writable"}, run: p.driversHealthy},
		{id: "nomad.homes", what: "the plugin that makes homes", needs: onNodes, run: p.homesCanBeMade},
		{id: "nomad.network", what: "CNI plugins for bridge networks", needs: onNodes, run: p.networkPlugins},
		{id: "nomad.integrations", what: "the nodes' Consul and Vault", needs: onNodes, run: p.integrations},
	}
}

func (p *patient) nomadAnswers(ctx context.Context) verdict {
	leader, err := p.Nomad.Leader(ctx)
	if err != nil {
		return broken(err, fmt.Sprintf("start Nomad, or correct nomad.address; try: curl %s/v1/status/leader", p.Config.Nomad.Address))
	}
	return good("%s, led by %s", p.Config.Nomad.Address, leader)
}

func (p *patient) nomadToken(ctx context.Context) verdict {
	return ofEnvironment(p.Config.Nomad.Token, p.nomadTokenItself(ctx))
}

func (p *patient) nomadTokenItself(ctx context.Context) verdict {
	token, err := p.Nomad.OwnToken(ctx)
	remedy := "make one and put it into nomad.token_file: nomad acl token create -name=bothy -policy=bothy"
	if err != nil {
		return broken(err, remedy)
	}
	p.token = token
	switch left := token.Expires.Sub(p.Now()); {
	case token.Off:
		return warning("turn ACLs on: acl { enabled = true }", "Nomad has no access control: workspaces reach its API")
	case token.Management:
		return warning(remedy, "a management token, which may do everything")
	case !token.Expires.IsZero() && left < soon:
		return warning(remedy, "%q expires in %s", token.Name, left.Round(time.Minute))
	default:
		return good("%q", token.Name)
	}
}

func (p *patient) nomadRights(ctx context.Context) verdict {
	n := p.Config.Nomad
	const remedy = "add it to the policy as in bothy.nomad.hcl, then: nomad acl policy apply bothy bothy.nomad.hcl"
	missing, err := p.Nomad.Missing(ctx, p.token, nomad.Needs(n.Namespace, n.NodePool, p.Config.Home.Type == "csi"))
	var wanting []string
	if err == nil {
		wanting, err = p.Nomad.Missing(ctx, p.token, nomad.Wants(n.Namespace))
	}
	switch {
	case err != nil:
		v := broken(err, "compare the token's policy with bothy.nomad.hcl by hand")
		v.state = Warn
		return v
	case len(missing) > 0:
		return failed(remedy, "the token lacks %s", strings.Join(missing, ", "))
	case len(wanting) > 0:
		return warning(remedy, "bothy exec does not work: the token lacks %s", strings.Join(wanting, ", "))
	default:
		return good("all that Bothy needs")
	}
}

func (p *patient) nomadVersion(ctx context.Context) verdict {
	versions, err := p.Nomad.Versions(ctx)
	if err != nil {
		v := broken(err, `give the token node:read: node { policy = "read" }`)
		v.state = Warn
		return v
	}
	for _, v := range versions {
		if semver.Compare("v"+v, "v"+oldestNomad) < 0 {
			return failed("upgrade Nomad to "+oldestNomad+" or newer", "a server of version %s; homes need dynamic host volumes", v)
		}
	}
	if len(versions) > 1 {
		return warning("finish the upgrade", "servers of different versions: %s", strings.Join(versions, ", "))
	}
	return good("%s", strings.Join(versions, ", "))
}

func (p *patient) namespaceExists(ctx context.Context) verdict {
	if err := p.Nomad.HasNamespace(ctx); err != nil {
		return broken(err, "")
	}
	return good("%q", p.Config.Nomad.Namespace)
}

func (p *patient) nodesReady(ctx context.Context) verdict {
	n := p.Config.Nomad
	if err := p.Nomad.HasPool(ctx, n.NodePool); err != nil {
		return broken(err, fmt.Sprintf("make it, or correct nomad.node_pool: nomad node pool apply (pool %q)", n.NodePool))
	}
	nodes, err := p.Nomad.Nodes(ctx, n.NodePool, n.Datacenters)
	if err != nil {
		return broken(err, "")
	}
	var away, commands []string
	for _, node := range nodes {
		switch node.Problem {
		case "":
			p.nodes = append(p.nodes, node)
			continue
		case "is draining":
			commands = append(commands, "nomad node drain -disable "+node.ID)
		case "is not eligible":
			commands = append(commands, "nomad node eligibility -enable "+node.ID)
		default:
			commands = append(commands, "nomad node status "+node.ID)
		}
		away = append(away, node.Name+" "+node.Problem)
	}
	where := fmt.Sprintf("node pool %q and datacenters %s", n.NodePool, strings.Join(n.Datacenters, ", "))
	switch {
	case len(nodes) == 0:
		return failed("correct nomad.node_pool or nomad.datacenters, or add a node; nomad node status shows all", "%s have no node", where)
	case len(p.nodes) == 0:
		return failed(strings.Join(commands, "; "), "no node of %s takes work: %s", where, strings.Join(away, ", "))
	case len(away) > 0:
		return warning(strings.Join(commands, "; "), "%d of %d take work; %s", len(p.nodes), len(nodes), strings.Join(away, ", "))
	default:
		return good("%s, ready and eligible", nodeCount(len(nodes)))
	}
}

// driversHealthy wants the drivers of the templates that courses use; of the
// others it only says whether they could be used.
func (p *patient) driversHealthy(context.Context) verdict {
	healthy := map[string]bool{}
	for _, n := range p.nodes {
		for _, d := range n.Drivers {
			healthy[d] = true
		}
	}
	var usable, lacking []string
	used := map[string][]string{}
	for _, t := range p.Templates {
		lacks := slices.DeleteFunc(t.Drivers(), func(d string) bool { return healthy[d] })
		switch {
		case len(lacks) == 0:
			usable = append(usable, t.Name)
		case slices.Contains(p.store.Templates, t.Name):
			used[t.Name] = lacks
		default:
			lacking = append(lacking, fmt.Sprintf("%s (%s)", t.Name, strings.Join(lacks, ", ")))
		}
	}
	const remedy = "install and enable the driver on the nodes (nomad node status -self shows them), or give the course another template"
	if len(used) > 0 {
		var parts []string
		for _, name := range slices.Sorted(maps.Keys(used)) {
			parts = append(parts, fmt.Sprintf("template %s needs %s", name, strings.Join(used[name], ", ")))
		}
		return failed(remedy, "no node has what courses use: %s", strings.Join(parts, "; "))
	}
	if len(usable) == 0 {
		return failed(remedy, "no template can run: %s", strings.Join(lacking, ", "))
	}
	detail := "can run " + strings.Join(usable, ", ")
	if len(lacking) > 0 {
		detail += "; not in use and without a driver: " + strings.Join(lacking, ", ")
	}
	return good("%s", detail)
}

func (p *patient) homesCanBeMade(ctx context.Context) verdict {
	if p.Config.Home.Type == "csi" {
		id := p.Config.Home.CSI.PluginID
		_, nodes, err := p.Nomad.CSIPlugin(ctx, id)
		remedy := fmt.Sprintf("run the plugin's jobs, or correct home.csi.plugin_id; nomad plugin status %s", id)
		switch {
		case err != nil:
			return broken(err, remedy)
		case nodes == 0:
			return failed(remedy, "no node part of the CSI plugin %q is healthy", id)
		default:
			return good("CSI plugin %q, on %s", id, nodeCount(nodes))
		}
	}
	return p.everyNode("the host-volume plugin "+hostPlugin,
		"run Nomad "+oldestNomad+" or newer on them, with host_volumes_dir set in the client block",
		func(attributes map[string]string) []string {
			if attributes["plugins.host_volume."+hostPlugin+".version"] == "" {
				return []string{hostPlugin}
			}
			return nil
		})
}

func (p *patient) networkPlugins(context.Context) verdict {
	return p.everyNode("the CNI plugins", "install them (Debian: apt install containernetworking-plugins) and set cni_path in the client block, then restart that Nomad client",
		func(attributes map[string]string) []string {
			return slices.DeleteFunc([]string{"bridge", "firewall", "host-local", "loopback", "portmap"}, func(plugin string) bool {
				return attributes["plugins.cni.version."+plugin] != ""
			})
		})
}

func (p *patient) integrations(context.Context) verdict {
	return p.everyNode("Consul and Vault", "give the Nomad clients consul and vault blocks that fit, and start what does not answer; nomad node status -verbose shows their attributes",
		func(attributes map[string]string) []string {
			var lacks []string
			if attributes["consul.version"] == "" {
				lacks = append(lacks, "Consul")
			}
			if attributes["vault.accessible"] != "true" {
				lacks = append(lacks, "Vault")
			}
			return lacks
		})
}

// everyNode looks at the nodes' attributes: it fails when no node has all of
// something, and warns when some have not.
func (p *patient) everyNode(what, remedy string, lacks func(attributes map[string]string) []string) verdict {
	var without []string
	looked := 0
	for _, n := range p.nodes {
		if n.Attributes == nil {
			continue
		}
		looked++
		if missing := lacks(n.Attributes); len(missing) > 0 {
			without = append(without, fmt.Sprintf("%s lacks %s", n.Name, strings.Join(missing, ", ")))
		}
	}
	switch {
	case len(without) == 0:
		return good("%s: on %s", what, nodeCount(looked))
	case len(without) == looked:
		return failed(remedy, "%s", strings.Join(without, "; "))
	default:
		return warning(remedy, "%s", strings.Join(without, "; "))
	}
}

func nodeCount(n int) string {
	if n == 1 {
		return "1 node"
	}
	return fmt.Sprintf("%d nodes", n)
}

// unknownTo says that a server answered, and not with what was asked for.
func unknownTo(err error) bool { return lab.CodeOf(err) == lab.CodeNotFound }
