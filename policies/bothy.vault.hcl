# Vault policy of the Bothy server: it writes workspaces' secrets and cannot read
# them back, keeps those of courses, classes and students, and sets people's
# passwords and disables people at an auth method of its own. It can give nobody any
# right.
# Install: put the accessor of the auth mount bothy-people for PEOPLE_ACCESSOR
# (vault auth list), then: vault policy write bothy bothy.vault.hcl
# The KV version 2 engine is mounted at bothy/ with cas_required.

path "bothy/data/workspaces/*" {
  capabilities = ["create", "update", "patch"]
}

# What courses, classes and students have is read to be merged into the paths of
# workspaces, those that are made later as well.
path "bothy/data/courses/+/env" {
  capabilities = ["create", "read", "update"]
}

path "bothy/data/classes/+/env" {
  capabilities = ["create", "read", "update"]
}

path "bothy/data/students/+/env" {
  capabilities = ["create", "read", "update"]
}

path "bothy/metadata/courses/+/env" {
  capabilities = ["delete"]
}

path "bothy/metadata/classes/+/env" {
  capabilities = ["delete"]
}

path "bothy/metadata/students/+/env" {
  capabilities = ["delete"]
}

# Versions, for check-and-set, and removal with the workspace.
path "bothy/metadata/workspaces/*" {
  capabilities = ["read", "list", "delete"]
}

path "bothy/metadata/workspaces" {
  capabilities = ["list"]
}

# People: a password and no policy, whatever else userpass could be told.
path "auth/bothy-people/users/+" {
  capabilities = ["create", "update", "delete"]
  allowed_parameters = {
    "password"                = []
    "token_no_default_policy" = [true]
  }
}

# Their identities. Without canonical_id a new alias gets a new entity: Bothy can't
# make its people somebody else.
path "identity/entity-alias" {
  capabilities = ["create", "update"]
  allowed_parameters = {
    "name"           = []
    "mount_accessor" = ["PEOPLE_ACCESSOR"]
  }
}

path "identity/lookup/entity" {
  capabilities = ["create", "update"]
  allowed_parameters = {
    "alias_name"           = []
    "alias_mount_accessor" = ["PEOPLE_ACCESSOR"]
  }
}

# Entities have ids that Vault chooses; Bothy learns those of its people alone.
path "identity/entity/id/+" {
  capabilities = ["update"]
  allowed_parameters = {
    "disabled" = []
  }
}

# A new password ends the lockout of the old one.
path "sys/locked-users/PEOPLE_ACCESSOR/unlock/+" {
  capabilities = ["create", "update"]
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
