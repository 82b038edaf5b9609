-- Upgrades: a program that knows fewer migrations than min_schema may not open this database.
ALTER TABLE meta ADD COLUMN min_schema INTEGER NOT NULL DEFAULT 0;
ALTER TABLE meta ADD COLUMN min_version TEXT NOT NULL DEFAULT ''; -- the version of the program that said so

-- Moves to other storage: 0 none, 1 on its way to move_peer (nothing may be changed), 2 moved there, 3 being filled from there.
ALTER TABLE meta ADD COLUMN move_phase INTEGER NOT NULL DEFAULT 0 CHECK (move_phase BETWEEN 0 AND 3);
ALTER TABLE meta ADD COLUMN move_peer TEXT NOT NULL DEFAULT '';

-- In a database that is being filled: the contents that are in its own blob store already, and their keys there.
CREATE TABLE moved_blobs (
    digest TEXT NOT NULL PRIMARY KEY,
    key    TEXT NOT NULL
) STRICT, WITHOUT ROWID;
