-- Whom an open upload session counts for: an account, or the address of someone who has not logged in.
ALTER TABLE uploads ADD COLUMN owner TEXT NOT NULL DEFAULT '';
-- Without the account's epoch, which a subject ends with.
UPDATE uploads SET owner = CASE instr(subject, '#') WHEN 0 THEN subject ELSE substr(subject, 1, instr(subject, '#') - 1) END;
CREATE INDEX uploads_by_owner ON uploads (owner);
