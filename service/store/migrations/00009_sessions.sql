-- Who is signed in, with which credentials, and what was tried. Tokens, cookies and
-- mailed links are kept as SHA-256 in hex alone.

-- +goose Up
CREATE TABLE sessions (
    id            TEXT   NOT NULL PRIMARY KEY,
    hash          TEXT   NOT NULL,
    previous_hash TEXT   NOT NULL,
    rotated_at    BIGINT NOT NULL,
    user_id       TEXT   NOT NULL REFERENCES users (id),
    password_due  BIGINT NOT NULL CHECK (password_due IN (0, 1)),
    remote        TEXT   NOT NULL,
    agent         TEXT   NOT NULL,
    created_at    BIGINT NOT NULL,
    seen_at       BIGINT NOT NULL,
    expires_at    BIGINT NOT NULL,
    ended_at      BIGINT
);
CREATE UNIQUE INDEX sessions_hash ON sessions (hash);
CREATE INDEX sessions_previous_hash ON sessions (previous_hash) WHERE previous_hash <> '';
CREATE INDEX sessions_by_user ON sessions (user_id, created_at, id);
