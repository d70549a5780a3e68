-- What Vault is told of people, and where secrets are to go. No secret is here.

-- +goose Up

-- What Vault holds of a person: unsure while it is being told.
ALTER TABLE users ADD COLUMN vault_state TEXT NOT NULL DEFAULT 'enabled' CHECK (vault_state IN ('enabled', 'unsure', 'disabled'));
CREATE INDEX users_unsettled ON users (id) WHERE (disabled_at IS NULL AND vault_state <> 'enabled') OR (disabled_at IS NOT NULL AND vault_state <> 'disabled');

-- Who tells Vault, as reconciler.epoch is for Nomad.
ALTER TABLE reconciler ADD COLUMN keys_epoch BIGINT NOT NULL DEFAULT 0;

-- A course, class or student that has secrets, or had. changes counts what was done
-- to them; pruned is its value when Vault last held no more than is listed.
CREATE TABLE secret_owners (
    kind    TEXT   NOT NULL CHECK (kind IN ('course', 'class', 'student')),
    id      TEXT   NOT NULL,
    changes BIGINT NOT NULL,
    pruned  BIGINT NOT NULL,
    PRIMARY KEY (kind, id)
);

-- set_at is NULL while the value is on its way into Vault.
CREATE TABLE secrets (
    kind     TEXT   NOT NULL,
    owner_id TEXT   NOT NULL,
    name     TEXT   NOT NULL,
    bytes    BIGINT NOT NULL,
    set_at   BIGINT,
    set_by   TEXT   NOT NULL,
    revision BIGINT NOT NULL,
    PRIMARY KEY (kind, owner_id, name),
    FOREIGN KEY (kind, owner_id) REFERENCES secret_owners (kind, id)
);

-- The changes of a workspace's owners that have reached its path in Vault, and the
-- names that may be there.
ALTER TABLE workspaces ADD COLUMN secrets_done BIGINT NOT NULL DEFAULT 0;
ALTER TABLE workspaces ADD COLUMN secret_names TEXT NOT NULL DEFAULT '[]';
