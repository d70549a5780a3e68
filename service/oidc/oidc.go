// Package oidc asks an OpenID Connect provider who somebody is: by discovery, the
// authorization code flow and PKCE.
package oidc

import (
	"context"
	"crypto/subtle"
	"crypto/tls"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"
	"golang.org/x/oauth2"

	"github.com/bothylabs/bothy/service/lab"
)

const (
	// timeout bounds one question to the provider.
	timeout = 10 * time.Second
	// fresh is how long what was discovered is used without asking again; pause how long
	// a provider that failed is left alone.
	fresh = time.Hour
	pause = 5 * time.Second
	// atOnce bounds how many sign-ins ask the provider at the same time.
	atOnce = 64
	// maxToken bounds an ID token, and what the provider says beside it, in bytes.
	maxToken = 1 << 20
)

// Config is a provider, and who Bothy is to it. Issuer, ClientID and RedirectURL must be set.
type Config struct {
	// Issuer is the provider's, exactly as it writes it.
	Issuer   string
	ClientID string
	// ClientSecret gives the secret for each question; nil for a public client.
	ClientSecret func() (string, error)
	// Scopes are asked for; openid is among them.
	Scopes []string
	// RedirectURL is where the provider sends browsers back to.
	RedirectURL string
	// Name is what people call the provider.
	Name string
	// TLS is how it is trusted; nil for the system's roots.
	TLS *tls.Config
	// Now is the clock. Default time.Now.
	Now func() time.Time
}

// Provider is one that is asked when somebody signs in, and not before. Its methods
// may be called at the same time.
type Provider struct {
	Config
	client *http.Client
	// discovering is held by whoever asks the provider for its endpoints; it guards the
	// fields below.
	discovering chan struct{}
	found       *metadata
	askAgain    time.Time
	failure     error

	places chan struct{}
}

// metadata is what the provider tells of itself.
type metadata struct {
	*oidc.Provider
	told struct {
		// AuthMethods are the ways in which a client says who it is.
		AuthMethods []string `json:"token_endpoint_auth_methods_supported"`
	}
}

// New makes it; nothing is asked yet.
func New(cfg Config) (*Provider, error) {
	if cfg.Issuer == "" || cfg.ClientID == "" || cfg.RedirectURL == "" {
		return nil, errors.New("oidc: Issuer, ClientID and RedirectURL must be set")
	}
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	if cfg.Name == "" {
		cfg.Name = cfg.Issuer
	}
	if !slices.Contains(cfg.Scopes, oidc.ScopeOpenID) {
		cfg.Scopes = append([]string{oidc.ScopeOpenID}, cfg.Scopes...)
	}
	return &Provider{
		Config: cfg, discovering: make(chan struct{}, 1), places: make(chan struct{}, atOnce),
		client: &http.Client{Timeout: timeout, CheckRedirect: stay, Transport: limited{&http.Transport{
			Proxy: http.ProxyFromEnvironment, TLSClientConfig: cfg.TLS, TLSHandshakeTimeout: timeout, ForceAttemptHTTP2: true,
			MaxIdleConnsPerHost: atOnce, IdleConnTimeout: time.Minute,
		}}},
	}, nil
}

// AuthURL gives where a browser goes to be known by the provider. CodeUnavailable
// when it does not answer, CodeRefused when it is another than the settings say.
func (p *Provider) AuthURL(ctx context.Context, state, nonce, verifier string) (string, error) {
	found, err := p.discover(ctx)
	if err != nil {
		return "", err
	}
	return p.oauth(found, "").AuthCodeURL(state, oidc.Nonce(nonce), oauth2.S256ChallengeOption(verifier)), nil
}

