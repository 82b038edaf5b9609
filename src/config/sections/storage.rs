//! `[storage]`: how much space is left free, and how long unfinished uploads are kept.

use std::time::Duration;

use crate::config::{
    ByteSize,
    checks::within,
    definition::settings,
    duration::{days, hours},
};

settings! {
    /// The section `[storage]`.
    StorageSettings {
        /// Uploads are refused ("507 Insufficient Storage") while the disk of `data_dir` has less free space than this, so
        /// that the database can always be written and images deleted.
        min_free_space: ByteSize = ByteSize::mib(256), within(ByteSize::from_bytes(0)..=ByteSize::tib(1024));

        /// How long an interrupted upload can be resumed before its data is deleted; from 1 hour to 30 days.
        upload_expiry: Duration = hours(24), within(hours(1)..=days(30));

        /// How often the server puts a copy of the database next to the blobs, sealed with the registry's key; three are kept. If the database
        /// is lost and was not backed up, `portcullis check --rebuild` makes it again from the newest. From 1 hour to 30 days; "0s": never.
        metadata_copy: Duration = hours(24), metadata_copy;

        /// Whether every change of an image is refused ("403 DENIED") for everyone, administrators included, while pulls
        /// continue: for a move to another machine, or a mirror that no one is to push to.
        read_only: bool = false;
    }
}

/// Whatever the time, a copy takes a while to make.
fn metadata_copy(every: &Duration) -> Result<(), String> {
    if every.is_zero() || (hours(1)..=days(30)).contains(every) {
        return Ok(());
    }
    Err("expected 0s, or from 1 hour to 30 days".to_owned())
}
