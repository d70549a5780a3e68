//go:build e2e

package vault_test

import (
	"bytes"
	"context"
	"log/slog"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/bothylabs/bothy/service/lab"
	"github.com/bothylabs/bothy/service/vault"
	"github.com/bothylabs/bothy/service/vault/vaulttest"
)

// ana is somebody's id.
const ana = "0190c0de-0000-7000-8000-00000000000a"

// trueVault is a Vault that is set up for Bothy, and Bothy at it.
type trueVault struct {
	*vaulttest.Vault
	*vault.Client
	log *safeBuffer
	// secretID is what Bothy logs in with; a test may change it.
	secretID string
}

type safeBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (s *safeBuffer) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.Write(p)
}

func (s *safeBuffer) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.String()
}

func wanted() vault.Setup {
	return vault.Setup{Mount: "bothy", PeopleMount: "bothy-people", AppRoleMount: "approle", Role: "bothy-workspace", Namespace: "bothy"}
}

func operatorOf(t *testing.T, v *vaulttest.Vault) *vault.Client {
	t.Helper()
	c, err := vault.New(vault.Config{
		Address: v.Address, Mount: "bothy", PeopleMount: "bothy-people",
		Token: func() (string, error) { return v.Root, nil }, Logger: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func apply(t *testing.T, c *vault.Client, want vault.Setup) []string {
	t.Helper()
	differences, err := c.Differences(t.Context(), want)
	if err != nil {
		t.Fatal(err)
	}
	var subjects []string
	for _, d := range differences {
		subjects = append(subjects, d.Subject)
		if err := d.Apply(t.Context()); err != nil {
			t.Fatalf("%s: %v", d.Subject, err)
		}
	}
	return subjects
}

func newReal(t *testing.T) *trueVault {
	t.Helper()
	r := &trueVault{Vault: vaulttest.Start(t), log: &safeBuffer{}}
	apply(t, operatorOf(t, r.Vault), wanted())
	roleID, _ := r.Read(t, "auth/approle/role/bothy/role-id").Data["role_id"].(string)
	r.secretID, _ = r.Write(t, "auth/approle/role/bothy/secret-id", nil).Data["secret_id"].(string)
	var err error
	r.Client, err = vault.New(vault.Config{
		Address: r.Address, Mount: "bothy", PeopleMount: "bothy-people", Logger: slog.New(slog.NewTextHandler(r.log, nil)),
		Login: &vault.Login{Mount: "approle", Fields: func() (map[string]string, error) {
			return map[string]string{"role_id": roleID, "secret_id": r.secretID}, nil
		}},
	})
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func (r *trueVault) is(t *testing.T, what string, err error, code lab.Code) {
	t.Helper()
	if lab.CodeOf(err) != code {
		t.Errorf("%s: %v, want %q", what, err, code)
	}
}

func TestASecondSetupFindsNothing(t *testing.T) {
	v := vaulttest.Start(t)
	operator := operatorOf(t, v)
	first := apply(t, operator, wanted())
	want := []string{
		"secrets engine bothy/", "configuration of secrets engine bothy/", "auth method bothy-people/", "tuning of auth method bothy-people/",
		"auth method approle/", "role bothy of auth method approle/", "policy bothy",
	}
	if diff := cmp.Diff(want, first); diff != "" {
		t.Errorf("a bare Vault (-want +got):\n%s", diff)
	}
	if second := apply(t, operator, wanted()); second != nil {
		t.Errorf("the second time %v is applied", second)
	}
	v.Write(t, "sys/auth/bothy-people/tune", map[string]any{"user_lockout_config": map[string]any{"lockout_threshold": 5}})
	if third := apply(t, operator, wanted()); !cmp.Equal(third, []string{"tuning of auth method bothy-people/"}) {
		t.Errorf("after another hand: %v", third)
	}
	v.Write(t, "sys/mounts/elsewhere", map[string]any{"type": "kv", "options": map[string]string{"version": "1"}})
	other := wanted()
	other.Mount = "elsewhere"
	if _, err := operator.Differences(t.Context(), other); lab.CodeOf(err) != lab.CodeConflict {
		t.Errorf("another engine is there: %v", err)
	}
}

func TestPeopleOfARealVault(t *testing.T) {
	r := newReal(t)
	ctx := t.Context()
	const first, second = "correct horse battery", "another-horse-42"
	r.is(t, "nobody yet", r.CheckPassword(ctx, ana, first), lab.CodeUnauthenticated)
	for _, password := range []string{first, second, second} {
		if err := r.SetPassword(ctx, ana, password); err != nil {
			t.Fatalf("set: %v", err)
		}
		r.is(t, "the right password", r.CheckPassword(ctx, ana, password), "")
	}
	r.is(t, "the password before", r.CheckPassword(ctx, ana, first), lab.CodeUnauthenticated)
	r.is(t, "too long a password", r.SetPassword(ctx, ana, strings.Repeat("ä", 37)), lab.CodeInvalid)
	r.is(t, "no password", r.SetPassword(ctx, ana, ""), lab.CodeInvalid)
	r.is(t, "a longer one with the same beginning", r.CheckPassword(ctx, ana, second+strings.Repeat("x", 72)), lab.CodeUnauthenticated)
	r.is(t, "somebody else's path", r.SetPassword(ctx, "../../approle/role/x", first), lab.CodeInvalid)

	login := r.Write(t, "auth/bothy-people/login/"+ana, map[string]any{"password": second})
	if len(login.Auth.TokenPolicies) != 0 || login.Auth.LeaseDuration > 60 || login.Auth.Renewable {
		t.Errorf("what people get is good for something: %+v", login.Auth)
	}
	if err := r.DisablePerson(ctx, ana); err != nil {
		t.Fatal(err)
	}
	if err := r.DisablePerson(ctx, ana); err != nil {
		t.Errorf("disabled twice: %v", err)
	}
	r.is(t, "disabled", r.CheckPassword(ctx, ana, second), lab.CodeUnauthenticated)
	if who := r.as(t, login.Auth.ClientToken); who != lab.CodeForbidden {
		t.Errorf("the token of somebody disabled still works: %q", who)
	}
	if err := r.SetPassword(ctx, ana, first); err != nil {
		t.Fatal(err)
	}
	r.is(t, "a password that is set after disabling", r.CheckPassword(ctx, ana, first), lab.CodeForbidden)
	if err := r.EnablePerson(ctx, ana); err != nil {
		t.Fatal(err)
	}
	r.is(t, "enabled again", r.CheckPassword(ctx, ana, first), "")
	if err := r.DisablePerson(ctx, "somebody-without-a-password"); err != nil {
		t.Errorf("disable somebody who never had a password: %v", err)
	}
	if log := r.log.String(); strings.Contains(log, first) || strings.Contains(log, second) {
		t.Errorf("a password is in the log:\n%s", log)
	}
}

// as says what a token is answered.
func (r *trueVault) as(t *testing.T, token string) lab.Code {
	t.Helper()
	c, err := r.API.Clone()
	if err != nil {
		t.Fatal(err)
	}
	c.SetToken(token)
	if _, err := c.Auth().Token().LookupSelfWithContext(t.Context()); err != nil {
		return lab.CodeForbidden
	}
	return ""
}

func (r *trueVault) accessor(t *testing.T) string {
	t.Helper()
	methods, err := r.API.Sys().ListAuthWithContext(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return methods["bothy-people/"].Accessor
}

func TestVaultLocksOutAfterManyWrongPasswordsAndANewOneOpens(t *testing.T) {
	r := newReal(t)
	ctx := t.Context()
	if err := r.SetPassword(ctx, ana, "the-right-one"); err != nil {
		t.Fatal(err)
	}
	for i := range 50 {
		if err := r.CheckPassword(ctx, ana, "a wrong one"); lab.CodeOf(err) != lab.CodeUnauthenticated {
			t.Fatalf("attempt %d: %v", i+1, err)
		}
	}
	err := r.CheckPassword(ctx, ana, "the-right-one")
	r.is(t, "after 50 wrong passwords", err, lab.CodeForbidden)
	if !strings.Contains(err.Error(), "locked") {
		t.Errorf("it does not say why: %v", err)
	}
	if err := r.SetPassword(ctx, ana, "a-new-one"); err != nil {
		t.Fatal(err)
	}
	r.is(t, "with a new password", r.CheckPassword(ctx, ana, "a-new-one"), "")
}

func TestBothyMayDoNothingOutsideOfItsPaths(t *testing.T) {
	r := newReal(t)
	if err := r.SetPassword(t.Context(), ana, "the-right-one"); err != nil {
		t.Fatal(err)
	}
	r.Write(t, "sys/mounts/other", map[string]any{"type": "kv", "options": map[string]string{"version": "2"}})
	r.Write(t, "other/data/x", map[string]any{"data": map[string]any{"a": "b"}})
	if err := made(t.Context(), r.Client, "bothy-x"); err != nil {
		t.Fatal(err)
	}
	admin := r.Write(t, "identity/entity", map[string]any{"name": "an-admin", "policies": []string{"root-like"}})
	adminID, _ := admin.Data["id"].(string)
	login := r.Write(t, "auth/approle/login", map[string]any{
		"role_id": r.Read(t, "auth/approle/role/bothy/role-id").Data["role_id"], "secret_id": r.secretID,
	})
	bothy, err := r.API.Clone()
	if err != nil {
		t.Fatal(err)
	}
	bothy.SetToken(login.Auth.ClientToken)
	ctx := t.Context()
	read := func(path string) error { _, err := bothy.Logical().ReadWithContext(ctx, path); return err }
	write := func(path string, data map[string]any) error {
		_, err := bothy.Logical().WriteWithContext(ctx, path, data)
		return err
	}
	people := r.accessor(t)
	remove := func(path string) error { _, err := bothy.Logical().DeleteWithContext(ctx, path); return err }
	for what, err := range map[string]error{
		"read a workspace's secret":  read("bothy/data/workspaces/bothy-x/env"),
		"read another engine":        read("other/data/x"),
		"list policies":              read("sys/policies/acl"),
		"read a person's settings":   read("auth/bothy-people/users/" + ana),
		"read an identity":           read("identity/entity/id/" + adminID),
		"give a person a policy":     write("auth/bothy-people/users/"+ana, map[string]any{"token_policies": []string{"bothy"}}),
		"make a person with one":     write("auth/bothy-people/users/eve", map[string]any{"password": "eve-eve-eve", "policies": "bothy"}),
		"make a person an admin":     write("identity/entity-alias", map[string]any{"name": ana, "mount_accessor": people, "canonical_id": adminID}),
		"the same by the older name": write("identity/entity-alias", map[string]any{"name": ana, "mount_accessor": people, "entity_id": adminID}),
		"give an identity a policy":  write("identity/entity/id/"+adminID, map[string]any{"policies": []string{"bothy"}}),
		"delete an identity":         remove("identity/entity/id/" + adminID),
		"make an identity":           write("identity/entity", map[string]any{"name": "eve", "policies": []string{"bothy"}}),
		"look up somebody else":      write("identity/lookup/entity", map[string]any{"name": "an-admin"}),
		"change its own policy":      write("sys/policies/acl/bothy", map[string]any{"policy": `path "*" { capabilities = ["read"] }`}),
		"make itself a secret id":    write("auth/approle/role/bothy/secret-id", nil),
		"make a token":               write("auth/token/create", nil),
		"loosen the lockout":         write("sys/auth/bothy-people/tune", map[string]any{"user_lockout_config": map[string]any{"lockout_disable": true}}),
		"mount an engine":            write("sys/mounts/more", map[string]any{"type": "kv"}),
		"seal Vault":                 write("sys/seal", nil),
		"a person's group":           write("identity/group", map[string]any{"name": "g", "member_entity_ids": []string{adminID}}),
	} {
		if err == nil || !strings.Contains(err.Error(), "403") {
			t.Errorf("%s: %v, want 403", what, err)
		}
	}
}

func TestBothyWorksOnAfterVaultWasSealedAndItsTokenRevoked(t *testing.T) {
	r := newReal(t)
	ctx, end := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- r.Run(ctx) }()
	defer func() {
		end()
		if err := <-ended; err != nil {
			t.Errorf("run: %v", err)
		}
	}()
	if err := r.SetPassword(ctx, ana, "the-right-one"); err != nil {
		t.Fatal(err)
	}
	r.Seal(t)
	r.is(t, "a secret while sealed", made(ctx, r.Client, "bothy-y"), lab.CodeUnavailable)
	r.is(t, "a password while sealed", r.CheckPassword(ctx, ana, "the-right-one"), lab.CodeUnavailable)
	r.is(t, "ready while sealed", r.Ready(ctx), lab.CodeUnavailable)
	r.Unseal(t)
	r.is(t, "a secret after that", made(ctx, r.Client, "bothy-y"), "")
	r.is(t, "a password after that", r.CheckPassword(ctx, ana, "the-right-one"), "")

	// Whatever Bothy has a token for is revoked.
	r.Write(t, "sys/leases/revoke-prefix/auth/approle", nil)
	var asking sync.WaitGroup
	for range 20 {
		asking.Go(func() { r.is(t, "after the revocation", made(ctx, r.Client, "bothy-z"), "") })
	}
	asking.Wait()
	if n := strings.Count(r.log.String(), "logged in"); n < 2 || n > 3 {
		t.Errorf("logged in %d times, want once more for all:\n%s", n, r.log)
	}
	r.secretID = "another"
	r.Write(t, "sys/leases/revoke-prefix/auth/approle", nil)
	r.is(t, "with a secret id that is not known", made(ctx, r.Client, "bothy-z"), lab.CodeRefused)
}
