-- With which token a token was made, '' for none: it is revoked with that one.

-- +goose Up
ALTER TABLE api_tokens ADD COLUMN parent_id TEXT NOT NULL DEFAULT '';
CREATE INDEX api_tokens_by_parent ON api_tokens (parent_id) WHERE parent_id <> '';

-- What users have who were disabled before that ended it.
UPDATE sessions SET ended_at = (SELECT disabled_at FROM users u WHERE u.id = sessions.user_id)
    WHERE ended_at IS NULL AND user_id IN (SELECT id FROM users WHERE disabled_at IS NOT NULL);
UPDATE api_tokens SET revoked_at = (SELECT disabled_at FROM users u WHERE u.id = api_tokens.user_id)
    WHERE revoked_at IS NULL AND user_id IN (SELECT id FROM users WHERE disabled_at IS NOT NULL);
