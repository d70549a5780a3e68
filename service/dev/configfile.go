package dev

import (
	"path/filepath"

	"github.com/hashicorp/hcl/v2/hclwrite"
	"github.com/zclconf/go-cty/cty"

	"github.com/bothylabs/bothy/service/config"
)

// configFile is the configuration of the server that runs, for programs beside it
// such as `bothy doctor`. Its secrets are in files of their own.
func (c Config) configFile() string { return filepath.Join(c.dataDir(), "bothy.hcl") }

// configText is that configuration in HCL.
func configText(cfg Config, settings config.Config) string {
	file := hclwrite.NewEmptyFile()
	root := file.Body()
	root.AppendUnstructuredTokens(hclwrite.TokensForIdentifier("# Written by `bothy dev` at every start. Changes are lost.\n"))
	for _, line := range [][2]string{
		{"listen", settings.Listen},
		{"console_url", settings.ConsoleURL},
		{"labs_url", settings.LabsURL},
		{"data_dir", settings.DataDir},
	} {
		root.SetAttributeValue(line[0], cty.StringVal(line[1]))
	}
	block := func(name string, set func(*hclwrite.Body)) {
		root.AppendNewline()
		set(root.AppendNewBlock(name, nil).Body())
	}
	block("api", func(b *hclwrite.Body) { b.SetAttributeValue("token_file", cty.StringVal(cfg.tokenFile())) })
	block("labs", func(b *hclwrite.Body) { b.SetAttributeValue("own_hosts", cty.BoolVal(settings.Labs.OwnHosts)) })
	block("door", func(b *hclwrite.Body) {
		b.SetAttributeValue("listen", cty.StringVal(settings.Door.Listen))
		b.SetAttributeValue("url", cty.StringVal(settings.Door.URL))
		b.SetAttributeValue("trusted_proxies", stringList(settings.Door.TrustedProxies))
	})
	for _, server := range [][2]string{
		{"nomad", settings.Nomad.Address}, {"consul", settings.Consul.Address},
	} {
		block(server[0], func(b *hclwrite.Body) {
			b.SetAttributeValue("address", cty.StringVal(server[1]))
			b.SetAttributeValue("token_file", cty.StringVal(cfg.serverTokenFile(server[0])))
		})
	}
	block("vault", func(b *hclwrite.Body) {
		b.SetAttributeValue("address", cty.StringVal(settings.Vault.Address))
		b.AppendNewline()
		role := b.AppendNewBlock("app_role", nil).Body()
		role.SetAttributeValue("role_id", cty.StringVal(settings.Vault.AppRole.RoleID))
		role.SetAttributeValue("secret_id_file", cty.StringVal(filepath.Join(cfg.Stack.Dir, "secrets", "vault-bothy.secret-id")))
	})
	block("home", func(b *hclwrite.Body) {
		b.SetAttributeValue("uid", cty.NumberIntVal(int64(settings.Home.UID)))
		b.SetAttributeValue("gid", cty.NumberIntVal(int64(settings.Home.GID)))
	})
	block("mail", func(b *hclwrite.Body) {
		b.SetAttributeValue("folder", cty.StringVal(settings.Mail.Folder))
		b.SetAttributeValue("from", cty.StringVal(settings.Mail.From))
	})
	block("oidc", func(b *hclwrite.Body) {
		b.SetAttributeValue("issuer", cty.StringVal(settings.OIDC.Issuer))
		b.SetAttributeValue("client_id", cty.StringVal(settings.OIDC.ClientID))
		b.SetAttributeValue("client_secret_file", cty.StringVal(cfg.schoolFile("client-secret")))
		b.SetAttributeValue("scopes", stringList(settings.OIDC.Scopes))
		b.SetAttributeValue("display_name", cty.StringVal(settings.OIDC.DisplayName))
		appendRules(b, "role", settings.OIDC.Roles)
		appendRules(b, "cohort", settings.OIDC.Cohorts)
	})
	block("log", func(b *hclwrite.Body) { b.SetAttributeValue("level", cty.StringVal(settings.Log.Level)) })
	block("reconcile", func(b *hclwrite.Body) {
		b.SetAttributeValue("lock_ttl", cty.StringVal(settings.Reconcile.LockTTL.String()))
		b.SetAttributeValue("lock_delay", cty.StringVal(settings.Reconcile.LockDelay.String()))
	})
	return string(file.Bytes())
}

func appendRules(b *hclwrite.Body, block string, rules []config.ClaimRule) {
	for _, rule := range rules {
		b.AppendNewline()
		given := b.AppendNewBlock(block, []string{rule.Gives}).Body()
		given.SetAttributeValue("claim", cty.StringVal(rule.Claim))
		given.SetAttributeValue("values", stringList(rule.Values))
	}
}

func stringList(texts []string) cty.Value {
	values := make([]cty.Value, len(texts))
	for i, text := range texts {
		values[i] = cty.StringVal(text)
	}
	if len(values) == 0 {
		return cty.ListValEmpty(cty.String)
	}
	return cty.ListVal(values)
}
