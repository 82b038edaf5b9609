-- What the blob store itself must remember of an upload session between requests, in its own words; NULL where that is nothing.
ALTER TABLE uploads ADD COLUMN staging BYTEA;
