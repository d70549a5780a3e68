package policies

import (
	"strings"
	"testing"

	"github.com/hashicorp/hcl/v2/hclparse"
)

func TestPoliciesAreHCLAndSayWhoTheyAreFor(t *testing.T) {
	entries, err := files.ReadDir(".")
	if err != nil || len(entries) < 9 {
		t.Fatalf("%d policies, %v", len(entries), err)
	}
	for _, e := range entries {
		text, err := Read(e.Name())
		if err != nil {
			t.Fatal(err)
		}
		// Vault fills in its own templates; they are no HCL.
		if _, diags := hclparse.NewParser().ParseHCL([]byte(text), e.Name()); diags.HasErrors() {
			t.Error(diags)
		}
		if !strings.HasPrefix(text, "# ") {
			t.Errorf("%s does not say what it is for", e.Name())
		}
	}
	if _, err := Read("nobody.hcl"); err == nil {
		t.Error("a policy that does not exist is found")
	}
}

func TestBothyMayWriteSecretsAndNotReadThem(t *testing.T) {
	policy, err := Read("bothy.vault.hcl")
	if err != nil {
		t.Fatal(err)
	}
	_, data, _ := strings.Cut(policy, `path "bothy/data/workspaces/`)
	data, _, _ = strings.Cut(data, "}")
	if !strings.Contains(data, "create") || !strings.Contains(data, "update") || strings.Contains(data, "read") {
		t.Errorf("secrets: %s", data)
	}
}
