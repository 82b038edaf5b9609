//! `[limits]`: how large and how many things may be that clients send or ask for.

use crate::config::{ByteSize, reader::Keys};
use crate::domain::Glob;

/// The section `[limits]`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limits {
    /// The largest manifest that is taken; it is held in memory.
    pub manifest_size: ByteSize,
    /// Layers and children that one manifest may have.
    pub manifest_descriptors: u32,
    /// Repositories that take an index before what it lists.
    pub sparse_indexes: Vec<Glob>,
    /// The largest blob that is taken; `None`: as much as the disk holds.
    pub blob_size: Option<ByteSize>,
    /// Tags that one manifest may be pushed with, at least 10 (the distribution specification asks for it).
    pub tags_per_push: u32,
    /// The longest page of a list; what a client asks for beyond it is cut.
    pub page_size: u32,
    /// Uploads whose bytes are written at the same time, at least 1.
    pub concurrent_uploads: u32,
    /// Unfinished upload sessions of one account, or of one address without an account, at least 1.
    pub uploads_per_account: u32,
    /// Memory for bodies that are held whole, and for manifests that wait to be sent.
    pub body_memory: ByteSize,
}

impl Limits {
    pub(in crate::config) fn read(keys: &mut Keys<'_, '_>) -> Self {
        let (least, most) = (Some(ByteSize::mib(1)), Some(ByteSize::tib(1024)));
        Self {
            manifest_size: keys.within("manifest_size", ByteSize::mib(4), ByteSize::kib(64)..=ByteSize::mib(64)),
            manifest_descriptors: keys.within("manifest_descriptors", 2000, 100..=50_000),
            sparse_indexes: keys.get("sparse_indexes", Vec::new()),
            blob_size: keys.checked("blob_size", None, |size| {
                // `None` would be below any bound.
                if size.is_none() || (least..=most).contains(size) {
                    return Ok(());
                }
                Err(format!("choose between {} and {}, or \"none\"", ByteSize::mib(1), ByteSize::tib(1024)))
            }),
            tags_per_push: keys.within("tags_per_push", 32, 10..=1000),
            page_size: keys.within("page_size", 1000, 1..=1000),
            concurrent_uploads: keys.within("concurrent_uploads", 1024, 1..=100_000),
            uploads_per_account: keys.within("uploads_per_account", 1000, 1..=1_000_000),
            body_memory: keys.within("body_memory", ByteSize::mib(32), ByteSize::mib(4)..=ByteSize::tib(1)),
        }
    }
}
