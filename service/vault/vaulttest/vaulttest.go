// Package vaulttest gives a test a real Vault of its own, initialised and unsealed,
// that keeps everything in memory and ends with the test. Vault is found, or built
// the first time, as `bothy dev` does it.
package vaulttest

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/hashicorp/vault/api"

	"github.com/bothylabs/bothy/service/dev/toolchain"
)

// patience bounds every wait for Vault.
const patience = 30 * time.Second

// Vault is a running server.
type Vault struct {
	// Address is its URL, Root its root token.
	Address, Root string
	// API asks it with the root token.
	API *api.Client

	key string
}

// Start runs a Vault until the test is over.
func Start(t testing.TB) *Vault {
	t.Helper()
	paths, err := toolchain.Ensure(t.Context(), toolchain.Config{}, toolchain.Vault)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	address := free(t)
	settings := fmt.Sprintf(`
disable_mlock = true
api_addr      = "http://%[1]s"
storage "inmem" {}
listener "tcp" {
  address     = "%[1]s"
  tls_disable = true
}
`, address)
	file := filepath.Join(dir, "vault.hcl")
	if err := os.WriteFile(file, []byte(settings), 0o600); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	server := exec.CommandContext(ctx, paths.Vault, "server", "-config="+file)
	server.Env = []string{"HOME=" + dir, "PATH=" + os.Getenv("PATH")}
	var log strings.Builder
	server.Stdout, server.Stderr = &log, &log
	if err := server.Start(); err != nil {
		cancel()
		t.Fatal(err)
	}
	t.Cleanup(func() {
		cancel()
		_ = server.Wait() // it was killed
		if t.Failed() {
			t.Logf("Vault's log:\n%s", log.String())
		}
	})
	v := &Vault{Address: "http://" + address}
	conf := api.DefaultConfig()
	conf.Address, conf.MaxRetries = v.Address, 0
	if v.API, err = api.NewClient(conf); err != nil {
		t.Fatal(err)
	}
	v.API.ClearNamespace()
	if err := v.API.SetAddress(v.Address); err != nil {
		t.Fatal(err)
	}
	v.until(t, "answers", func(ctx context.Context) bool {
		_, err := v.API.Sys().InitStatusWithContext(ctx)
		return err == nil
	})
	made, err := v.API.Sys().InitWithContext(t.Context(), &api.InitRequest{SecretShares: 1, SecretThreshold: 1})
	if err != nil {
		t.Fatal(err)
	}
	v.Root, v.key = made.RootToken, made.KeysB64[0]
	v.API.SetToken(v.Root)
	v.Unseal(t)
	return v
}

// Seal seals it.
func (v *Vault) Seal(t testing.TB) {
	t.Helper()
	if err := v.API.Sys().SealWithContext(t.Context()); err != nil {
		t.Fatal(err)
	}
}

// Unseal opens it and waits until it serves.
func (v *Vault) Unseal(t testing.TB) {
	t.Helper()
	if _, err := v.API.Sys().UnsealWithContext(t.Context(), v.key); err != nil {
		t.Fatal(err)
	}
	v.until(t, "serves", func(ctx context.Context) bool {
		r, err := http.NewRequestWithContext(ctx, http.MethodGet, v.Address+"/v1/sys/health", nil)
		if err != nil {
			return false
		}
		answer, err := http.DefaultClient.Do(r)
		if err != nil {
			return false
		}
		return answer.Body.Close() == nil && answer.StatusCode == http.StatusOK
	})
}

// Write writes as root.
func (v *Vault) Write(t testing.TB, path string, data map[string]any) *api.Secret {
	t.Helper()
	secret, err := v.API.Logical().WriteWithContext(t.Context(), path, data)
	if err != nil {
		t.Fatal(err)
	}
	return secret
}

// Read reads as root; nil for nothing.
func (v *Vault) Read(t testing.TB, path string) *api.Secret {
	t.Helper()
	secret, err := v.API.Logical().ReadWithContext(t.Context(), path)
	if err != nil {
		t.Fatal(err)
	}
	return secret
}

func (v *Vault) until(t testing.TB, what string, done func(context.Context) bool) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for !done(ctx) {
		select {
		case <-ctx.Done():
			t.Fatalf("after %s Vault does not yet: %s", patience, what)
		case <-tick.C:
		}
	}
}

// free gives an address that nobody listens on.
func free(t testing.TB) string {
	t.Helper()
	l, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	return l.Addr().String()
}
