//! `[auth]`: how clients prove who they are. What they may do is decided by grants, in the database.

use std::time::Duration;

use crate::config::{
    duration::{days, hours, minutes, seconds},
    reader::Keys,
    setting::{Complaint, Setting, choose},
};

/// What a client without credentials is told to bring.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Challenge {
    /// The password with each request for docker's engine and BuildKit, which may not trust the token endpoint; a token for
    /// everyone else.
    Auto,
    /// A token from the token endpoint.
    Bearer,
    /// The password with each request.
    Basic,
}

/// The section `[auth]`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Auth {
    /// The challenge of a 401 answer; both kinds of credentials are accepted in any case.
    pub challenge: Challenge,
    /// The `service` of the challenge and the `aud` of tokens.
    pub service: String,
    /// The `iss` of tokens.
    pub issuer: String,
    /// How long a token is good for.
    pub token_lifetime: Duration,
    /// Whether the user `alice` owns `alice/**`.
    pub personal_namespaces: bool,
    /// Passwords that are verified at once, at least 1.
    pub password_concurrency: u32,
    /// Verifications that may wait; the next is answered 429.
    pub password_queue: u32,
    /// How long a right password is remembered; zero: not at all.
    pub password_memory: Duration,
    /// Wrong passwords in a minute from one address (one /64 in IPv6); 0: any number.
    pub failures_per_address: u32,
    /// Wrong passwords for one user in 24 hours; 0: any number, and no waits between them.
    pub failures_per_account: u32,
    /// How long a refresh token is good for; `None`: they are neither issued nor accepted.
    pub refresh_token_lifetime: Option<Duration>,
    /// Age at which the key that signs tokens is replaced.
    pub key_rotation: Duration,
}

impl Auth {
    pub(in crate::config) fn read(keys: &mut Keys<'_, '_>) -> Self {
        Self {
            challenge: keys.get("challenge", Challenge::Auto),
            service: keys.checked("service", "portcullis".to_owned(), printable),
            issuer: keys.checked("issuer", "portcullis".to_owned(), printable),
            token_lifetime: keys.within("token_lifetime", minutes(5), seconds(60)..=hours(1)),
            personal_namespaces: keys.get("personal_namespaces", true),
            password_concurrency: keys.within("password_concurrency", 2, 1..=64),
            password_queue: keys.within("password_queue", 64, 0..=10_000),
            password_memory: keys.within("password_memory", seconds(60), seconds(0)..=minutes(15)),
            failures_per_address: keys.within("failures_per_address", 10, 0..=1000),
            failures_per_account: keys.within("failures_per_account", 100, 0..=1000),
            refresh_token_lifetime: keys.checked("refresh_token_lifetime", None, within_a_year),
            key_rotation: keys.within("key_rotation", days(30), days(1)..=days(365)),
        }
    }
}

/// Both names stand in the quoted strings of a header (RFC 9110, section 5.6.4); quotes and backslashes would need
/// escapes that clients are known to get wrong.
#[expect(clippy::ptr_arg, reason = "it checks a value of the key's type, and that is String")]
fn printable(text: &String) -> Result<(), String> {
    let plain = |b: u8| b.is_ascii_graphic() && b != b'"' && b != b'\\';
    if (1..=255).contains(&text.len()) && text.bytes().all(plain) {
        return Ok(());
    }
    Err("takes 1 to 255 visible ASCII characters without spaces, quotes and backslashes".to_owned())
}

#[expect(clippy::ref_option, reason = "it checks a value of the key's type, and that is an Option")]
fn within_a_year(lifetime: &Option<Duration>) -> Result<(), String> {
    match lifetime {
        Some(lifetime) if !(hours(1)..=days(365)).contains(lifetime) => {
            Err("takes a duration from 1h to 365d, or \"none\"".to_owned())
        }
        _ => Ok(()),
    }
}

impl Setting for Challenge {
    const EXPECTED: &'static str = r#""auto", "bearer" or "basic""#;

    fn parse(text: &str) -> Result<Self, Complaint> {
        choose(text, &[("auto", Self::Auto), ("bearer", Self::Bearer), ("basic", Self::Basic)])
    }

    fn to_toml(&self) -> toml::Value {
        let word = match self {
            Self::Auto => "auto",
            Self::Bearer => "bearer",
            Self::Basic => "basic",
        };
        toml::Value::String(word.to_owned())
    }
}
