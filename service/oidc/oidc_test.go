package oidc_test

import (
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/bothylabs/bothy/service/lab"
	"github.com/bothylabs/bothy/service/oidc"
	"github.com/bothylabs/bothy/service/oidc/oidctest"
)

const (
	nonce    = "the nonce of this question"
	verifier = "the-verifier-of-this-question-which-is-long-enough"
)

type site struct {
	*oidc.Provider
	t      *testing.T
	school *oidctest.Provider
	mu     sync.Mutex
	now    time.Time
}

func newSite(t *testing.T, change ...func(*oidc.Config)) *site {
	t.Helper()
	s := &site{t: t, now: time.Date(2026, 9, 1, 8, 0, 0, 0, time.UTC)}
	s.school = oidctest.New(t, s.clock)
	s.school.Person(map[string]any{"sub": "1", "email": "ada@example.org", "email_verified": true, "groups": []any{"cs101"}})
	cfg := oidc.Config{
		Issuer: s.school.URL, ClientID: oidctest.ClientID, ClientSecret: func() (string, error) { return oidctest.ClientSecret, nil },
		Scopes: []string{"openid", "email"}, RedirectURL: "https://bothy.example.org/sign-in/provider/callback", Name: "The school", Now: s.clock,
	}
	for _, c := range change {
		c(&cfg)
	}
	var err error
	if s.Provider, err = oidc.New(cfg); err != nil {
		t.Fatal(err)
	}
	return s
}

func (s *site) clock() time.Time {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.now
}

func (s *site) pass(d time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.now = s.now.Add(d)
}

// code signs in at the school.
func (s *site) code() string {
	s.t.Helper()
	at, err := s.AuthURL(s.t.Context(), "state", nonce, verifier)
	if err != nil {
		s.t.Fatal(err)
	}
	return s.school.SignsIn(at).Query().Get("code")
}

// identify goes all the way.
func (s *site) identify(wanted ...string) (lab.Identity, error) {
	s.t.Helper()
	return s.Identify(s.t.Context(), s.code(), nonce, verifier, wanted)
}

func (s *site) wantCode(what string, err error, want lab.Code) {
	s.t.Helper()
	if lab.CodeOf(err) != want {
		s.t.Errorf("%s: got %v, want %q", what, err, want)
	}
}

func TestAnIdentityIsWhatTheIDTokenSays(t *testing.T) {
	s := newSite(t)
	who, err := s.identify("email", "groups")
	if err != nil {
		t.Fatal(err)
	}
	if who.Issuer != s.school.URL || who.Subject != "1" || who.Claims["email"] != "ada@example.org" {
		t.Errorf("got %+v", who)
	}
	if n := s.school.Asked("/userinfo"); n != 0 {
		t.Errorf("what the ID token says was asked for again, %d times", n)
	}
}

func TestTheQuestionIsForACodeWithAProof(t *testing.T) {
	s := newSite(t)
	at, err := s.AuthURL(t.Context(), "state", nonce, verifier)
	if err != nil {
		t.Fatal(err)
	}
	u, err := url.Parse(at)
	if err != nil {
		t.Fatal(err)
	}
	q := u.Query()
	challenge := q.Get("code_challenge")
	q.Del("code_challenge")
	want := url.Values{
		"response_type": {"code"}, "client_id": {"bothy"}, "scope": {"openid email"}, "state": {"state"}, "nonce": {nonce}, "code_challenge_method": {"S256"},
		"redirect_uri": {"https://bothy.example.org/sign-in/provider/callback"},
	}
	if diff := cmp.Diff(want, q); diff != "" || len(challenge) != 43 || strings.Contains(at, verifier) || strings.Contains(at, "secret") {
		t.Errorf("%s\n%s", at, diff)
	}
}

func TestWhatTheProviderTellsElsewhereIsAddedAndReplacesNothing(t *testing.T) {
	s := newSite(t)
	s.school.Person(map[string]any{"sub": "1", "name": "Ada", "email_verified": true})
	s.school.Aside(map[string]any{"email": "ada@example.org", "email_verified": false, "name": "Another", "groups": []any{"cs101"}})
	who, err := s.identify("email", "groups")
	if err != nil {
		t.Fatal(err)
	}
	c := who.Claims
	if c["email"] != "ada@example.org" || c["name"] != "Ada" || c["groups"] == nil {
		t.Errorf("got %v", c)
	}
	if c["email_verified"] != false {
		t.Error("one place's word was taken for the address of another")
	}

	s.school.Person(map[string]any{"sub": "1", "email": "ada@example.org"})
	s.school.Aside(map[string]any{"email": "another@example.org", "email_verified": true})
	if who, err = s.identify("groups"); err != nil || who.Claims["email"] != "ada@example.org" || who.Claims["email_verified"] != nil {
		t.Errorf("got %v, %v", who, err)
	}
	s.school.Aside(map[string]any{"sub": "2"})
	_, err = s.identify("groups")
	s.wantCode("somebody else's claims", err, lab.CodeUnauthenticated)
}

