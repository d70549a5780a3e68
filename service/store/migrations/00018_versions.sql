-- Which of the values in Vault is a secret's, whose a kept home is, and which tokens
-- a session had before.

-- +goose Up

-- The value in force, '' for one that is in Vault under the secret's bare name; and
-- one that is on its way into Vault, since begun_at, '' for none.
ALTER TABLE secrets ADD COLUMN version TEXT NOT NULL DEFAULT '';
ALTER TABLE secrets ADD COLUMN pending TEXT NOT NULL DEFAULT '';
ALTER TABLE secrets ADD COLUMN begun_at BIGINT;
CREATE INDEX secrets_pending ON secrets (begun_at) WHERE pending <> '';

-- Students go with their cohort, users stay.
ALTER TABLE kept_homes ADD COLUMN user_id TEXT NOT NULL DEFAULT '';
UPDATE kept_homes SET user_id = COALESCE((SELECT user_id FROM students WHERE students.id = kept_homes.student_id), '');

-- Hashes of tokens that others took the place of: whoever comes with one is a thief,
-- or was stolen from.
CREATE TABLE session_tokens (
    hash        TEXT   NOT NULL PRIMARY KEY,
    session_id  TEXT   NOT NULL REFERENCES sessions (id) ON DELETE CASCADE,
    replaced_at BIGINT NOT NULL
);
CREATE INDEX session_tokens_by_session ON session_tokens (session_id);
