// Package oidctest gives tests an OpenID provider: over HTTP, with PKCE and signed ID
// tokens, which lies where a test wants it to.
package oidctest

import (
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/url"
	"sync"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"
)

// ClientID and ClientSecret are the one client that it has.
const (
	ClientID     = "bothy"
	ClientSecret = "a secret of the tests' client"
)

// Provider is one. Its fields may be set between two sign-ins.
type Provider struct {
	*httptest.Server
	t   testing.TB
	key *rsa.PrivateKey

	mu sync.Mutex
	// person are the claims of whoever is signed in there.
	person map[string]any
	// lie changes an ID token's claims before they are signed.
	lie func(claims map[string]any)
	// sign signs in the place of the provider's key.
	sign func(claims map[string]any) string
	// aside are claims that only the userinfo endpoint tells.
	aside map[string]any
	// away: it answers nothing but errors.
	away  bool
	asked map[string]int
	codes map[string]url.Values
	now   func() time.Time
}

// New starts one that ends with the test; now is its clock.
func New(t testing.TB, now func() time.Time) *Provider {
	t.Helper()
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	p := &Provider{t: t, key: key, asked: map[string]int{}, codes: map[string]url.Values{}, now: now}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /.well-known/openid-configuration", p.discovery)
	mux.HandleFunc("GET /authorize", p.authorize)
	mux.HandleFunc("POST /token", p.token)
	mux.HandleFunc("GET /userinfo", p.userinfo)
	mux.HandleFunc("GET /keys", func(w http.ResponseWriter, _ *http.Request) {
		p.answer(w, jose.JSONWebKeySet{Keys: []jose.JSONWebKey{{Key: &p.key.PublicKey, KeyID: "one", Algorithm: "RS256", Use: "sig"}}})
	})
	p.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		p.mu.Lock()
		defer p.mu.Unlock()
		p.asked[r.URL.Path]++
		if p.away {
			http.Error(w, "gone fishing", http.StatusServiceUnavailable)
			return
		}
		mux.ServeHTTP(w, r)
	}))
	t.Cleanup(p.Close)
	return p
}

// Person has somebody sign in there: claims of one who has a subject.
func (p *Provider) Person(claims map[string]any) { p.set(func() { p.person, p.aside = claims, nil }) }

// Aside has claims told at the userinfo endpoint alone.
func (p *Provider) Aside(claims map[string]any) { p.set(func() { p.aside = claims }) }

// Lie has ID tokens be other than they must be; nil ends that.
func (p *Provider) Lie(about func(claims map[string]any)) { p.set(func() { p.lie = about }) }

// Sign has ID tokens be what sign makes of claims; nil ends that.
func (p *Provider) Sign(sign func(claims map[string]any) string) { p.set(func() { p.sign = sign }) }

// Away has it answer errors, or not any more.
func (p *Provider) Away(away bool) { p.set(func() { p.away = away }) }

// Asked gives how often a path was asked.
func (p *Provider) Asked(path string) int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.asked[path]
}

func (p *Provider) set(change func()) {
	p.mu.Lock()
	defer p.mu.Unlock()
	change()
}

// SignsIn follows a browser to the provider, and gives where that sends it back to.
func (p *Provider) SignsIn(at string) *url.URL {
	p.t.Helper()
	r, err := http.NewRequestWithContext(p.t.Context(), http.MethodGet, at, nil)
	if err != nil {
		p.t.Fatal(err)
	}
	client := &http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	answer, err := client.Do(r)
	if err != nil {
		p.t.Fatal(err)
	}
	defer func() { _ = answer.Body.Close() }() // there is nothing to read
	back, err := answer.Location()
	if err != nil {
		p.t.Fatalf("%s: %s, %v", at, answer.Status, err)
	}
	return back
}

func (p *Provider) discovery(w http.ResponseWriter, _ *http.Request) {
	p.answer(w, map[string]any{
		"issuer": p.URL, "authorization_endpoint": p.URL + "/authorize", "token_endpoint": p.URL + "/token", "jwks_uri": p.URL + "/keys",
		"userinfo_endpoint": p.URL + "/userinfo", "id_token_signing_alg_values_supported": []string{"RS256", "HS256", "none"},
		"token_endpoint_auth_methods_supported": []string{"client_secret_basic"},
	})
}

