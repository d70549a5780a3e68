-- When a token that the session had after this one was first seen, NULL for not yet:
-- until then this one may be all that the browser has.

-- +goose Up
ALTER TABLE session_tokens ADD COLUMN succeeded_at BIGINT;
UPDATE session_tokens SET succeeded_at = replaced_at;
DROP INDEX sessions_previous_hash;
ALTER TABLE sessions DROP COLUMN previous_hash;
