//! Push: manifests. (Blobs come first, by [`super::upload`] or [`super::mount`].)

use std::collections::HashSet;

use bytes::Bytes;

use super::{Registry, RegistryError};
use crate::auth::{Authorized, Push};
use crate::domain::{Algorithm, Descriptor, Digest, Hasher, Manifest, MediaType, Precondition, Reference, Tag};
use crate::storage::metadata::{Cause, NewManifest, PutOutcome};

/// A manifest that was stored.
#[derive(Debug)]
pub struct PushedManifest {
    /// Its digest.
    pub digest: Digest,
    /// The manifest that it refers to, if it does.
    pub subject: Option<Digest>,
}

impl Registry {
    /// Stores a manifest under its digest, and under the reference where that is a tag, and under `tags`.
    pub async fn push_manifest(
        &self,
        permit: &Authorized<Push>,
        reference: &Reference,
        tags: Vec<Tag>,
        content_type: Option<&MediaType>,
        content: Bytes,
        precondition: Precondition,
    ) -> Result<PushedManifest, RegistryError> {
        self.require_writable()?;
        let limit = self.settings.limits.manifest_size.bytes();
        if content.len() as u64 > limit {
            return Err(RegistryError::ManifestTooLarge { limit });
        }
        let digest = digest_of(reference, &content)?;
        let manifest = Manifest::parse(content_type, &content)?;
        let (count, limit) = (manifest.descriptors(), self.settings.limits.manifest_descriptors);
        if count > limit {
            return Err(RegistryError::TooManyDescriptors { count, limit });
        }
        let subject = manifest.subject().cloned();
        let tagged = match reference {
            Reference::Tag(tag) => std::iter::once(tag.clone()).chain(tags).collect(),
            Reference::Digest(_) => tags,
        };
        let mut new = describe(&manifest, digest.clone(), content, tagged, precondition)?;
        new.may_be_sparse = self.settings.limits.sparse_indexes.iter().any(|on| on.matches(permit.repository()));
        let change = self.change(permit, Cause::Push).await?;
        let outcome = self.metadata.put_manifest(permit.repository(), new, self.settings.gc.lease, &change).await;
        self.generations.invalidate(permit.repository());
        match outcome? {
            PutOutcome::Stored => Ok(PushedManifest { digest, subject }),
            PutOutcome::Missing(digests) => Err(RegistryError::MissingReferences(digests)),
            PutOutcome::PreconditionFailed => Err(RegistryError::PreconditionFailed),
        }
    }
}

/// The content's digest by the algorithm of the reference; it must be the reference where that is a digest.
fn digest_of(reference: &Reference, content: &[u8]) -> Result<Digest, RegistryError> {
    match reference {
        Reference::Tag(_) => Ok(Hasher::digest(Algorithm::Sha256, content)),
        Reference::Digest(expected) => {
            let actual = Hasher::digest(expected.algorithm(), content);
            if actual == *expected {
                Ok(actual)
            } else {
                Err(RegistryError::DigestMismatch { expected: expected.clone(), actual })
            }
        }
    }
}

/// The digests in the manifest's order, each once: the database need not look at a layer twice.
fn once<'m>(descriptors: impl Iterator<Item = &'m Descriptor>) -> Vec<Digest> {
    let mut seen = HashSet::new();
    descriptors.map(|descriptor| &descriptor.digest).filter(|digest| seen.insert(*digest)).cloned().collect()
}

/// What the database must know of a manifest.
pub(super) fn describe(
    manifest: &Manifest,
    digest: Digest,
    content: Bytes,
    tags: Vec<Tag>,
    precondition: Precondition,
) -> Result<NewManifest, RegistryError> {
    let annotations = match manifest.annotations() {
        none if none.is_empty() => None,
        some => Some(serde_json::to_string(some).map_err(crate::domain::oci::manifest::InvalidManifest::Json)?),
    };
    Ok(NewManifest {
        digest,
        media_type: manifest.media_type().clone(),
        content,
        artifact_type: manifest.artifact_type().map(str::to_owned),
        annotations,
        subject: manifest.subject().cloned(),
        blobs: once(manifest.blobs()),
        children: once(manifest.children().iter()),
        may_be_sparse: false,
        tags,
        precondition,
    })
}
