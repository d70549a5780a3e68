-- Until when a temporary password is good, and what is looked for when the time of
-- something is over.

-- +goose Up
-- NULL where there is no temporary password. Those of before get a week from when they were mailed.
ALTER TABLE users ADD COLUMN password_until BIGINT;
UPDATE users SET password_until = updated_at + 604800000000 WHERE password = 'temporary';

CREATE INDEX sessions_ended ON sessions (ended_at) WHERE ended_at IS NOT NULL;
CREATE INDEX sessions_by_expiry ON sessions (expires_at);
CREATE INDEX devices_by_time ON devices (used_at);
CREATE INDEX api_tokens_by_expiry ON api_tokens (expires_at);
CREATE INDEX api_tokens_revoked ON api_tokens (revoked_at) WHERE revoked_at IS NOT NULL;
CREATE INDEX mail_links_by_expiry ON mail_links (expires_at);
CREATE INDEX look_ins_by_time ON look_ins (at);
CREATE INDEX operations_ended ON operations (ended_at) WHERE ended_at IS NOT NULL;
