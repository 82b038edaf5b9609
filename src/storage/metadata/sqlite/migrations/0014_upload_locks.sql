-- For databases of many nodes, where it is locked before the upload sessions of an owner are counted. One writer needs no lock.
CREATE TABLE upload_locks (slot INTEGER NOT NULL PRIMARY KEY) STRICT;
