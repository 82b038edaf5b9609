-- Wrong passwords, with the account: what a login reads anyway tells whether the password is looked at.
ALTER TABLE users ADD COLUMN failed_at TEXT; -- a JSON list of times, oldest first; NULL where there is none
ALTER TABLE users ADD COLUMN failed_in_row INTEGER NOT NULL DEFAULT 0 CHECK (failed_in_row >= 0);
