//! What authentication derives from its settings ([`AuthSettings`], the section `[auth]`).

use std::time::Duration;

use crate::config::AuthSettings;

impl AuthSettings {
    /// The lifetime of a token in whole seconds, at least 60.
    pub(super) fn token_seconds(&self) -> i64 {
        seconds(self.token_lifetime).max(60)
    }
}

#[cfg(test)]
impl AuthSettings {
    pub(super) fn for_tests() -> Self {
        Self {
            issuer: "portcullis.test".to_owned(),
            service: "registry.test:5000".to_owned(),
            refresh_token_lifetime: Some(Duration::from_hours(720)),
            ..Self::default()
        }
    }
}

/// Whole seconds, as far as they fit.
pub(super) fn seconds(duration: Duration) -> i64 {
    i64::try_from(duration.as_secs()).unwrap_or(i64::MAX / 4).min(i64::MAX / 4)
}
