package stack

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"strings"

	"github.com/hashicorp/vault/api"
)

const (
	// secretsMount is where workspaces' secrets are: a KV engine, version 2.
	secretsMount = "bothy"
	// vaultTokenPeriod is how long Bothy's token lives without being renewed. The
	// stack renews it at each start.
	vaultTokenPeriod = "720h"
	// secretVersions is how many versions of a secret are kept.
	secretVersions = 2
)

// vaultServer sets up one Vault through its API.
type vaultServer struct {
	client  *api.Client
	secrets secretStore
	pending string // see layout.vaultPending
	jwksURL string
}

func newVault(cfg Config, secrets secretStore) (*vaultServer, error) {
	conf := api.DefaultConfig()
	if conf.Error != nil {
		return nil, fmt.Errorf("make a Vault client: %w", conf.Error)
	}
	conf.Address = "http://" + addressOf(cfg.Ports.VaultHTTP)
	conf.AgentAddress = ""
	conf.HttpClient = &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 2}}
	conf.MaxRetries = 0
	client, err := api.NewClient(conf)
	if err != nil {
		return nil, fmt.Errorf("make a Vault client: %w", err)
	}
	// The caller's VAULT_* variables are for another Vault.
	client.ClearNamespace()
	client.ClearToken()
	if err := client.SetAddress(conf.Address); err != nil {
		return nil, fmt.Errorf("make a Vault client: %w", err)
	}
	return &vaultServer{
		client: client, secrets: secrets,
		pending: layout(cfg.Dir).vaultPending(),
		jwksURL: fmt.Sprintf("http://%s/.well-known/jwks.json", addressOf(cfg.Ports.NomadHTTP)),
	}, nil
}

// answers asks whether the server is up, whatever its state.
func (v *vaultServer) answers(ctx context.Context) error {
	if _, err := v.client.Sys().SealStatusWithContext(ctx); err != nil {
		return fmt.Errorf("read the seal's status: %w", err)
	}
	return nil
}

// active asks whether the server is unsealed and serves.
func (v *vaultServer) active(ctx context.Context) error {
	health, err := v.client.Sys().HealthWithContext(ctx)
	if err != nil {
		return fmt.Errorf("read the health: %w", err)
	}
	if !health.Initialized || health.Sealed || health.Standby {
		return errors.New("not active yet")
	}
	return nil
}

// forgetHalfMade removes the data of a Vault whose initialisation was cut off
// before its keys were kept. It must not run.
func forgetHalfMade(l layout, secrets secretStore) error {
	if !exists(l.vaultPending()) {
		return nil
	}
	key, err := secrets.get(vaultUnseal)
	if err != nil {
		return err
	}
	if key == "" {
		if err := os.RemoveAll(l.data(partVault)); err != nil {
			return fmt.Errorf("remove a Vault that was never finished: %w", err)
		}
		if err := os.Mkdir(l.data(partVault), 0o700); err != nil {
			return fmt.Errorf("remove a Vault that was never finished: %w", err)
		}
	}
	return removeIfThere(l.vaultPending())
}

// unseal initialises Vault the first time, and opens it.
func (v *vaultServer) unseal(ctx context.Context) error {
	status, err := v.client.Sys().SealStatusWithContext(ctx)
	if err != nil {
		return fmt.Errorf("read the seal's status: %w", err)
	}
	if !status.Initialized {
		if err := v.initialise(ctx); err != nil {
			return err
		}
	}
	key, err := v.secrets.get(vaultUnseal)
	if err != nil {
		return err
	}
	root, err := v.secrets.get(vaultRoot)
	if err != nil {
		return err
	}
	if key == "" || root == "" {
		return fmt.Errorf("the keys of this Vault are gone from %s: only a reset helps", v.secrets.dir)
	}
	if _, err := v.client.Sys().UnsealWithContext(ctx, key); err != nil {
		return fmt.Errorf("unseal Vault: %w", err)
	}
	v.client.SetToken(root)
	return nil
}

func (v *vaultServer) initialise(ctx context.Context) error {
	if err := writeFile(v.pending, nil); err != nil {
		return err
	}
	resp, err := v.client.Sys().InitWithContext(ctx, &api.InitRequest{SecretShares: 1, SecretThreshold: 1})
	if err != nil {
		return fmt.Errorf("initialise Vault: %w", err)
	}
	if err := v.secrets.put(vaultRoot, resp.RootToken); err != nil {
		return err
	}
	if err := v.secrets.put(vaultUnseal, resp.KeysB64[0]); err != nil {
		return err
	}
	return removeIfThere(v.pending)
}

