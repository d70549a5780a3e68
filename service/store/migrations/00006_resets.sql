-- +goose Up
-- Written by the registrar.
ALTER TABLE workspaces ADD COLUMN resets_wanted BIGINT NOT NULL DEFAULT 0;
-- Written by the reconciler.
ALTER TABLE workspaces ADD COLUMN resets_done BIGINT NOT NULL DEFAULT 0;
