//! `[delete]`: whether clients can delete at all.

use crate::config::reader::Keys;

/// The section `[delete]`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Delete {
    /// Whether manifests, tags and blobs can be deleted through the API by those who have the right to.
    pub enabled: bool,
}

impl Delete {
    pub(in crate::config) fn read(keys: &mut Keys<'_, '_>) -> Self {
        Self { enabled: keys.get("enabled", true) }
    }
}
