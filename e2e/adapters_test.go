package e2e

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/bothylabs/bothy/service/dev/toolchain"
)

// adapters runs the tests that need a server, and live beside what they test,
// against the servers of this `bothy dev`.
func adapters(t *testing.T, d *dev) {
	cache, err := toolchain.DefaultCacheDir()
	if err != nil {
		t.Fatal(err)
	}
	// Some seal a Vault, or begin with a bare one: they start their own.
	paths, err := toolchain.Ensure(t.Context(), toolchain.Config{
		SourceDir: d.root, CacheDir: cache, Report: toolchain.TextReporter(os.Stderr),
	}, toolchain.Vault)
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), "go", "test", "-count=1", "-tags=e2e", "-p=1", "-timeout=10m",
		"./jobspecs", "./service/consul", "./service/nomad", "./service/reconcile", "./service/vault")
	cmd.Dir = d.root
	cmd.Env = append(os.Environ(), "PATH="+filepath.Dir(paths.Vault)+string(os.PathListSeparator)+os.Getenv("PATH"))
	for name, value := range d.env {
		cmd.Env = append(cmd.Env, name+"="+value)
	}
	for name, file := range map[string]string{
		"OPERATOR_NOMAD_TOKEN":  "nomad-management.token",
		"OPERATOR_CONSUL_TOKEN": "consul-management.token",
		"OPERATOR_VAULT_TOKEN":  "vault-root.token",
	} {
		token, err := os.ReadFile(filepath.Join(d.state(), "secrets", file))
		if err != nil {
			t.Fatal(err)
		}
		cmd.Env = append(cmd.Env, name+"="+strings.TrimSpace(string(token)))
	}
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, d.seen.redact(string(out)))
	}
	t.Logf("%s", out)
}
