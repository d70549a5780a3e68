-- Who is giving somebody a password at Vault at the moment, '' for nobody, and until
-- when at the latest.

-- +goose Up

ALTER TABLE users ADD COLUMN password_hold TEXT NOT NULL DEFAULT '';
ALTER TABLE users ADD COLUMN password_held_until BIGINT;
