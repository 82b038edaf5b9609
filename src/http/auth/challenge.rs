//! What a client without sufficient credentials is told: the `WWW-Authenticate` header
//! (RFC 6750, section 3; RFC 7617; Docker Registry token authentication).

use std::fmt;

use super::challenge_rule::ChallengeKind;

/// One challenge.
#[derive(Debug)]
pub(in crate::http) struct Challenge {
    pub(in crate::http) kind: ChallengeKind,
    /// `host:port` as the client wrote it.
    pub(in crate::http) host: String,
    pub(in crate::http) service: String,
    /// Scopes that would do, `repository:a/b:pull,push`.
    pub(in crate::http) scopes: Vec<String>,
    pub(in crate::http) error: Option<&'static str>,
}

/// Asks for name and password. The charset tells clients how to encode them (RFC 7617, section 2.1).
pub(in crate::http) fn basic(service: &str) -> String {
    format!("Basic realm=\"{service}\", charset=\"UTF-8\"")
}

impl fmt::Display for Challenge {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.kind {
            ChallengeKind::Basic => f.write_str(&basic(&self.service)),
            ChallengeKind::Bearer => {
                write!(f, "Bearer realm=\"https://{}/auth/token\",service=\"{}\"", self.host, self.service)?;
                if !self.scopes.is_empty() {
                    write!(f, ",scope=\"{}\"", self.scopes.join(" "))?;
                }
                match self.error {
                    Some(error) => write!(f, ",error=\"{error}\""),
                    None => Ok(()),
                }
            }
        }
    }
}
