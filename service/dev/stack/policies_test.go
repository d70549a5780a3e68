package stack

import (
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsimple"

	"github.com/bothylabs/bothy/policies"
	"github.com/bothylabs/bothy/service/nomad"
)

// What `bothy doctor` looks for, and what the policy file grants, are the same.
func TestNomadsPolicyIsWhatBothyNeeds(t *testing.T) {
	text, err := policies.Read("bothy.nomad.hcl")
	if err != nil {
		t.Fatal(err)
	}
	var policy struct {
		Namespaces []struct {
			Name         string   `hcl:"name,label"`
			Capabilities []string `hcl:"capabilities"`
		} `hcl:"namespace,block"`
		Rest hcl.Body `hcl:",remain"`
	}
	if err := hclsimple.Decode("bothy.nomad.hcl", []byte(text), nil, &policy); err != nil {
		t.Fatal(err)
	}
	var needed []string
	for _, n := range nomad.Wants(Namespace) {
		needed = append(needed, n.Capability)
	}
	for _, csi := range []bool{false, true} {
		for _, n := range nomad.Needs(Namespace, "default", csi) {
			if n.Block == "namespace" && !slices.Contains(needed, n.Capability) {
				needed = append(needed, n.Capability)
			}
		}
	}
	granted := policy.Namespaces[0].Capabilities
	slices.Sort(needed)
	slices.Sort(granted)
	if diff := cmp.Diff(needed, granted); diff != "" {
		t.Errorf("nomad.Needs and the policy file differ (-needed +granted):\n%s", diff)
	}
}
