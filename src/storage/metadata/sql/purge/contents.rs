//! The contents of what was purged: doomed at once where nothing else needs them, whatever their leases say.

use super::Purged;
use crate::storage::StorageError;
use crate::storage::metadata::sql::engine::Session;
use crate::storage::metadata::sql::row::Columns;
use crate::storage::metadata::sql::statement::statements;
use crate::storage::metadata::sql::value::{list, values};

statements! {
    /// References without a repository are of a version before, which runs on the same database during an upgrade.
    UNLINK_NEEDLESS = "DELETE FROM repository_blobs WHERE repository_id = $1
        AND blob_id IN (SELECT CAST(j.value AS BIGINT) FROM json_each($2) j)
        AND NOT EXISTS (SELECT 1 FROM manifest_blobs r WHERE r.repository_id = $1 AND r.blob_id = repository_blobs.blob_id)
        AND NOT EXISTS (SELECT 1 FROM manifest_blobs r JOIN manifests m ON m.id = r.manifest_id
            WHERE r.repository_id = 0 AND r.blob_id = repository_blobs.blob_id AND m.repository_id = $1)";
    /// Anyone who links one of them, or leases it, waits for the end of this transaction.
    LOCK_BLOBS = "UPDATE blobs SET state = state WHERE id IN (SELECT CAST(j.value AS BIGINT) FROM json_each($1) j)";
    DOOM_NEEDLESS = "INSERT INTO doomed_contents (key, digest, size, since)
        SELECT b.key, b.digest, b.size, CAST($2 AS BIGINT) FROM blobs b
        WHERE b.id IN (SELECT CAST(j.value AS BIGINT) FROM json_each($1) j)
            AND NOT EXISTS (SELECT 1 FROM repository_blobs l WHERE l.blob_id = b.id)
            AND NOT EXISTS (SELECT 1 FROM manifest_blobs r WHERE r.blob_id = b.id)
        ON CONFLICT (key) DO UPDATE SET size = excluded.size, since = excluded.since
        RETURNING size";
    DELETE_NEEDLESS = "DELETE FROM blobs WHERE id IN (SELECT CAST(j.value AS BIGINT) FROM json_each($1) j)
        AND NOT EXISTS (SELECT 1 FROM repository_blobs l WHERE l.blob_id = blobs.id)
        AND NOT EXISTS (SELECT 1 FROM manifest_blobs r WHERE r.blob_id = blobs.id)";
}

/// Unlinks those of the blobs from the repository that none of its manifests needs.
pub(super) async fn unlink<S: Session>(session: &mut S, repository: i64, blobs: &[i64]) -> Result<(), StorageError> {
    session.run(UNLINK_NEEDLESS, values![repository, list(blobs)]).await?;
    Ok(())
}

/// Dooms those of the blobs that nothing needs, and counts all of them.
pub(super) async fn doom<S: Session>(
    session: &mut S,
    blobs: &[i64],
    now: i64,
    purged: &mut Purged,
) -> Result<(), StorageError> {
    let blobs_list = list(blobs);
    session.run(LOCK_BLOBS, values![blobs_list.as_str()]).await?;
    for found in session.all(DOOM_NEEDLESS, values![blobs_list.as_str(), now]).await? {
        purged.contents += 1;
        purged.bytes += found.unsigned::<u64>("size")?;
    }
    session.run(DELETE_NEEDLESS, values![blobs_list]).await?;
    purged.shared = (blobs.len() as u64).saturating_sub(purged.contents);
    Ok(())
}
