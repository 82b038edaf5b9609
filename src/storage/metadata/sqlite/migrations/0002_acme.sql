-- Certificates by ACME (RFC 8555): accounts with their keys, sealed, and challenges that wait for the authority's look.

CREATE TABLE acme_accounts (
    directory  TEXT    NOT NULL PRIMARY KEY, -- the address of the authority
    sealed     BLOB    NOT NULL,
    created_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE acme_challenges (
    token             TEXT    NOT NULL,
    name              TEXT    NOT NULL,
    key_authorization TEXT    NOT NULL,
    expires_at        INTEGER NOT NULL,
    PRIMARY KEY (token, name)
) STRICT, WITHOUT ROWID;
