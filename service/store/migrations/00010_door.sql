-- The door: how somebody gets into a workspace, and who has looked in.

-- +goose Up
-- One-time ways from the console's origin to a workspace. What is bound to a
-- user "" and a session "" came from the operator's token.
CREATE TABLE tickets (
    hash         TEXT    NOT NULL PRIMARY KEY,
    workspace_id TEXT    NOT NULL REFERENCES workspaces (id) ON DELETE CASCADE,
    host         TEXT    NOT NULL CHECK (host IN ('shared', 'own')),
    looks_in     BOOLEAN NOT NULL,
    user_id      TEXT    NOT NULL,
    session_id   TEXT    NOT NULL,
    actor        TEXT    NOT NULL,
    role         TEXT    NOT NULL,
    remote       TEXT    NOT NULL,
    created_at   BIGINT  NOT NULL,
    expires_at   BIGINT  NOT NULL,
    redeemed_at  BIGINT
);
CREATE INDEX tickets_by_expiry ON tickets (expires_at);
CREATE INDEX tickets_by_workspace ON tickets (workspace_id);

-- What lets a browser into one workspace on one kind of host.
CREATE TABLE passes (
    id           TEXT    NOT NULL PRIMARY KEY,
    hash         TEXT    NOT NULL,
    workspace_id TEXT    NOT NULL REFERENCES workspaces (id) ON DELETE CASCADE,
    host         TEXT    NOT NULL CHECK (host IN ('shared', 'own')),
    looks_in     BOOLEAN NOT NULL,
    user_id      TEXT    NOT NULL,
    session_id   TEXT    NOT NULL,
    actor        TEXT    NOT NULL,
    role         TEXT    NOT NULL,
    created_at   BIGINT  NOT NULL,
    expires_at   BIGINT  NOT NULL,
    ended_at     BIGINT,
    CONSTRAINT passes_hash UNIQUE (hash)
);
CREATE INDEX passes_open ON passes (workspace_id) WHERE ended_at IS NULL;
CREATE INDEX passes_by_workspace ON passes (workspace_id);
CREATE INDEX passes_ended ON passes (ended_at) WHERE ended_at IS NOT NULL;

-- Who, other than its student, was in a workspace.
CREATE TABLE look_ins (
    id           TEXT   NOT NULL PRIMARY KEY,
    workspace_id TEXT   NOT NULL REFERENCES workspaces (id) ON DELETE CASCADE,
    user_id      TEXT   NOT NULL,
    actor        TEXT   NOT NULL,
    role         TEXT   NOT NULL,
    at           BIGINT NOT NULL
);
CREATE INDEX look_ins_by_workspace ON look_ins (workspace_id, at);

-- How often open connections were to be ended, and since when that may be done.
-- Written by the door.
ALTER TABLE workspaces ADD COLUMN evictions_wanted BIGINT NOT NULL DEFAULT 0;
ALTER TABLE workspaces ADD COLUMN evict_after BIGINT;
-- Written by the reconciler.
ALTER TABLE workspaces ADD COLUMN evictions_done BIGINT NOT NULL DEFAULT 0;
