//! Looks at what a source has: each manifest is read and compared with its digest, and everything that it refers to must be there, so that
//! what cannot be kept is known before anything is stored. Contents are only measured.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use serde::Deserialize;
use serde::de::IgnoredAny;

use super::inventory::{Inventory, SourceContent, SourceManifest, SourceRepository, SourceTag};
use crate::domain::oci::manifest::{InvalidManifest, Kind, OCI_INDEX, OCI_MANIFEST};
use crate::domain::{Digest, Hasher, Manifest, MediaType, RepositoryName};
use crate::storage::StorageError;
use crate::storage::blobs::Originals;

/// A repository as its files say, before its manifests are read.
pub(super) struct Listing {
    pub(super) name: RepositoryName,
    /// Manifests that are known to be some.
    pub(super) manifests: BTreeMap<Digest, Listed>,
    /// What the repository has besides, which manifests may refer to: for some sources, manifests among it.
    pub(super) blobs: BTreeSet<Digest>,
    pub(super) tags: Vec<SourceTag>,
}

/// A manifest as the files of its repository list it.
#[derive(Clone, Debug)]
pub(super) struct Listed {
    pub(super) media_type: Option<MediaType>,
    /// When it was pushed; `None` for the date of its bytes.
    pub(super) pushed_at: Option<i64>,
}

/// Where a source has its contents.
pub(super) enum Places {
    /// Under a folder, by digest, once for all repositories.
    Together(String),
    /// Those that are in the folders of repositories: of each digest the longest file.
    Found(HashMap<Digest, SourceContent>),
}

impl Places {
    fn file(&self, digest: &Digest) -> Option<String> {
        match self {
            Self::Together(folder) => {
                let (algorithm, hex) = (digest.algorithm(), digest.hex());
                Some(format!("{folder}/{algorithm}/{}/{hex}/data", hex.get(..2).unwrap_or_default()))
            }
            Self::Found(found) => found.get(digest).map(|content| content.file.clone()),
        }
    }
}

/// Looks at one repository after another.
pub(super) struct Surveyor<'s> {
    pub(super) originals: &'s dyn Originals,
    pub(super) places: Places,
    /// The longest manifest that this registry takes.
    pub(super) longest: u64,
    pub(super) inventory: Inventory,
}

/// Why a manifest cannot be kept, or nothing can be read.
enum Unkept {
    Because(String),
    Failed(StorageError),
}

impl From<StorageError> for Unkept {
    fn from(error: StorageError) -> Self {
        Self::Failed(error)
    }
}

impl From<InvalidManifest> for Unkept {
    fn from(error: InvalidManifest) -> Self {
        Self::Because(error.to_string())
    }
}

