package stack

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// Names of the secrets. Each is a file of its own below the stack's secrets
// folder.
const (
	consulManagement = "consul-management.token"
	consulAgent      = "consul-agent.token"
	consulNomad      = "consul-nomad.token"
	consulFabio      = "consul-fabio.token"
	consulTraefik    = "consul-traefik.token"
	consulBothy      = "consul-bothy.token"
	nomadManagement  = "nomad-management.token"
	nomadBothy       = "nomad-bothy.token"
	vaultRoot        = "vault-root.token"
	vaultUnseal      = "vault-unseal.key"
	vaultBothy       = "vault-bothy.token"
	vaultRoleID      = "vault-bothy.role-id"
	vaultSecretID    = "vault-bothy.secret-id" //nolint:gosec // G101: the name of a file

	// Parts of the servers' configurations that hold tokens.
	consulACLConfig   = "consul-acl.hcl"
	nomadConsulConfig = "nomad-consul.hcl"
)

// secretStore keeps secrets as files, mode 0600.
type secretStore struct {
	dir      string
	generate func() string // a new secret: a UUID
}

func (s secretStore) path(name string) string { return filepath.Join(s.dir, name) }

// get gives a secret, "" when there is none.
func (s secretStore) get(name string) (string, error) {
	text, err := os.ReadFile(s.path(name))
	if errors.Is(err, fs.ErrNotExist) {
		return "", nil
	}
	if err != nil {
		return "", fmt.Errorf("read secret %s: %w", name, err)
	}
	return strings.TrimSpace(string(text)), nil
}

func (s secretStore) put(name, value string) error {
	if err := writeFile(s.path(name), []byte(value+"\n")); err != nil {
		return fmt.Errorf("keep secret %s: %w", name, err)
	}
	return nil
}

// ensure gives a secret and makes it when there is none. It is on disk before
// anybody uses it: a kill between the two cannot lock the stack out.
func (s secretStore) ensure(name string) (string, error) {
	value, err := s.get(name)
	if err != nil || value != "" {
		return value, err
	}
	value = s.generate()
	return value, s.put(name, value)
}
