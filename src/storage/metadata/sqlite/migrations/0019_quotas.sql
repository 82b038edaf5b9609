-- Quotas. A content (a manifest, or a blob that one refers to) counts once within a quota, for as long as a manifest in one of its
-- repositories holds it. Each write counts what it changes, in its own transaction; nothing is ever summed up again.
CREATE TABLE quotas (
    id          INTEGER PRIMARY KEY AUTOINCREMENT,
    pattern     TEXT    NOT NULL,
    bytes       INTEGER NOT NULL CHECK (bytes >= 0),
    shares      INTEGER NOT NULL CHECK (shares > 0),                  -- how many rows of quota_shares it has
    state       INTEGER NOT NULL CHECK (state IN (0, 1, 2)),          -- 0 counted, 1 being counted, 2 being removed
    walked_to   TEXT,                                                 -- the repository up to which that is done; NULL: all
    replaces    INTEGER NOT NULL DEFAULT 0,                           -- the one that this one takes the place of once it is counted
    drift       INTEGER,                                              -- by how many bytes that one was wrong
    created_at  INTEGER NOT NULL,
    counted_at  INTEGER
) STRICT;

-- If there are none, a new repository need not look for its own.
ALTER TABLE meta ADD COLUMN quotas INTEGER NOT NULL DEFAULT 0;

-- The quotas that count this repository, a JSON object: the id, and null or the digest of the last manifest that is counted yet.
ALTER TABLE repositories ADD COLUMN quotas TEXT;

CREATE TABLE quota_contents (
    quota_id INTEGER NOT NULL,
    digest   TEXT    NOT NULL,
    size     INTEGER NOT NULL,
    holders  INTEGER NOT NULL, -- how many manifests hold it
    added    INTEGER NOT NULL, -- how many the last write has added: where that is all, the content is new
    PRIMARY KEY (quota_id, digest)
) STRICT, WITHOUT ROWID;

-- What is left of a quota, in parts, so that pushes to different repositories do not wait for each other. The sum counts. Only the part 0 is
-- ever negative, and only while all others are 0.
CREATE TABLE quota_shares (
    quota_id INTEGER NOT NULL,
    share    INTEGER NOT NULL,
    room     INTEGER NOT NULL,
    PRIMARY KEY (quota_id, share)
) STRICT, WITHOUT ROWID;
