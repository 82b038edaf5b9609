-- Wrong passwords, with the account: what a login reads anyway tells whether the password is looked at.
ALTER TABLE users ADD COLUMN failed_at TEXT; -- a JSON list of times, oldest first; NULL where there is none
ALTER TABLE users ADD COLUMN failed_in_row INTEGER NOT NULL DEFAULT 0 CHECK (failed_in_row >= 0);
-- How often a wrong password came for a name of nobody: counted so that it takes as long as for somebody.
ALTER TABLE meta ADD COLUMN failed_for_nobody INTEGER NOT NULL DEFAULT 0;