// Identify gives who somebody is who came back with a code, with those of the wanted
// claims that the provider tells. Its tokens are not kept. CodeUnauthenticated when
// the code is not good, or what it is exchanged for can't be trusted.
func (p *Provider) Identify(ctx context.Context, code, nonce, verifier string, wanted []string) (lab.Identity, error) {
	select {
	case p.places <- struct{}{}:
		defer func() { <-p.places }()
	case <-ctx.Done():
		return lab.Identity{}, p.away(ctx.Err())
	}
	found, err := p.discover(ctx)
	if err != nil {
		return lab.Identity{}, err
	}
	secret := ""
	if p.ClientSecret != nil {
		if secret, err = p.ClientSecret(); err != nil {
			return lab.Identity{}, lab.Wrap(lab.CodeRefused, err, "the client secret can't be read")
		}
	}
	ctx = oidc.ClientContext(ctx, p.client)
	token, err := p.oauth(found, secret).Exchange(ctx, code, oauth2.VerifierOption(verifier))
	if err != nil {
		return lab.Identity{}, p.notExchanged(err)
	}
	known, claims, err := p.verify(ctx, found, token, nonce)
	if err != nil {
		return lab.Identity{}, err
	}
	if found.UserInfoEndpoint() != "" && slices.ContainsFunc(wanted, func(name string) bool { return claims[name] == nil }) {
		if err := p.more(ctx, found, token, known.Subject, claims); err != nil {
			return lab.Identity{}, err
		}
	}
	return lab.Identity{Issuer: p.Issuer, Subject: known.Subject, Claims: claims}, nil
}

// Ready asks whether the provider answers, and is the one of the settings.
func (p *Provider) Ready(ctx context.Context) error {
	_, err := p.discover(ctx)
	return err
}

func (p *Provider) oauth(found *metadata, secret string) *oauth2.Config {
	endpoint := found.Endpoint()
	// HTTP Basic is what a provider has that names no way.
	endpoint.AuthStyle = oauth2.AuthStyleInHeader
	if secret == "" || len(found.told.AuthMethods) > 0 && !slices.Contains(found.told.AuthMethods, "client_secret_basic") {
		endpoint.AuthStyle = oauth2.AuthStyleInParams
	}
	return &oauth2.Config{ClientID: p.ClientID, ClientSecret: secret, Endpoint: endpoint, RedirectURL: p.RedirectURL, Scopes: p.Scopes}
}

// verify looks at the ID token: signature, issuer, audience, time, and that it is the
// answer to this very question.
func (p *Provider) verify(ctx context.Context, found *metadata, token *oauth2.Token, nonce string) (*oidc.IDToken, map[string]any, error) {
	untrusted := func(err error) error {
		return lab.Wrap(lab.CodeUnauthenticated, err, "what %s says can't be trusted", p.Name).WithHint("begin again; if this goes on, tell whoever runs this Bothy")
	}
	raw, ok := token.Extra("id_token").(string)
	if !ok {
		return nil, nil, untrusted(errors.New("there is no ID token"))
	}
	known, err := found.VerifierContext(ctx, &oidc.Config{ClientID: p.ClientID, Now: p.Now}).Verify(ctx, raw)
	switch {
	case err != nil && strings.Contains(err.Error(), "fetching keys"):
		return nil, nil, p.away(err)
	case err != nil:
		return nil, nil, untrusted(err)
	case subtle.ConstantTimeCompare([]byte(known.Nonce), []byte(nonce)) != 1:
		return nil, nil, untrusted(errors.New("the nonce is another"))
	case known.Subject == "":
		return nil, nil, untrusted(errors.New("there is no subject"))
	case known.AccessTokenHash != "":
		if err := known.VerifyAccessToken(token.AccessToken); err != nil {
			return nil, nil, untrusted(err)
		}
	}
	claims := map[string]any{}
	if err := known.Claims(&claims); err != nil {
		return nil, nil, untrusted(err)
	}
	if party, ok := claims["azp"]; ok && party != p.ClientID {
		return nil, nil, untrusted(fmt.Errorf("the ID token is for %v", party))
	}
	return known, claims, nil
}

