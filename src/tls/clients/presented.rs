//! A client's certificate for as long as its connection lives. A handshake verifies it once; a connection may last for days.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use rustls_pki_types::{CertificateDer, UnixTime};

use super::naming::user_of;
use super::refusal::reason;
use super::{ClientVerifier, TrustStore};
use crate::domain::{AccountName, ClientCertificate, Fingerprint, Unnamed};

/// Certificates and lists also end by the clock, without any file changing.
const CHECK_AGAIN: Duration = Duration::from_secs(10);

/// A certificate that passed the handshake, and whether it still would.
#[derive(Debug)]
pub struct PresentedCertificate {
    verifier: Arc<ClientVerifier>,
    chain: Vec<CertificateDer<'static>>,
    user: Result<AccountName, Unnamed>,
    /// `None` until the first request.
    checked: Mutex<Option<Check>>,
}

#[derive(Debug)]
struct Check {
    trust_store: Arc<TrustStore>,
    at: Instant,
    refused: Option<String>,
}

impl PresentedCertificate {
    /// `chain` is not empty, and was verified.
    pub(super) fn new(verifier: Arc<ClientVerifier>, chain: Vec<CertificateDer<'static>>) -> Self {
        let user = user_of(&chain[0], verifier.rule());
        Self { verifier, chain, user, checked: Mutex::new(None) }
    }

    /// What it is worth now. Verified again only where CAs or lists have changed since the last time, or some seconds have passed.
    pub fn now(&self) -> ClientCertificate {
        match (self.refused(), &self.user) {
            (Some(reason), _) => {
                ClientCertificate::Withdrawn(format!("the client certificate is no longer accepted: {reason}"))
            }
            (None, Ok(user)) => {
                ClientCertificate::Names { user: user.clone(), fingerprint: Fingerprint::of_der(&self.chain[0]) }
            }
            (None, Err(unnamed)) => ClientCertificate::NamesUnknownUser(unnamed.to_string()),
        }
    }

    /// Why a new handshake would fail.
    fn refused(&self) -> Option<String> {
        let (trust_store, clock) = (self.verifier.trust_store(), self.verifier.clock());
        // A check is stored whole, so a panic elsewhere leaves a sound one.
        let mut checked = self.checked.lock().unwrap_or_else(PoisonError::into_inner);
        match &*checked {
            Some(check)
                if Arc::ptr_eq(&check.trust_store, &trust_store)
                    && clock.instant().duration_since(check.at) < CHECK_AGAIN =>
            {
                check.refused.clone()
            }
            _ => {
                let (end_entity, intermediates) = self.chain.split_first()?;
                let seconds = u64::try_from(clock.seconds()).unwrap_or_default();
                let now = UnixTime::since_unix_epoch(Duration::from_secs(seconds));
                let outcome = trust_store.verify(end_entity, intermediates, now);
                let refused = outcome.err().map(|error| reason(&error));
                *checked = Some(Check { trust_store, at: clock.instant(), refused: refused.clone() });
                refused
            }
        }
    }
}
