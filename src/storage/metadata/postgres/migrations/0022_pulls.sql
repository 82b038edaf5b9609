-- When tags and manifests were last pulled, and by whom. Written a while later, many at once.
CREATE TABLE tag_pulls (
    repository_id BIGINT NOT NULL,
    name          TEXT COLLATE "C" NOT NULL,
    pulled_at     BIGINT NOT NULL,
    pulled_by     TEXT COLLATE "C" NOT NULL,
    PRIMARY KEY (repository_id, name),
    FOREIGN KEY (repository_id, name) REFERENCES tags (repository_id, name) ON DELETE CASCADE
);

CREATE TABLE manifest_pulls (
    manifest_id BIGINT NOT NULL PRIMARY KEY REFERENCES manifests (id) ON DELETE CASCADE,
    pulled_at   BIGINT NOT NULL,
    pulled_by   TEXT COLLATE "C" NOT NULL
);

-- Since when every pull is recorded; NULL while they are not.
CREATE TABLE pull_recording (
    id    BIGINT NOT NULL PRIMARY KEY CHECK (id = 1),
    since BIGINT
);
INSERT INTO pull_recording (id, since) VALUES (1, NULL);
