//go:build e2e

package vault

import (
	"fmt"
	"log/slog"
	"os"
	"testing"
	"time"

	"github.com/bothylabs/bothy/service/lab"
)

// TestASecretOfARealVault needs a real Vault with a KV version 2 engine at "bothy",
// at VAULT_ADDR, Bothy's own token in VAULT_TOKEN, and in OPERATOR_VAULT_TOKEN one
// that may also read.
func TestASecretOfARealVault(t *testing.T) {
	for _, name := range []string{"VAULT_ADDR", "VAULT_TOKEN", "OPERATOR_VAULT_TOKEN"} {
		if os.Getenv(name) == "" {
			t.Fatalf("%s is not set: this test needs a real Vault", name)
		}
	}
	token := os.Getenv("VAULT_TOKEN")
	c, err := New(Config{
		Address: os.Getenv("VAULT_ADDR"), Mount: "bothy", Logger: slog.New(slog.DiscardHandler),
		Token: func() (string, error) { return token, nil },
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Ready(t.Context()); err != nil {
		t.Fatal(err)
	}
	operator := c.open.WithNamespace("")
	operator.SetToken(os.Getenv("OPERATOR_VAULT_TOKEN"))
	job := fmt.Sprintf("bothy-e2e-%x", time.Now().UnixNano())
	var first string
	for range 2 {
		there, err := c.HasWorkspaceSecret(t.Context(), job)
		if err != nil || there != (first != "") {
			t.Fatalf("there %v, %v", there, err)
		}
		if made, err := c.MakeWorkspaceSecret(t.Context(), job, nil); err != nil || made == there {
			t.Fatalf("made %v, %v", made, err)
		}
		stored, err := operator.KVv2("bothy").Get(t.Context(), secretPath(job))
		if err != nil {
			t.Fatal(err)
		}
		secret, _ := stored.Data[secretKey].(string)
		if len(secret) != 43 || first != "" && secret != first || stored.VersionMetadata.Version != 1 {
			t.Errorf("a secret of %d characters in version %d; want 43 in version 1, and the same each time", len(secret), stored.VersionMetadata.Version)
		}
		first = secret
	}
	for what, end := range map[string]func() error{
		"deleted":   func() error { return operator.KVv2("bothy").Delete(t.Context(), secretPath(job)) },
		"destroyed": func() error { return operator.KVv2("bothy").Destroy(t.Context(), secretPath(job), []int{1}) },
	} {
		if err := end(); err != nil {
			t.Fatal(err)
		}
		if there, err := c.HasWorkspaceSecret(t.Context(), job); err != nil || there {
			t.Errorf("%s by hand: there %v, %v", what, there, err)
		}
		if made, err := c.MakeWorkspaceSecret(t.Context(), job, map[string]string{"A": "1"}); err != nil || !made {
			t.Errorf("%s by hand: made %v, %v", what, made, err)
		}
		if stored, err := operator.KVv2("bothy").Get(t.Context(), secretPath(job)); err != nil || stored.Data["A"] != "1" {
			t.Errorf("%s by hand: found %v, %v", what, stored, err)
		}
	}
	for range 2 {
		if err := c.DeleteWorkspaceSecret(t.Context(), job); err != nil {
			t.Fatalf("delete: %v", err)
		}
	}
	if _, err := operator.KVv2("bothy").GetMetadata(t.Context(), secretPath(job)); err == nil {
		t.Error("something of the secret is left")
	}

	token = "unknown"
	if _, err := c.MakeWorkspaceSecret(t.Context(), job, nil); lab.CodeOf(err) != lab.CodeRefused {
		t.Errorf("with an unknown token: %v, want it refused", err)
	}
}
