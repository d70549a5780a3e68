package command

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/bothylabs/bothy/service/client"
)

func aToken() client.Token {
	at := time.Date(2026, 8, 1, 8, 0, 0, 0, time.UTC)
	return client.Token{ID: "id-token", UserID: "id-user", Login: "ada@example.edu", Name: "ci", Scope: "read", CreatedAt: at, ExpiresAt: at.AddDate(0, 3, 0)}
}

func TestATokenIsPrintedAloneOnStandardOutput(t *testing.T) {
	w := newWorld(t)
	f := newFakeAPI(t, w)
	f.on("POST /v1/tokens", http.StatusCreated, client.CreatedToken{Name: "ci", Login: "ada@example.edu", Token: "bothy_secret"})
	got := w.run("token", "create", "-scope", "operate", "-days", "7", "ci").ok()
	if strings.TrimSpace(got.out) != "bothy_secret" || !strings.Contains(got.err, "not shown again") {
		t.Errorf("got %q and %q", got.out, got.err)
	}
	if body := f.bodies["POST /v1/tokens"]; !strings.Contains(body, `"operate"`) || !strings.Contains(body, `"days":7`) || strings.Contains(body, "user") {
		t.Error(body)
	}
}

func TestTokensAreListedAndRevoked(t *testing.T) {
	w := newWorld(t)
	f := newFakeAPI(t, w)
	expired := aToken()
	expired.Name, expired.ExpiresAt = "old", w.clock
	f.on("GET /v1/tokens", http.StatusOK, list(aToken(), expired)).gone("DELETE /v1/tokens/id-token")
	w.run("token", "list").ok().says("id-token", "ci", "never", "expired")
	w.run("token", "revoke", "id-token").ok().says("revoked")
}

func TestSessionsAreListedAndEnded(t *testing.T) {
	w := newWorld(t)
	f := newFakeAPI(t, w)
	f.on("GET /v1/sessions", http.StatusOK, list(client.Session{ID: "id-session", Remote: "192.0.2.1", Agent: "Browser"}))
	f.gone("DELETE /v1/sessions/id-session").gone("DELETE /v1/sessions")
	w.run("session", "list", "-user", "ada@example.edu").ok().says("id-session", "192.0.2.1")
	w.run("session", "end", "id-session").ok()
	w.run("session", "end", "-all").ok()
	w.run("session", "end").fails(exitLocal, "-all")
	w.run("session", "end", "-all", "id-session").fails(exitLocal, "-all")
}
