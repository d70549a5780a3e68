-- The schema, in the SQL that SQLite and PostgreSQL share. Ids are UUIDv7 text;
-- moments are microseconds since 1970 in UTC (no zone, no driver's format, exact
-- on both); JSON is text. Every constraint that a person can run into has a name.

-- +goose Up
CREATE TABLE installation (
    one        BIGINT NOT NULL PRIMARY KEY CHECK (one = 1),
    id         TEXT   NOT NULL,
    created_at BIGINT NOT NULL
);

-- The epoch of whoever reconciles: work claimed under an older one is refused.
CREATE TABLE reconciler (
    one   BIGINT NOT NULL PRIMARY KEY CHECK (one = 1),
    epoch BIGINT NOT NULL
);
INSERT INTO reconciler (one, epoch) VALUES (1, 0);

CREATE TABLE cohorts (
    id         TEXT   NOT NULL PRIMARY KEY,
    key        TEXT   NOT NULL,
    name       TEXT   NOT NULL,
    created_at BIGINT NOT NULL,
    updated_at BIGINT NOT NULL,
    CONSTRAINT cohorts_key UNIQUE (key)
);

CREATE TABLE courses (
    id         TEXT   NOT NULL PRIMARY KEY,
    key        TEXT   NOT NULL,
    name       TEXT   NOT NULL,
    template   TEXT   NOT NULL,
    parameters TEXT   NOT NULL,
    created_at BIGINT NOT NULL,
    updated_at BIGINT NOT NULL,
    CONSTRAINT courses_key UNIQUE (key)
);

CREATE TABLE students (
    id           TEXT   NOT NULL PRIMARY KEY,
    cohort_id    TEXT   NOT NULL REFERENCES cohorts (id),
    name         TEXT   NOT NULL,
    email        TEXT   NOT NULL,
    -- The address as addresses are compared.
    email_key    TEXT   NOT NULL,
    created_at   BIGINT NOT NULL,
    updated_at   BIGINT NOT NULL,
    withdrawn_at BIGINT
);
CREATE UNIQUE INDEX students_email ON students (cohort_id, email_key) WHERE withdrawn_at IS NULL;
CREATE INDEX students_cohort ON students (cohort_id);

CREATE TABLE classes (
    id         TEXT    NOT NULL PRIMARY KEY,
    cohort_id  TEXT    NOT NULL REFERENCES cohorts (id),
    course_id  TEXT    NOT NULL REFERENCES courses (id),
    deleting   BOOLEAN NOT NULL,
    created_at BIGINT  NOT NULL,
    updated_at BIGINT  NOT NULL,
    CONSTRAINT classes_cohort_course UNIQUE (cohort_id, course_id)
);
CREATE INDEX classes_course ON classes (course_id);

-- Every slug that was ever given. Rows are never deleted: a slug names a home
-- and secrets, which may outlive everything else of a workspace.
CREATE TABLE slugs (
    slug         TEXT   NOT NULL PRIMARY KEY,
    workspace_id TEXT   NOT NULL,
    created_at   BIGINT NOT NULL,
    CONSTRAINT slugs_workspace UNIQUE (workspace_id)
);

CREATE TABLE workspaces (
    id                TEXT    NOT NULL PRIMARY KEY,
    class_id          TEXT    NOT NULL REFERENCES classes (id),
    student_id        TEXT    NOT NULL REFERENCES students (id),
    slug              TEXT    NOT NULL REFERENCES slugs (slug),
    -- Written by the registrar.
    desired           TEXT    NOT NULL CHECK (desired IN ('running', 'stopped', 'deleted')),
    restarts_wanted   BIGINT  NOT NULL,
    release_home      BOOLEAN NOT NULL,
    -- Written by the reconciler: what was last handed to Nomad.
    fingerprint       TEXT    NOT NULL,
    source_sha256     TEXT    NOT NULL,
    job_modify_index  BIGINT  NOT NULL,
    restarts_done     BIGINT  NOT NULL,
    submitted_at      BIGINT,
    -- Written by the reconciler: what was last seen.
    phase             TEXT    NOT NULL,
    reason            TEXT    NOT NULL,
    drifted           BOOLEAN NOT NULL,
    outdated          BOOLEAN NOT NULL,
    alloc_id          TEXT    NOT NULL,
    node_name         TEXT    NOT NULL,
    phase_since       BIGINT,
    created_at        BIGINT  NOT NULL,
    updated_at        BIGINT  NOT NULL,
    deleted_at        BIGINT,
    CONSTRAINT workspaces_slug UNIQUE (slug)
);
-- One workspace for a student in a class; one that is being deleted does not stand in the way of the next.
CREATE UNIQUE INDEX workspaces_student ON workspaces (class_id, student_id) WHERE desired <> 'deleted';
CREATE INDEX workspaces_class ON workspaces (class_id);
CREATE INDEX workspaces_by_student ON workspaces (student_id);

CREATE TABLE audit (
    id           TEXT   NOT NULL PRIMARY KEY,
    at           BIGINT NOT NULL,
    actor_name   TEXT   NOT NULL,
    actor_remote TEXT   NOT NULL,
    action       TEXT   NOT NULL,
    target       TEXT   NOT NULL,
    detail       TEXT   NOT NULL
);
CREATE INDEX audit_target ON audit (target, at);
