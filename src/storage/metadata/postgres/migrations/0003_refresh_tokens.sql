-- Refresh tokens, by the SHA-256 of what the client holds. They end with the user, and with the user's epoch.
CREATE TABLE refresh_tokens (
    hash       TEXT COLLATE "C" NOT NULL PRIMARY KEY,
    account    TEXT COLLATE "C" NOT NULL REFERENCES users (name) ON DELETE CASCADE,
    epoch      BIGINT NOT NULL,
    created_at BIGINT NOT NULL,
    expires_at BIGINT NOT NULL
);
CREATE INDEX refresh_tokens_by_account ON refresh_tokens (account, created_at);
CREATE INDEX refresh_tokens_by_end ON refresh_tokens (expires_at);
