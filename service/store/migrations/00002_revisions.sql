-- +goose Up
-- Raised by every write of a row, so that whoever changes it can say which state
-- of it was meant.
ALTER TABLE cohorts ADD COLUMN revision BIGINT NOT NULL DEFAULT 1;
ALTER TABLE courses ADD COLUMN revision BIGINT NOT NULL DEFAULT 1;
ALTER TABLE students ADD COLUMN revision BIGINT NOT NULL DEFAULT 1;
ALTER TABLE classes ADD COLUMN revision BIGINT NOT NULL DEFAULT 1;
ALTER TABLE workspaces ADD COLUMN revision BIGINT NOT NULL DEFAULT 1;

-- What was done under a caller's Idempotency-Key. The row is written in the
-- transaction of what was done; status, headers and body of its answer follow,
-- and are missing (status 0) when the process ended in between.
CREATE TABLE idempotency_keys (
    actor       TEXT   NOT NULL,
    key         TEXT   NOT NULL,
    operation   TEXT   NOT NULL,
    -- SHA-256 of method, path, query and body.
    fingerprint TEXT   NOT NULL,
    -- The id of what was changed.
    target      TEXT   NOT NULL,
    status      BIGINT NOT NULL,
    headers     TEXT   NOT NULL,
    body        TEXT   NOT NULL,
    created_at  BIGINT NOT NULL,
    CONSTRAINT idempotency_keys_pkey PRIMARY KEY (actor, key)
);
CREATE INDEX idempotency_keys_age ON idempotency_keys (created_at);
