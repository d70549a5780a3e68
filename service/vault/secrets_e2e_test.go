//go:build e2e

package vault_test

import (
	"context"
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/bothylabs/bothy/service/lab"
	"github.com/bothylabs/bothy/service/vault"
)

func (r *trueVault) stored(t *testing.T, path string) map[string]any {
	t.Helper()
	secret := r.Read(t, "bothy/data/"+path)
	if secret == nil {
		return nil
	}
	data, _ := secret.Data["data"].(map[string]any)
	return data
}

// made has a workspace's path made where there is none.
func made(ctx context.Context, c *vault.Client, jobID string) error {
	_, err := c.MakeWorkspaceSecret(ctx, jobID, nil)
	return err
}

func TestSecretsOfOwnersAndWorkspaces(t *testing.T) {
	r := newReal(t)
	ctx := t.Context()
	course := lab.SecretOwner{Kind: lab.SecretOfCourse, ID: "c-1"}
	if none, err := r.Secrets(ctx, course); err != nil || len(none) != 0 {
		t.Fatalf("of a course without secrets: %v, %v", none, err)
	}
	for name, value := range map[string]string{"A": "1", "B": "two\nlines"} {
		if err := r.PutSecret(ctx, course, name, "v1", value); err != nil {
			t.Fatal(err)
		}
	}
	if got, err := r.Secrets(ctx, course); err != nil || !cmp.Equal(got, map[string]string{"A.v1": "1", "B.v1": "two\nlines"}) {
		t.Errorf("got %d secrets, %v", len(got), err)
	}
	if made, err := r.MakeWorkspaceSecret(ctx, "bothy-w", map[string]string{"A": "0"}); err != nil || !made {
		t.Fatalf("made %v, %v", made, err)
	}
	own := r.stored(t, "workspaces/bothy-w/env")["WORKSPACE_SECRET"]
	if err := r.SetWorkspaceSecrets(ctx, "bothy-w", map[string]string{"A": "1", "B": "2"}, nil); err != nil {
		t.Fatal(err)
	}
	if err := r.SetWorkspaceSecrets(ctx, "bothy-w", map[string]string{"A": "3"}, []string{"B", "NEVER"}); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(map[string]any{"WORKSPACE_SECRET": own, "A": "3"}, r.stored(t, "workspaces/bothy-w/env")); diff != "" || own == nil {
		t.Errorf("the workspace's path: %s", diff)
	}
	if old := r.Read(t, "bothy/metadata/workspaces/bothy-w/env").Data["versions"]; len(old.(map[string]any)) != 1 {
		t.Errorf("what was replaced is kept: %v", old)
	}
	// A value that is kept while it is being pruned stays: it is asked once more.
	asked := 0
	if err := r.PruneSecrets(ctx, course, func(ctx context.Context) ([]string, error) {
		if asked++; asked == 1 {
			return []string{"B.v1"}, r.PutSecret(ctx, course, "B", "v2", "three")
		}
		return []string{"B.v2"}, nil
	}); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(map[string]any{"B.v2": "three"}, r.stored(t, "courses/c-1/env")); diff != "" || asked != 2 {
		t.Errorf("pruning asked %d times and left something else: %s", asked, diff)
	}
	// Nor is one lost that comes when nothing would be left.
	asked = 0
	if err := r.PruneSecrets(ctx, course, func(ctx context.Context) ([]string, error) {
		if asked++; asked == 1 {
			return nil, r.PutSecret(ctx, course, "C", "v1", "four")
		}
		return []string{"C.v1"}, nil
	}); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(map[string]any{"C.v1": "four"}, r.stored(t, "courses/c-1/env")); diff != "" {
		t.Errorf("after pruning: %s", diff)
	}
	for range 2 {
		if err := r.PruneSecrets(ctx, course, func(context.Context) ([]string, error) { return nil, nil }); err != nil {
			t.Fatal(err)
		}
	}
	if left := r.stored(t, "courses/c-1/env"); len(left) != 0 {
		t.Errorf("%d values are left", len(left))
	}
	if err := r.PutSecret(ctx, course, "D", "v1", "five"); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if err := r.DeleteSecrets(ctx, course); err != nil {
			t.Fatal(err)
		}
	}
	if r.Read(t, "bothy/metadata/courses/c-1/env") != nil {
		t.Error("something is left")
	}
	if log := r.log.String(); strings.Contains(log, "two") {
		t.Errorf("a secret is in the log: %s", log)
	}
}

// signer makes identities as Nomad signs them, and serves its keys.
type signer struct {
	key *rsa.PrivateKey
	url string
}

func newSigner(t *testing.T) *signer {
	t.Helper()
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	text := base64.RawURLEncoding.EncodeToString
	jwks := map[string]any{"keys": []map[string]any{{
		"kty": "RSA", "alg": "RS256", "use": "sig", "kid": "one", "n": text(key.N.Bytes()), "e": text([]byte{1, 0, 1}),
	}}}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _ = json.NewEncoder(w).Encode(jwks) }))
	t.Cleanup(server.Close)
	return &signer{key: key, url: server.URL}
}

