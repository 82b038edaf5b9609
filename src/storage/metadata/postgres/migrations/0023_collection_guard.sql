-- What keeps the collector from removing too much. A new mark is drawn every hour, and left in the blob store as well: a database that
-- was restored or rebuilt, or another blob store, has another one, and then nothing is removed.
CREATE TABLE collection_guard (
    id              BIGINT NOT NULL PRIMARY KEY CHECK (id = 1),
    mark            TEXT COLLATE "C" NOT NULL,      -- empty before the first collection
    mark_before     TEXT COLLATE "C" NOT NULL,      -- the blob store may still have this one
    marked_at       BIGINT NOT NULL,
    window_began    BIGINT NOT NULL,      -- since when removals are counted
    window_blobs    BIGINT NOT NULL,      -- how many blobs there were then
    window_total    BIGINT NOT NULL,      -- and how many had been collected since the beginning
    confirmed_total BIGINT NOT NULL       -- up to how many may have been, as a person has confirmed
);
INSERT INTO collection_guard
    (id, mark, mark_before, marked_at, window_began, window_blobs, window_total, confirmed_total)
VALUES (1, '', '', 0, 0, 0, 0, 0);
