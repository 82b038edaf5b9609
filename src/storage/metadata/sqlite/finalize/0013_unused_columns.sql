-- A count that no version since schema 5 has read or written.
ALTER TABLE meta DROP COLUMN failed_for_nobody;
