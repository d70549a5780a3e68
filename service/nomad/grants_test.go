package nomad

import (
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestGrantsAreReadAsNomadReadsThem(t *testing.T) {
	submit := Need{"namespace", "bothy", "submit-job"}
	tests := []struct {
		name  string
		rules string
		need  Need
		met   bool
	}{
		{"a capability", `namespace "bothy" { capabilities = ["submit-job"] }`, submit, true},
		{"another capability", `namespace "bothy" { capabilities = ["read-job"] }`, submit, false},
		{"another namespace", `namespace "other" { policy = "write" }`, submit, false},
		{"a policy that stands for it", `namespace "bothy" { policy = "write" }`, submit, true},
		{"a policy that does not", `namespace "bothy" { policy = "read" }`, submit, false},
		{"a pattern", `namespace "bo*" { policy = "write" }`, submit, true},
		{"the exact name wins over a pattern", "namespace \"*\" {\n policy = \"write\"\n}\nnamespace \"bothy\" {\n policy = \"read\"\n}", submit, false},
		{"the nearer pattern wins", "namespace \"*\" {\n policy = \"read\"\n}\nnamespace \"both*\" {\n policy = \"write\"\n}", submit, true},
		{"two rules for one name add up", "namespace \"bothy\" {\n policy = \"read\"\n}\nnamespace \"bothy\" {\n capabilities = [\"submit-job\"]\n}", submit, true},
		{"a deny wins", "namespace \"bothy\" {\n policy = \"write\"\n}\nnamespace \"bothy\" {\n policy = \"deny\"\n}", submit, false},
		{"JSON", `{"namespace": {"bothy": {"capabilities": ["submit-job"]}}}`, submit, true},
		{"host volumes by one capability", `namespace "bothy" { capabilities = ["host-volume-write"] }`, Need{"namespace", "bothy", "host-volume-create"}, true},
		{"parsing comes with submitting", `namespace "bothy" { capabilities = ["submit-job"] }`, Need{"namespace", "bothy", "parse-job"}, true},
		{"nodes", `node { policy = "read" }`, Need{"node", "", "read"}, true},
		{"nodes by more", `node { policy = "write" }`, Need{"node", "", "read"}, true},
		{"no nodes", `agent { policy = "read" }`, Need{"node", "", "read"}, false},
		{"homes", `host_volume "home-*" { capabilities = ["mount-readwrite"] }`, Need{"host_volume", "home-*", "mount-readwrite"}, true},
		{"homes by a wider pattern", `host_volume "*" { policy = "write" }`, Need{"host_volume", "home-*", "mount-readwrite"}, true},
		{"homes to read only", `host_volume "home-*" { policy = "read" }`, Need{"host_volume", "home-*", "mount-readwrite"}, false},
		{"what else a policy may hold", "namespace \"bothy\" {\n policy = \"write\"\n variables {\n  path \"x/*\" {\n   capabilities = [\"read\"]\n  }\n }\n}\noperator {\n policy = \"read\"\n}", submit, true},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			g, err := readGrants(test.rules)
			if err != nil {
				t.Fatal(err)
			}
			if got := g.meet(test.need); got != test.met {
				t.Errorf("%s: %v, want %v", test.need, got, test.met)
			}
		})
	}
}

func TestWhatIsLackingIsNamed(t *testing.T) {
	g, err := readGrants("namespace \"bothy\" {\n policy = \"read\"\n}\nnode_pool \"*\" {\n policy = \"read\"\n}")
	if err != nil {
		t.Fatal(err)
	}
	want := []string{
		"node:read", `mount-readwrite in host_volume "home-*"`, `submit-job in namespace "bothy"`, `read-logs in namespace "bothy"`,
		`alloc-lifecycle in namespace "bothy"`, `host-volume-create in namespace "bothy"`, `host-volume-delete in namespace "bothy"`,
	}
	if diff := cmp.Diff(want, g.lack(Needs("bothy", "default", false))); diff != "" {
		t.Error(diff)
	}
	if _, err := readGrants("namespace \"bothy\" {"); err == nil {
		t.Error("half a policy is read")
	}
}