// more adds what the provider tells at its userinfo endpoint alone, where OpenID
// Connect has the claims of a scope.
func (p *Provider) more(ctx context.Context, found *metadata, token *oauth2.Token, subject string, claims map[string]any) error {
	info, err := found.UserInfo(ctx, oauth2.StaticTokenSource(token))
	if err != nil {
		return p.away(err)
	}
	if info.Subject != subject {
		return lab.Errorf(lab.CodeUnauthenticated, "%s speaks of two people at once", p.Name).WithHint("begin again")
	}
	told := map[string]any{}
	if err := info.Claims(&told); err != nil {
		return p.away(err)
	}
	// An address and whether it is verified come from one place.
	switch {
	case claims["email"] == nil:
		delete(claims, "email_verified")
	case claims["email"] != told["email"]:
		delete(told, "email_verified")
	}
	for name, value := range told {
		if claims[name] == nil {
			claims[name] = value
		}
	}
	return nil
}

func (p *Provider) away(err error) error {
	const enough = 300 // what a server sends with an error may be a whole page
	if text := err.Error(); len(text) > enough {
		err = errors.New(text[:enough] + "…")
	}
	return lab.Wrap(lab.CodeUnavailable, err, "%s does not answer", p.Name).WithHint("try again in a minute, or sign in with your password if you have one")
}

// notExchanged says why a code was not exchanged, without the answer's text.
func (p *Provider) notExchanged(err error) error {
	var refused *oauth2.RetrieveError
	if !errors.As(err, &refused) {
		return p.away(err)
	}
	cause := fmt.Errorf("the token endpoint answered %s, error %q", refused.Response.Status, refused.ErrorCode)
	switch {
	case refused.ErrorCode == "invalid_grant":
		return lab.Wrap(lab.CodeUnauthenticated, cause, "this sign-in took too long, or was tried twice").WithHint("begin again")
	case refused.ErrorCode == "" && refused.Response.StatusCode >= http.StatusInternalServerError:
		return p.away(cause)
	default:
		return lab.Wrap(lab.CodeRefused, cause, "%s does not accept this Bothy", p.Name).WithHint("tell whoever runs this Bothy; bothy doctor says more")
	}
}

// discover gives the provider's endpoints. They are asked for when they are first
// needed, again after a failure but not at once, and every hour.
func (p *Provider) discover(ctx context.Context) (*metadata, error) {
	select {
	case p.discovering <- struct{}{}:
		defer func() { <-p.discovering }()
	case <-ctx.Done():
		return nil, p.away(ctx.Err())
	}
	now := p.Now()
	if now.Before(p.askAgain) {
		return p.found, p.failure
	}
	found, err := p.ask(ctx)
	switch {
	case err == nil:
		p.found, p.failure, p.askAgain = found, nil, now.Add(fresh)
	case ctx.Err() != nil:
		return nil, p.away(ctx.Err()) // whoever asked has left: that says nothing of the provider
	case p.found != nil:
		p.askAgain = now.Add(pause)
	default:
		p.failure, p.askAgain = err, now.Add(pause)
	}
	return p.found, p.failure
}

func (p *Provider) ask(ctx context.Context) (*metadata, error) {
	discovered, err := oidc.NewProvider(oidc.ClientContext(ctx, p.client), p.Issuer)
	var another *oidc.IssuerMismatchError
	switch {
	case errors.As(err, &another):
		return nil, lab.Wrap(lab.CodeRefused, err, "single sign-on is not set up rightly").
			WithHint("tell whoever runs this Bothy; bothy doctor says more")
	case err != nil:
		return nil, p.away(err)
	}
	found := &metadata{Provider: discovered}
	if err := discovered.Claims(&found.told); err != nil {
		return nil, p.away(err)
	}
	if e := found.Endpoint(); e.AuthURL == "" || e.TokenURL == "" {
		return nil, lab.Errorf(lab.CodeRefused, "%s has no authorization code flow", p.Name)
	}
	return found, nil
}

// stay follows no redirects: the client secret is for the provider's own endpoints.
func stay(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }

// limited refuses answers that are too long for what is asked here.
type limited struct{ next http.RoundTripper }

// RoundTrip implements http.RoundTripper.
func (l limited) RoundTrip(r *http.Request) (*http.Response, error) {
	answer, err := l.next.RoundTrip(r)
	if err == nil {
		answer.Body = http.MaxBytesReader(nil, answer.Body, maxToken)
	}
	return answer, err
}