// setUpSecrets mounts the secrets engine and makes Bothy's token.
func (v *vaultServer) setUpSecrets(ctx context.Context) error {
	mounts, err := v.client.Sys().ListMountsWithContext(ctx)
	if err != nil {
		return fmt.Errorf("list Vault mounts: %w", err)
	}
	if _, ok := mounts[secretsMount+"/"]; !ok {
		err := v.client.Sys().MountWithContext(ctx, secretsMount, &api.MountInput{
			Type: "kv", Description: "Secrets of Bothy's workspaces", Options: map[string]string{"version": "2"},
		})
		if err != nil {
			return fmt.Errorf("mount Vault's secrets engine: %w", err)
		}
	}
	if err := v.write(ctx, secretsMount+"/config", map[string]any{
		"cas_required": true, "max_versions": secretVersions,
	}); err != nil {
		return err
	}
	policy, err := Policy("bothy.vault.hcl")
	if err != nil {
		return err
	}
	if err := v.client.Sys().PutPolicyWithContext(ctx, "bothy", policy); err != nil {
		return fmt.Errorf("put Vault policy bothy: %w", err)
	}
	return v.putToken(ctx)
}

// putToken renews Bothy's token, and makes a new one when it has run out.
func (v *vaultServer) putToken(ctx context.Context) error {
	token, err := v.secrets.get(vaultBothy)
	if err != nil {
		return err
	}
	if token != "" {
		if _, err := v.client.Auth().Token().RenewWithContext(ctx, token, 0); err == nil {
			return nil
		}
	}
	made, err := v.client.Auth().Token().CreateOrphanWithContext(ctx, &api.TokenCreateRequest{
		Policies: []string{"bothy"}, NoDefaultPolicy: true, Period: vaultTokenPeriod, DisplayName: "bothy",
	})
	if err != nil {
		return fmt.Errorf("make Bothy's Vault token: %w", err)
	}
	return v.secrets.put(vaultBothy, made.Auth.ClientToken)
}

// trustNomad lets Nomad's workloads log in with their identities, the way
// `nomad setup vault` does it, each for its own secrets only. Nomad must run:
// Vault fetches its keys.
func (v *vaultServer) trustNomad(ctx context.Context) error {
	accessor, err := v.authMount(ctx)
	if err != nil {
		return err
	}
	if err := v.write(ctx, "auth/"+vaultAuthMount+"/config", map[string]any{
		"jwks_url": v.jwksURL, "jwt_supported_algs": []string{"RS256", "EdDSA"}, "default_role": vaultRole,
	}); err != nil {
		return err
	}
	policy, err := Policy("bothy-workspace.vault.hcl")
	if err != nil {
		return err
	}
	policy = strings.ReplaceAll(policy, "aliases.AUTH_ACCESSOR.", "aliases."+accessor+".")
	if err := v.client.Sys().PutPolicyWithContext(ctx, vaultRole, policy); err != nil {
		return fmt.Errorf("put Vault policy %s: %w", vaultRole, err)
	}
	return v.write(ctx, "auth/"+vaultAuthMount+"/role/"+vaultRole, map[string]any{
		"role_type":               "jwt",
		"bound_audiences":         []string{vaultAudience},
		"bound_claims":            map[string]any{"nomad_namespace": Namespace},
		"user_claim":              "/nomad_job_id",
		"user_claim_json_pointer": true,
		"claim_mappings": map[string]string{
			"nomad_namespace": "nomad_namespace", "nomad_job_id": "nomad_job_id", "nomad_task": "nomad_task",
		},
		"token_type":              "service",
		"token_period":            "30m",
		"token_policies":          []string{vaultRole},
		"token_no_default_policy": true,
	})
}

// authMount mounts the auth method and gives its accessor.
func (v *vaultServer) authMount(ctx context.Context) (string, error) {
	for {
		mounts, err := v.client.Sys().ListAuthWithContext(ctx)
		if err != nil {
			return "", fmt.Errorf("list Vault auth methods: %w", err)
		}
		if mount, ok := mounts[vaultAuthMount+"/"]; ok {
			return mount.Accessor, nil
		}
		err = v.client.Sys().EnableAuthWithOptionsWithContext(ctx, vaultAuthMount, &api.EnableAuthOptions{
			Type: "jwt", Description: "Nomad workloads by their identity",
		})
		if err != nil {
			return "", fmt.Errorf("mount Vault auth method %s: %w", vaultAuthMount, err)
		}
	}
}

func (v *vaultServer) write(ctx context.Context, path string, data map[string]any) error {
	if _, err := v.client.Logical().WriteWithContext(ctx, path, data); err != nil {
		return fmt.Errorf("write Vault's %s: %w", path, err)
	}
	return nil
}
