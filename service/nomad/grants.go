package nomad

import (
	"fmt"
	"path"
	"slices"
	"strings"
	"time"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/gohcl"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/hashicorp/hcl/v2/json"
)

// Need is a right that Bothy's token must have.
type Need struct {
	// Block is the kind of a policy's block: namespace, node, node_pool, plugin or host_volume.
	Block string
	// Label is what the block is about, "" for kinds without one.
	Label string
	// Capability is one of the block's capabilities, or its policy.
	Capability string
}

// String names the right for people: submit-job in namespace "bothy".
func (n Need) String() string {
	if n.Label == "" {
		return n.Block + ":" + n.Capability
	}
	return fmt.Sprintf("%s in %s %q", n.Capability, n.Block, n.Label)
}

// Needs lists the rights that Bothy needs in a namespace, for homes on host
// volumes or on CSI volumes. The policy file that is handed out has them all.
func Needs(namespace, pool string, csi bool) []Need {
	capabilities := []string{"list-jobs", "parse-job", "read-job", "submit-job", "read-logs", "alloc-lifecycle"}
	needs := []Need{{"node", "", "read"}, {"node_pool", pool, "read"}}
	if csi {
		capabilities = append(capabilities, "csi-list-volume", "csi-read-volume", "csi-write-volume", "csi-mount-volume")
		needs = append(needs, Need{"plugin", "", "read"})
	} else {
		capabilities = append(capabilities, "host-volume-create", "host-volume-read", "host-volume-delete")
		needs = append(needs, Need{"host_volume", "home-*", "mount-readwrite"})
	}
	for _, c := range capabilities {
		needs = append(needs, Need{"namespace", namespace, c})
	}
	return needs
}

// Wants lists the rights without which one thing does not work, and all else does.
func Wants(namespace string) []Need {
	return []Need{{"namespace", namespace, "alloc-exec"}} // bothy exec
}

// grants are the rules of a token's policies.
type grants []grant

// grant is one block of a policy.
type grant struct {
	block, label, policy string
	capabilities         []string
}

// readGrants reads a policy as Nomad keeps it, in HCL or JSON.
func readGrants(rules string) (grants, error) {
	file, diags := hclsyntax.ParseConfig([]byte(rules), "policy", hcl.InitialPos)
	if strings.HasPrefix(strings.TrimSpace(rules), "{") {
		file, diags = json.Parse([]byte(rules), "policy")
	}
	if diags.HasErrors() {
		return nil, fmt.Errorf("read the policy: %w", diags)
	}
	content, _, diags := file.Body.PartialContent(&hcl.BodySchema{Blocks: []hcl.BlockHeaderSchema{
		{Type: "namespace", LabelNames: []string{"name"}},
		{Type: "node_pool", LabelNames: []string{"name"}},
		{Type: "host_volume", LabelNames: []string{"name"}},
		{Type: "node"},
		{Type: "plugin"},
	}})
	if diags.HasErrors() {
		return nil, fmt.Errorf("read the policy: %w", diags)
	}
	var all grants
	for _, block := range content.Blocks {
		var body struct {
			Policy       string   `hcl:"policy,optional"`
			Capabilities []string `hcl:"capabilities,optional"`
			Rest         hcl.Body `hcl:",remain"`
		}
		if diags := gohcl.DecodeBody(block.Body, nil, &body); diags.HasErrors() {
			return nil, fmt.Errorf("read the policy: %w", diags)
		}
		all = append(all, grant{block: block.Type, label: strings.Join(block.Labels, ""), policy: body.Policy, capabilities: body.Capabilities})
	}
	return all, nil
}

// lack gives the needs that no rule meets.
func (g grants) lack(needs []Need) []string {
	var missing []string
	for _, n := range needs {
		if !g.meet(n) {
			missing = append(missing, n.String())
		}
	}
	return missing
}

// meet says whether a right is granted: by the rules for exactly this label, or
// where there are none by those of the nearest pattern. A deny wins.
func (g grants) meet(n Need) bool {
	granted := false
	for _, rule := range g.nearest(n) {
		if rule.policy == "deny" || slices.Contains(rule.capabilities, "deny") {
			return false
		}
		granted = granted || rule.grants(n)
	}
	return granted
}

// nearest gives the rules that count for a label.
func (g grants) nearest(n Need) grants {
	var found grants
	least := -1
	for _, rule := range g {
		if rule.block != n.Block {
			continue
		}
		distance := 0
		if rule.label != n.Label {
			if matched, err := path.Match(rule.label, n.Label); err != nil || !matched {
				continue
			}
			// Nomad's own measure: the characters that the pattern leaves open.
			distance = 1 + len(n.Label) - len(strings.ReplaceAll(rule.label, "*", ""))
		}
		switch {
		case least < 0 || distance < least:
			least, found = distance, grants{rule}
		case distance == least:
			found = append(found, rule)
		}
	}
	return found
}

func (r grant) grants(n Need) bool {
	if slices.Contains(r.capabilities, n.Capability) || r.policy == n.Capability {
		return true
	}
	switch n.Block {
	case "namespace":
		return slices.Contains(implied(r.policy), n.Capability) ||
			strings.HasPrefix(n.Capability, "host-volume-") && slices.Contains(r.capabilities, "host-volume-write") ||
			n.Capability == "parse-job" && slices.Contains(r.capabilities, "submit-job")
	case "host_volume":
		return r.policy == "write" && strings.HasPrefix(n.Capability, "mount-")
	default:
		return r.policy == "write" || r.policy == "list" && n.Block == "plugin" && n.Capability == "list"
	}
}

// implied are the capabilities of Bothy's that a namespace's policy stands for.
func implied(policy string) []string {
	read := []string{"list-jobs", "parse-job", "read-job", "csi-list-volume", "csi-read-volume", "host-volume-read"}
	switch policy {
	case "read":
		return read
	case "write":
		return append(read, "submit-job", "read-logs", "alloc-lifecycle", "alloc-exec", "csi-write-volume", "csi-mount-volume", "host-volume-create", "host-volume-delete")
	default:
		return nil
	}
}

// Token is Bothy's own ACL token, as Nomad knows it.
type Token struct {
	Name string
	// Management tokens may do everything.
	Management bool
	// Expires is zero for a token that does not.
	Expires time.Time
	// Off says that the cluster has no access control.
	Off bool

	policies, roles []string
}
