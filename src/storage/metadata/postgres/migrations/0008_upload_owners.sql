-- Whom an open upload session counts for: an account, or the address of someone who has not logged in.
ALTER TABLE uploads ADD COLUMN owner TEXT COLLATE "C" NOT NULL DEFAULT '';
CREATE INDEX uploads_by_owner ON uploads (owner);
