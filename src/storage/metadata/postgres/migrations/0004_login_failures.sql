-- Wrong passwords, with the account: what a login reads anyway tells whether the password is checked.
ALTER TABLE users ADD COLUMN failed_at TEXT COLLATE "C"; -- a JSON list of times, oldest first; NULL for none
ALTER TABLE users ADD COLUMN failed_in_row BIGINT NOT NULL DEFAULT 0 CHECK (failed_in_row >= 0);
