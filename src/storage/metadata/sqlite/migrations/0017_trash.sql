-- What was deleted and can be restored, what tags pointed to before, what must not be deleted, and what was purged.

-- A manifest with a number here was deleted: it is served to no one, and keeps what it refers to until the trash is emptied of it. A deleted
-- repository has a name that no repository can have, which sorts behind all of them.
ALTER TABLE repositories ADD COLUMN trash_id INTEGER;
ALTER TABLE manifests ADD COLUMN trash_id INTEGER;

CREATE TABLE trash (
    id            INTEGER PRIMARY KEY AUTOINCREMENT,
    kind          INTEGER NOT NULL CHECK (kind IN (0, 1, 2)),      -- 0 a tag, 1 a manifest, 2 a repository
    repository_id INTEGER NOT NULL REFERENCES repositories (id) ON DELETE CASCADE,
    repository    TEXT    NOT NULL,                                -- the name of the repository
    tag           TEXT,
    digest        TEXT,
    parent        INTEGER REFERENCES trash (id) ON DELETE CASCADE, -- a tag that went with its manifest
    deleted_at    INTEGER NOT NULL,
    deleted_by    TEXT    NOT NULL,
    cause         TEXT    NOT NULL,
    purge_at      INTEGER NOT NULL                                 -- when it is removed for good
) STRICT;
CREATE INDEX trash_by_time ON trash (purge_at);
CREATE INDEX trash_by_name ON trash (repository, id);
CREATE INDEX trash_by_digest ON trash (repository_id, digest);
CREATE INDEX trash_by_parent ON trash (parent) WHERE parent IS NOT NULL;

-- Who moved a tag to where it points, and why; by a version before, where recorded_at is not updated_at.
ALTER TABLE tags ADD COLUMN changed_by TEXT;
ALTER TABLE tags ADD COLUMN cause TEXT;
ALTER TABLE tags ADD COLUMN recorded_at INTEGER;

-- What tags pointed to before they were moved or deleted. Where it is not known who did it, that is NULL.
CREATE TABLE tag_history (
    id            INTEGER PRIMARY KEY AUTOINCREMENT,
    repository_id INTEGER NOT NULL REFERENCES repositories (id) ON DELETE CASCADE,
    name          TEXT    NOT NULL,
    digest        TEXT    NOT NULL,
    from_at       INTEGER NOT NULL,
    until_at      INTEGER NOT NULL,
    changed_by    TEXT,
    cause         TEXT,
    ended_by      TEXT    NOT NULL,
    ended_cause   TEXT    NOT NULL
) STRICT;
CREATE INDEX tag_history_by_tag ON tag_history (repository_id, name, id);
CREATE INDEX tag_history_by_time ON tag_history (until_at);

-- By name: a hold is on what users see.
CREATE TABLE holds (
    repository TEXT    NOT NULL,
    tag        TEXT    NOT NULL, -- empty: the whole repository
    reason     TEXT    NOT NULL,
    created_at INTEGER NOT NULL,
    created_by TEXT    NOT NULL,
    PRIMARY KEY (repository, tag)
) STRICT, WITHOUT ROWID;

CREATE TABLE purges (
    id         INTEGER PRIMARY KEY AUTOINCREMENT,
    repository TEXT    NOT NULL,
    digest     TEXT,             -- NULL: the whole repository
    reason     TEXT    NOT NULL,
    purged_at  INTEGER NOT NULL,
    purged_by  TEXT    NOT NULL,
    manifests  INTEGER NOT NULL,
    contents   INTEGER NOT NULL, -- those that nothing else needed
    bytes      INTEGER NOT NULL  -- of these
) STRICT;
CREATE INDEX purges_by_name ON purges (repository, id);
