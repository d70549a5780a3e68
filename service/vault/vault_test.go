package vault

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	"github.com/bothylabs/bothy/service/lab"
)

// fakeVault answers with what a test says, and remembers what it was asked.
type fakeVault struct {
	mu     sync.Mutex
	status int
	body   string
	asked  []request
	met    chan struct{}
}

type request struct {
	method, path, token, body string
}

func (f *fakeVault) ServeHTTP(answer http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body)
	f.mu.Lock()
	defer f.mu.Unlock()
	f.asked = append(f.asked, request{r.Method, r.URL.Path, r.Header.Get("X-Vault-Token"), string(body)})
	answer.WriteHeader(f.status)
	fmt.Fprint(answer, f.body)
	select {
	case f.met <- struct{}{}:
	default:
	}
}

func newFake(t *testing.T, status int, body string) (*fakeVault, *Client) {
	t.Helper()
	f := &fakeVault{status: status, body: body, met: make(chan struct{}, 100)}
	server := httptest.NewServer(f)
	t.Cleanup(server.Close)
	c, err := New(Config{
		Address: server.URL, Mount: "bothy", Token: func() (string, error) { return "token-1", nil },
		Logger: slog.New(slog.DiscardHandler), Random: bytes.NewReader(bytes.Repeat([]byte{0xff}, 64)),
	})
	if err != nil {
		t.Fatal(err)
	}
	return f, c
}

func TestASecretIsWrittenOnlyWhereThereIsNone(t *testing.T) {
	f, c := newFake(t, http.StatusOK, `{"data":{"version":1,"created_time":"2026-01-01T00:00:00Z"}}`)
	if made, err := c.MakeWorkspaceSecret(t.Context(), "bothy-f26-py-ada", map[string]string{"A": "1"}); err != nil || !made {
		t.Fatalf("made %v, %v", made, err)
	}
	if len(f.asked) != 1 {
		t.Fatalf("asked %d times, want once: nothing is read", len(f.asked))
	}
	asked := f.asked[0]
	if asked.method != http.MethodPut || asked.path != "/v1/bothy/data/workspaces/bothy-f26-py-ada/env" || asked.token != "token-1" {
		t.Errorf("asked %s %s with token %q", asked.method, asked.path, asked.token)
	}
	var sent struct {
		Data    map[string]string
		Options struct{ CAS *int }
	}
	if err := json.Unmarshal([]byte(asked.body), &sent); err != nil {
		t.Fatal(err)
	}
	if sent.Options.CAS == nil || *sent.Options.CAS != 0 {
		t.Errorf("check-and-set %v, want 0: only where there is none", sent.Options.CAS)
	}
	if want := strings.Repeat("_", 42) + "8"; sent.Data["WORKSPACE_SECRET"] != want || sent.Data["A"] != "1" || len(sent.Data) != 2 {
		t.Errorf("secret %v, want 32 bytes as base64url, and the value", sent.Data)
	}
}

func TestAWorkspacesPathIsThereOrNot(t *testing.T) {
	for _, test := range []struct {
		status int
		body   string
		there  bool
		code   lab.Code
	}{
		{http.StatusOK, `{"data":{"current_version":3,"versions":{"3":{"created_time":"2026-01-01T00:00:00Z","deletion_time":"","destroyed":false}}}}`, true, ""},
		{http.StatusOK, `{"data":{"current_version":3,"versions":{"3":{"created_time":"2026-01-01T00:00:00Z","deletion_time":"2026-01-02T00:00:00Z","destroyed":false}}}}`, false, ""},
		{http.StatusOK, `{"data":{"current_version":3,"versions":{"3":{"created_time":"2026-01-01T00:00:00Z","deletion_time":"2999-01-02T00:00:00Z","destroyed":false}}}}`, true, ""},
		{http.StatusOK, `{"data":{"current_version":3,"versions":{"3":{"created_time":"2026-01-01T00:00:00Z","deletion_time":"","destroyed":true}}}}`, false, ""},
		{http.StatusNotFound, `{"errors":[]}`, false, ""},
		{http.StatusForbidden, `{"errors":["permission denied"]}`, false, lab.CodeRefused},
	} {
		f, c := newFake(t, test.status, test.body)
		there, err := c.HasWorkspaceSecret(t.Context(), "bothy-x")
		if there != test.there || lab.CodeOf(err) != test.code {
			t.Errorf("%d: there %v, %v", test.status, there, err)
		}
		if got := f.asked[0]; got.method != http.MethodGet || got.path != "/v1/bothy/metadata/workspaces/bothy-x/env" {
			t.Errorf("asked %s %s: only what says nothing of the values is read", got.method, got.path)
		}
	}
}

