package app

import (
	"context"
	"fmt"

	"github.com/bothylabs/bothy/service/auth"
	"github.com/bothylabs/bothy/service/config"
	"github.com/bothylabs/bothy/service/lab"
	"github.com/bothylabs/bothy/service/oidc"
	"github.com/bothylabs/bothy/service/registrar"
)

// newProvider makes the client of the OpenID provider; it asks nothing of it.
func newProvider(cfg config.Config, deps Deps) (*oidc.Provider, error) {
	roots, err := clientTLS("oidc", config.TLS{CAFile: cfg.OIDC.CAFile})
	if err != nil {
		return nil, err
	}
	settings := oidc.Config{
		Issuer: cfg.OIDC.Issuer, ClientID: cfg.OIDC.ClientID, Scopes: cfg.OIDC.Scopes, RedirectURL: cfg.RedirectURI(),
		Name: cfg.OIDC.Name(), TLS: roots, Now: deps.Now,
	}
	if cfg.OIDC.ClientSecret.IsSet() {
		settings.ClientSecret = tokenOf(cfg.OIDC.ClientSecret)
	}
	provider, err := oidc.New(settings)
	if err != nil {
		return nil, fmt.Errorf("make the client of the OpenID provider: %w", err)
	}
	return provider, nil
}

// makeProvider makes what signs people in by the provider; nil where there is none.
func (a *App) makeProvider(acts *registrar.Registrar, deps Deps) (*auth.Provider, error) {
	if !a.cfg.OIDC.IsSet() {
		return nil, nil
	}
	asked, err := newProvider(a.cfg, deps)
	if err != nil {
		return nil, err
	}
	return auth.NewProvider(auth.ProviderConfig{
		People: a.people, Store: a.store, Asked: asked, Issuer: a.cfg.OIDC.Issuer, Name: a.cfg.OIDC.Name(), Rules: rulesOf(a.cfg.OIDC),
		Enroll: func(ctx context.Context, actor lab.Actor, cohortID string, user lab.User) error {
			_, err := acts.EnrollStudent(ctx, lab.Intent{Actor: actor}, cohortID, registrar.StudentInput{Name: user.Name, Email: user.Email, UserID: user.ID})
			return err
		},
	})
}

// rulesOf gives what the settings make of claims.
func rulesOf(cfg config.OIDC) auth.ProviderRules {
	rules := auth.ProviderRules{
		LoginClaim: cfg.LoginClaim, NameClaim: cfg.NameClaim, UnverifiedEmail: cfg.UnverifiedEmail, Link: auth.LinkPolicy(cfg.Link),
	}
	for _, r := range cfg.Roles {
		rules.Roles = append(rules.Roles, auth.RoleRule{Role: lab.Role(r.Gives), ClaimRule: auth.ClaimRule{Claim: r.Claim, Values: r.Values}})
	}
	for _, r := range cfg.Cohorts {
		rules.Cohorts = append(rules.Cohorts, auth.CohortRule{Cohort: r.Gives, ClaimRule: auth.ClaimRule{Claim: r.Claim, Values: r.Values}})
	}
	return rules
}