func (p *Provider) authorize(w http.ResponseWriter, r *http.Request) {
	q := r.URL.Query()
	if q.Get("response_type") != "code" || q.Get("client_id") != ClientID || q.Get("code_challenge_method") != "S256" || q.Get("state") == "" || q.Get("nonce") == "" {
		http.Error(w, "this is no question", http.StatusBadRequest)
		return
	}
	code := rand.Text()
	p.codes[code] = q
	http.Redirect(w, r, q.Get("redirect_uri")+"?"+url.Values{"code": {code}, "state": {q.Get("state")}, "iss": {p.URL}}.Encode(), http.StatusFound) //nolint:gosec // G710: the tests' provider sends back whoever asks
}

func (p *Provider) token(w http.ResponseWriter, r *http.Request) {
	id, secret, _ := r.BasicAuth()
	if unescaped, err := url.QueryUnescape(secret); err == nil {
		secret = unescaped
	}
	asked, known := p.codes[r.PostFormValue("code")]
	delete(p.codes, r.PostFormValue("code"))
	challenge := sha256.Sum256([]byte(r.PostFormValue("code_verifier")))
	switch {
	case id != ClientID || secret != ClientSecret:
		p.refuse(w, http.StatusUnauthorized, "invalid_client")
		return
	case !known || asked.Get("redirect_uri") != r.PostFormValue("redirect_uri"),
		asked.Get("code_challenge") != base64.RawURLEncoding.EncodeToString(challenge[:]):
		p.refuse(w, http.StatusBadRequest, "invalid_grant")
		return
	}
	now := p.now()
	claims := map[string]any{"iss": p.URL, "aud": ClientID, "iat": now.Unix(), "exp": now.Add(time.Minute).Unix(), "nonce": asked.Get("nonce")}
	maps.Copy(claims, p.person)
	if p.lie != nil {
		p.lie(claims)
	}
	sign := p.Signed
	if p.sign != nil {
		sign = p.sign
	}
	p.answer(w, map[string]any{"access_token": "an access token", "token_type": "Bearer", "expires_in": 60, "id_token": sign(claims)})
}

func (p *Provider) userinfo(w http.ResponseWriter, r *http.Request) {
	if r.Header.Get("Authorization") != "Bearer an access token" {
		http.Error(w, "who is it", http.StatusUnauthorized)
		return
	}
	claims := maps.Clone(p.person)
	maps.Copy(claims, p.aside)
	p.answer(w, claims)
}

// Signed signs claims with the provider's key.
func (p *Provider) Signed(claims map[string]any) string { return p.SignedWith(p.key, claims) }

// SignedWith signs claims with another key, under the name of the provider's.
func (p *Provider) SignedWith(key any, claims map[string]any) string {
	algorithm := jose.RS256
	if _, symmetric := key.([]byte); symmetric {
		algorithm = jose.HS256
	}
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: algorithm, Key: key}, (&jose.SignerOptions{}).WithHeader("kid", "one"))
	if err != nil {
		p.t.Error(err)
		return ""
	}
	text, err := jwt.Signed(signer).Claims(claims).Serialize()
	if err != nil {
		p.t.Error(err)
	}
	return text
}

// Unsigned gives claims with the algorithm none.
func (p *Provider) Unsigned(claims map[string]any) string {
	payload, err := json.Marshal(claims)
	if err != nil {
		p.t.Error(err)
	}
	encode := base64.RawURLEncoding.EncodeToString
	return encode([]byte(`{"alg":"none","typ":"JWT"}`)) + "." + encode(payload) + "."
}

func (p *Provider) refuse(w http.ResponseWriter, status int, code string) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	p.answer(w, map[string]string{"error": code})
}

func (p *Provider) answer(w http.ResponseWriter, body any) {
	w.Header().Set("Content-Type", "application/json")
	if err := json.NewEncoder(w).Encode(body); err != nil {
		p.t.Error(err)
	}
}
