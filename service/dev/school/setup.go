package school

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"slices"

	"github.com/bothylabs/bothy/service/config"
)

// write writes to Vault.
func (s *School) write(ctx context.Context, path string, data map[string]any) error {
	if _, err := s.vault.Logical().WriteWithContext(ctx, path, data); err != nil {
		return fmt.Errorf("set up the school: write %s: %w", path, err)
	}
	return nil
}

func (s *School) read(ctx context.Context, path string) (map[string]any, error) {
	answer, err := s.vault.Logical().ReadWithContext(ctx, path)
	if err == nil && answer == nil {
		err = errors.New("there is nothing")
	}
	if err != nil {
		return nil, fmt.Errorf("set up the school: read %s: %w", path, err)
	}
	return answer.Data, nil
}

// setUp makes Vault the school's provider at an address.
func (s *School) setUp(ctx context.Context, at string) error {
	mounts, err := s.vault.Sys().ListAuthWithContext(ctx)
	if err != nil {
		return fmt.Errorf("set up the school: list auth methods: %w", err)
	}
	if mounts[mount+"/"] == nil {
		if err := s.write(ctx, "sys/auth/"+mount, map[string]any{"type": "userpass", "description": "People of a school, for trying single sign-on"}); err != nil {
			return err
		}
		if mounts, err = s.vault.Sys().ListAuthWithContext(ctx); err != nil {
			return fmt.Errorf("set up the school: list auth methods: %w", err)
		}
	}
	// What Vault's default policy lets everybody do is more than this.
	rules := fmt.Sprintf("path %q {\n  capabilities = [\"read\", \"update\"]\n}\n\npath \"auth/token/revoke-self\" {\n  capabilities = [\"update\"]\n}\n",
		"identity/oidc/provider/"+provider+"/authorize")
	if err := s.write(ctx, "sys/policies/acl/"+policy, map[string]any{"policy": rules}); err != nil {
		return err
	}
	if err := s.people(ctx, mounts[mount+"/"].Accessor); err != nil {
		return err
	}
	return s.provide(ctx, at)
}

// people makes everybody at the school, and their groups.
func (s *School) people(ctx context.Context, accessor string) error {
	members := map[string][]string{}
	for _, p := range People() {
		if err := s.write(ctx, "auth/"+mount+"/users/"+p.Account, map[string]any{
			"password": s.cfg.Password.Reveal(), "token_policies": policy, "token_no_default_policy": true, "token_ttl": "10m",
		}); err != nil {
			return err
		}
		entity := "identity/entity/name/school-" + p.Account
		if err := s.write(ctx, entity, map[string]any{"metadata": map[string]string{"email": p.Email, "name": p.Name}}); err != nil {
			return err
		}
		found, err := s.read(ctx, entity)
		if err != nil {
			return err
		}
		id, _ := found["id"].(string)
		if err := s.write(ctx, "identity/entity-alias", map[string]any{"name": p.Account, "canonical_id": id, "mount_accessor": accessor}); err != nil {
			return err
		}
		if p.Group != "" {
			members[p.Group] = append(members[p.Group], id)
		}
	}
	for group, ids := range members {
		if err := s.write(ctx, "identity/group/name/"+group, map[string]any{"member_entity_ids": slices.Sorted(slices.Values(ids))}); err != nil {
			return err
		}
	}
	return nil
}

// provide makes scopes, key, client and provider.
func (s *School) provide(ctx context.Context, at string) error {
	scopes := map[string]string{
		"email":   `{"email": {{identity.entity.metadata.email}}, "email_verified": true}`,
		"profile": `{"name": {{identity.entity.metadata.name}}}`,
		"groups":  `{"groups": {{identity.entity.groups.names}}}`,
	}
	names := make([]string, 0, len(scopes))
	for name, template := range scopes {
		encoded := base64.StdEncoding.EncodeToString([]byte(template))
		if err := s.write(ctx, "identity/oidc/scope/"+name, map[string]any{"template": encoded}); err != nil {
			return err
		}
		names = append(names, name)
	}
	slices.Sort(names)
	for _, step := range []struct {
		path string
		data map[string]any
	}{
		{"identity/oidc/key/" + key, map[string]any{"algorithm": "RS256", "allowed_client_ids": "*", "verification_ttl": "1h", "rotation_period": "24h"}},
		{"identity/oidc/client/" + client, map[string]any{
			"key": key, "redirect_uris": s.cfg.RedirectURI, "assignments": "allow_all", "id_token_ttl": "5m", "access_token_ttl": "5m",
		}},
	} {
		if err := s.write(ctx, step.path, step.data); err != nil {
			return err
		}
	}
	made, err := s.read(ctx, "identity/oidc/client/"+client)
	if err != nil {
		return err
	}
	secret, _ := made["client_secret"].(string)
	s.ClientID, _ = made["client_id"].(string)
	s.ClientSecret = config.NewSecret(secret)
	return s.write(ctx, "identity/oidc/provider/"+provider, map[string]any{"issuer": at, "allowed_client_ids": s.ClientID, "scopes_supported": names})
}
