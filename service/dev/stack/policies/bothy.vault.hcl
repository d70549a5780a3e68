# Vault policy of the Bothy server: it writes workspaces' secrets and cannot read
# them back.
# Install: vault policy write bothy bothy.vault.hcl
# The KV version 2 engine is mounted at bothy/ with cas_required.

path "bothy/data/workspaces/*" {
  capabilities = ["create", "update"]
}

# Versions, for check-and-set, and removal with the workspace.
path "bothy/metadata/workspaces/*" {
  capabilities = ["read", "list", "delete"]
}

path "bothy/metadata/workspaces" {
  capabilities = ["list"]
}

# Its own token.
path "auth/token/lookup-self" {
  capabilities = ["read"]
}

path "auth/token/renew-self" {
  capabilities = ["update"]
}

# What `bothy doctor` looks at: what this token may do, and whether workspaces can
# log in.
path "sys/capabilities-self" {
  capabilities = ["update"]
}

path "auth/jwt-nomad/role/bothy-workspace" {
  capabilities = ["read"]
}
