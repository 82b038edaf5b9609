-- What a process remembers of a repository holds for as long as its generation is the same. Each write that changes what can be
-- read raises it in its own transaction. It never repeats for a name: a repository that is made again starts above all that were
-- removed.
ALTER TABLE repositories ADD COLUMN generation BIGINT NOT NULL DEFAULT 1;
ALTER TABLE meta ADD COLUMN last_generation BIGINT NOT NULL DEFAULT 1; -- the highest that a removed repository had

-- Media types compare without case, so those that referrers are filtered by do.
CREATE INDEX manifests_by_subject_and_type ON manifests (repository_id, subject, lower(artifact_type), digest)
    WHERE subject IS NOT NULL;
