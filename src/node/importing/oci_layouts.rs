//! The layout of zot: one OCI image layout for each repository, which others write as well.
//!
//! ```text
//! NAME/oci-layout
//! NAME/index.json               every manifest, with its tag as an annotation; children of indexes are left out
//! NAME/blobs/sha256/abcd...     manifests and contents alike
//! ```
//!
//! Where zot stores a content once for all repositories in a bucket, the others have an empty file of its name: of each digest the longest
//! file counts.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use anyhow::bail;
use serde::Deserialize;

use super::inventory::{Inventory, Losses, SourceContent, SourceTag};
use super::survey::{Listed, Listing, Places, Surveyor};
use crate::domain::{Algorithm, Descriptor, Digest, RepositoryName};
use crate::storage::StorageError;
use crate::storage::blobs::Originals;

/// The annotation that says under which tag a manifest is known (OCI image layout).
const TAG: &str = "org.opencontainers.image.ref.name";
/// The longest `index.json`.
const INDEX: u64 = 64 << 20;

#[derive(Deserialize)]
struct Index {
    #[serde(default)]
    manifests: Vec<Descriptor>,
}

/// A repository as its folder is listed.
struct Folder {
    name: RepositoryName,
    path: String,
    /// The files of its blobs, and when they were written.
    blobs: BTreeMap<Digest, i64>,
}

/// Reads the whole of a source.
pub(super) async fn read(originals: &dyn Originals, longest: u64) -> anyhow::Result<Inventory> {
    let mut inventory = Inventory::default();
    let mut found = HashMap::new();
    let folders = folders(originals, &mut found, &mut inventory.losses).await?;
    if folders.is_empty() && inventory.losses.count == 0 {
        bail!(
            "{} contains no repository: name the directory that has a folder with index.json for each (rootDirectory in the \
             configuration of zot)",
            originals.place()
        );
    }
    let mut surveyor = Surveyor { originals, places: Places::Found(found), longest, inventory };
    for folder in folders {
        if let Some(listing) = listing(originals, folder, &mut surveyor.inventory.losses).await? {
            surveyor.add(listing).await?;
        }
    }
    Ok(surveyor.inventory)
}

async fn folders(
    originals: &dyn Originals,
    found: &mut HashMap<Digest, SourceContent>,
    losses: &mut Losses,
) -> Result<Vec<Folder>, StorageError> {
    let mut folders = Vec::new();
    let mut left = vec![String::new()];
    while let Some(path) = left.pop() {
        let below = originals.folders(&path).await?;
        let is_repository = below.iter().any(|name| name == "blobs")
            && !path.is_empty()
            && originals.look(&format!("{path}/index.json")).await?.is_some();
        if is_repository {
            match path.parse::<RepositoryName>() {
                Ok(name) => {
                    let blobs = blobs(originals, &path, found).await?;
                    folders.push(Folder { name, blobs, path: path.clone() });
                }
                Err(error) => losses.add(path.clone(), error.to_string()),
            }
        }
        // Not `.uploads`, `_trivy` and the like, nor the blobs of a repository.
        let is_inner = |name: &String| name.starts_with(['.', '_']) || (is_repository && name == "blobs");
        for name in below.iter().rev().filter(|name| !is_inner(name)) {
            left.push(if path.is_empty() { name.clone() } else { format!("{path}/{name}") });
        }
    }
    Ok(folders)
}

async fn blobs(
    originals: &dyn Originals,
    path: &str,
    found: &mut HashMap<Digest, SourceContent>,
) -> Result<BTreeMap<Digest, i64>, StorageError> {
    let mut blobs = BTreeMap::new();
    for algorithm in [Algorithm::Sha256, Algorithm::Sha512] {
        let folder = format!("{path}/blobs/{algorithm}");
        for (hex, file) in originals.files(&folder).await? {
            let Ok(digest) = format!("{algorithm}:{hex}").parse::<Digest>() else { continue };
            blobs.insert(digest.clone(), file.modified_at);
            let content = SourceContent { file: format!("{folder}/{hex}"), size: file.size };
            let known = found.entry(digest).or_insert_with(|| content.clone());
            if known.size < content.size {
                *known = content;
            }
        }
    }
    Ok(blobs)
}

async fn listing(
    originals: &dyn Originals,
    folder: Folder,
    losses: &mut Losses,
) -> Result<Option<Listing>, StorageError> {
    let Folder { name, path, blobs } = folder;
    let index = originals.read(&format!("{path}/index.json"), INDEX).await?.unwrap_or_default();
    let index: Index = match serde_json::from_slice(&index) {
        Ok(index) => index,
        Err(error) => {
            losses.add(name.to_string(), format!("its index.json is malformed: {error}"));
            return Ok(None);
        }
    };
    let (mut manifests, mut tags) = (BTreeMap::new(), Vec::new());
    for descriptor in index.manifests {
        let digest = descriptor.digest;
        let pushed_at = blobs.get(&digest).copied();
        let media_type = descriptor.media_type.as_str().parse().ok();
        manifests.insert(digest.clone(), Listed { media_type, pushed_at });
        let Some(text) = descriptor.annotations.get(TAG) else { continue };
        match text.parse() {
            Ok(tag) => tags.push(SourceTag { tag, digest, moved_at: pushed_at.unwrap_or_default() }),
            Err(_) => losses.add(format!("{name}:{text}"), "its name is not valid".to_owned()),
        }
    }
    let blobs: BTreeSet<Digest> = blobs.into_keys().collect();
    Ok(Some(Listing { name, manifests, blobs, tags }))
}
