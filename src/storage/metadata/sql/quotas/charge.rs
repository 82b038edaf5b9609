//! Charging what a write adds to quotas, and giving back what it leaves.
//!
//! Two writes that add the same content meet at its row, and the second one finds it held. The room that is left is in several rows: a write
//! takes from the one of its repository, and only where that does not suffice it locks all of them, looks at the sum, and spreads what
//! remains. What one transaction takes is always there: a quota is never exceeded.

use std::collections::BTreeMap;

use super::membership::{Membership, join, membership};
use super::read_pattern;
use crate::domain::{Digest, OverQuota, RepositoryName};
use crate::storage::StorageError;
use crate::storage::metadata::sql::engine::Session;
use crate::storage::metadata::sql::row::Columns;
use crate::storage::metadata::sql::statement::statements;
use crate::storage::metadata::sql::value::{list, stored, values};

statements! {
    /// In the order of digests, so that no two transactions wait for each other. $3 is 1 or -1.
    CHANGE_HOLDERS = "INSERT INTO quota_contents (quota_id, digest, size, holders, added)
        SELECT q.id, c.digest, MAX(c.size), CAST($3 AS BIGINT) * COUNT(*), CAST($3 AS BIGINT) * COUNT(*)
        FROM quotas q CROSS JOIN (
            SELECT m.digest, m.size FROM json_each($2) j CROSS JOIN manifests m WHERE m.id = CAST(j.value AS BIGINT)
            UNION ALL
            SELECT b.digest, b.size FROM json_each($2) j CROSS JOIN manifest_blobs r CROSS JOIN blobs b
            WHERE r.manifest_id = CAST(j.value AS BIGINT) AND b.id = r.blob_id) c
        WHERE q.id IN (SELECT CAST(j.value AS BIGINT) FROM json_each($1) j) AND q.state < 2
        GROUP BY q.id, c.digest ORDER BY q.id, c.digest
        ON CONFLICT (quota_id, digest) DO UPDATE SET holders = quota_contents.holders + excluded.holders, added = excluded.added
        RETURNING quota_id, digest, size, holders, added";
    HOLD_BLOB = "INSERT INTO quota_contents (quota_id, digest, size, holders, added)
        SELECT q.id, b.digest, b.size, 1, 1 FROM quotas q CROSS JOIN blobs b
        WHERE q.id IN (SELECT CAST(j.value AS BIGINT) FROM json_each($1) j) AND q.state < 2 AND b.id = $2
        ON CONFLICT (quota_id, digest) DO UPDATE SET holders = quota_contents.holders + 1, added = 1
        RETURNING quota_id, digest, size, holders, added";
    FORGET_CONTENTS = "DELETE FROM quota_contents
        WHERE quota_id = $1 AND digest IN (SELECT j.value FROM json_each($2) j) AND holders <= 0";
    CHARGE = "UPDATE quota_shares SET room = room - $3
        WHERE quota_id = $1 AND share = $2 % (SELECT q.shares FROM quotas q WHERE q.id = $1) AND room >= $3";
    GIVE_BACK = "UPDATE quota_shares SET room = room + $2 WHERE quota_id = $1 AND share = 0";
    ROOM = "SELECT q.pattern, q.bytes,
            (SELECT CAST(COALESCE(SUM(s.room), 0) AS BIGINT) FROM quota_shares s WHERE s.quota_id = q.id) AS room
        FROM quotas q WHERE q.id = $1 AND q.state < 2";
    LOCK_SHARES = "UPDATE quota_shares SET room = room WHERE quota_id = $1 RETURNING room";
    SPREAD = "UPDATE quota_shares SET room = CASE WHEN share = 0 THEN CAST($2 AS BIGINT) ELSE CAST($3 AS BIGINT) END WHERE quota_id = $1";
    SLICE = "SELECT id, digest FROM manifests WHERE repository_id = $1 AND digest > $2 AND trash_id IS NULL ORDER BY digest LIMIT $3";
    IS_KNOWN = "SELECT id FROM manifests WHERE repository_id = $1 AND digest = $2";
    IS_LIVE = "SELECT id FROM manifests WHERE id = $1 AND trash_id IS NULL";
    NO_MEMBER = "UPDATE repositories SET quotas = NULL WHERE id = $1";
}

/// How many manifests are counted by one statement.
pub(super) const SLICE_LENGTH: usize = 1000;

/// Bytes by quota.
pub(super) type Bytes = BTreeMap<i64, i64>;

