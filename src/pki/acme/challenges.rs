//! The challenges that this node answers, as it knows them from the store. What a handshake is, `tls` knows.

use std::collections::HashMap;
use std::sync::Arc;

use arc_swap::ArcSwap;
use rustls::sign::CertifiedKey;

use super::challenge_certificate::{challenge_certificate, server_name};
use super::store::PendingAcmeChallenge;
use crate::config::AcmeChallenge;

/// The current answers. Reading takes no lock.
#[derive(Debug)]
pub struct AcmeChallenges {
    method: AcmeChallenge,
    answers: ArcSwap<Answers>,
}

#[derive(Debug, Default)]
struct Answers {
    pending: Vec<PendingAcmeChallenge>,
    certificates: HashMap<String, Arc<CertifiedKey>>,
}

impl AcmeChallenges {
    /// None yet.
    pub fn new(method: AcmeChallenge) -> Arc<Self> {
        Arc::new(Self { method, answers: ArcSwap::default() })
    }

    /// Answers these from now on, and no others.
    pub fn replace(&self, pending: Vec<PendingAcmeChallenge>) {
        if self.answers.load().pending == pending {
            return;
        }
        let mut certificates = HashMap::new();
        if self.answers_handshakes() {
            for challenge in &pending {
                match challenge_certificate(challenge) {
                    Ok(certified) => drop(certificates.insert(server_name(&challenge.name), certified)),
                    Err(error) => tracing::error!(%error, name = %challenge.name, "cannot answer an ACME challenge"),
                }
            }
        }
        self.answers.store(Arc::new(Answers { pending, certificates }));
    }

    /// What to serve at `/.well-known/acme-challenge/TOKEN`.
    pub fn key_authorization(&self, token: &str) -> Option<String> {
        let answers = self.answers.load();
        answers.pending.iter().find(|challenge| challenge.token == token).map(|found| found.key_authorization.clone())
    }

    /// Whether validating handshakes are to be expected.
    pub(crate) fn answers_handshakes(&self) -> bool {
        self.method == AcmeChallenge::TlsAlpn01
    }

    /// What a validating client is shown that asks for `server_name`; `None` where no challenge is about it.
    pub(crate) fn certificate(&self, server_name: &str) -> Option<Arc<CertifiedKey>> {
        self.answers.load().certificates.get(server_name).cloned()
    }
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;

    use super::*;

    fn pending(name: &str, token: &str) -> PendingAcmeChallenge {
        PendingAcmeChallenge {
            name: name.parse().unwrap(),
            token: token.to_owned(),
            key_authorization: format!("{token}.x"),
            expires: Timestamp::MAX,
        }
    }

    #[test]
    fn only_what_is_pending_is_answered() {
        let challenges = AcmeChallenges::new(AcmeChallenge::TlsAlpn01);
        assert!(challenges.certificate("registry.test").is_none());
        challenges.replace(vec![pending("registry.test", "a"), pending("192.0.2.7", "b")]);
        let first = challenges.certificate("registry.test").expect("pending");
        assert!(challenges.certificate("7.2.0.192.in-addr.arpa").is_some());
        assert!(challenges.certificate("other.test").is_none());
        assert_eq!(challenges.key_authorization("a").as_deref(), Some("a.x"));
        assert_eq!(challenges.key_authorization("c"), None);
        challenges.replace(vec![pending("registry.test", "a"), pending("192.0.2.7", "b")]);
        assert!(Arc::ptr_eq(&first, &challenges.certificate("registry.test").expect("pending")), "made once");
        challenges.replace(Vec::new());
        assert!(challenges.certificate("registry.test").is_none() && challenges.key_authorization("a").is_none());
    }

    #[test]
    fn over_http_no_handshake_is_answered() {
        let challenges = AcmeChallenges::new(AcmeChallenge::Http01);
        challenges.replace(vec![pending("registry.test", "a")]);
        assert!(challenges.certificate("registry.test").is_none() && !challenges.answers_handshakes());
        assert!(challenges.key_authorization("a").is_some());
    }
}
