//! What clients can see of a registry as one digest: two registries with the same one have the same tags and manifests in the same
//! repositories, and by the digests in those, the same images.

use data_encoding::HEXLOWER;
use futures_util::StreamExt;
use sha2::{Digest as _, Sha256};

use super::{Cell, Column, Kind, Tables};
use crate::domain::{Digest, Hasher};
use crate::storage::StorageError;

const TAGS: &str = "SELECT r.name, t.name, m.digest FROM tags t JOIN repositories r ON r.id = t.repository_id
    JOIN manifests m ON m.id = t.manifest_id WHERE r.trash_id IS NULL ORDER BY r.name, t.name";
const MANIFESTS: &str =
    "SELECT r.name, m.digest, m.media_type FROM manifests m JOIN repositories r ON r.id = m.repository_id
    WHERE m.trash_id IS NULL AND r.trash_id IS NULL ORDER BY r.name, m.digest";
const CONTENTS: &str =
    "SELECT r.name, m.digest, m.content FROM manifests m JOIN repositories r ON r.id = m.repository_id";

/// The digest, and what it is made of.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct GraphDigest {
    pub(crate) digest: String,
    pub(crate) tags: u64,
    pub(crate) manifests: u64,
}

/// Of one snapshot of the database.
pub(crate) async fn graph_digest(tables: &mut dyn Tables) -> Result<GraphDigest, StorageError> {
    let columns = columns([Kind::Text, Kind::Text, Kind::Text]);
    let (mut hasher, mut counts) = (Sha256::new(), [0; 2]);
    tables.begin_reading().await?;
    for (sql, count) in [TAGS, MANIFESTS].into_iter().zip(&mut counts) {
        let mut rows = tables.rows(sql.to_owned(), &columns);
        while let Some(row) = rows.next().await {
            row?.iter().for_each(|cell| cell.hash(&mut hasher));
            *count += 1;
        }
    }
    tables.commit().await?;
    let [tags, manifests] = counts;
    Ok(GraphDigest { digest: format!("sha256:{}", HEXLOWER.encode(&hasher.finalize())), tags, manifests })
}

/// Reads every manifest; `damaged` hears of the repository and digest of each whose bytes are others than that says. Returns how many were
/// read, and their bytes.
pub(crate) async fn verify_manifests(
    tables: &mut dyn Tables,
    mut damaged: impl FnMut(String) + Send,
) -> Result<(u64, u64), StorageError> {
    let columns = columns([Kind::Text, Kind::Text, Kind::Bytes]);
    let mut read = (0, 0);
    tables.begin_reading().await?;
    let mut rows = tables.rows(CONTENTS.to_owned(), &columns);
    while let Some(row) = rows.next().await {
        let row = row?;
        let [Cell::Text(Some(repository)), Cell::Text(Some(digest)), Cell::Bytes(Some(content))] = row.as_slice()
        else {
            return Err(StorageError::Damaged("a manifest without a repository, digest or content".to_owned()));
        };
        read = (read.0 + 1, read.1 + content.len() as u64);
        let is_sound = digest.parse().is_ok_and(|digest: Digest| Hasher::digest(digest.algorithm(), content) == digest);
        if !is_sound {
            damaged(format!("{repository}@{digest}"));
        }
    }
    drop(rows);
    tables.commit().await?;
    Ok(read)
}

/// They are read by their places.
fn columns(kinds: [Kind; 3]) -> Vec<Column> {
    kinds.into_iter().map(|kind| Column { name: String::new(), kind }).collect()
}
