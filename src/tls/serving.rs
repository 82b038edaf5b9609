//! The certificate in use, replaced in one step while connections stay open.

use std::sync::Arc;

use arc_swap::ArcSwap;
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;

use super::validation;
use crate::domain::Clock;
use crate::pki::acme::AcmeChallenges;
use crate::pki::identity::Identity;

/// What new handshakes are answered with. Connections that are open keep what they began with.
#[derive(Debug)]
pub struct ServingIdentity {
    current: ArcSwap<Identity>,
    challenges: Option<Arc<AcmeChallenges>>,
    clock: Clock,
}

impl ServingIdentity {
    /// Serves `identity` until it is swapped.
    pub fn new(identity: Identity, clock: Clock) -> Arc<Self> {
        Arc::new(Self { current: ArcSwap::from_pointee(identity), challenges: None, clock })
    }

    /// The same, and answers an authority's validating handshakes.
    pub fn with_challenges(identity: Identity, clock: Clock, challenges: Arc<AcmeChallenges>) -> Arc<Self> {
        Arc::new(Self { current: ArcSwap::from_pointee(identity), challenges: Some(challenges), clock })
    }

    /// Whether validating handshakes are to be expected.
    pub(super) fn answers_challenges(&self) -> bool {
        self.challenges.as_ref().is_some_and(|challenges| challenges.answers_handshakes())
    }

    /// From the next handshake on, serves `identity`.
    pub fn swap(&self, identity: Identity) {
        self.current.store(Arc::new(identity));
    }

    /// What is served now.
    pub fn current(&self) -> Arc<Identity> {
        self.current.load_full()
    }
}

impl ResolvesServerCert for ServingIdentity {
    /// The same certificate for every name, but where two are served after a rotation: clients that reach us by another name see a clear
    /// name error instead of a broken handshake.
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        if let Some(challenges) = &self.challenges
            && validation::is_validation(&hello)
        {
            return validation::certificate(challenges, &hello);
        }
        Some(Arc::clone(self.current.load().shown_for(hello.server_name(), self.clock.now())))
    }
}
