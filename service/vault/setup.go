package vault

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"

	"github.com/hashicorp/vault/api"

	"github.com/bothylabs/bothy/policies"
	"github.com/bothylabs/bothy/service/lab"
)

// What is fixed of Bothy in Vault.
const (
	// OwnPolicy is Bothy's own policy, and the role that it takes where it logs in.
	OwnPolicy = "bothy"
	// WorkloadAudience is the audience of the identities that Nomad's workloads show to Vault.
	WorkloadAudience = "vault.io"

	// secretVersions is how many versions of a secret are kept: what was replaced or
	// deleted is gone.
	secretVersions = 1
	// ownPeriod is how long, in seconds, Bothy's token lives without being renewed.
	ownPeriod = 3600
	// workspacePeriod is the same for a workspace's.
	workspacePeriod = 1800
	// personTTL is how long a person's token lives, in seconds. Nobody uses it.
	personTTL = 60
	// A person is locked out by Vault long after Bothy has stopped asking it.
	lockoutThreshold = 50
	lockoutSeconds   = 15 * 60
)

// Setup is how Vault should be for Bothy. All fields must be set but those that
// say otherwise.
type Setup struct {
	// Mount is the KV engine, PeopleMount the auth method of people, as in Config.
	Mount, PeopleMount string
	// AppRoleMount is the AppRole auth method that Bothy logs in at; "" for none.
	AppRoleMount string
	// WorkloadMount is the JWT auth method that Nomad's workloads log in at; "" for
	// one that does not exist yet.
	WorkloadMount string
	// JWKSURL is where Vault finds the keys of Nomad's identities.
	JWKSURL string
	// Role is the role and the policy of workspaces, Namespace the Nomad namespace they run in.
	Role, Namespace string
	// ServerNamespace and ServerJob are Nomad's names of Bothy's own job; without a
	// job Bothy does not log in with an identity of Nomad's.
	ServerNamespace, ServerJob string
}

// Differences gives what is not as it should be, in the order in which it is to be
// applied. Config.Token must be an operator's. CodeConflict when something else is
// where Bothy's mounts should be.
func (c *Client) Differences(ctx context.Context, want Setup) ([]lab.Difference, error) {
	operator, err := c.asked(ctx)
	if err != nil {
		return nil, err
	}
	s := setup{Client: c, api: operator, want: want}
	for _, look := range []func(context.Context) error{s.secretsEngine, s.people, s.workloads, s.appRole, s.policies} {
		if err := look(ctx); err != nil {
			return nil, err
		}
	}
	return s.found, nil
}

// setup gathers differences.
type setup struct {
	*Client
	api   *api.Client
	want  Setup
	found []lab.Difference
}

func (s *setup) secretsEngine(ctx context.Context) error {
	mounts, err := s.api.Sys().ListMountsWithContext(ctx)
	if err != nil {
		return s.failed(err, "read on sys/mounts")
	}
	path := s.want.Mount
	if there, ok := mounts[path+"/"]; !ok {
		s.differs("secrets engine "+path+"/", "", "type = \"kv\"\nversion = 2", func(ctx context.Context) error {
			return s.failed(s.api.Sys().MountWithContext(ctx, path, &api.MountInput{
				Type: "kv", Description: "Secrets of Bothy's workspaces", Options: map[string]string{"version": "2"},
			}), "create on sys/mounts/"+path)
		})
	} else if there.Type != "kv" || there.Options["version"] != "2" {
		return lab.Errorf(lab.CodeConflict, "Vault has something else at %s/ than a KV engine of version 2", path).
			WithHint("choose another vault.mount")
	}
	return s.object(ctx, "configuration of secrets engine "+path+"/", path+"/config", map[string]any{
		"cas_required": true, "max_versions": secretVersions,
	})
}

