-- The record of changes: what was and what is, what was refused, and that nobody
-- rewrites it. The triggers that see to the last are made when the store opens
-- (record_guard.go): the databases write them in different ways.

-- And the homes that outlive their workspaces, until their own time is over.

-- +goose Up
ALTER TABLE audit ADD COLUMN state_before TEXT NOT NULL DEFAULT '{}';
ALTER TABLE audit ADD COLUMN state_after TEXT NOT NULL DEFAULT '{}';
ALTER TABLE audit ADD COLUMN result TEXT NOT NULL DEFAULT 'done' CHECK (result IN ('done', 'refused'));
CREATE INDEX audit_at ON audit (at);
CREATE INDEX audit_actor ON audit (actor_name, id);
CREATE INDEX audit_user ON audit (actor_user, id);
CREATE INDEX audit_action ON audit (action, id);

-- What the triggers ask: rows before the moment may be removed, for the time of the
-- transaction that removes them; and what rows say of a person may be replaced, for
-- the time of the transaction that erases them.
CREATE TABLE audit_guard (
    one     BIGINT  NOT NULL PRIMARY KEY CHECK (one = 1),
    before  BIGINT  NOT NULL,
    erasing BOOLEAN NOT NULL
);
INSERT INTO audit_guard (one, before, erasing) VALUES (1, 0, FALSE);

-- Homes that were kept when their workspace was deleted. No foreign keys to what
-- may be gone.
CREATE TABLE kept_homes (
    slug         TEXT    NOT NULL PRIMARY KEY REFERENCES slugs (slug),
    workspace_id TEXT    NOT NULL,
    student_id   TEXT    NOT NULL,
    -- When the workspace was deleted.
    since        BIGINT  NOT NULL,
    -- It is not to be kept any longer, whatever the retention.
    unwanted     BOOLEAN NOT NULL,
    -- Written by the reconciler when it begins to delete it.
    releasing_at BIGINT
);
CREATE INDEX kept_homes_since ON kept_homes (since);
CREATE INDEX kept_homes_student ON kept_homes (student_id);
INSERT INTO kept_homes (slug, workspace_id, student_id, since, unwanted)
    SELECT slug, id, student_id, deleted_at, FALSE FROM workspaces WHERE deleted_at IS NOT NULL AND NOT release_home;

ALTER TABLE students ADD COLUMN erased_at BIGINT;
