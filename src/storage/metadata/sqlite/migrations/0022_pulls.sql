-- When tags and manifests were last pulled, and by whom. Written a while later, many at once.
CREATE TABLE tag_pulls (
    repository_id INTEGER NOT NULL,
    name          TEXT    NOT NULL,
    pulled_at     INTEGER NOT NULL,
    pulled_by     TEXT    NOT NULL,
    PRIMARY KEY (repository_id, name),
    FOREIGN KEY (repository_id, name) REFERENCES tags (repository_id, name) ON DELETE CASCADE
) STRICT, WITHOUT ROWID;

CREATE TABLE manifest_pulls (
    manifest_id INTEGER NOT NULL PRIMARY KEY REFERENCES manifests (id) ON DELETE CASCADE,
    pulled_at   INTEGER NOT NULL,
    pulled_by   TEXT    NOT NULL
) STRICT;

-- Since when every pull is recorded; NULL while they are not.
CREATE TABLE pull_recording (
    id    INTEGER NOT NULL PRIMARY KEY CHECK (id = 1),
    since INTEGER
) STRICT;
INSERT INTO pull_recording (id, since) VALUES (1, NULL);