func (s *setup) people(ctx context.Context) error {
	if err := s.authMethod(ctx, s.want.PeopleMount, "userpass", "People who sign in at Bothy"); err != nil {
		return err
	}
	path := "sys/auth/" + s.want.PeopleMount + "/tune"
	// Vault takes the lockout as an object of its own and gives it back flat.
	return s.objectAs(ctx, "tuning of auth method "+s.want.PeopleMount+"/", path, map[string]any{
		"token_type": "batch", "default_lease_ttl": personTTL, "max_lease_ttl": personTTL,
		"user_lockout_threshold": lockoutThreshold, "user_lockout_duration": lockoutSeconds,
		"user_lockout_counter_reset_duration": lockoutSeconds, "user_lockout_disable": false,
	}, map[string]any{
		"token_type": "batch", "default_lease_ttl": fmt.Sprintf("%ds", personTTL), "max_lease_ttl": fmt.Sprintf("%ds", personTTL),
		"user_lockout_config": map[string]any{
			"lockout_threshold": lockoutThreshold, "lockout_duration": fmt.Sprintf("%ds", lockoutSeconds),
			"lockout_counter_reset_duration": fmt.Sprintf("%ds", lockoutSeconds), "lockout_disable": false,
		},
	})
}

// workloads lets Nomad's workloads log in with their identities, as `nomad setup
// vault` does: each workspace for its own secrets only.
func (s *setup) workloads(ctx context.Context) error {
	mount := s.want.WorkloadMount
	if mount == "" {
		return nil
	}
	if err := s.authMethod(ctx, mount, "jwt", "Nomad workloads by their identity"); err != nil {
		return err
	}
	if err := s.object(ctx, "configuration of auth method "+mount+"/", "auth/"+mount+"/config", map[string]any{
		"jwks_url": s.want.JWKSURL, "jwt_supported_algs": []string{"RS256", "EdDSA"}, "default_role": s.want.Role,
	}); err != nil {
		return err
	}
	role := func(policy string, claims map[string]any, period int) map[string]any {
		return map[string]any{
			"role_type": "jwt", "bound_audiences": []string{WorkloadAudience}, "bound_claims": claims,
			"user_claim": "/nomad_job_id", "user_claim_json_pointer": true,
			"claim_mappings": map[string]string{
				"nomad_namespace": "nomad_namespace", "nomad_job_id": "nomad_job_id", "nomad_task": "nomad_task",
			},
			"token_type": "service", "token_period": period, "token_policies": []string{policy}, "token_no_default_policy": true,
		}
	}
	if err := s.object(ctx, "role "+s.want.Role+" of auth method "+mount+"/", "auth/"+mount+"/role/"+s.want.Role,
		role(s.want.Role, map[string]any{"nomad_namespace": s.want.Namespace}, workspacePeriod)); err != nil {
		return err
	}
	if s.want.ServerJob == "" {
		return nil
	}
	return s.object(ctx, "role "+OwnPolicy+" of auth method "+mount+"/", "auth/"+mount+"/role/"+OwnPolicy,
		role(OwnPolicy, map[string]any{"nomad_namespace": s.want.ServerNamespace, "nomad_job_id": s.want.ServerJob}, ownPeriod))
}

func (s *setup) appRole(ctx context.Context) error {
	mount := s.want.AppRoleMount
	if mount == "" {
		return nil
	}
	if err := s.authMethod(ctx, mount, "approle", "Services that log in with a role and a secret id"); err != nil {
		return err
	}
	return s.object(ctx, "role "+OwnPolicy+" of auth method "+mount+"/", "auth/"+mount+"/role/"+OwnPolicy, map[string]any{
		"bind_secret_id": true, "token_type": "service", "token_period": ownPeriod,
		"token_policies": []string{OwnPolicy}, "token_no_default_policy": true,
	})
}

func (s *setup) policies(ctx context.Context) error {
	if err := s.policy(ctx, OwnPolicy, "bothy.vault.hcl"); err != nil || s.want.WorkloadMount == "" {
		return err
	}
	return s.policy(ctx, s.want.Role, "bothy-workspace.vault.hcl")
}

func (s *setup) policy(ctx context.Context, name, file string) error {
	before, err := s.api.Sys().GetPolicyWithContext(ctx, name)
	if err != nil {
		return s.failed(err, "read on sys/policies/acl/"+name)
	}
	after, err := s.rules(ctx, file)
	if err != nil {
		return err
	}
	if before == after {
		return nil
	}
	s.differs("policy "+name, before, after, func(ctx context.Context) error {
		// The mounts have their accessors by now.
		rules, err := s.rules(ctx, file)
		if err != nil {
			return err
		}
		return s.failed(s.api.Sys().PutPolicyWithContext(ctx, name, rules), "update on sys/policies/acl/"+name)
	})
	return nil
}

