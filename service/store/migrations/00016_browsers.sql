-- Which browser a ticket and a pass are for, and whose a browser is.

-- +goose Up
-- The hash of the browser's cookie; "" in a ticket that any browser may take.
ALTER TABLE tickets ADD COLUMN browser TEXT NOT NULL DEFAULT '';
ALTER TABLE passes ADD COLUMN browser TEXT NOT NULL DEFAULT '';
-- Passes of before are no browser's: they count no more.
UPDATE passes SET expires_at = 0 WHERE ended_at IS NULL;
CREATE INDEX passes_by_browser ON passes (browser) WHERE ended_at IS NULL;

-- Who first came in with a browser: it stays theirs until another cookie takes its place.
CREATE TABLE browsers (
    hash    TEXT   NOT NULL PRIMARY KEY,
    user_id TEXT   NOT NULL,
    actor   TEXT   NOT NULL,
    used_at BIGINT NOT NULL
);
CREATE INDEX browsers_by_use ON browsers (used_at);
CREATE INDEX browsers_by_user ON browsers (user_id);