func TestAnIDTokenThatIsNotTheAnswerIsNotBelieved(t *testing.T) {
	s := newSite(t)
	other, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	key, err := x509.MarshalPKIXPublicKey(&other.PublicKey)
	if err != nil {
		t.Fatal(err)
	}
	public := pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: key})
	set := func(name string, value any) func(map[string]any) {
		return func(claims map[string]any) { claims[name] = value }
	}
	for name, lie := range map[string]func(map[string]any){
		"another nonce":             set("nonce", "another"),
		"no nonce":                  func(claims map[string]any) { delete(claims, "nonce") },
		"another audience":          set("aud", "another client"),
		"for another of many":       func(c map[string]any) { c["aud"], c["azp"] = []string{"bothy", "another client"}, "another client" },
		"another issuer":            set("iss", "https://another.example.org"),
		"expired":                   set("exp", s.clock().Add(-time.Second).Unix()),
		"not yet":                   set("nbf", s.clock().Add(time.Hour).Unix()),
		"nobody":                    set("sub", ""),
		"of another access token":   set("at_hash", "AAAAAAAAAAAAAAAAAAAAAA"),
		"an audience of many names": set("aud", []string{"another", "one more"}),
	} {
		s.school.Lie(lie)
		_, err := s.identify()
		s.wantCode(name, err, lab.CodeUnauthenticated)
	}
	s.school.Lie(nil)
	for name, sign := range map[string]func(map[string]any) string{
		"no signature":                     s.school.Unsigned,
		"another key":                      func(c map[string]any) string { return s.school.SignedWith(other, c) },
		"the public key taken as a secret": func(c map[string]any) string { return s.school.SignedWith(public, c) },
		"no token":                         func(map[string]any) string { return "abc" },
	} {
		s.school.Sign(sign)
		_, err := s.identify()
		s.wantCode(name, err, lab.CodeUnauthenticated)
	}
	s.school.Sign(nil)
	_, err = s.identify()
	s.wantCode("an honest one", err, "")
}

func TestACodeIsGoodOnceAndForItsVerifier(t *testing.T) {
	s := newSite(t)
	code := s.code()
	_, err := s.Identify(t.Context(), code, nonce, "another-verifier-which-is-long-enough-for-the-form", nil)
	s.wantCode("another verifier", err, lab.CodeUnauthenticated)
	code = s.code()
	_, err = s.Identify(t.Context(), code, nonce, verifier, nil)
	s.wantCode("once", err, "")
	_, err = s.Identify(t.Context(), code, nonce, verifier, nil)
	s.wantCode("twice", err, lab.CodeUnauthenticated)
	_, err = s.Identify(t.Context(), "", nonce, verifier, nil)
	s.wantCode("no code", err, lab.CodeUnauthenticated)
}

func TestAProviderThatIsAwayIsAskedAgainLater(t *testing.T) {
	s := newSite(t)
	s.school.Away(true)
	const discovery = "/.well-known/openid-configuration"
	for range 3 {
		_, err := s.AuthURL(t.Context(), "state", nonce, verifier)
		s.wantCode("away", err, lab.CodeUnavailable)
	}
	if n := s.school.Asked(discovery); n != 1 {
		t.Errorf("it was asked %d times within a moment", n)
	}
	s.school.Away(false)
	s.pass(5 * time.Second)
	_, err := s.identify()
	s.wantCode("back", err, "")

	// What is known is used while it is away once more, also past an hour.
	s.school.Away(true)
	s.pass(2 * time.Hour)
	for range 2 {
		_, err = s.AuthURL(t.Context(), "state", nonce, verifier)
		s.wantCode("known", err, "")
	}
	if n := s.school.Asked(discovery); n != 3 {
		t.Errorf("it was asked %d times in all", n)
	}
	_, err = s.Identify(t.Context(), "code", nonce, verifier, nil)
	s.wantCode("no token", err, lab.CodeUnavailable)
}

func TestWhatOnlyAnOperatorCanMendIsRefused(t *testing.T) {
	s := newSite(t, func(c *oidc.Config) { c.Issuer += "/" })
	s.wantCode("another issuer", s.Ready(t.Context()), lab.CodeRefused)
	s = newSite(t, func(c *oidc.Config) { c.ClientSecret = func() (string, error) { return "wrong", nil } })
	s.wantCode("discovery", s.Ready(t.Context()), "")
	_, err := s.identify()
	s.wantCode("another secret", err, lab.CodeRefused)
	if strings.Contains(err.Error(), "wrong") {
		t.Errorf("the secret is in the error: %v", err)
	}
	if _, err := oidc.New(oidc.Config{Issuer: "https://x"}); err == nil {
		t.Error("a client without an id is made")
	}
}
