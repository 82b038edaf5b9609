-- An upload session belongs to the account as it was when it was opened: a user who is removed and added again is another one. Those
-- that are open go on.
UPDATE uploads
    SET subject = subject || '#' || (SELECT epoch FROM users WHERE name = substr(uploads.subject, 6))
    WHERE subject LIKE 'user:%' AND EXISTS (SELECT 1 FROM users WHERE name = substr(uploads.subject, 6));
