//! `[storage]`: how much room is left free, and how long things are kept that nothing refers to yet.

use std::time::Duration;

use crate::config::{
    ByteSize,
    duration::{days, hours},
    reader::Keys,
};

/// The section `[storage]`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Storage {
    /// Uploads are refused with 507 while the disk has less free space.
    pub min_free_space: ByteSize,
    /// How long an upload may rest before it is thrown away.
    pub upload_expiry: Duration,
    /// Whether pushes and deletes are refused.
    pub read_only: bool,
}

impl Storage {
    pub(in crate::config) fn read(keys: &mut Keys<'_, '_>) -> Self {
        let (none, huge) = (ByteSize::from_bytes(0), ByteSize::tib(1024));
        Self {
            min_free_space: keys.within("min_free_space", ByteSize::mib(256), none..=huge),
            upload_expiry: keys.within("upload_expiry", hours(24), hours(1)..=days(30)),
            read_only: keys.get("read_only", false),
        }
    }
}
