//! What the operator decides about authentication.

use std::time::Duration;

/// The settings of [`super::Authenticator`].
#[derive(Clone, Debug)]
pub struct AuthSettings {
    /// `iss` of every token: who signs.
    pub issuer: String,
    /// `aud` of every token, and `service` of the challenge: who the token is for.
    pub service: String,
    /// How long a token serves; less than a minute counts as a minute, because clients take that for granted.
    pub token_lifetime: Duration,
    /// Whether a user owns `NAME/**`.
    pub personal_namespaces: bool,
    /// How many passwords are verified at once; each costs 19 MiB and a core for about 30 ms.
    pub password_concurrency: usize,
    /// How many more wait for their turn before [`super::CredentialError::Busy`].
    pub password_queue: usize,
    /// How long a verified password is remembered; zero switches that off.
    pub password_memory: Duration,
    /// How many wrong passwords one address (an IPv6 network of 64 bits) may try in a minute; 0: any number.
    pub failures_per_address: u32,
    /// How many wrong passwords are looked at for one name in 24 hours, with waits after ten in a row; 0: any number, without waits.
    pub failures_per_account: u32,
    /// How long a refresh token serves; `None`: none are issued, and none accepted.
    pub refresh_token_lifetime: Option<Duration>,
    /// How long a key signs before its successor takes over.
    pub key_rotation: Duration,
}

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
            token_lifetime: Duration::from_mins(5),
            personal_namespaces: true,
            password_concurrency: 2,
            password_queue: 64,
            password_memory: Duration::from_mins(1),
            failures_per_address: 10,
            failures_per_account: 100,
            refresh_token_lifetime: Some(Duration::from_hours(720)),
            key_rotation: Duration::from_hours(720),
        }
    }
}

/// Whole seconds, as far as they fit.
pub(super) fn seconds(duration: Duration) -> i64 {
    i64::try_from(duration.as_secs()).unwrap_or(i64::MAX / 4).min(i64::MAX / 4)
}