func (s *signer) identity(t *testing.T, namespace, job string) string {
	t.Helper()
	part := func(v any) string {
		text, err := json.Marshal(v)
		if err != nil {
			t.Fatal(err)
		}
		return base64.RawURLEncoding.EncodeToString(text)
	}
	now := time.Now().Unix()
	body := part(map[string]any{"alg": "RS256", "kid": "one", "typ": "JWT"}) + "." + part(map[string]any{
		"aud": vault.WorkloadAudience, "sub": "global:" + namespace + ":" + job, "iat": now, "nbf": now, "exp": now + 600,
		"nomad_namespace": namespace, "nomad_job_id": job, "nomad_task": "task",
	})
	sum := sha256.Sum256([]byte(body))
	signed, err := rsa.SignPKCS1v15(rand.Reader, s.key, crypto.SHA256, sum[:])
	if err != nil {
		t.Fatal(err)
	}
	return body + "." + base64.RawURLEncoding.EncodeToString(signed)
}

// withNomad sets a Vault up for workloads too. The keys are the test's: what is
// tried is what Vault makes of an identity, which is the same whoever signed it.
func withNomad(t *testing.T, r *trueVault) *signer {
	t.Helper()
	s := newSigner(t)
	want := wanted()
	want.WorkloadMount, want.JWKSURL, want.ServerNamespace, want.ServerJob = "jwt-nomad", s.url, "default", "bothy"
	apply(t, operatorOf(t, r.Vault), want)
	if again := apply(t, operatorOf(t, r.Vault), want); again != nil {
		t.Errorf("the second time %v is applied", again)
	}
	return s
}

func (r *trueVault) logIn(t *testing.T, role, identity string) (string, error) {
	t.Helper()
	secret, err := r.API.Logical().WriteWithContext(t.Context(), "auth/jwt-nomad/login", map[string]any{"role": role, "jwt": identity})
	if err != nil {
		return "", err
	}
	return secret.Auth.ClientToken, nil
}

func TestAWorkloadReadsItsOwnSecretAndNoOther(t *testing.T) {
	r := newReal(t)
	nomad := withNomad(t, r)
	for _, job := range []string{"bothy-a", "bothy-b"} {
		if err := made(t.Context(), r.Client, job); err != nil {
			t.Fatal(err)
		}
	}
	course := lab.SecretOwner{Kind: lab.SecretOfCourse, ID: "c-1"}
	if err := r.PutSecret(t.Context(), course, "A", "v1", "1"); err != nil {
		t.Fatal(err)
	}
	token, err := r.logIn(t, "bothy-workspace", nomad.identity(t, "bothy", "bothy-a"))
	if err != nil {
		t.Fatal(err)
	}
	a, err := r.API.Clone()
	if err != nil {
		t.Fatal(err)
	}
	a.SetToken(token)
	if own, err := a.KVv2("bothy").Get(t.Context(), "workspaces/bothy-a/env"); err != nil || own.Data["WORKSPACE_SECRET"] == "" {
		t.Errorf("A's own: %v", err)
	}
	for _, path := range []string{"workspaces/bothy-b/env", "courses/c-1/env", "workspaces/bothy-a/../bothy-b/env"} {
		if _, err := a.KVv2("bothy").Get(t.Context(), path); err == nil || !strings.Contains(err.Error(), "403") {
			t.Errorf("A reads %s: %v", path, err)
		}
	}
	if _, err := a.KVv2("bothy").Put(t.Context(), "workspaces/bothy-a/env", map[string]any{"A": "x"}); err == nil {
		t.Error("A writes its own secret")
	}
	for what, identity := range map[string]string{
		"of another namespace": nomad.identity(t, "elsewhere", "bothy-a"), "signed by nobody": newSigner(t).identity(t, "bothy", "bothy-a"),
	} {
		if _, err := r.logIn(t, "bothy-workspace", identity); err == nil {
			t.Errorf("an identity %s is let in", what)
		}
	}
	if _, err := r.logIn(t, "bothy", nomad.identity(t, "bothy", "bothy-a")); err == nil {
		t.Error("a workspace logs in as Bothy")
	}
}

func TestBothyLogsInWithTheIdentityOfItsTask(t *testing.T) {
	r := newReal(t)
	nomad := withNomad(t, r)
	identity := nomad.identity(t, "default", "bothy")
	c, err := vault.New(vault.Config{
		Address: r.Address, Mount: "bothy", PeopleMount: "bothy-people", Logger: slog.New(slog.DiscardHandler),
		Login: &vault.Login{Mount: "jwt-nomad", Fields: func() (map[string]string, error) {
			return map[string]string{"role": "bothy", "jwt": identity}, nil
		}},
	})
	if err != nil {
		t.Fatal(err)
	}
	r.is(t, "with its identity", made(t.Context(), c, "bothy-x"), "")
	if missing, err := c.Missing(t.Context()); err != nil || len(missing) != 0 {
		t.Errorf("the policy lacks %v (%v)", missing, err)
	}
	identity = "not-an-identity"
	r.Write(t, "sys/leases/revoke-prefix/auth/jwt-nomad", nil)
	err = made(context.WithoutCancel(t.Context()), c, "bothy-x")
	r.is(t, "with something else", err, lab.CodeRefused)
	if strings.Contains(err.Error(), identity) {
		t.Errorf("it is in the error: %v", err)
	}
}
