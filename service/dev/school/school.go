// Package school is an OpenID provider for development: Vault's own, for the people of
// a school that has nothing else to do with Bothy. Vault signs and verifies everything.
// The page on which people sign in, which is in Vault's web UI, stands here, because
// Vault is often built without that; and the two share one address, as there.
package school

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/http/httputil"
	"net/url"
	"time"

	"github.com/hashicorp/vault/api"

	"github.com/bothylabs/bothy/service/config"
)

// Config is where the school is. All must be set.
type Config struct {
	// Vault is its address, Token one that may set it up.
	Vault string
	Token config.Secret
	// Listen is the host and port of the school, on this machine alone.
	Listen string
	// RedirectURI is where people are sent back to.
	RedirectURI string
	// Password is that of everybody at the school.
	Password config.Secret
}

// DisplayName is what the school is called.
const DisplayName = "the school"

// Groups at the school, and what Bothy makes of them.
const (
	// Teachers are instructors.
	Teachers = "teachers"
	// Class are students of the demo cohort.
	Class = "py101"
)

// Person is somebody at the school.
type Person struct {
	// Account is what they sign in with there.
	Account, Name, Email, Group string
}

// People are those that there are: a student whom Bothy knows by the roster, one whom
// it does not know yet, a teacher, and somebody who has nothing to do with Bothy.
func People() []Person {
	return []Person{
		{"chidi", "Chidi Okafor", "chidi@example.edu", ""},
		{"dora", "Dora Silva", "dora@example.edu", Class},
		{"grace", "Grace Hopper", "grace@example.edu", Teachers},
		{"eve", "Eve Stranger", "eve@example.edu", "cooks"},
	}
}

// School is a provider that runs.
type School struct {
	cfg    Config
	vault  *api.Client
	server *http.Server
	ended  chan error

	// Issuer is the provider's; ClientID and ClientSecret are who Bothy is to it.
	Issuer       string
	ClientID     string
	ClientSecret config.Secret
}

// names of what the school has in Vault.
const (
	mount    = "school"
	provider = "school"
	client   = "bothy"
	key      = "school"
	policy   = "school"
	below    = "/v1/identity/oidc/provider/" + provider
)

// Start sets the school up in Vault, which may have it from before, and serves.
func Start(ctx context.Context, cfg Config) (*School, error) {
	conf := api.DefaultConfig()
	if conf.Error != nil {
		return nil, fmt.Errorf("make a Vault client: %w", conf.Error)
	}
	conf.Address, conf.AgentAddress, conf.MaxRetries = cfg.Vault, "", 0
	vault, err := api.NewClient(conf)
	if err != nil {
		return nil, fmt.Errorf("make a Vault client: %w", err)
	}
	// The caller's VAULT_* variables are for another Vault.
	vault.ClearNamespace()
	vault.SetToken(cfg.Token.Reveal())
	if err := vault.SetAddress(cfg.Vault); err != nil {
		return nil, fmt.Errorf("make a Vault client: %w", err)
	}
	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", cfg.Listen)
	if err != nil {
		return nil, fmt.Errorf("listen for the school: %w", err)
	}
	at := "http://" + listener.Addr().String()
	s := &School{cfg: cfg, vault: vault, Issuer: at + below, ended: make(chan error, 1)}
	handler, err := s.handler()
	if err == nil {
		err = s.setUp(ctx, at)
	}
	if err != nil {
		return nil, errors.Join(err, listener.Close())
	}
	s.server = &http.Server{Handler: handler, ReadHeaderTimeout: 10 * time.Second}
	go func() { s.ended <- s.server.Serve(listener) }()
	return s, nil
}

// Stop ends it.
func (s *School) Stop(ctx context.Context) error {
	err := s.server.Shutdown(ctx)
	if served := <-s.ended; !errors.Is(served, http.ErrServerClosed) {
		err = errors.Join(err, served)
	}
	return err
}

// handler is what is under the school's address: its page, and of Vault nothing but
// the provider.
func (s *School) handler() (http.Handler, error) {
	vault, err := url.Parse(s.cfg.Vault)
	if err != nil {
		return nil, fmt.Errorf("read Vault's address: %w", err)
	}
	proxy := &httputil.ReverseProxy{Rewrite: func(r *httputil.ProxyRequest) { r.SetURL(vault) }}
	mux := http.NewServeMux()
	mux.Handle(below+"/", proxy)
	mux.HandleFunc("GET /ui/vault/identity/oidc/provider/"+provider+"/authorize", s.ask)
	mux.HandleFunc("POST /ui/vault/identity/oidc/provider/"+provider+"/authorize", s.authorize)
	return mux, nil
}
