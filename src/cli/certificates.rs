//! The certificates in use, for those who ask over the wire.

use std::sync::Arc;

use jiff::Timestamp;

use crate::http::{Certificates, PublishedAuthority, ServedCertificate};
use crate::tls::{Authority, Origin, ServingIdentity, expiry_warning};

/// Looks at what is served, and knows the authority behind it.
pub(super) struct CertificatesInUse {
    serving: Arc<ServingIdentity>,
    authority: Option<Arc<PublishedAuthority>>,
}

impl CertificatesInUse {
    /// `authority` is the data directory's own, where what is served comes from it.
    pub(super) fn new(serving: Arc<ServingIdentity>, authority: Option<&Authority>) -> Self {
        let publish = |authority: &Authority| {
            Arc::new(PublishedAuthority {
                pem: authority.root_pem().into(),
                sha256: authority.fingerprint().to_string(),
            })
        };
        Self { serving, authority: authority.map(publish) }
    }
}

impl Certificates for CertificatesInUse {
    fn authority(&self) -> Option<Arc<PublishedAuthority>> {
        // An ordered certificate takes the place of ours while the server runs.
        if self.serving.current().origin() == Origin::Own { self.authority.clone() } else { None }
    }

    fn served(&self) -> ServedCertificate {
        let (current, now) = (self.serving.current(), Timestamp::now());
        let until = current.summary().not_after;
        ServedCertificate {
            not_after: until.to_string(),
            days_left: until.as_second().saturating_sub(now.as_second()).div_euclid(86_400),
            warning: expiry_warning(&current, now),
        }
    }
}
