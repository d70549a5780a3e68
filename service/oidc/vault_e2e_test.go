//go:build e2e

package oidc_test

import (
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/bothylabs/bothy/service/config"
	"github.com/bothylabs/bothy/service/dev/school"
	"github.com/bothylabs/bothy/service/lab"
	"github.com/bothylabs/bothy/service/oidc"
	"github.com/bothylabs/bothy/service/vault/vaulttest"
)

// atSchool signs somebody in on the school's page, and gives the code.
func atSchool(t *testing.T, at, account, password string) (code, state string) {
	t.Helper()
	form := url.Values{"account": {account}, "password": {password}}
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, at, strings.NewReader(form.Encode()))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	browser := &http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	answer, err := browser.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	back, err := answer.Location()
	if err != nil {
		return "", ""
	}
	return back.Query().Get("code"), back.Query().Get("state")
}

// Vault's own provider, with the school's page in the place of the one of its web UI.
func TestVaultIsAProvider(t *testing.T) {
	v := vaulttest.Start(t)
	const password = "a password at the school"
	settings := school.Config{
		Vault: v.Address, Token: config.NewSecret(v.Root), Listen: "127.0.0.1:0", RedirectURI: "http://bothy.localhost:1/sign-in/provider/callback",
		Password: config.NewSecret(password),
	}
	first, err := school.Start(t.Context(), settings)
	if err != nil {
		t.Fatal(err)
	}
	if err := first.Stop(t.Context()); err != nil {
		t.Fatal(err)
	}
	s, err := school.Start(t.Context(), settings) // what is there from before does no harm
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Stop(t.Context()); err != nil && t.Context().Err() == nil {
			t.Error(err)
		}
	})
	bothy := func(change func(*oidc.Config)) *oidc.Provider {
		cfg := oidc.Config{
			Issuer: s.Issuer, ClientID: s.ClientID, ClientSecret: func() (string, error) { return s.ClientSecret.Reveal(), nil },
			Scopes: []string{"openid", "profile", "email", "groups"}, RedirectURL: settings.RedirectURI, Name: "the school", Now: time.Now,
		}
		change(&cfg)
		p, err := oidc.New(cfg)
		if err != nil {
			t.Fatal(err)
		}
		return p
	}
	p := bothy(func(*oidc.Config) {})
	codeOf := func(p *oidc.Provider, account, password string) string {
		at, err := p.AuthURL(t.Context(), "the state", nonce, verifier)
		if err != nil {
			t.Fatal(err)
		}
		code, state := atSchool(t, at, account, password)
		if code != "" && state != "the state" {
			t.Errorf("the state comes back as %q", state)
		}
		return code
	}
	for _, person := range school.People() {
		who, err := p.Identify(t.Context(), codeOf(p, person.Account, password), nonce, verifier, []string{"email", "groups", "name"})
		if err != nil {
			t.Fatalf("%s: %v", person.Account, err)
		}
		groups, _ := who.Claims["groups"].([]any)
		if who.Subject == "" || who.Issuer != s.Issuer || who.Claims["email"] != person.Email || who.Claims["name"] != person.Name ||
			who.Claims["email_verified"] != true || person.Group != "" && !slices.Contains(groups, any(person.Group)) {
			t.Errorf("%s is %+v", person.Account, who)
		}
	}
	if code := codeOf(p, "chidi", "another password"); code != "" {
		t.Error("a wrong password is good for a code")
	}
	code := codeOf(p, "chidi", password)
	_, err = p.Identify(t.Context(), code, nonce, "another-verifier-which-is-long-enough-for-the-form", nil)
	if lab.CodeOf(err) != lab.CodeUnauthenticated {
		t.Errorf("another verifier: %v", err)
	}
	_, err = p.Identify(t.Context(), codeOf(p, "chidi", password), "another nonce", verifier, nil)
	if lab.CodeOf(err) != lab.CodeUnauthenticated {
		t.Errorf("another nonce: %v", err)
	}
	code = codeOf(p, "chidi", password)
	if _, err = p.Identify(t.Context(), code, nonce, verifier, nil); err != nil {
		t.Error(err)
	}
	if _, err = p.Identify(t.Context(), code, nonce, verifier, nil); lab.CodeOf(err) != lab.CodeUnauthenticated {
		t.Errorf("a code twice: %v", err)
	}
	if code := codeOf(bothy(func(c *oidc.Config) { c.RedirectURL = "http://evil.example/sign-in/provider/callback" }), "chidi", password); code != "" {
		t.Error("another redirect URI is good for a code")
	}
	wrong := bothy(func(c *oidc.Config) { c.ClientSecret = func() (string, error) { return "wrong", nil } })
	if _, err = wrong.Identify(t.Context(), codeOf(wrong, "chidi", password), nonce, verifier, nil); lab.CodeOf(err) != lab.CodeRefused {
		t.Errorf("another client secret: %v", err)
	}
}
