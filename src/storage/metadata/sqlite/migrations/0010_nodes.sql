-- What the nodes of one registry agree on, and count together. Times are of the clock that all of them follow.

-- The right to do what only one node may do.
CREATE TABLE leases (
    name   TEXT    NOT NULL PRIMARY KEY,
    holder TEXT    NOT NULL, -- the id of a node or of another process; empty once given back
    token  INTEGER NOT NULL, -- grows with each time it is taken: what is written under an older one is refused
    until  INTEGER NOT NULL  -- in milliseconds since the Unix epoch
) STRICT, WITHOUT ROWID;

-- Those that serve, or did a while ago. A node has a new id each time it starts.
CREATE TABLE nodes (
    id          TEXT    NOT NULL PRIMARY KEY,
    version     TEXT    NOT NULL,
    address     TEXT    NOT NULL,
    started_at  INTEGER NOT NULL,
    seen_at     INTEGER NOT NULL,
    leaving     INTEGER NOT NULL CHECK (leaving IN (0, 1)),
    clock_ahead INTEGER NOT NULL, -- by how many milliseconds the date of its machine is ahead
    settings    TEXT    NOT NULL  -- a JSON object of those that must be the same on every node
) STRICT, WITHOUT ROWID;

-- Wrong passwords by address, so that every node counts those that others have seen; of the last minutes.
CREATE TABLE address_failures (
    second   INTEGER NOT NULL, -- since the Unix epoch
    network  TEXT    NOT NULL,
    node     TEXT    NOT NULL,
    failures INTEGER NOT NULL,
    PRIMARY KEY (second, network, node)
) STRICT, WITHOUT ROWID;

-- From where an account's right password came, so that every node knows; of the name there is a keyed hash alone.
CREATE TABLE known_sources (
    name_hash BLOB    NOT NULL,
    network   TEXT    NOT NULL,
    seen_at   INTEGER NOT NULL,
    PRIMARY KEY (name_hash, network)
) STRICT, WITHOUT ROWID;
CREATE INDEX known_sources_by_age ON known_sources (seen_at);
