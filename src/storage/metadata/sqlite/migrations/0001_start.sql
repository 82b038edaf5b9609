-- All that is not a blob's content. Every path of a request is answered from one of the keys and indexes below.
-- Times are whole seconds since the Unix epoch; text compares byte by byte.

CREATE TABLE meta (
    id             INTEGER PRIMARY KEY CHECK (id = 1),
    instance       TEXT    NOT NULL, -- a name drawn when this database was made: another one means that it was rebuilt
    policy_version INTEGER NOT NULL, -- grows with every change of users, grants, keys
    last_epoch     INTEGER NOT NULL, -- the newest epoch given to a user
    pinged_at      INTEGER NOT NULL  -- readiness writes here
) STRICT;

CREATE TABLE repositories (
    id         INTEGER PRIMARY KEY,
    name       TEXT    NOT NULL UNIQUE,
    created_at INTEGER NOT NULL
) STRICT;

CREATE TABLE blobs (
    id          INTEGER PRIMARY KEY,
    digest      TEXT    NOT NULL UNIQUE,
    size        INTEGER NOT NULL CHECK (size >= 0),
    key         TEXT    NOT NULL,
    state       INTEGER NOT NULL DEFAULT 0 CHECK (state IN (0, 1)), -- 0 live, 1 about to be deleted
    lease_until INTEGER NOT NULL,                                   -- not collected before
    created_at  INTEGER NOT NULL
) STRICT;

-- The name stands here as well, so that the repositories with a blob come in order from one index. Names never change.
CREATE TABLE repository_blobs (
    repository_id   INTEGER NOT NULL REFERENCES repositories (id) ON DELETE CASCADE,
    blob_id         INTEGER NOT NULL REFERENCES blobs (id),
    repository_name TEXT    NOT NULL,
    PRIMARY KEY (repository_id, blob_id)
) STRICT, WITHOUT ROWID;
CREATE UNIQUE INDEX repository_blobs_by_blob ON repository_blobs (blob_id, repository_name);

-- The content is the last column, so that nothing else needs to read past it.
CREATE TABLE manifests (
    id            INTEGER PRIMARY KEY,
    repository_id INTEGER NOT NULL REFERENCES repositories (id) ON DELETE CASCADE,
    digest        TEXT    NOT NULL,
    media_type    TEXT    NOT NULL,
    size          INTEGER NOT NULL CHECK (size >= 0),
    subject       TEXT,
    artifact_type TEXT,
    created_at    INTEGER NOT NULL,
    annotations   TEXT,
    content       BLOB    NOT NULL,
    UNIQUE (repository_id, digest)
) STRICT;
CREATE INDEX manifests_by_subject ON manifests (repository_id, subject, digest) WHERE subject IS NOT NULL;
CREATE INDEX manifests_by_subject_and_type ON manifests (repository_id, subject, artifact_type, digest)
    WHERE subject IS NOT NULL;

CREATE TABLE manifest_blobs (
    manifest_id INTEGER NOT NULL REFERENCES manifests (id) ON DELETE CASCADE,
    blob_id     INTEGER NOT NULL REFERENCES blobs (id),
    PRIMARY KEY (manifest_id, blob_id)
) STRICT, WITHOUT ROWID;
CREATE INDEX manifest_blobs_by_blob ON manifest_blobs (blob_id);

-- By digest, not by row: a child that is deleted and put again is a child again.
CREATE TABLE manifest_children (
    repository_id INTEGER NOT NULL REFERENCES repositories (id) ON DELETE CASCADE,
    digest        TEXT    NOT NULL,
    manifest_id   INTEGER NOT NULL REFERENCES manifests (id) ON DELETE CASCADE,
    PRIMARY KEY (repository_id, digest, manifest_id)
) STRICT, WITHOUT ROWID;
CREATE INDEX manifest_children_by_manifest ON manifest_children (manifest_id);

CREATE TABLE tags (
    repository_id INTEGER NOT NULL REFERENCES repositories (id) ON DELETE CASCADE,
    name          TEXT    NOT NULL,
    manifest_id   INTEGER NOT NULL REFERENCES manifests (id) ON DELETE CASCADE,
    updated_at    INTEGER NOT NULL,
    PRIMARY KEY (repository_id, name)
) STRICT, WITHOUT ROWID;
CREATE INDEX tags_by_manifest ON tags (manifest_id);

-- By the repository's name: a session does not create its repository.
CREATE TABLE uploads (
    id         TEXT    NOT NULL PRIMARY KEY,
    repository TEXT    NOT NULL,
    subject    TEXT    NOT NULL,
    algorithm  TEXT    NOT NULL,
    length     INTEGER NOT NULL CHECK (length >= 0),
    updated_at INTEGER NOT NULL,
    hash_state BLOB    NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX uploads_by_repository ON uploads (repository);
CREATE INDEX uploads_by_age ON uploads (updated_at);

CREATE TABLE users (
    name          TEXT    NOT NULL PRIMARY KEY,
    password_hash TEXT    NOT NULL,
    admin         INTEGER NOT NULL CHECK (admin IN (0, 1)),
    disabled      INTEGER NOT NULL DEFAULT 0 CHECK (disabled IN (0, 1)),
    epoch         INTEGER NOT NULL UNIQUE,
    created_at    INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE grants (
    grantee    TEXT    NOT NULL,
    pattern    TEXT    NOT NULL,
    can_pull   INTEGER NOT NULL CHECK (can_pull IN (0, 1)),
    can_push   INTEGER NOT NULL CHECK (can_push IN (0, 1)),
    can_delete INTEGER NOT NULL CHECK (can_delete IN (0, 1)),
    PRIMARY KEY (grantee, pattern)
) STRICT, WITHOUT ROWID;

CREATE TABLE token_keys (
    kid         TEXT    NOT NULL PRIMARY KEY,
    sealed      BLOB    NOT NULL,
    created_at  INTEGER NOT NULL,
    signs_from  INTEGER NOT NULL,
    signs_until INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
