//! What retention needs to know of the configuration.

use std::time::Duration;

use crate::config::Config;

/// See the module.
#[derive(Clone, Copy, Debug)]
pub(crate) struct RetentionSettings {
    /// Whether pulls are recorded.
    pub(super) records_pulls: bool,
    /// How long what is removed can be restored.
    pub(super) keep: Duration,
    /// For how long an untagged manifest is left alone, because an index or tag may follow.
    pub(super) lease: Duration,
}

impl RetentionSettings {
    /// Of these settings.
    pub(crate) fn of(config: &Config) -> Self {
        Self { records_pulls: config.pulls.record, keep: config.trash.keep, lease: config.gc.lease }
    }
}
