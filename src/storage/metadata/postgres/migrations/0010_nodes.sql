-- What the nodes of one registry agree on, and count together. Times are of the clock that all of them follow.

-- The right to do what only one node may do.
CREATE TABLE leases (
    name   TEXT COLLATE "C" NOT NULL PRIMARY KEY,
    holder TEXT COLLATE "C" NOT NULL, -- the id of a node or of another process; empty once given back
    token  BIGINT NOT NULL,           -- grows with each time it is taken: what is written under an older one is refused
    until  BIGINT NOT NULL            -- in milliseconds since the Unix epoch
);

-- Those that serve, or did a while ago. A node has a new id each time it starts.
CREATE TABLE nodes (
    id          TEXT COLLATE "C" NOT NULL PRIMARY KEY,
    version     TEXT COLLATE "C" NOT NULL,
    address     TEXT COLLATE "C" NOT NULL,
    started_at  BIGINT NOT NULL,
    seen_at     BIGINT NOT NULL,
    leaving     BIGINT NOT NULL CHECK (leaving IN (0, 1)),
    clock_ahead BIGINT NOT NULL,          -- by how many milliseconds the date of its machine is ahead
    settings    TEXT COLLATE "C" NOT NULL -- a JSON object of those that must be the same on every node
);

-- Wrong passwords by address, so that every node counts those that others have seen; of the last minutes.
CREATE TABLE address_failures (
    second   BIGINT NOT NULL, -- since the Unix epoch
    network  TEXT COLLATE "C" NOT NULL,
    node     TEXT COLLATE "C" NOT NULL,
    failures BIGINT NOT NULL,
    PRIMARY KEY (second, network, node)
);

-- From where an account's right password came, so that every node knows; of the name there is a keyed hash alone.
CREATE TABLE known_sources (
    name_hash BYTEA NOT NULL,
    network   TEXT COLLATE "C" NOT NULL,
    seen_at   BIGINT NOT NULL,
    PRIMARY KEY (name_hash, network)
);
CREATE INDEX known_sources_by_age ON known_sources (seen_at);
