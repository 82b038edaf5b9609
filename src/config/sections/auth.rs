//! `[auth]`: how clients prove who they are. What they may do is decided by grants, in the database.

use std::time::Duration;

use crate::config::{
    checks::{text, unless_none, within},
    definition::settings,
    duration::{days, hours, minutes, seconds},
    word::Word,
};

settings! {
    /// The section `[auth]`.
    AuthSettings {
        /// What a client without credentials is asked for: "bearer" sends it to fetch a token, "basic" asks for the password
        /// with each request. "auto" asks docker's engine and BuildKit for the password where they would fetch a token
        /// without trusting the CA that `portcullis trust` installed (docker 28 with the containerd image store, 29.0 to
        /// 29.4, buildx), and everyone else for a token. With refresh_token_lifetime set, "auto" is "bearer". Both kinds of
        /// credentials are always accepted.
        challenge: AuthChallenge = AuthChallenge::Auto;

        /// The registry that tokens are for (`aud`). Give each registry its own name if several share a domain; a change
        /// invalidates the tokens of the last minutes and nothing else.
        service: String = "portcullis".to_owned(), text(printable);

        /// The issuer that tokens name (`iss`); the same applies.
        issuer: String = "portcullis".to_owned(), text(printable);

        /// How long a token is valid, from 60 seconds to 1 hour. A revoked right ends at once, whatever this is set to;
        /// clients fetch a new token by themselves.
        token_lifetime: Duration = minutes(5), within(seconds(60)..=hours(1));

        /// Whether each user owns the repositories below their name: alice pushes to alice/app without any grant.
        personal_namespaces: bool = true;

        /// How many passwords are verified at the same time; each takes one core and 19 MiB for about 35 ms.
        password_concurrency: usize = 2, within(1..=64);

        /// How many more may wait for their turn; the next is answered "429 Too Many Requests". One address (in IPv6: one
        /// /64 network) gets an eighth of these places, and a quarter is kept for users who logged in from the same address
        /// in the last day.
        password_queue: usize = 64, within(0..=10_000);

        /// How long a correct password is remembered, so that clients that send it with each request are as fast as with a
        /// token. A changed password or a disabled user takes effect within a second, whatever this is set to. "0s": not at
        /// all.
        password_memory: Duration = seconds(60), within(seconds(0)..=minutes(15));

        /// How many wrong passwords are accepted from one address (in IPv6: from one /64 network) in a minute. More are
        /// answered "429 Too Many Requests" without being checked. Passwords that are known to have been right from that
        /// address, tokens and client certificates keep working. Behind a reverse proxy, name it in server.trusted_proxies;
        /// otherwise everyone comes from the proxy's address. 0: no limit. Some clients (containerd, BuildKit, helm) try
        /// each bad password twice.
        failures_per_address: u32 = 10, within(0..=1000);

        /// How many wrong passwords are accepted for one user in 24 hours, from all addresses together. After ten in a row
        /// each makes the next wait longer, from one second to 15 minutes; after this many, password login is locked until
        /// the first is 24 hours old, or until `portcullis user unlock NAME`; `portcullis user show NAME` says whether that
        /// is needed. Meanwhile the user's tokens, client certificates, and passwords from addresses where they were right
        /// in the last day (unless password_memory is "0s") keep working. 0: no limit and no waits.
        failures_per_account: u32 = 100, within(0..=1000);

        /// How long a refresh token is valid, such as "30d", from 1h to 365d. "none": there are none. Clients that ask for
        /// one at login (docker does) then keep it instead of the password; it expires when the password is changed or the
        /// user disabled. It is accepted wherever the password is. Docker sends it to the token endpoint only, so
        /// auth.challenge = "auto" is "bearer" then. Leave it off if podman, skopeo or buildah read the same login file:
        /// they cannot read what docker writes then.
        refresh_token_lifetime: Option<Duration> = None, unless_none(within(hours(1)..=days(365)));

        /// The age at which the key that signs tokens is replaced. Clients do not notice.
        key_rotation: Duration = days(30), within(days(1)..=days(365));
    }
}

/// What a client without credentials is asked for. Both kinds are accepted on every request, whichever is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AuthChallenge {
    /// Basic for docker's engine and BuildKit where a token would not help them, Bearer for everyone else.
    Auto,
    /// Bearer for everyone: a token from the token endpoint.
    Bearer,
    /// Basic for everyone: the password with each request.
    Basic,
}

impl Word for AuthChallenge {
    const WORDS: &'static [(&'static str, Self)] =
        &[("auto", Self::Auto), ("bearer", Self::Bearer), ("basic", Self::Basic)];
}

/// Both names are sent in the quoted strings of a header (RFC 9110, section 5.6.4); quotes and backslashes would need
/// escapes that clients are known to get wrong.
fn printable(text: &str) -> Result<(), String> {
    let plain = |b: u8| b.is_ascii_graphic() && b != b'"' && b != b'\\';
    if (1..=255).contains(&text.len()) && text.bytes().all(plain) {
        return Ok(());
    }
    Err("expected 1 to 255 visible ASCII characters without spaces, quotes and backslashes".to_owned())
}
