package app

import (
	"context"
	"fmt"
	"log/slog"

	"github.com/bothylabs/bothy/service/config"
	"github.com/bothylabs/bothy/service/lab"
	"github.com/bothylabs/bothy/service/vault"
)

// SetupOptions is what the settings do not say of how servers should be.
type SetupOptions struct {
	// JWKSURL is where Vault finds the keys of Nomad's identities; "" for Nomad's own address.
	JWKSURL string
	// ServerNamespace and ServerJob are Nomad's names of Bothy's own job; "" for none.
	ServerNamespace, ServerJob string
}

// Setup gives what is not at a server as Bothy needs it: "vault", "nomad" or
// "consul". The settings' token for it must be an operator's.
func Setup(ctx context.Context, server string, cfg config.Config, options SetupOptions) ([]lab.Difference, error) {
	// An operator has a token; Bothy's own ways to log in are not theirs.
	cfg.Vault.AppRole.RoleID, cfg.Vault.JWT.Role = "", ""
	made, err := newAdapters(cfg, Deps{Logger: slog.New(slog.DiscardHandler)}.withDefaults())
	if err != nil {
		return nil, err
	}
	switch server {
	case "nomad":
		return made.nomad.Differences(ctx)
	case "consul":
		return made.consul.Differences(ctx)
	case "vault":
		if options.JWKSURL == "" {
			options.JWKSURL = cfg.Nomad.Address + "/.well-known/jwks.json"
		}
		return made.vault.Differences(ctx, vault.Setup{
			Mount: cfg.Vault.Mount, PeopleMount: cfg.Vault.PeopleMount, AppRoleMount: cfg.Vault.AppRole.Mount, WorkloadMount: cfg.Vault.JWT.Mount,
			JWKSURL: options.JWKSURL, Role: cfg.Vault.Role, Namespace: cfg.Nomad.Namespace,
			ServerNamespace: options.ServerNamespace, ServerJob: options.ServerJob,
		})
	default:
		return nil, fmt.Errorf("%q is no server that is set up", server)
	}
}
