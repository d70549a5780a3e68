-- Acts on classes that can be followed to their end. Nothing here refers to what
-- an act was about: an operation stays when its class and workspaces are gone.

-- +goose Up
CREATE TABLE operations (
    id         TEXT   NOT NULL PRIMARY KEY,
    kind       TEXT   NOT NULL,
    class_id   TEXT   NOT NULL,
    class_key  TEXT   NOT NULL,
    actor_name TEXT   NOT NULL,
    state      TEXT   NOT NULL,
    affected   BIGINT NOT NULL,
    -- Those of its items, by outcome, and all of them.
    total      BIGINT NOT NULL,
    pending    BIGINT NOT NULL,
    done       BIGINT NOT NULL,
    failed     BIGINT NOT NULL,
    superseded BIGINT NOT NULL,
    created_at BIGINT NOT NULL,
    ended_at   BIGINT
);
CREATE INDEX operations_class ON operations (class_id, id);
CREATE INDEX operations_key ON operations (class_key, id);
CREATE INDEX operations_state ON operations (state, id);

CREATE TABLE operation_items (
    operation_id TEXT    NOT NULL REFERENCES operations (id),
    workspace_id TEXT    NOT NULL,
    slug         TEXT    NOT NULL,
    -- What the workspace must have had before the item is done.
    restarts     BIGINT  NOT NULL,
    resets       BIGINT  NOT NULL,
    outcome      TEXT    NOT NULL,
    reason       TEXT    NOT NULL,
    -- The operation runs, and the outcome may still change.
    unsettled    BOOLEAN NOT NULL,
    ended_at     BIGINT,
    PRIMARY KEY (operation_id, workspace_id)
);
CREATE INDEX operation_items_unsettled ON operation_items (workspace_id) WHERE unsettled;
