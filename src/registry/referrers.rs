//! Referrers: the manifests that name a manifest as their subject.

use std::collections::BTreeMap;

use super::{Registry, RegistryError};
use crate::auth::{Authorized, Pull};
use crate::domain::{Descriptor, Digest, Manifest, Tag};
use crate::storage::metadata::ReferrerRecord;

/// One entry of the list, which is a descriptor.
pub type Referrer = Descriptor;

/// One page of referrers.
#[derive(Debug)]
pub struct ReferrerPage {
    /// The entries, ordered by digest.
    pub referrers: Vec<Referrer>,
    /// Where the next page goes on, if there is one.
    pub next: Option<Digest>,
}

impl Registry {
    /// Up to a page of the manifests whose subject is `subject`, of `artifact_type` where one is given, after `last`.
    ///
    /// The first page also has what older clients left in the fallback tag `ALGORITHM-HEX`
    /// (OCI distribution specification, "Referrers Tag Schema"), so that moving such an image here loses nothing.
    pub async fn referrers(
        &self,
        permit: &Authorized<Pull>,
        subject: &Digest,
        artifact_type: Option<&str>,
        last: Option<&Digest>,
        limit: Option<u32>,
    ) -> Result<ReferrerPage, RegistryError> {
        let limit = self.page_limit(limit).max(1);
        let rows = self.metadata.referrers(permit.repository(), subject, artifact_type, last, limit + 1).await?;
        let more = rows.len() > limit as usize;
        let mut referrers: Vec<Referrer> = rows.into_iter().take(limit as usize).map(descriptor).collect();
        let next = if more { referrers.last().map(|entry| entry.digest.clone()) } else { None };
        if last.is_none() {
            let fallback = self.fallback_referrers(permit, subject).await?;
            for entry in fallback {
                let wanted = artifact_type.is_none_or(|wanted| entry.artifact_type.as_deref() == Some(wanted));
                if wanted && !self.is_listed(permit, subject, &referrers, &entry.digest).await? {
                    referrers.push(entry);
                }
            }
        }
        Ok(ReferrerPage { referrers, next })
    }

    /// What the index under the fallback tag lists, if there is one.
    async fn fallback_referrers(
        &self,
        permit: &Authorized<Pull>,
        subject: &Digest,
    ) -> Result<Vec<Referrer>, RegistryError> {
        let Some(tag) = fallback_tag(subject) else {
            return Ok(Vec::new());
        };
        let Some(stored) = self.metadata.manifest_by_tag(permit.repository(), &tag).await? else {
            return Ok(Vec::new());
        };
        let index = Manifest::parse(Some(&stored.media_type), &stored.content);
        Ok(index.map(|index| index.children().to_vec()).unwrap_or_default())
    }

    /// Whether the registry's own list has the entry, on this page or another.
    async fn is_listed(
        &self,
        permit: &Authorized<Pull>,
        subject: &Digest,
        page: &[Referrer],
        digest: &Digest,
    ) -> Result<bool, RegistryError> {
        if page.iter().any(|entry| entry.digest == *digest) {
            return Ok(true);
        }
        let Some(stored) = self.metadata.manifest(permit.repository(), digest).await? else {
            return Ok(false);
        };
        let manifest = Manifest::parse(Some(&stored.media_type), &stored.content);
        Ok(manifest.is_ok_and(|manifest| manifest.subject() == Some(subject)))
    }
}

/// `ALGORITHM-HEX`, the hexadecimal digits cut to 64.
fn fallback_tag(subject: &Digest) -> Option<Tag> {
    format!("{}-{}", subject.algorithm(), subject.hex().get(..64)?).parse().ok()
}

fn descriptor(record: ReferrerRecord) -> Referrer {
    let annotations = record.annotations.as_deref().and_then(|json| serde_json::from_str::<BTreeMap<_, _>>(json).ok());
    Descriptor {
        media_type: record.media_type,
        digest: record.digest,
        size: record.size,
        artifact_type: record.artifact_type,
        annotations,
        urls: None,
    }
}
