//! Referrers: the manifests that name a manifest as their subject.

use std::collections::{BTreeMap, HashSet};

use serde::Serialize;
use serde_json::value::RawValue;

use super::{Registry, RegistryError};
use crate::auth::{Authorized, Pull};
use crate::domain::{Descriptor, Digest, Manifest, RepositoryName, Tag};
use crate::storage::metadata::{PageLimit, ReferrerRecord};

/// Where a page ends if not by number, in bytes; it has one entry at least, which may be as large as a manifest.
const PAGE_BYTES: u64 = 1024 * 1024;
/// How many entries of an index under a fallback tag are read.
const FALLBACK_ENTRIES: usize = 10_000;

/// One entry of the list: a descriptor as it is sent.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Referrer {
    /// The media type of the referring manifest.
    media_type: String,
    /// Which manifest it is.
    #[serde(serialize_with = "as_text")]
    digest: Digest,
    /// Its length in bytes.
    size: u64,
    /// What it is.
    #[serde(skip_serializing_if = "Option::is_none")]
    artifact_type: Option<String>,
    /// Its annotations, which are never taken apart here.
    #[serde(skip_serializing_if = "Option::is_none")]
    annotations: Option<Box<RawValue>>,
}

/// One page of referrers.
#[derive(Debug)]
pub struct ReferrerPage {
    /// The entries, ordered by digest.
    pub referrers: Vec<Referrer>,
    /// Where the next page starts, if there is one.
    pub next: Option<Digest>,
}

impl Registry {
    /// Up to a page of the manifests whose subject is `subject`, of `artifact_type` where one is given, after `last`.
    ///
    /// Among them is what older clients left in the fallback tag `ALGORITHM-HEX`
    /// (OCI distribution specification, "Referrers Tag Schema"), so that moving such an image here loses nothing.
    pub async fn referrers(
        &self,
        permit: &Authorized<Pull>,
        subject: &Digest,
        artifact_type: Option<&str>,
        last: Option<&Digest>,
        limit: Option<u32>,
    ) -> Result<ReferrerPage, RegistryError> {
        let limit = PageLimit { entries: self.page_limit(limit).max(1), bytes: PAGE_BYTES };
        let repository = permit.repository();
        let own = self.metadata.referrers(repository, subject, artifact_type, last, limit).await?;
        let fallback = self.fallback_referrers(repository, subject, artifact_type, last).await?;
        let mut entries: BTreeMap<String, Referrer> =
            fallback.into_iter().map(|entry| (entry.digest.to_string(), entry)).collect();
        if own.more
            && let Some(end) = own.entries.last()
        {
            // What comes after the end of this page may also come after others of the registry's own list.
            entries.retain(|digest, _| *digest < end.digest.to_string());
        }
        let is_cut = own.more;
        entries.extend(own.entries.into_iter().map(|record| (record.digest.to_string(), Referrer::from(record))));
        let fitting = limit.fitting(entries.values().map(Referrer::weight));
        let more = is_cut || fitting < entries.len();
        let referrers: Vec<Referrer> = entries.into_values().take(fitting).collect();
        let next = if more { referrers.last().map(|entry| entry.digest.clone()) } else { None };
        Ok(ReferrerPage { referrers, next })
    }

    /// What the index under the fallback tag lists, if there is one, and the registry's own list does not.
    async fn fallback_referrers(
        &self,
        repository: &RepositoryName,
        subject: &Digest,
        artifact_type: Option<&str>,
        last: Option<&Digest>,
    ) -> Result<Vec<Referrer>, RegistryError> {
        let Some(tag) = fallback_tag(subject) else { return Ok(Vec::new()) };
        let Some(stored) = self.metadata.manifest_by_tag(repository, &tag).await? else { return Ok(Vec::new()) };
        let Ok(index) = Manifest::parse(Some(&stored.media_type), &stored.content) else { return Ok(Vec::new()) };
        let last = last.map(Digest::to_string).unwrap_or_default();
        let wanted = |entry: &&Descriptor| {
            let is_wanted =
                |wanted: &str| entry.artifact_type.as_ref().is_some_and(|of| of.eq_ignore_ascii_case(wanted));
            artifact_type.is_none_or(is_wanted) && entry.digest.to_string() > last
        };
        let entries: Vec<&Descriptor> = index.children().iter().take(FALLBACK_ENTRIES).filter(wanted).collect();
        let digests: Vec<Digest> = entries.iter().map(|entry| entry.digest.clone()).collect();
        let listed = self.metadata.among_referrers(repository, subject, &digests).await?;
        let mut seen: HashSet<Digest> = listed.into_iter().collect();
        let news = entries.into_iter().filter(|entry| seen.insert(entry.digest.clone()));
        Ok(news.map(Referrer::from).collect())
    }
}

/// `ALGORITHM-HEX`, the hexadecimal digits cut to 64.
fn fallback_tag(subject: &Digest) -> Option<Tag> {
    format!("{}-{}", subject.algorithm(), subject.hex().get(..64)?).parse().ok()
}

impl Referrer {
    /// How many bytes it takes in a list, about.
    fn weight(&self) -> u64 {
        let annotations = self.annotations.as_ref().map_or(0, |json| json.get().len());
        let artifact_type = self.artifact_type.as_ref().map_or(0, String::len);
        (annotations + artifact_type) as u64 + ReferrerRecord::OVERHEAD
    }
}

impl From<ReferrerRecord> for Referrer {
    fn from(record: ReferrerRecord) -> Self {
        Self {
            media_type: record.media_type.to_string(),
            digest: record.digest,
            size: record.size,
            artifact_type: record.artifact_type,
            annotations: record.annotations.and_then(|json| RawValue::from_string(json).ok()),
        }
    }
}

impl From<&Descriptor> for Referrer {
    fn from(entry: &Descriptor) -> Self {
        let annotations = Some(&entry.annotations).filter(|annotations| !annotations.is_empty());
        Self {
            media_type: entry.media_type.to_string(),
            digest: entry.digest.clone(),
            size: entry.size,
            artifact_type: entry.artifact_type.clone(),
            annotations: annotations.and_then(|annotations| serde_json::value::to_raw_value(annotations).ok()),
        }
    }
}

fn as_text<S: serde::Serializer>(digest: &Digest, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(digest)
}
