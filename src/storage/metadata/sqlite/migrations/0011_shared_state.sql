-- What the nodes of one registry must have in common, in one row. A registry whose database is this file has one node, which keeps all of
-- that in its data directory.
CREATE TABLE shared_state (
    id             INTEGER PRIMARY KEY CHECK (id = 1),
    data_key_check BLOB,                       -- by which a node sees that it has the key that the others have
    blob_store     TEXT,                       -- the mark that the store with the blobs has
    files_version  INTEGER NOT NULL DEFAULT 0, -- grows with each change of the files; 0 while there are none
    files          BLOB                        -- certificates and their keys, sealed
) STRICT;

INSERT INTO shared_state (id) VALUES (1);
