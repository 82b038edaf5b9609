-- Whether contents are what their rows say: when each was last read back, and whether it was found to be damaged. A damaged blob is in no
-- repository for clients, until a push brings its content back.
ALTER TABLE blobs ADD COLUMN verified_at INTEGER NOT NULL DEFAULT 0; -- 0: never; -1: it is to be read as soon as possible
ALTER TABLE blobs ADD COLUMN damaged INTEGER NOT NULL DEFAULT 0 CHECK (damaged IN (0, 1));
CREATE INDEX blobs_by_key ON blobs (key);
CREATE INDEX blobs_by_verification ON blobs (verified_at, id);

-- While one of these counts, the collector removes no content: a backup copies what a snapshot of the database names.
CREATE TABLE backup_pins (
    id    TEXT     NOT NULL PRIMARY KEY,
    since INTEGER NOT NULL,
    until INTEGER NOT NULL -- renewed while the backup works
) STRICT, WITHOUT ROWID;
