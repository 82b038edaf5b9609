-- Garbage collection. A write that drops a reference puts what it referred to into the queue, in its own transaction; nothing is ever
-- found by walking. Kinds: 0 a manifest, 1 a repository's link to a blob, 2 a blob (repository 0), 3 the removal of a blob (repository 0).
CREATE TABLE collection_queue (
    kind          BIGINT NOT NULL CHECK (kind IN (0, 1, 2, 3)),
    repository_id BIGINT NOT NULL,
    digest        TEXT COLLATE "C" NOT NULL,
    review_after  BIGINT NOT NULL,           -- for manifests and removals, the delay of the configuration comes on top
    changes       BIGINT NOT NULL DEFAULT 0, -- grows with each write: a review ends only the entry that it saw
    claimed_until BIGINT NOT NULL DEFAULT 0,
    PRIMARY KEY (kind, repository_id, digest)
);
CREATE INDEX collection_queue_by_time ON collection_queue (kind, review_after);

-- Contents whose rows are gone, until the blob store has removed them.
CREATE TABLE doomed_contents (
    key           TEXT COLLATE "C" NOT NULL PRIMARY KEY,
    digest        TEXT COLLATE "C" NOT NULL,
    size          BIGINT NOT NULL,
    since         BIGINT NOT NULL,
    claimed_until BIGINT NOT NULL DEFAULT 0
);
CREATE INDEX doomed_contents_by_time ON doomed_contents (since);

-- What was collected since the beginning.
CREATE TABLE collection_totals (
    id          BIGINT NOT NULL PRIMARY KEY CHECK (id = 1),
    manifests   BIGINT NOT NULL,
    links       BIGINT NOT NULL,
    blobs       BIGINT NOT NULL,
    freed_bytes BIGINT NOT NULL,
    freed_at    BIGINT NOT NULL
);
INSERT INTO collection_totals (id, manifests, links, blobs, freed_bytes, freed_at) VALUES (1, 0, 0, 0, 0, 0);

-- Whether a repository still needs a blob is asked of its own references, not of those of all repositories that share it.
ALTER TABLE manifest_blobs ADD COLUMN repository_id BIGINT NOT NULL DEFAULT 0;
UPDATE manifest_blobs SET repository_id = (SELECT m.repository_id FROM manifests m WHERE m.id = manifest_blobs.manifest_id);
CREATE INDEX manifest_blobs_by_repository ON manifest_blobs (repository_id, blob_id);

-- What was dropped before there was a collector: manifests that nothing refers to any more are kept, since no one can tell them from
-- those that were pushed by digest; blobs that no manifest of their repository refers to are reviewed once.
INSERT INTO collection_queue (kind, repository_id, digest, review_after)
    SELECT 1, l.repository_id, b.digest, b.lease_until FROM repository_blobs l JOIN blobs b ON b.id = l.blob_id
    WHERE NOT EXISTS (SELECT 1 FROM manifest_blobs r WHERE r.repository_id = l.repository_id AND r.blob_id = l.blob_id);
INSERT INTO collection_queue (kind, repository_id, digest, review_after)
    SELECT 2, 0, b.digest, b.lease_until FROM blobs b
    WHERE NOT EXISTS (SELECT 1 FROM repository_blobs l WHERE l.blob_id = b.id);
