//! What is published, for checks: listed shard by shard, and put aside where it is damaged.

use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use uuid::Uuid;

use super::layout::{Layout, create_parent, failed, sync_directory};
use crate::domain::{Algorithm, Digest};
use crate::storage::StorageError;
use crate::storage::blobs::{BlobKey, StoredContent};

/// In the order of their names.
const ALGORITHMS: [Algorithm; 2] = [Algorithm::Sha256, Algorithm::Sha512];

/// The contents of the first shard that has any after `after`, in the order of keys.
pub(super) fn after(layout: &Layout, after: Option<&BlobKey>) -> Result<Vec<StoredContent>, StorageError> {
    let after: Option<Digest> = after.map(|key| layout.digest(key)).transpose()?;
    for algorithm in ALGORITHMS {
        for shard in 0..=u8::MAX {
            let shard = format!("{shard:02x}");
            let last = format!("{algorithm}:{shard}~");
            if after.as_ref().is_some_and(|after| after.to_string() > last) {
                continue;
            }
            let mut found = of_shard(&layout.shard(algorithm, &shard), algorithm)?;
            found.retain(|content| after.as_ref().is_none_or(|after| content.key.0 > after.to_string()));
            if !found.is_empty() {
                found.sort_by(|one, other| one.key.0.cmp(&other.key.0));
                return Ok(found);
            }
        }
    }
    Ok(Vec::new())
}

fn of_shard(path: &Path, algorithm: Algorithm) -> Result<Vec<StoredContent>, StorageError> {
    let entries = match fs::read_dir(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        entries => entries.map_err(|error| failed("reading", path, error))?,
    };
    let mut found = Vec::new();
    for entry in entries {
        let entry = entry.map_err(|error| failed("reading", path, error))?;
        let digest = entry.file_name().to_str().and_then(|hex| format!("{algorithm}:{hex}").parse::<Digest>().ok());
        let Some(digest) = digest else { continue };
        match entry.metadata() {
            Ok(metadata) => found.push(StoredContent {
                key: BlobKey(digest.to_string()),
                size: metadata.len(),
                modified_at: metadata.mtime(),
            }),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(failed("examining", &entry.path(), error)),
        }
    }
    Ok(found)
}

/// Moves a content out of the way, durably; returns where it is then. `None` where it is not there.
pub(super) fn quarantine(layout: &Layout, key: &BlobKey) -> Result<Option<PathBuf>, StorageError> {
    let path = layout.blob(key)?;
    // A name of its own: the same content may be damaged again.
    let aside = layout.quarantine().join(format!("{}-{}", key.0.replace(':', "-"), Uuid::now_v7()));
    create_parent(&aside)?;
    match fs::rename(&path, &aside) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        renamed => renamed.map_err(|error| failed("moving", &path, error))?,
    }
    path.parent().map_or(Ok(()), sync_directory)?;
    aside.parent().map_or(Ok(()), sync_directory)?;
    Ok(Some(aside))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::Hasher;

    #[test]
    fn every_content_is_listed_once_in_order() {
        let folder = tempfile::tempdir().expect("a folder");
        let layout = Layout::create(folder.path()).expect("made");
        let mut expected = Vec::new();
        for number in 0..600 {
            let algorithm = if number % 3 == 0 { Algorithm::Sha512 } else { Algorithm::Sha256 };
            let digest = Hasher::digest(algorithm, format!("{number}").as_bytes());
            let (key, path) = layout.published(&digest);
            create_parent(&path).expect("made");
            fs::write(path, vec![0; number]).expect("written");
            expected.push((key.0, number as u64));
        }
        fs::write(folder.path().join("blobs/sha256/00/other"), "not a content").expect("written");
        expected.sort();
        let (mut found, mut last) = (Vec::new(), None);
        loop {
            let page = after(&layout, last.as_ref()).expect("listed");
            let Some(content) = page.last() else { break };
            last = Some(content.key.clone());
            found.extend(page.into_iter().map(|content| (content.key.0, content.size)));
        }
        assert_eq!(found, expected);
    }

    #[test]
    fn what_is_put_aside_is_kept() {
        let folder = tempfile::tempdir().expect("a folder");
        let layout = Layout::create(folder.path()).expect("made");
        let (key, path) = layout.published(&Hasher::digest(Algorithm::Sha256, b"good"));
        fs::write(&path, "bad").expect("written");
        let aside = quarantine(&layout, &key).expect("moved").expect("there");
        assert!(!path.exists() && aside.starts_with(folder.path().join("quarantine")));
        assert_eq!(fs::read(aside).expect("read"), b"bad");
        assert_eq!(quarantine(&layout, &key).expect("nothing to do"), None);
    }
}
