-- Wrong passwords for names that no account has: kept as those of accounts are, so that no answer tells which names exist. Of the name
-- there is a keyed hash alone, because people type passwords where the name belongs.
CREATE TABLE unknown_logins (
    id            INTEGER PRIMARY KEY AUTOINCREMENT, -- a new one for each wrong password: the lowest were quiet for longest
    name_hash     BLOB    NOT NULL UNIQUE,
    failed_at     TEXT    NOT NULL, -- a JSON list of times, oldest first
    failed_in_row INTEGER NOT NULL CHECK (failed_in_row >= 0),
    last_at       INTEGER NOT NULL
) STRICT;
CREATE INDEX unknown_logins_by_age ON unknown_logins (last_at);
