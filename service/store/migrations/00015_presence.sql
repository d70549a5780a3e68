-- What a pass hangs on where no session stands behind it, and whether whoever has
-- it was asked to show that they are still there.

-- +goose Up
-- The API token that it was asked for with, "" for none.
ALTER TABLE tickets ADD COLUMN token_id TEXT NOT NULL DEFAULT '';
ALTER TABLE passes ADD COLUMN token_id TEXT NOT NULL DEFAULT '';
-- When open connections were last ended to see who comes back. Written by the door.
ALTER TABLE passes ADD COLUMN asked_at BIGINT;