impl Surveyor<'_> {
    /// Adds a repository to the inventory.
    pub(super) async fn add(&mut self, mut listing: Listing) -> Result<(), StorageError> {
        let mut kept: BTreeMap<Digest, SourceManifest> = BTreeMap::new();
        let mut queue: Vec<Digest> = listing.manifests.keys().cloned().collect();
        while let Some(digest) = queue.pop() {
            match self.examine(&mut listing, &digest, &mut queue).await {
                Ok(manifest) => {
                    kept.insert(digest, manifest);
                }
                Err(Unkept::Because(why)) => self.inventory.losses.add(format!("{}@{digest}", listing.name), why),
                Err(Unkept::Failed(error)) => return Err(error),
            }
        }
        let (tags, lost): (Vec<_>, Vec<_>) = listing.tags.into_iter().partition(|tag| kept.contains_key(&tag.digest));
        for SourceTag { tag, digest, .. } in lost {
            let why = format!("the manifest that it points to, {digest}, is missing or cannot be kept");
            self.inventory.losses.add(format!("{}:{tag}", listing.name), why);
        }
        if !kept.is_empty() {
            let contents = kept.values().flat_map(|manifest| manifest.blobs.iter().cloned()).collect();
            self.inventory.repositories.push(SourceRepository { name: listing.name, manifests: kept, tags, contents });
        }
        Ok(())
    }

    async fn examine(
        &mut self,
        listing: &mut Listing,
        digest: &Digest,
        queue: &mut Vec<Digest>,
    ) -> Result<SourceManifest, Unkept> {
        let listed = listing.manifests.get(digest).cloned();
        let Listed { media_type, pushed_at } = listed.unwrap_or(Listed { media_type: None, pushed_at: None });
        let missing = || Unkept::Because("its content is missing".to_owned());
        let file = self.places.file(digest).ok_or_else(missing)?;
        let found = self.originals.look(&file).await?.ok_or_else(missing)?;
        let too_long = || {
            let (size, longest) = (found.size, self.longest);
            Unkept::Because(format!("it has {size} bytes, and this registry takes {longest} (limits.manifest_size)"))
        };
        let bytes = self.originals.read(&file, self.longest).await?.ok_or_else(too_long)?;
        if Hasher::digest(digest.algorithm(), &bytes) != *digest {
            return Err(Unkept::Because(format!("{file} is damaged: it has another content than its name says")));
        }
        let manifest = parse(media_type.as_ref(), &bytes)?;
        let (children, blobs) = self.references(listing, &manifest, pushed_at, queue).await?;
        let (media_type, pushed_at) = (manifest.media_type().clone(), pushed_at.unwrap_or(found.modified_at));
        Ok(SourceManifest { file, media_type, pushed_at, children, blobs })
    }

    /// The manifests and the contents that a manifest needs.
    async fn references(
        &mut self,
        listing: &mut Listing,
        manifest: &Manifest,
        pushed_at: Option<i64>,
        queue: &mut Vec<Digest>,
    ) -> Result<(Vec<Digest>, Vec<Digest>), Unkept> {
        let (mut children, mut blobs) = (Vec::new(), Vec::new());
        for blob in manifest.blobs() {
            self.require_content(listing, &blob.digest, blob.size).await?;
            blobs.push(blob.digest.clone());
        }
        for child in manifest.children() {
            let media_type = child.media_type.as_str().parse::<MediaType>().ok();
            let is_manifest = media_type.and_then(|media_type| Kind::of(&media_type)).is_some();
            if listing.manifests.contains_key(&child.digest) {
                children.push(child.digest.clone());
            } else if !listing.blobs.contains(&child.digest) {
                // The source has served the index without it.
            } else if is_manifest {
                listing.manifests.insert(child.digest.clone(), Listed { media_type: None, pushed_at });
                queue.push(child.digest.clone());
                children.push(child.digest.clone());
            } else {
                self.require_content(listing, &child.digest, child.size).await?;
                blobs.push(child.digest.clone());
            }
        }
        Ok((children, blobs))
    }

    /// The content of a blob must be there, in this length, and belong to the repository.
    async fn require_content(&mut self, listing: &Listing, digest: &Digest, size: u64) -> Result<(), Unkept> {
        if !listing.blobs.contains(digest) {
            return Err(Unkept::Because(format!("it refers to the blob {digest}, which the repository does not have")));
        }
        if !self.inventory.contents.contains_key(digest) {
            let lost = || Unkept::Because(format!("it refers to the blob {digest}, whose content is missing"));
            let file = self.places.file(digest).ok_or_else(lost)?;
            let found = self.originals.look(&file).await?.ok_or_else(lost)?;
            self.inventory.contents.insert(digest.clone(), SourceContent { file, size: found.size });
        }
        let present = self.inventory.contents.get(digest).map_or(0, |content| content.size);
        if present == size {
            return Ok(());
        }
        Err(Unkept::Because(format!(
            "it refers to the blob {digest} of {size} bytes, whose content has {present} bytes"
        )))
    }
}

/// Reads a manifest. Where neither the source nor the manifest say of which type it is, its fields do.
pub(super) fn parse(media_type: Option<&MediaType>, bytes: &[u8]) -> Result<Manifest, InvalidManifest> {
    match Manifest::parse(media_type, bytes) {
        Err(InvalidManifest::NoMediaType) => Manifest::parse(guessed(bytes).as_ref(), bytes),
        parsed => parsed,
    }
}

fn guessed(bytes: &[u8]) -> Option<MediaType> {
    #[derive(Deserialize)]
    struct Fields {
        manifests: Option<IgnoredAny>,
        config: Option<IgnoredAny>,
    }
    let fields: Fields = serde_json::from_slice(bytes).ok()?;
    match fields {
        Fields { config: Some(_), .. } => OCI_MANIFEST.parse().ok(),
        Fields { manifests: Some(_), .. } => OCI_INDEX.parse().ok(),
        Fields { .. } => None,
    }
}