func TestDeletingTakesAllVersions(t *testing.T) {
	f, c := newFake(t, http.StatusNoContent, "")
	if err := c.DeleteWorkspaceSecret(t.Context(), "bothy-f26-py-ada"); err != nil {
		t.Fatal(err)
	}
	if got := f.asked[0]; got.method != http.MethodDelete || got.path != "/v1/bothy/metadata/workspaces/bothy-f26-py-ada/env" {
		t.Errorf("asked %s %s", got.method, got.path)
	}
}

func TestPruningNeverDeletesWhatItHasNotRead(t *testing.T) {
	f, c := newFake(t, http.StatusOK, `{"data":{"data":{"A.v1":"1"},"metadata":{"version":7,"created_time":"2026-01-01T00:00:00Z"}}}`)
	owner := lab.SecretOwner{Kind: lab.SecretOfCourse, ID: "c-1"}
	if err := c.PruneSecrets(t.Context(), owner, func(context.Context) ([]string, error) { return nil, nil }); err != nil {
		t.Fatal(err)
	}
	got := f.asked[len(f.asked)-1]
	if got.method != http.MethodPut || got.path != "/v1/bothy/data/courses/c-1/env" || got.body != `{"data":{},"options":{"cas":7}}` {
		t.Errorf("asked %s %s %s, want no values on the condition of the version", got.method, got.path, got.body)
	}
	if err := c.DeleteSecrets(t.Context(), owner); err != nil {
		t.Fatal(err)
	}
	if got := f.asked[len(f.asked)-1]; got.method != http.MethodDelete || got.path != "/v1/bothy/metadata/courses/c-1/env" {
		t.Errorf("asked %s %s", got.method, got.path)
	}
}

func TestWhatVaultSaysIsTranslated(t *testing.T) {
	tests := []struct {
		status int
		body   string
		code   lab.Code
		says   string
	}{
		{http.StatusServiceUnavailable, `{"errors":["Vault is sealed"]}`, lab.CodeUnavailable, "sealed"},
		{http.StatusForbidden, `{"errors":["permission denied"]}`, lab.CodeRefused, "create and update on bothy/data/workspaces/bothy-x/env"},
		{http.StatusNotFound, `{"errors":["no handler for route"]}`, lab.CodeRefused, "no KV version 2"},
		{http.StatusInternalServerError, `{"errors":["internal error"]}`, lab.CodeUnavailable, "failed"},
		{http.StatusBadRequest, `{"errors":["no data provided"]}`, lab.CodeRefused, "refused"},
	}
	for _, test := range tests {
		_, c := newFake(t, test.status, test.body)
		_, err := c.MakeWorkspaceSecret(t.Context(), "bothy-x", nil)
		if lab.CodeOf(err) != test.code || !strings.Contains(err.Error(), test.says) {
			t.Errorf("%d: %v, want %s saying %q", test.status, err, test.code, test.says)
		}
		if strings.Contains(err.Error(), strings.Repeat("_", 42)) {
			t.Errorf("%d: the secret is in the error: %v", test.status, err)
		}
	}
	away, err := New(Config{Address: "http://127.0.0.1:1", Mount: "bothy", Token: func() (string, error) { return "", nil }})
	if err != nil {
		t.Fatal(err)
	}
	if err := away.Ready(t.Context()); lab.CodeOf(err) != lab.CodeUnavailable {
		t.Errorf("nobody listens: %v, want unavailable", err)
	}
}

func TestTheTokenIsRenewedWhileItRuns(t *testing.T) {
	f, c := newFake(t, http.StatusOK, `{"data":{"ttl":3600,"renewable":true},"auth":{"lease_duration":7200}}`)
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- c.Run(ctx) }()
	<-f.met
	<-f.met
	cancel()
	if err := <-done; err != nil {
		t.Errorf("run: %v", err)
	}
	if f.asked[0].path != "/v1/auth/token/lookup-self" || f.asked[1].path != "/v1/auth/token/renew-self" {
		t.Errorf("asked %v", f.asked)
	}
}

func TestTheTokenIsLookedAtInTime(t *testing.T) {
	tests := []struct {
		name string
		body string
		next string
	}{
		{"half of its life", `{"data":{"ttl":60,"renewable":true},"auth":{"lease_duration":60}}`, "30s"},
		{"one that lives long may be replaced", `{"data":{"ttl":86400,"renewable":true},"auth":{"lease_duration":86400}}`, "5m0s"},
		{"one that never ends may be replaced", `{"data":{"ttl":0,"renewable":false}}`, "5m0s"},
		{"one that is about to end", `{"data":{"ttl":1,"renewable":false}}`, "1s"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			_, c := newFake(t, http.StatusOK, test.body)
			own, err := c.renew(t.Context())
			if err != nil || own.next().String() != test.next {
				t.Errorf("next look in %s, %v; want %s", own.next(), err, test.next)
			}
		})
	}
}
