package dev

import (
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/bothylabs/bothy/service/config"
	"github.com/bothylabs/bothy/service/dev/stack"
	"github.com/bothylabs/bothy/service/dev/toolchain"
)

// madeOnce gives the secret in a file, such as the token of Bothy's API, which is made
// the first time.
func madeOnce(path string) (config.Secret, error) {
	secret, err := config.Credential{File: path}.Read()
	if err == nil {
		return secret, nil
	}
	if !errors.Is(err, fs.ErrNotExist) {
		return config.Secret{}, fmt.Errorf("read a secret: %w", err)
	}
	text := rand.Text() + rand.Text()
	if err := writeSecret(path, text+"\n"); err != nil {
		return config.Secret{}, err
	}
	return config.NewSecret(text), nil
}

// envText is a shell script that sets addresses and an operator's tokens, and
// what job files that are rendered by hand must have to fit the stack.
func envText(c Config, token config.Secret, e stack.Env, user toolchain.User) string {
	values := [][2]string{
		{"BOTHY_ADDR", c.apiAddr()},
		{"BOTHY_TOKEN", token.Reveal()},
		{"NOMAD_ADDR", e.NomadAddr},
		{"NOMAD_TOKEN", e.Operator.Nomad.Reveal()},
		{"CONSUL_HTTP_ADDR", e.ConsulAddr},
		{"CONSUL_HTTP_TOKEN", e.Operator.Consul.Reveal()},
		{"VAULT_ADDR", e.VaultAddr},
		{"VAULT_TOKEN", e.Operator.Vault.Reveal()},
		{"BOTHY_LABS_URL", c.labsURL()},
		{"BOTHY_CONSOLE_URL", c.consoleURL()},
		{config.FileVariable, c.configFile()}, // for programs beside the server
		// Bothy's programs are Bothy to the servers, also beside an operator's tokens.
		{"BOTHY_NOMAD_TOKEN_FILE", c.serverTokenFile("nomad")},
		{"BOTHY_CONSUL_TOKEN_FILE", c.serverTokenFile("consul")},
		{"BOTHY_HOME_UID", strconv.Itoa(user.UID)},
		{"BOTHY_HOME_GID", strconv.Itoa(user.GID)},
	}
	var b strings.Builder
	fmt.Fprintf(&b, "# Addresses and tokens of this development stack, for a shell:  . %s\n", c.envFile())
	for _, v := range values {
		fmt.Fprintf(&b, "export %s=%s\n", v[0], quoted(v[1]))
	}
	b.WriteString("# The servers' own command lines, behind those that are installed.\n")
	for _, program := range []string{c.Stack.Binaries.Nomad, c.Stack.Binaries.Consul, c.Stack.Binaries.Vault} {
		fmt.Fprintf(&b, "export PATH=\"$PATH\":%s\n", quoted(filepath.Dir(program)))
	}
	return b.String()
}

// quoted writes a text so that a shell takes it as it is.
func quoted(s string) string {
	return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'"
}

// writeSecret replaces a file in one step, readable by its owner alone.
func writeSecret(path, text string) error {
	dir := filepath.Dir(path)
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return fmt.Errorf("write %s: %w", path, err)
	}
	f, err := os.CreateTemp(dir, ".new-*") // mode 0600
	if err != nil {
		return fmt.Errorf("write %s: %w", path, err)
	}
	defer func() { _ = os.Remove(f.Name()) }() // it is gone when all went well
	_, err = f.WriteString(text)
	if err := errors.Join(err, f.Close()); err != nil {
		return fmt.Errorf("write %s: %w", path, err)
	}
	if err := os.Rename(f.Name(), path); err != nil {
		return fmt.Errorf("write %s: %w", path, err)
	}
	return nil
}
