//! `[scrub]`: how stored content is read back, so that damage is found before someone needs it.

use std::time::Duration;

use crate::config::{ByteSize, checks::within, definition::settings, duration::days};

settings! {
    /// The section `[scrub]`.
    ScrubSettings {
        /// How many bytes of stored content the server reads back and verifies in a second; "0B": none. A damaged layer is put aside and
        /// unknown to clients until it is pushed again. `portcullis check --scrub` reads everything at once.
        rate: ByteSize = ByteSize::mib(10), within(ByteSize::from_bytes(0)..=ByteSize::tib(1));

        /// How long after it was pushed or last read a content is read again; from 1 day to 10 years.
        every: Duration = days(30), within(days(1)..=days(3650));
    }
}
