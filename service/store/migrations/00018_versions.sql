-- Which of the values in Vault is a secret's.

-- +goose Up

-- The value in force, '' for one that is in Vault under the secret's bare name; and
-- one that is on its way into Vault, since begun_at, '' for none.
ALTER TABLE secrets ADD COLUMN version TEXT NOT NULL DEFAULT '';
ALTER TABLE secrets ADD COLUMN pending TEXT NOT NULL DEFAULT '';
ALTER TABLE secrets ADD COLUMN begun_at BIGINT;
CREATE INDEX secrets_pending ON secrets (begun_at) WHERE pending <> '';