/// The quotas that a manifest is to be charged to once it is stored: none where it is there already. One that comes out of the trash is
/// charged there.
pub(in crate::storage::metadata::sql) async fn to_charge<S: Session>(
    session: &mut S,
    repository: i64,
    membership: &Membership,
    digest: &Digest,
) -> Result<Vec<i64>, StorageError> {
    let counting = membership.counting(digest);
    let is_new = !counting.is_empty() && session.first(IS_KNOWN, values![repository, digest]).await?.is_none();
    Ok(if is_new { counting } else { Vec::new() })
}

/// Charges the quotas that count a manifest with what it adds to them. The last thing that a transaction does: others may wait for it.
pub(in crate::storage::metadata::sql) async fn admit<S: Session>(
    session: &mut S,
    repository: i64,
    quotas: &[i64],
    manifest: i64,
) -> Result<(), StorageError> {
    if quotas.is_empty() {
        return Ok(());
    }
    let added = hold(session, quotas, &[manifest]).await?;
    charge(session, repository, added).await
}

/// The same with a manifest that came out of the trash.
pub(in crate::storage::metadata::sql) async fn admit_again<S: Session>(
    session: &mut S,
    repository: i64,
    (manifest, digest): (i64, &Digest),
) -> Result<(), StorageError> {
    let counting = membership(session, repository).await?.counting(digest);
    admit(session, repository, &counting, manifest).await
}

/// The same with a blob that manifests of these digests come to refer to after they were stored.
pub(in crate::storage::metadata::sql) async fn admit_blob<S: Session>(
    session: &mut S,
    repository: i64,
    holders: &[Digest],
    blob: i64,
) -> Result<(), StorageError> {
    let membership = membership(session, repository).await?;
    let mut added = Bytes::new();
    for digest in holders {
        let counting = membership.counting(digest);
        if !counting.is_empty() {
            let found = session.all(HOLD_BLOB, values![list(&counting), blob]).await?;
            add(&mut added, new_contents(&found)?);
        }
    }
    charge(session, repository, added).await
}

/// Charges every quota that covers a repository, which came out of the trash, with everything in it.
pub(in crate::storage::metadata::sql) async fn admit_all<S: Session>(
    session: &mut S,
    repository: i64,
    name: &RepositoryName,
) -> Result<(), StorageError> {
    join(session, repository, name).await?;
    let membership = membership(session, repository).await?;
    let mut added = Bytes::new();
    for (quotas, manifests) in counted(session, repository, &membership).await? {
        add(&mut added, hold(session, &quotas, &manifests).await?);
    }
    charge(session, repository, added).await
}

/// Gives back what only this manifest of the repository held; nothing where it is in the trash. To be called before it is removed or hidden.
pub(in crate::storage::metadata::sql) async fn release<S: Session>(
    session: &mut S,
    repository: i64,
    (manifest, digest): (i64, &Digest),
) -> Result<(), StorageError> {
    let counting = membership(session, repository).await?.counting(digest);
    if counting.is_empty() || session.first(IS_LIVE, values![manifest]).await?.is_none() {
        return Ok(());
    }
    let_go(session, &counting, &[manifest]).await
}

/// Gives back what only this repository held, before it is removed or hidden: no quota counts it any more.
pub(in crate::storage::metadata::sql) async fn release_all<S: Session>(
    session: &mut S,
    repository: i64,
) -> Result<(), StorageError> {
    let membership = membership(session, repository).await?;
    for (quotas, manifests) in counted(session, repository, &membership).await? {
        let_go(session, &quotas, &manifests).await?;
    }
    if membership.is_empty() { Ok(()) } else { session.run(NO_MEMBER, values![repository]).await.map(|_| ()) }
}

/// The manifests of a repository that quotas count, by these quotas.
async fn counted<S: Session>(
    session: &mut S,
    repository: i64,
    membership: &Membership,
) -> Result<Vec<(Vec<i64>, Vec<i64>)>, StorageError> {
    let (mut all, mut after) = (Vec::new(), String::new());
    while !membership.is_empty() {
        let slice = slice(session, repository, &after, SLICE_LENGTH).await?;
        let Some((_, last)) = slice.last() else { break };
        last.as_str().clone_into(&mut after);
        let mut by_quotas: BTreeMap<Vec<i64>, Vec<i64>> = BTreeMap::new();
        for (manifest, digest) in &slice {
            by_quotas.entry(membership.counting(digest)).or_default().push(*manifest);
        }
        all.extend(by_quotas.into_iter().filter(|(quotas, _)| !quotas.is_empty()));
    }
    Ok(all)
}

/// Some manifests of a repository in the order of their digests.
pub(super) async fn slice<S: Session>(
    session: &mut S,
    repository: i64,
    after: &str,
    limit: usize,
) -> Result<Vec<(i64, Digest)>, StorageError> {
    let rows = session.all(SLICE, values![repository, after, stored(limit as u64)?]).await?;
    rows.iter().map(|found| Ok((found.integer("id")?, found.parsed("digest")?))).collect()
}

