-- Certificates by ACME (RFC 8555): accounts with their keys, sealed, and challenges that wait for the authority's look.

CREATE TABLE acme_accounts (
    directory  TEXT COLLATE "C" NOT NULL PRIMARY KEY, -- the address of the authority
    sealed     BYTEA NOT NULL,
    created_at BIGINT NOT NULL
);

CREATE TABLE acme_challenges (
    token             TEXT COLLATE "C" NOT NULL,
    name              TEXT COLLATE "C" NOT NULL,
    key_authorization TEXT COLLATE "C" NOT NULL,
    expires_at        BIGINT NOT NULL,
    PRIMARY KEY (token, name)
);
