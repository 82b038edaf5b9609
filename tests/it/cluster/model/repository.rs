//! What a repository must contain, and what it may have lost to a collection. A blob is sure as long as it is leased, or an image that is
//! sure refers to it; an image, as long as it has a tag, or has never lost anything that kept it.

use std::collections::{BTreeMap, BTreeSet};

use portcullis::domain::Digest;

use super::client::Difference;
use super::images::{IMAGES, content, digest, manifest, parts, subject};

/// How long a blob is leased, in seconds.
pub const LEASE: i64 = 24 * 3600;

#[derive(Default)]
pub struct Repository {
    /// By digest, when each was used last.
    blobs: BTreeMap<String, i64>,
    images: BTreeSet<usize>,
    /// Images that have once lost a tag or a subject, so that a collection may look at them.
    reviewed: BTreeSet<usize>,
    pub tags: BTreeMap<usize, usize>,
}

impl Repository {
    /// It is pushed, mounted, or put into an image.
    pub fn use_blob(&mut self, blob: &Digest, now: i64) {
        let used = self.blobs.entry(blob.to_string()).or_insert(now);
        *used = now.max(*used);
    }

    pub fn forget_blob(&mut self, blob: &Digest) {
        self.blobs.remove(&blob.to_string());
    }

    pub fn may_have(&self, blob: &Digest) -> bool {
        self.blobs.contains_key(&blob.to_string())
    }

    /// Whether the repository has the blob, whatever was collected until `now`.
    pub fn has_surely(&self, blob: &Digest, now: i64) -> bool {
        let Some(used) = self.blobs.get(&blob.to_string()) else { return false };
        let refers = |image: &usize| parts(*image).iter().any(|part| digest(&content(*part)) == *blob);
        now - used < LEASE || self.images.iter().any(|image| self.is_sure(*image) && refers(image))
    }

    fn is_sure(&self, image: usize) -> bool {
        let is_tagged = self.tags.values().any(|tagged| *tagged == image);
        self.images.contains(&image) && (is_tagged || !self.reviewed.contains(&image))
    }

    /// Compares what a node has found with what it must have, and notes what is gone.
    pub fn blob_was_found(&mut self, what: &str, blob: &Digest, found: bool, now: i64) -> Result<(), Difference> {
        let (must, may) = (self.has_surely(blob, now), self.may_have(blob));
        if !found {
            self.forget_blob(blob);
        }
        expect(what, found, must, may)
    }

    /// The same of an image.
    pub fn image_was_found(&mut self, what: &str, image: usize, found: bool) -> Result<(), Difference> {
        let (must, may) = (self.is_sure(image), self.images.contains(&image));
        if may && !found {
            self.lose(image);
        }
        expect(what, found, must, may)
    }

    /// An image was put.
    pub fn put(&mut self, image: usize, tag: Option<usize>, parts: &[Digest], now: i64) {
        self.images.insert(image);
        for part in parts {
            self.use_blob(part, now);
        }
        if let Some(tag) = tag
            && let Some(before) = self.tags.insert(tag, image).filter(|before| *before != image)
        {
            self.review(before);
        }
    }

    /// A tag was deleted; whether it was there.
    pub fn untag(&mut self, tag: usize) -> bool {
        let tagged = self.tags.remove(&tag);
        if let Some(image) = tagged {
            self.review(image);
        }
        tagged.is_some()
    }

    /// An image is gone, with its tags.
    pub fn lose(&mut self, image: usize) {
        self.images.remove(&image);
        self.tags.retain(|_, tagged| *tagged != image);
        self.review(image);
    }

    /// It has lost what kept it, and may take along what it keeps.
    fn review(&mut self, image: usize) {
        self.reviewed.insert(image);
        self.reviewed.extend((0..IMAGES).filter(|other| subject(*other) == Some(image)));
    }

    pub fn referrers_were_found(&self, image: usize, found: &[String]) -> Result<(), Difference> {
        let attached = |other: &&usize| subject(**other) == Some(image);
        let names = |images: Vec<&usize>| -> BTreeSet<String> {
            images.into_iter().map(|other| digest(&manifest(*other)).to_string()).collect()
        };
        let may = names(self.images.iter().filter(attached).collect());
        let must = names(self.images.iter().filter(attached).filter(|other| self.is_sure(**other)).collect());
        let told: BTreeSet<String> = found.iter().cloned().collect();
        if must.is_subset(&told) && told.is_subset(&may) && found.is_sorted() {
            return Ok(());
        }
        Err(format!("the referrers: the node says {found:?}, the model {must:?} and perhaps {may:?}"))
    }
}

fn expect(what: &str, found: bool, must: bool, may: bool) -> Result<(), Difference> {
    if (found || !must) && (may || !found) {
        return Ok(());
    }
    Err(format!("{what}: the node says {found}, the model that it must be there: {must}, and may: {may}"))
}
