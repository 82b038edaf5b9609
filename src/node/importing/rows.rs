//! A repository of the source, whose contents are here, into the database: its blobs, its manifests from the leaves up, its tags, and their
//! dates.

use std::collections::{BTreeMap, HashMap, HashSet};

use futures_util::{StreamExt, stream};

use super::Importing;
use super::contents::Taken;
use super::inventory::{Losses, SourceManifest, SourceRepository, SourceTag};
use super::survey::parse;
use crate::domain::{Digest, Hasher, RepositoryName, Tag};
use crate::registry::{ImportedManifest, RegistryError};
use crate::storage::StorageError;
use crate::storage::metadata::{EarlierDates, ImportedBlob, TagRecord};

/// Blobs in one transaction.
const BLOBS: usize = 500;
/// Manifests that are put at the same time.
const AT_ONCE: usize = 8;
/// Tags that are read at once.
const PAGE: u32 = 1000;

/// What has become of a repository.
#[derive(Default)]
pub(super) struct Entered {
    pub(super) manifests: u64,
    pub(super) tags: u64,
    /// Tags that this registry has moved since, and that stay as they are here.
    pub(super) newer: u64,
    pub(super) losses: Losses,
}

/// What is to be done about the tags of a repository.
#[derive(Default)]
struct Moves {
    /// Those to be moved, by the manifest that they are to point to.
    to: HashMap<Digest, Vec<Tag>>,
    /// Those that were moved here after they were moved in the source, and that stay.
    newer: HashSet<Tag>,
}

impl Importing<'_> {
    pub(super) async fn enter(&self, repository: &SourceRepository, taken: &Taken) -> anyhow::Result<Entered> {
        let name = &repository.name;
        let mut entered = Entered::default();
        let blobs: Vec<ImportedBlob> =
            repository.contents.iter().filter_map(|digest| taken.blobs.get(digest).cloned()).collect();
        for some in blobs.chunks(BLOBS) {
            self.registry.import_blobs(self.permit, name, some.to_vec()).await?;
            self.keep(some).await?;
        }
        let moves = self.moves(repository).await?;
        let mut kept = EarlierDates::default();
        for wave in repository.in_order() {
            let puts = wave.into_iter().filter_map(|digest| Some((digest, repository.manifests.get(digest)?)));
            let puts = puts.map(|(digest, manifest)| {
                let tags = moves.to.get(digest).cloned().unwrap_or_default();
                async move { (digest, manifest, self.put(name, digest, manifest, tags, taken).await) }
            });
            let mut puts = stream::iter(puts).buffer_unordered(AT_ONCE);
            while let Some((digest, manifest, put)) = puts.next().await {
                match put? {
                    Ok(()) => kept.manifests.push((digest.clone(), manifest.pushed_at)),
                    Err(why) => entered.losses.add(format!("{name}@{digest}"), why),
                }
            }
        }
        entered.manifests = kept.manifests.len() as u64;
        keep_tags(repository, &moves, &mut kept, &mut entered);
        self.registry.import_dates(self.permit, name, kept).await?;
        Ok(entered)
    }

    async fn moves(&self, repository: &SourceRepository) -> Result<Moves, StorageError> {
        let here = self.tags_here(&repository.name).await?;
        let mut moves = Moves::default();
        for SourceTag { tag, digest, moved_at } in &repository.tags {
            match here.get(tag) {
                Some(here) if here.digest == *digest => {}
                Some(here) if here.updated_at >= *moved_at => drop(moves.newer.insert(tag.clone())),
                _ => moves.to.entry(digest.clone()).or_default().push(tag.clone()),
            }
        }
        Ok(moves)
    }

    async fn tags_here(&self, name: &RepositoryName) -> Result<BTreeMap<Tag, TagRecord>, StorageError> {
        let mut here = BTreeMap::new();
        let mut after: Option<Tag> = None;
        while let Some(page) = self.metadata.tags(name, after.as_ref().map(Tag::as_str), PAGE).await? {
            let Some(last) = page.last() else { break };
            after = Some(last.tag.clone());
            here.extend(page.into_iter().map(|record| (record.tag.clone(), record)));
        }
        Ok(here)
    }

    /// Stores one manifest and its tags, or says why it cannot be kept.
    async fn put(
        &self,
        name: &RepositoryName,
        digest: &Digest,
        manifest: &SourceManifest,
        tags: Vec<Tag>,
        taken: &Taken,
    ) -> anyhow::Result<Result<(), String>> {
        if let Some((blob, why)) = manifest.blobs.iter().find_map(|blob| Some((blob, taken.damaged.get(blob)?))) {
            return Ok(Err(format!("it refers to the blob {blob}: {why}")));
        }
        if tags.is_empty() && self.metadata.manifest(name, digest).await?.is_some() {
            return Ok(Ok(()));
        }
        let Some(content) = self.originals.read(&manifest.file, self.longest).await? else {
            return Ok(Err("its content has been removed meanwhile".to_owned()));
        };
        if Hasher::digest(digest.algorithm(), &content) != *digest {
            return Ok(Err("its content has changed meanwhile".to_owned()));
        }
        let parsed = parse(Some(&manifest.media_type), &content)?;
        let imported = ImportedManifest { digest: digest.clone(), manifest: parsed, content, tags };
        match self.registry.import_manifest(self.permit, name, imported).await {
            Ok(()) => Ok(Ok(())),
            Err(RegistryError::MissingReferences(missing)) => {
                let missing: Vec<String> = missing.iter().map(ToString::to_string).collect();
                Ok(Err(format!(
                    "it refers to what was removed here meanwhile, run the same command again: {}",
                    missing.join(", ")
                )))
            }
            Err(RegistryError::Held(held)) => Ok(Err(held.to_string())),
            Err(error) => Err(error.into()),
        }
    }
}

/// Counts the tags, and those that are lost with their manifests.
fn keep_tags(repository: &SourceRepository, moves: &Moves, kept: &mut EarlierDates, entered: &mut Entered) {
    let put: HashSet<&Digest> = kept.manifests.iter().map(|(digest, _)| digest).collect();
    for SourceTag { tag, digest, moved_at } in &repository.tags {
        if moves.newer.contains(tag) {
            entered.newer += 1;
        } else if put.contains(digest) {
            kept.tags.push((tag.clone(), digest.clone(), *moved_at));
        } else {
            let why = format!("the manifest that it points to, {digest}, cannot be kept");
            entered.losses.add(format!("{}:{tag}", repository.name), why);
        }
    }
    entered.tags = kept.tags.len() as u64;
}