// rules gives the text of a policy with the names and accessors of this Vault's
// mounts. An accessor that there is not yet is left out.
func (s *setup) rules(ctx context.Context, file string) (string, error) {
	text, err := policies.Read(file)
	if err != nil {
		return "", err
	}
	methods, err := s.api.Sys().ListAuthWithContext(ctx)
	if err != nil {
		return "", s.failed(err, "read on sys/auth")
	}
	names := []string{`path "bothy/`, `path "` + s.want.Mount + "/", "auth/bothy-people/", "auth/" + s.want.PeopleMount + "/"}
	if s.want.WorkloadMount != "" {
		names = append(names, "auth/jwt-nomad/role/bothy-workspace", "auth/"+s.want.WorkloadMount+"/role/"+s.want.Role)
	}
	for placeholder, mount := range map[string]string{"PEOPLE_ACCESSOR": s.want.PeopleMount, "AUTH_ACCESSOR": s.want.WorkloadMount} {
		if there, ok := methods[mount+"/"]; ok {
			names = append(names, placeholder, there.Accessor)
		}
	}
	return strings.NewReplacer(names...).Replace(text), nil
}

func (s *setup) authMethod(ctx context.Context, path, kind, description string) error {
	methods, err := s.api.Sys().ListAuthWithContext(ctx)
	if err != nil {
		return s.failed(err, "read on sys/auth")
	}
	there, ok := methods[path+"/"]
	switch {
	case ok && there.Type == kind:
		return nil
	case ok:
		return lab.Errorf(lab.CodeConflict, "Vault has an auth method of type %s at %s/, where one of type %s should be", there.Type, path, kind).
			WithHint("choose another mount in Bothy's settings")
	}
	s.differs("auth method "+path+"/", "", fmt.Sprintf("type = %q", kind), func(ctx context.Context) error {
		return s.failed(s.api.Sys().EnableAuthWithOptionsWithContext(ctx, path, &api.EnableAuthOptions{
			Type: kind, Description: description,
		}), "create and sudo on sys/auth/"+path)
	})
	return nil
}

// object compares what Vault says at a path with what should be there.
func (s *setup) object(ctx context.Context, subject, path string, want map[string]any) error {
	return s.objectAs(ctx, subject, path, want, want)
}

// objectAs does so where Vault gives back other names than it is told.
func (s *setup) objectAs(ctx context.Context, subject, path string, want, told map[string]any) error {
	answer, err := s.api.Logical().ReadWithContext(ctx, path)
	// 400 is Vault's word for the tuning of an auth method that there is not.
	if err != nil && !absent(err) && !answered(err, http.StatusBadRequest) {
		return s.failed(err, "read on "+path)
	}
	has := map[string]any{}
	if answer != nil {
		for name := range want {
			if value, ok := answer.Data[name]; ok {
				has[name] = value
			}
		}
	}
	before, after := plain(has), plain(want)
	if maps.Equal(before, after) {
		return nil
	}
	s.differs(subject, lines(before), lines(after), func(ctx context.Context) error {
		_, err := s.api.Logical().WriteWithContext(ctx, path, told)
		return s.failed(err, "update on "+path)
	})
	return nil
}

func (s *setup) differs(subject, before, after string, apply func(context.Context) error) {
	s.found = append(s.found, lab.Difference{Subject: subject, Before: before, After: after, Apply: apply})
}

// plain gives each value as JSON, in which Vault's and ours are the same.
func plain(values map[string]any) map[string]string {
	texts := make(map[string]string, len(values))
	for name, value := range values {
		text, err := json.Marshal(value)
		if err != nil {
			text = fmt.Append(nil, value)
		}
		texts[name] = string(text)
	}
	return texts
}

func lines(values map[string]string) string {
	var b strings.Builder
	for _, name := range slices.Sorted(maps.Keys(values)) {
		fmt.Fprintf(&b, "%s = %s\n", name, values[name])
	}
	return strings.TrimSuffix(b.String(), "\n")
}
