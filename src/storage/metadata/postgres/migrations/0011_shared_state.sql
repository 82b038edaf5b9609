-- What the nodes of one registry must have in common, in one row.
CREATE TABLE shared_state (
    id             BIGINT PRIMARY KEY CHECK (id = 1),
    data_key_check BYTEA,                     -- by which a node sees that it has the key that the others have
    blob_store     TEXT COLLATE "C",          -- the mark that the store with the blobs has
    files_version  BIGINT NOT NULL DEFAULT 0, -- grows with each change of the files; 0 while there are none
    files          BYTEA                      -- certificates and their keys, sealed
);

INSERT INTO shared_state (id) VALUES (1);
