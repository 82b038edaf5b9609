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

        /// Whether every change of an image is refused ("403 DENIED") for everyone, administrators included, while pulls
        /// continue: for a move to another machine, or a mirror that no one is to push to.
        read_only: bool = false;
    }
}
