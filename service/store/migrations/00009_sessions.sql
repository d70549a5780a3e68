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

-- Browsers that somebody has signed in with before.
CREATE TABLE devices (
    user_id TEXT   NOT NULL REFERENCES users (id),
    hash    TEXT   NOT NULL,
    used_at BIGINT NOT NULL,
    PRIMARY KEY (user_id, hash)
);

CREATE TABLE api_tokens (
    id         TEXT   NOT NULL PRIMARY KEY,
    hash       TEXT   NOT NULL,
    user_id    TEXT   NOT NULL REFERENCES users (id),
    name       TEXT   NOT NULL,
    scope      TEXT   NOT NULL CHECK (scope IN ('read', 'operate', 'write')),
    created_at BIGINT NOT NULL,
    expires_at BIGINT NOT NULL,
    used_at    BIGINT,
    revoked_at BIGINT
);
CREATE UNIQUE INDEX api_tokens_hash ON api_tokens (hash);
CREATE INDEX api_tokens_by_user ON api_tokens (user_id, created_at, id);
CREATE INDEX api_tokens_by_time ON api_tokens (created_at, id);

-- Letters with a temporary password or a link. A link's hash is there from the
-- moment that its letter is sent.
CREATE TABLE mail_links (
    id         TEXT   NOT NULL PRIMARY KEY,
    hash       TEXT   NOT NULL,
    user_id    TEXT   NOT NULL REFERENCES users (id),
    kind       TEXT   NOT NULL CHECK (kind IN ('invitation', 'reset')),
    tries      BIGINT NOT NULL,
    asked_at   BIGINT NOT NULL,
    due_at     BIGINT NOT NULL,
    sent_at    BIGINT,
    expires_at BIGINT NOT NULL,
    used_at    BIGINT
);
CREATE INDEX mail_links_hash ON mail_links (hash) WHERE hash <> '';
CREATE INDEX mail_links_by_user ON mail_links (user_id, kind);
CREATE UNIQUE INDEX mail_links_invitation ON mail_links (user_id) WHERE kind = 'invitation' AND sent_at IS NULL;
CREATE INDEX mail_links_due ON mail_links (due_at) WHERE sent_at IS NULL;

-- Wrong passwords, and those that are just being looked at, by account and by address.
CREATE TABLE sign_in_attempts (
    key             TEXT   NOT NULL PRIMARY KEY,
    unknown_failed  BIGINT NOT NULL,
    unknown_pending BIGINT NOT NULL,
    known_failed    BIGINT NOT NULL,
    known_pending   BIGINT NOT NULL,
    began_at        BIGINT NOT NULL,
    last_at         BIGINT NOT NULL
);
CREATE INDEX sign_in_attempts_by_time ON sign_in_attempts (last_at);
