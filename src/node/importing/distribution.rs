//! The layout of distribution (the CNCF's registry, Docker's before), which Harbor and others use as well:
//!
//! ```text
//! docker/registry/v2/blobs/sha256/ab/abcd.../data
//! docker/registry/v2/repositories/NAME/_layers/sha256/abcd.../link
//! docker/registry/v2/repositories/NAME/_manifests/revisions/sha256/abcd.../link
//! docker/registry/v2/repositories/NAME/_manifests/tags/TAG/current/link
//! ```
//!
//! A link contains a digest. One that was deleted is gone, though its content may be there.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::bail;

use super::inventory::{Inventory, SourceTag};
use super::survey::{Listed, Listing, Places, Surveyor};
use crate::domain::{Algorithm, Digest, RepositoryName};
use crate::storage::StorageError;
use crate::storage::blobs::Originals;

/// Where the layout begins below what an operator may name: the root directory of the registry, its volume, or Harbor's.
const ROOTS: [&str; 4] = ["docker/registry/v2/", "", "registry/docker/registry/v2/", "registry/v2/"];
/// More than a link ever is.
const LINK: u64 = 1024;

/// Reads the whole of a source.
pub(super) async fn read(originals: &dyn Originals, longest: u64) -> anyhow::Result<Inventory> {
    let root = root(originals).await?;
    let places = Places::Together(format!("{root}blobs"));
    let mut surveyor = Surveyor { originals, places, longest, inventory: Inventory::default() };
    // Names of folders, deepest last.
    let mut left = vec![String::new()];
    while let Some(name) = left.pop() {
        let folder = format!("{root}repositories/{name}");
        let folders = originals.folders(folder.trim_end_matches('/')).await?;
        if folders.iter().any(|folder| folder == "_manifests") {
            match name.parse::<RepositoryName>() {
                Ok(repository) => {
                    let listing = listing(originals, &folder, repository, &mut surveyor.inventory).await?;
                    surveyor.add(listing).await?;
                }
                Err(error) => surveyor.inventory.losses.add(name.clone(), error.to_string()),
            }
        }
        // Those with a `_` belong to the repository itself. In reverse, so that the first is the next.
        for below in folders.iter().rev().filter(|folder| !folder.starts_with('_')) {
            left.push(if name.is_empty() { below.clone() } else { format!("{name}/{below}") });
        }
    }
    Ok(surveyor.inventory)
}

async fn root(originals: &dyn Originals) -> anyhow::Result<&'static str> {
    for root in ROOTS {
        let folders = originals.folders(root.trim_end_matches('/')).await?;
        if folders.iter().any(|folder| folder == "repositories") {
            return Ok(root);
        }
    }
    bail!(
        "{} is not the storage of a registry: name the directory that contains docker/registry/v2/repositories (rootdirectory in the \
         configuration of distribution)",
        originals.place()
    )
}

async fn listing(
    originals: &dyn Originals,
    folder: &str,
    name: RepositoryName,
    inventory: &mut Inventory,
) -> Result<Listing, StorageError> {
    let mut manifests = BTreeMap::new();
    for (digest, pushed_at) in linked(originals, &format!("{folder}/_manifests/revisions")).await? {
        manifests.insert(digest, Listed { media_type: None, pushed_at: Some(pushed_at) });
    }
    let blobs: BTreeSet<Digest> =
        linked(originals, &format!("{folder}/_layers")).await?.into_iter().map(|(digest, _)| digest).collect();
    let mut tags = Vec::new();
    let of_tags = format!("{folder}/_manifests/tags");
    for (tag, moved_at) in originals.folders_with(&of_tags, "current/link").await? {
        let link = originals.read(&format!("{of_tags}/{tag}/current/link"), LINK).await?.unwrap_or_default();
        let digest = std::str::from_utf8(&link).ok().and_then(|text| text.trim().parse().ok());
        match (tag.parse(), digest) {
            (Ok(tag), Some(digest)) => tags.push(SourceTag { tag, digest, moved_at }),
            (Err(_), _) => inventory.losses.add(format!("{name}:{tag}"), "its name is not valid".to_owned()),
            (_, None) => inventory.losses.add(format!("{name}:{tag}"), "its link contains no digest".to_owned()),
        }
    }
    Ok(Listing { name, manifests, blobs, tags })
}

/// The digests that a folder has links of.
async fn linked(originals: &dyn Originals, folder: &str) -> Result<Vec<(Digest, i64)>, StorageError> {
    let mut found = Vec::new();
    for algorithm in [Algorithm::Sha256, Algorithm::Sha512] {
        for (hex, linked_at) in originals.folders_with(&format!("{folder}/{algorithm}"), "link").await? {
            found.extend(format!("{algorithm}:{hex}").parse().map(|digest| (digest, linked_at)));
        }
    }
    Ok(found)
}
