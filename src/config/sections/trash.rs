//! `[trash]`: how long what was deleted can be restored.

use std::time::Duration;

use crate::config::{checks::within, definition::settings, duration::days};

settings! {
    /// The section `[trash]`.
    TrashSettings {
        /// How long an image that was deleted, or lost its last tag, can be restored; its layers take space until then. "0s": it is
        /// removed at once; at most 10 years.
        keep: Duration = days(14), within(Duration::ZERO..=days(3650));

        /// How long it is remembered what a tag pointed to, who moved or deleted it, and why; from 1 day to 10 years.
        history: Duration = days(400), within(days(1)..=days(3650));
    }
}
