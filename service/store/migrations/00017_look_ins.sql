-- How somebody was in a workspace that is not theirs.

-- +goose Up
ALTER TABLE look_ins ADD COLUMN how TEXT NOT NULL DEFAULT 'editor' CHECK (how IN ('editor', 'terminal'));
