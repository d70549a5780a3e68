-- Templates are registered as versions, and a version never changes.

-- +goose Up
-- The names: what those who register versions of the same one queue for.
CREATE TABLE templates (
    name       TEXT   NOT NULL PRIMARY KEY,
    created_at BIGINT NOT NULL
);

CREATE TABLE template_versions (
    id              TEXT    NOT NULL PRIMARY KEY,
    name            TEXT    NOT NULL REFERENCES templates (name),
    version         BIGINT  NOT NULL CHECK (version > 0),
    digest          TEXT    NOT NULL,
    description     TEXT    NOT NULL,
    source          TEXT    NOT NULL,
    origin_kind     TEXT    NOT NULL CHECK (origin_kind IN ('builtin', 'folder', 'git', 'upload')),
    origin_url      TEXT    NOT NULL,
    origin_path     TEXT    NOT NULL,
    origin_revision TEXT    NOT NULL,
    origin_dirty    BOOLEAN NOT NULL,
    author_name     TEXT    NOT NULL,
    author_email    TEXT    NOT NULL,
    registered_by   TEXT    NOT NULL,
    message         TEXT    NOT NULL,
    -- Name and description as searches compare them.
    search          TEXT    NOT NULL,
    created_at      BIGINT  NOT NULL,
    CONSTRAINT template_versions_name UNIQUE (name, version)
);
CREATE INDEX template_versions_digest ON template_versions (name, digest);

-- Courses that were made before there were versions have the first one: the one
-- that a server registers at its next start. There is no foreign key, because until
-- then, and where the file of a template is gone, there is no such version.
ALTER TABLE courses ADD COLUMN template_version BIGINT NOT NULL DEFAULT 1 CHECK (template_version > 0);

-- What a class sets otherwise than its course.
ALTER TABLE classes ADD COLUMN parameters TEXT NOT NULL DEFAULT '{}';
