package dev

import (
	"net/netip"
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/bothylabs/bothy/service/config"
	"github.com/bothylabs/bothy/service/dev/school"
	"github.com/bothylabs/bothy/service/dev/stack"
	"github.com/bothylabs/bothy/service/dev/toolchain"
)

func TestTheConfigurationFileIsOfTheServerThatRuns(t *testing.T) {
	cfg, err := Config{Stack: stack.Config{Dir: t.TempDir()}, Offset: 1000}.withDefaults()
	if err != nil {
		t.Fatal(err)
	}
	secret := config.NewSecret("a-token-of-the-tests")
	env := stack.Env{
		NomadAddr: "http://127.0.0.1:1", ConsulAddr: "http://127.0.0.1:2", VaultAddr: "http://127.0.0.1:3",
		Gateway: netip.MustParseAddr("172.26.64.1"),
		Bothy:   stack.Tokens{Nomad: secret, Consul: secret}, VaultRoleID: "the-role", VaultSecretID: secret,
	}
	runs := settings(cfg, env, toolchain.User{UID: 1001, GID: 1002}, secret)
	enrol(&runs, &school.School{Issuer: "http://127.0.0.1:9090/v1/identity/oidc/provider/school", ClientID: "abc", ClientSecret: secret})
	// The stack keeps these.
	for _, path := range []string{
		cfg.tokenFile(), cfg.schoolFile("client-secret"), filepath.Join(cfg.Stack.Dir, "secrets", "nomad-bothy.token"),
		filepath.Join(cfg.Stack.Dir, "secrets", "consul-bothy.token"), filepath.Join(cfg.Stack.Dir, "secrets", "vault-bothy.secret-id"),
	} {
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := writeSecret(path, secret.Reveal()); err != nil {
			t.Fatal(err)
		}
	}
	if err := writeSecret(cfg.configFile(), configText(cfg, runs)); err != nil {
		t.Fatal(err)
	}
	read, err := config.Load(config.Sources{File: cfg.configFile()})
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(runs, read, cmpopts.IgnoreTypes(config.Credential{})); diff != "" {
		t.Errorf("the file says something else (-runs +read):\n%s", diff)
	}
	for name, c := range map[string]config.Credential{"api": read.API.Token, "nomad": read.Nomad.Token, "consul": read.Consul.Token, "vault": read.Vault.AppRole.SecretID, "oidc": read.OIDC.ClientSecret} {
		if got, err := c.Read(); err != nil || got.Reveal() != secret.Reveal() {
			t.Errorf("%s: the token is not the server's: %v", name, err)
		}
	}
}
