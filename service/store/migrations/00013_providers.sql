-- Whose role an OpenID provider's claims decide. Who somebody is there has been in
-- users from the beginning.

-- +goose Up
ALTER TABLE users ADD COLUMN role_by_provider BOOLEAN NOT NULL DEFAULT FALSE;
