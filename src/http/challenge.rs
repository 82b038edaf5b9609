//! What a client without sufficient credentials is told: the `WWW-Authenticate` header
//! (RFC 6750, section 3; Docker Registry token authentication).

use std::fmt;

/// Which credentials are asked for. Both kinds are accepted on every request, whichever is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ChallengeKind {
    /// Tokens from the token endpoint.
    Bearer,
    /// Name and password on every request, for clients that do not find the CA at the token endpoint.
    Basic,
}

/// One challenge.
#[derive(Debug)]
pub(super) struct Challenge {
    pub(super) kind: ChallengeKind,
    /// `host:port` as the client wrote it.
    pub(super) host: String,
    pub(super) service: String,
    /// Scopes that would do, `repository:a/b:pull,push`.
    pub(super) scopes: Vec<String>,
    pub(super) error: Option<&'static str>,
}

impl fmt::Display for Challenge {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.kind {
            ChallengeKind::Basic => write!(f, "Basic realm=\"{}\"", self.service),
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
