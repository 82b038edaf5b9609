//! `[gc]`: when what nothing refers to any more is removed.

use std::time::Duration;

use crate::config::{
    checks::within,
    definition::settings,
    duration::{days, hours},
};

settings! {
    /// The section `[gc]`.
    GcSettings {
        /// Whether the server removes what nothing refers to any more: images that lost their last tag, layers of deleted images, uploads
        /// that no image ever used. It works a little at a time while the registry serves; "false" leaves the review to `portcullis gc`.
        enabled: bool = true;

        /// How long a layer stays after nothing refers to it any more; a push that needs it meanwhile keeps it. At least 1 minute.
        grace: Duration = Duration::from_mins(10), within(Duration::from_mins(1)..=days(30));

        /// How long a layer is safe after it was pushed, mounted, or a client was told that it is there, though no image refers to it
        /// yet; from 10 seconds to 30 days. Longer than any push takes, else that may have to be repeated.
        lease: Duration = hours(24), within(Duration::from_secs(10)..=days(30));

        /// How many entries of its queue the server reviews in a second, at most; 0: as many as it can.
        rate: u32 = 2000, within(0..=1_000_000);
    }
}