/// Notes that these manifests hold their contents; how many bytes of them are new to each quota.
pub(super) async fn hold<S: Session>(
    session: &mut S,
    quotas: &[i64],
    manifests: &[i64],
) -> Result<Bytes, StorageError> {
    new_contents(&session.all(CHANGE_HOLDERS, values![list(quotas), list(manifests), 1_i64]).await?)
}

/// Of contents that were just held, the bytes of those that were not before.
fn new_contents<R: Columns>(rows: &[R]) -> Result<Bytes, StorageError> {
    let mut bytes = Bytes::new();
    for found in rows {
        if found.integer("holders")? == found.integer("added")? {
            *bytes.entry(found.integer("quota_id")?).or_default() += found.integer("size")?;
        }
    }
    Ok(bytes)
}

fn add(sum: &mut Bytes, more: Bytes) {
    for (quota, bytes) in more {
        *sum.entry(quota).or_default() += bytes;
    }
}

async fn let_go<S: Session>(session: &mut S, quotas: &[i64], manifests: &[i64]) -> Result<(), StorageError> {
    let mut freed: BTreeMap<i64, (i64, Vec<String>)> = BTreeMap::new();
    for found in session.all(CHANGE_HOLDERS, values![list(quotas), list(manifests), -1_i64]).await? {
        let holders = found.integer("holders")?;
        if holders <= 0 {
            let (bytes, digests) = freed.entry(found.integer("quota_id")?).or_default();
            // A content that no one held was not charged.
            *bytes += if holders == 0 { found.integer("size")? } else { 0 };
            digests.push(found.text("digest")?.to_owned());
        }
    }
    for (quota, (_, digests)) in &freed {
        session.run(FORGET_CONTENTS, values![*quota, list(digests)]).await?;
    }
    for (quota, (bytes, _)) in freed {
        session.run(GIVE_BACK, values![quota, bytes]).await?;
    }
    Ok(())
}

/// Takes bytes from quotas, or fails.
async fn charge<S: Session>(session: &mut S, repository: i64, bytes: Bytes) -> Result<(), StorageError> {
    for (quota, needed) in bytes.into_iter().filter(|(_, bytes)| *bytes > 0) {
        if session.run(CHARGE, values![quota, repository, needed]).await? > 0 {
            continue;
        }
        if room(session, quota, needed).await?.is_some_and(|room| room >= needed) {
            take(session, quota, needed).await?;
        }
    }
    Ok(())
}

/// What is left, without a lock; fails where that does not suffice. `None` where the quota is not there any more.
async fn room<S: Session>(session: &mut S, quota: i64, needed: i64) -> Result<Option<i64>, StorageError> {
    let Some(found) = session.first(ROOM, values![quota]).await? else { return Ok(None) };
    let (limit, room) = (found.integer("bytes")?, found.integer("room")?);
    if room >= needed {
        return Ok(Some(room));
    }
    let unsigned = |bytes: i64| u64::try_from(bytes).unwrap_or_default();
    let over = OverQuota {
        on: read_pattern(&found)?,
        limit: unsigned(limit),
        used: unsigned(limit.saturating_sub(room)),
        needed: unsigned(needed),
    };
    Err(StorageError::OverQuota(Box::new(over)))
}

/// Takes from the sum of all shares, which no one else changes meanwhile.
async fn take<S: Session>(session: &mut S, quota: i64, needed: i64) -> Result<(), StorageError> {
    let left = locked_room(session, quota).await?;
    if left.sum < needed {
        room(session, quota, needed).await?;
    }
    spread(session, quota, left.sum - needed, left.shares).await
}

/// Takes or gives back what has to be, even where less than nothing is left.
pub(super) async fn force<S: Session>(session: &mut S, quota: i64, bytes: i64) -> Result<(), StorageError> {
    let left = locked_room(session, quota).await?;
    spread(session, quota, left.sum - bytes, left.shares).await
}

/// What is left of a quota whose shares this transaction has locked.
pub(super) struct Left {
    pub(super) sum: i64,
    shares: i64,
}

pub(super) async fn locked_room<S: Session>(session: &mut S, quota: i64) -> Result<Left, StorageError> {
    let mut left = Left { sum: 0, shares: 0 };
    for found in session.all(LOCK_SHARES, values![quota]).await? {
        left.sum += found.integer("room")?;
        left.shares += 1;
    }
    Ok(left)
}

async fn spread<S: Session>(session: &mut S, quota: i64, room: i64, shares: i64) -> Result<(), StorageError> {
    let each = room.max(0) / shares.max(1);
    let first = room - each * (shares - 1).max(0);
    session.run(SPREAD, values![quota, first, each]).await.map(|_| ())
}
