//! The manifest of a backup: what it is of, and the digests of its parts. Blobs are named by theirs.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use anyhow::{Context as _, bail};
use data_encoding::HEXLOWER;
use futures_util::{StreamExt, TryStreamExt};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use crate::config::Config;
use crate::storage::archive::Archive;
use crate::storage::blobs::ByteStream;
use crate::storage::metadata::transfer::GraphDigest;

/// The folder of all backups.
pub(super) const BACKUPS: &str = "backups";
/// The version of this format.
const FORMAT: u32 = 1;
/// Of a manifest, which is small.
const LONGEST: usize = 64 << 20;

/// The files of a backup.
pub(super) mod parts {
    pub(in crate::node::backup) const MANIFEST: &str = "manifest.json";
    pub(in crate::node::backup) const METADATA: &str = "metadata.sqlite";
    pub(in crate::node::backup) const KEYS: &str = "keys.json";
}

/// The whole name of a part.
pub(super) fn name(id: &str, part: &str) -> String {
    format!("{BACKUPS}/{id}/{part}")
}

/// What a snapshot has.
pub(super) struct Summary {
    pub(super) instance: String,
    pub(super) schema: i64,
    pub(super) blobs: u64,
    pub(super) bytes: u64,
    pub(super) graph: GraphDigest,
}

/// A backup.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct BackupManifest {
    format: u32,
    /// By which it is found.
    pub(crate) id: String,
    pub(crate) created_at: Timestamp,
    /// The program that made it.
    pub(crate) version: String,
    /// The schema of the snapshot.
    pub(super) schema: i64,
    /// Where the registry had its database.
    pub(crate) engine: String,
    /// Which registry it is of.
    pub(crate) instance: String,
    pub(crate) blobs: u64,
    pub(crate) bytes: u64,
    pub(crate) tags: u64,
    pub(crate) manifests: u64,
    /// Of tags and manifests, as `check` prints it.
    pub(crate) digest: String,
    /// Blobs whose contents were lost or damaged in the registry.
    pub(crate) missing: Vec<String>,
    parts: BTreeMap<String, Part>,
}

/// A file of a backup.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Part {
    sha256: String,
    bytes: u64,
}

/// The digest of a body, once it has been read.
#[derive(Clone, Default)]
pub(super) struct Sum(Arc<Mutex<(Sha256, u64)>>);

impl Part {
    /// The same body, summed up while it is read.
    pub(super) fn summed(body: ByteStream) -> (ByteStream, Sum) {
        let sum = Sum::default();
        let of_body = sum.clone();
        let body = body.inspect_ok(move |chunk| {
            let mut sum = of_body.0.lock().unwrap_or_else(PoisonError::into_inner);
            sum.0.update(chunk);
            sum.1 += chunk.len() as u64;
        });
        (Box::pin(body), sum)
    }
}

impl Sum {
    pub(super) fn finish(&self) -> Part {
        let sum = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        Part { sha256: HEXLOWER.encode(&sum.0.clone().finalize()), bytes: sum.1 }
    }
}

impl BackupManifest {
    pub(super) fn of(id: &str, created_at: Timestamp, config: &Config, summary: Summary, missing: Vec<String>) -> Self {
        let engine = if config.database.is_shared() { "postgresql" } else { "sqlite" };
        let Summary { instance, schema, blobs, bytes, graph } = summary;
        Self {
            format: FORMAT,
            id: id.to_owned(),
            created_at,
            version: env!("CARGO_PKG_VERSION").to_owned(),
            schema,
            engine: engine.to_owned(),
            instance,
            blobs,
            bytes,
            tags: graph.tags,
            manifests: graph.manifests,
            digest: graph.digest,
            missing,
            parts: BTreeMap::new(),
        }
    }

    pub(super) fn add(&mut self, part: &str, sum: Part) {
        self.parts.insert(part.to_owned(), sum);
    }

    pub(super) fn name_of(&self, part: &str) -> String {
        name(&self.id, part)
    }

    /// Whether certificates and keys are in it.
    pub(crate) fn has_keys(&self) -> bool {
        self.parts.contains_key(parts::KEYS)
    }

    pub(super) fn to_json(&self) -> anyhow::Result<Vec<u8>> {
        Ok(serde_json::to_vec_pretty(self)?)
    }

    /// The manifest of one backup; `None` if it has none: the backup was interrupted.
    pub(super) async fn read(archive: &dyn Archive, id: &str) -> anyhow::Result<Option<Self>> {
        let files = archive.files(&format!("{BACKUPS}/{id}")).await?;
        if !files.iter().any(|file| file.name == parts::MANIFEST) {
            return Ok(None);
        }
        let path = name(id, parts::MANIFEST);
        let text = read_whole(archive.get(&path).await?, LONGEST).await?;
        Self::parse(&text, id).with_context(|| format!("cannot use the backup {id}")).map(Some)
    }

    fn parse(text: &[u8], id: &str) -> anyhow::Result<Self> {
        #[derive(Deserialize)]
        struct Head {
            format: u32,
            version: String,
        }
        let damaged = || format!("the file {} is damaged", name(id, parts::MANIFEST));
        let head: Head = serde_json::from_slice(text).with_context(damaged)?;
        if head.format > FORMAT {
            bail!(
                "it was made by version {}, whose backups this version ({}) does not know",
                head.version,
                env!("CARGO_PKG_VERSION")
            );
        }
        let manifest: Self = serde_json::from_slice(text).with_context(damaged)?;
        if manifest.id != id || !manifest.parts.contains_key(parts::METADATA) {
            bail!("{}", damaged());
        }
        Ok(manifest)
    }

    /// Reads a part; an error at its end where it is not what the manifest says.
    pub(super) async fn open(&self, archive: &dyn Archive, part: &str) -> anyhow::Result<ByteStream> {
        let Some(expected) = self.parts.get(part).cloned() else { bail!("the backup {} has no {part}", self.id) };
        let path = self.name_of(part);
        let (body, sum) = Part::summed(archive.get(&path).await?);
        let end = futures_util::stream::once(async move {
            if sum.finish() == expected {
                return Ok(bytes::Bytes::new());
            }
            Err(crate::storage::StorageError::Damaged(format!("{path} is not what the manifest of the backup says")))
        });
        Ok(Box::pin(body.chain(end)))
    }

    /// Reads all parts back.
    pub(super) async fn verify_parts(&self, archive: &dyn Archive) -> anyhow::Result<()> {
        for part in self.parts.keys() {
            let mut body = self.open(archive, part).await?;
            while body.try_next().await?.is_some() {}
        }
        Ok(())
    }
}

/// All bytes of a body, which are few.
pub(super) async fn read_whole(mut body: ByteStream, longest: usize) -> anyhow::Result<Vec<u8>> {
    let mut whole = Vec::new();
    while let Some(chunk) = body.try_next().await? {
        whole.extend_from_slice(&chunk);
        if whole.len() > longest {
            bail!("a file of the backup has more than {longest} bytes");
        }
    }
    Ok(whole)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn another_format_is_refused_by_its_version() {
        let newer = br#"{"format": 2, "version": "9.9.9", "unknown": true}"#;
        let error = BackupManifest::parse(newer, "x").expect_err("newer").to_string();
        assert!(error.contains("made by version 9.9.9"), "{error}");
        for damaged in [&b"{"[..], b"[]", br#"{"format": 1, "version": "0.1.0"}"#] {
            let error = BackupManifest::parse(damaged, "x").expect_err("damaged").to_string();
            assert!(error.contains("backups/x/manifest.json is damaged"), "{error}");
        }
    }
}
