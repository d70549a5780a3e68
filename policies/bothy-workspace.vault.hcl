# Vault policy of a workspace: it reads its own secrets and nobody else's. The job
# id comes from the signed identity that Nomad gives to the job's tasks.
# Install: put the accessor of the auth mount jwt-nomad for AUTH_ACCESSOR
# (vault auth list), then: vault policy write bothy-workspace bothy-workspace.vault.hcl

path "bothy/data/workspaces/{{identity.entity.aliases.AUTH_ACCESSOR.metadata.nomad_job_id}}/*" {
  capabilities = ["read"]
}

# Nomad keeps the token alive while the task runs.
path "auth/token/lookup-self" {
  capabilities = ["read"]
}

path "auth/token/renew-self" {
  capabilities = ["update"]
}
