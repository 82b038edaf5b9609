//! `[pulls]`: whether it is recorded when images were last pulled.

use crate::config::definition::settings;

settings! {
    /// The section `[pulls]`.
    PullSettings {
        /// Whether the registry records when each tag and image was last pulled, and by whom: "portcullis repo tags" shows it, and
        /// retention rules with "pulled-within" need it. Written every 30 seconds, many pulls at once.
        record: bool = true;
    }
}
