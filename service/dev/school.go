package dev

import (
	"context"
	"fmt"

	"github.com/bothylabs/bothy/service/config"
	"github.com/bothylabs/bothy/service/dev/school"
	"github.com/bothylabs/bothy/service/lab"
)

// openSchool starts the school, and has Bothy's settings trust it.
func (d *Dev) openSchool(ctx context.Context, settings *config.Config) error {
	password, err := madeOnce(d.cfg.schoolFile("password"))
	if err != nil {
		return err
	}
	env := d.stack.Env()
	d.school, err = school.Start(ctx, school.Config{
		Vault: env.VaultAddr, Token: env.Operator.Vault, Listen: d.cfg.school(), RedirectURI: settings.RedirectURI(), Password: password,
	})
	if err != nil {
		return fmt.Errorf("open the school: %w", err)
	}
	enrol(settings, d.school)
	return writeSecret(d.cfg.schoolFile("client-secret"), d.school.ClientSecret.Reveal()+"\n")
}

// enrol has Bothy take people of the school.
func enrol(settings *config.Config, s *school.School) {
	settings.OIDC.Issuer, settings.OIDC.ClientID, settings.OIDC.DisplayName = s.Issuer, s.ClientID, school.DisplayName
	settings.OIDC.ClientSecret = config.Credential{Value: s.ClientSecret}
	settings.OIDC.Scopes = []string{"openid", "profile", "email", "groups"}
	settings.OIDC.Roles = []config.ClaimRule{{Gives: string(lab.RoleInstructor), Claim: "groups", Values: []string{school.Teachers}}}
	settings.OIDC.Cohorts = []config.ClaimRule{{Gives: "demo", Claim: "groups", Values: []string{school.Class}}}
}
