//! `[delete]`: whether clients can delete at all.

use crate::config::definition::settings;

settings! {
    /// The section `[delete]`.
    DeleteSettings {
        /// Whether images, tags and layers can be deleted through the API, by users with the right to. "false" makes the
        /// registry add-only for everyone, administrators included.
        enabled: bool = true;
    }
}
