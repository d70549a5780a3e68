package stack

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"os"

	"github.com/hashicorp/vault/api"

	"github.com/bothylabs/bothy/service/vault"
)

const (
	// secretsMount is where workspaces' secrets are: a KV engine, version 2.
	secretsMount = "bothy"
	// peopleMount is the auth method with people's passwords.
	peopleMount = "bothy-people"
	// appRoleMount is the auth method that Bothy logs in at.
	appRoleMount = "approle"
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

// setUp makes Vault as Bothy needs it, but for what Nomad must run for, and gives
// Bothy what it logs in with.
func (v *vaultServer) setUp(ctx context.Context) error {
	if err := v.apply(ctx, v.wanted("")); err != nil {
		return err
	}
	return v.putLogin(ctx)
}

// trustNomad lets Nomad's workloads log in with their identities, each for its own
// secrets only. Nomad must run: Vault fetches its keys.
func (v *vaultServer) trustNomad(ctx context.Context) error {
	return v.apply(ctx, v.wanted(vaultAuthMount))
}

func (v *vaultServer) wanted(workloads string) vault.Setup {
	return vault.Setup{
		Mount: secretsMount, PeopleMount: peopleMount, AppRoleMount: appRoleMount,
		WorkloadMount: workloads, JWKSURL: v.jwksURL, Role: vaultRole, Namespace: Namespace,
	}
}

func (v *vaultServer) apply(ctx context.Context, want vault.Setup) error {
	operator, err := vault.New(vault.Config{
		Address: v.client.Address(), Mount: want.Mount, PeopleMount: want.PeopleMount,
		Token: func() (string, error) { return v.client.Token(), nil }, Logger: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		return fmt.Errorf("make a Vault client: %w", err)
	}
	differences, err := operator.Differences(ctx, want)
	if err != nil {
		return fmt.Errorf("look at Vault: %w", err)
	}
	for _, difference := range differences {
		if err := difference.Apply(ctx); err != nil {
			return fmt.Errorf("set up Vault's %s: %w", difference.Subject, err)
		}
	}
	return nil
}

// putLogin keeps the role id and a secret id that Bothy logs in with, and makes the
// secret id anew where Vault does not know it. The token that this gives is for
// programs beside Bothy; it ends unless they renew it.
func (v *vaultServer) putLogin(ctx context.Context) error {
	const role = "auth/" + appRoleMount + "/role/" + vault.OwnPolicy
	answer, err := v.client.Logical().ReadWithContext(ctx, role+"/role-id")
	if err != nil || answer == nil {
		return fmt.Errorf("read the id of Bothy's role at Vault: %w", err)
	}
	id, _ := answer.Data["role_id"].(string)
	if err := v.secrets.put(vaultRoleID, id); err != nil {
		return err
	}
	secretID, err := v.secrets.get(vaultSecretID)
	if err != nil {
		return err
	}
	logIn := func() (string, error) {
		answer, err := v.client.Logical().WriteWithContext(ctx, "auth/"+appRoleMount+"/login", map[string]any{"role_id": id, "secret_id": secretID})
		if err != nil {
			return "", fmt.Errorf("log in at Vault as Bothy: %w", err)
		}
		return answer.Auth.ClientToken, nil
	}
	token, err := logIn()
	if err != nil {
		made, err := v.client.Logical().WriteWithContext(ctx, role+"/secret-id", nil)
		if err != nil {
			return fmt.Errorf("make Bothy's secret id: %w", err)
		}
		secretID, _ = made.Data["secret_id"].(string)
		if err := v.secrets.put(vaultSecretID, secretID); err != nil {
			return err
		}
		if token, err = logIn(); err != nil {
			return err
		}
	}
	return v.secrets.put(vaultBothy, token)
}
