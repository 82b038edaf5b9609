-- What a transaction locks before it counts the upload sessions of an owner: the owner's slot, because most owners are addresses that come
-- and go.
CREATE TABLE upload_locks (slot BIGINT PRIMARY KEY);
INSERT INTO upload_locks (slot) SELECT generate_series(0, 63);
