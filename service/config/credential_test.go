package config

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestTheLaterSourceOfACredentialWinsWhole(t *testing.T) {
	file := writeSecret(t, "of-the-file")
	src := newSources(t)
	src.file(`nomad { token_file = ` + quote(file) + ` }`)
	src.env["NOMAD_TOKEN"] = "of-the-environment"
	if got := read(t, src.mustLoad().Nomad.Token); got != "of-the-environment" {
		t.Errorf("the environment must win over the file, got %q", got)
	}
	src.flags["nomad.token_file"] = file
	if got := read(t, src.mustLoad().Nomad.Token); got != "of-the-file" {
		t.Errorf("the flag must win over the environment, got %q", got)
	}
}

func TestBothysOwnVariableForACredentialGoesBeforeAnotherPrograms(t *testing.T) {
	file := writeSecret(t, "bothys")
	src := newSources(t)
	src.env["NOMAD_TOKEN"], src.env["BOTHY_NOMAD_TOKEN_FILE"] = "the-operators", file
	src.env["CONSUL_HTTP_TOKEN_FILE"], src.env["BOTHY_CONSUL_TOKEN"] = "/nowhere", "bothys"
	c := src.mustLoad()
	for server, token := range map[string]Credential{"nomad": c.Nomad.Token, "consul": c.Consul.Token} {
		if got := read(t, token); got != "bothys" {
			t.Errorf("%s: got %q", server, got)
		}
	}
}

func TestACredentialKnowsWhereItIsFromAndWhatItStandsInFor(t *testing.T) {
	file := writeSecret(t, "of-the-file")
	src := newSources(t)
	src.file(`vault { token_file = ` + quote(file) + ` }`)
	if got := src.mustLoad().Vault.Token; !strings.HasSuffix(got.From, "bothy.hcl:1:22") || got.Passed != "" {
		t.Errorf("the file's: %+v", got)
	}
	src.env["VAULT_TOKEN"] = "of-the-environment"
	if got := src.mustLoad().Vault.Token; got.From != "environment variable VAULT_TOKEN" || got.Passed != file {
		t.Errorf("the environment's: %+v", got)
	}
	src.env["BOTHY_VAULT_TOKEN"] = "bothys"
	if got := src.mustLoad().Vault.Token; got.From != "environment variable BOTHY_VAULT_TOKEN" || got.Passed != file {
		t.Errorf("Bothy's own: %+v", got)
	}
}

func TestACredentialFileIsReadAgain(t *testing.T) {
	file := writeSecret(t, "first")
	src := newSources(t)
	src.env["BOTHY_VAULT_TOKEN_FILE"] = file
	c := src.mustLoad()
	if err := os.WriteFile(file, []byte("second\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if got := read(t, c.Vault.Token); got != "second" {
		t.Errorf("got %q after the token was rotated", got)
	}
}

func TestTheOperatorsTokenMayBeMissing(t *testing.T) {
	src := newSources(t)
	delete(src.env, "BOTHY_API_TOKEN")
	if c := src.mustLoad(); c.API.Token.IsSet() {
		t.Error("there is one")
	}
}

func writeSecret(t *testing.T, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "secret")
	if err := os.WriteFile(path, []byte(text+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func read(t *testing.T, c Credential) string {
	t.Helper()
	secret, err := c.Read()
	if err != nil {
		t.Fatal(err)
	}
	return secret.Reveal()
}

func TestAShellsVaultTokenIsNoneForABothyThatLogsInByItself(t *testing.T) {
	src := newSources(t)
	src.env["BOTHY_VAULT_APP_ROLE_ROLE_ID"], src.env["BOTHY_VAULT_APP_ROLE_SECRET_ID"] = "bothy", "a-secret-id-of-bothys"
	src.env["VAULT_TOKEN"] = "an-operators"
	if got := src.mustLoad().Vault.Token; got.IsSet() {
		t.Errorf("the token is from %s", got.From)
	}
}
