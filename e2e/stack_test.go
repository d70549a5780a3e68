package e2e

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/bothylabs/bothy/service/dev/toolchain"
)

// TestStack runs the tests of service/dev/stack that start, kill and hang real
// servers, with the programs that `bothy dev` would use.
func TestStack(t *testing.T) {
	inLane(t)
	root, _ := build(t)
	cache, err := toolchain.DefaultCacheDir()
	if err != nil {
		t.Fatal(err)
	}
	paths, err := toolchain.Ensure(t.Context(), toolchain.Config{
		SourceDir: root, CacheDir: cache, Report: toolchain.TextReporter(os.Stderr),
	}, toolchain.Nomad, toolchain.Consul, toolchain.Vault, toolchain.Fabio, toolchain.CNI, toolchain.NGINX, toolchain.Iptables, toolchain.Nftables)
	if err != nil {
		t.Fatal(err)
	}
	tools := t.TempDir()
	for name, path := range map[string]string{"nomad": paths.Nomad, "consul": paths.Consul, "vault": paths.Vault, "fabio": paths.Fabio} {
		if err := os.Symlink(path, filepath.Join(tools, name)); err != nil {
			t.Fatal(err)
		}
	}
	cmd := exec.CommandContext(t.Context(), "go", "test", "-count=1", "-tags=e2e", "-timeout=15m", "-parallel=3", "./service/dev/stack")
	cmd.Dir = root
	cmd.Env = append(os.Environ(), "BOTHY_TOOLS_DIR="+tools, "BOTHY_CNI_DIR="+paths.CNI)
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%v: %s\n%s", err, keepText(root, "stack", string(out)), failures(t, root, out))
	}
	t.Logf("%s", out)
}

// failures is what failed of what tests have printed.
func failures(t *testing.T, root string, out []byte) []byte {
	t.Helper()
	digest := exec.CommandContext(t.Context(), filepath.Join(root, "tools", "failures"))
	digest.Stdin = bytes.NewReader(out)
	told, err := digest.CombinedOutput()
	if err != nil {
		t.Errorf("say what failed: %v", err)
		return out
	}
	return told[min(len(out), len(told)):] // it repeats all of it first
}
