-- Rules about tags. Of those that match a tag, the one with the highest number decides.

-- Which tags clients may not move or delete.
CREATE TABLE immutable_rules (
    id           INTEGER PRIMARY KEY AUTOINCREMENT,
    repositories TEXT    NOT NULL,
    tags         TEXT    NOT NULL,
    mutable      INTEGER NOT NULL CHECK (mutable IN (0, 1)), -- an exception from earlier rules
    correctable  INTEGER NOT NULL,                         -- for so many seconds after a push a tag may still be moved
    expires      INTEGER NOT NULL CHECK (expires IN (0, 1)), -- whether retention may remove it
    created_at   INTEGER NOT NULL,
    created_by   TEXT    NOT NULL
) STRICT;

-- Which tags are kept for what reason.
CREATE TABLE retention_rules (
    id           INTEGER PRIMARY KEY AUTOINCREMENT,
    repositories TEXT    NOT NULL,
    tags         TEXT,              -- NULL: it is about manifests without a tag, index or subject
    keep         TEXT    NOT NULL,
    rehearsed_at INTEGER,           -- when it first ran, without removing anything
    created_at   INTEGER NOT NULL,
    created_by   TEXT    NOT NULL
) STRICT;

-- The last run of all rules.
CREATE TABLE retention_runs (
    id       INTEGER NOT NULL PRIMARY KEY CHECK (id = 1),
    ran_at   INTEGER NOT NULL,
    ran_by   TEXT    NOT NULL,
    examined INTEGER NOT NULL, -- tags and untagged manifests
    removed  INTEGER NOT NULL,
    waiting  INTEGER NOT NULL  -- so many would be removed, which is so much that someone has to confirm it
) STRICT;

-- When a manifest was last pushed; NULL where that was the first time, or by an older version.
ALTER TABLE manifests ADD COLUMN pushed_at INTEGER;
