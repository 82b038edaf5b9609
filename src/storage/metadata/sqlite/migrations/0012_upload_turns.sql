-- Which request is appending to an upload session, where nodes share the blobs: until then (milliseconds since the Unix epoch, by the clock
-- that all of them follow) no other may, and the session does not expire.
ALTER TABLE uploads ADD COLUMN busy_by TEXT NOT NULL DEFAULT '';
ALTER TABLE uploads ADD COLUMN busy_until INTEGER NOT NULL DEFAULT 0;
