//! The certificates in use, for `http` to publish; and the warnings about them for the log.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use arc_swap::ArcSwapOption;
use bytes::Bytes;
use jiff::Timestamp;

use crate::domain::Clock;
use crate::http::{Certificates, PublishedAuthority, ServedCertificate};
use crate::pki::{Authority, AuthorityStamp, Origin, expiry_warning};
use crate::tls::ServingIdentity;

/// How often an authority that has not changed is read again.
const READ_AGAIN: Duration = Duration::from_hours(1);
/// How often the same warning is repeated.
const WARN_AGAIN: Duration = Duration::from_hours(24);

/// The certificate that is served, and the authority that signed it.
pub(crate) struct CertificatesInUse {
    serving: Arc<ServingIdentity>,
    data_dir: PathBuf,
    clock: Clock,
    authority: ArcSwapOption<Published>,
    /// The last warning, and when it was logged.
    warned: Mutex<Option<(String, Instant)>>,
}

/// What is published of the data directory's authority.
struct Published {
    state: AuthorityStamp,
    read: Instant,
    authority: Arc<PublishedAuthority>,
    rotation: Option<(Bytes, Timestamp)>,
    warning: Option<String>,
}

impl CertificatesInUse {
    /// Has no authority before [`Self::look`].
    pub(crate) fn new(serving: Arc<ServingIdentity>, data_dir: &Path, clock: Clock) -> Self {
        let (data_dir, authority) = (data_dir.to_owned(), ArcSwapOption::empty());
        Self { serving, data_dir, clock, authority, warned: Mutex::default() }
    }

    /// Reads the authority again if its files have changed, and every hour for what becomes due. An authority that cannot be read, or
    /// whose certificate is not served yet, does not replace the published one: clients that fetch the CA must be able to use it.
    pub(crate) fn look(&self) {
        let state = AuthorityStamp::of(&self.data_dir);
        let known = self.authority.load();
        if known.as_ref().is_some_and(|known| known.state == state && self.since(known.read) < READ_AGAIN) {
            return;
        }
        match Authority::load(&self.data_dir, &self.clock) {
            Ok(authority) if !authority.vouches_for(&self.serving.current()) => {}
            Ok(authority) => {
                let now = Published::of(&authority, state, &self.clock);
                if known.as_ref().is_some_and(|known| known.authority != now.authority) {
                    now.log();
                }
                self.authority.store(Some(Arc::new(now)));
            }
            Err(error) => tracing::debug!(%error, "cannot read the authority"),
        }
    }

    /// Reads the authority and warns of what is about to expire; a job calls this repeatedly.
    pub(crate) fn follow(&self) {
        self.look();
        let Some(text) = self.published().and_then(|published| published.warning.clone()) else { return };
        // A warning is stored whole, so it is intact even after a panic elsewhere.
        let mut warned = self.warned.lock().unwrap_or_else(PoisonError::into_inner);
        if !warned.as_ref().is_some_and(|(told, at)| *told == text && self.since(*at) < WARN_AGAIN) {
            tracing::warn!("{text}");
            *warned = Some((text, self.clock.instant()));
        }
    }

    fn since(&self, then: Instant) -> Duration {
        self.clock.instant().saturating_duration_since(then)
    }

    /// The authority, if it signed the certificate that is served.
    fn published(&self) -> Option<Arc<Published>> {
        self.authority.load_full().filter(|_| self.serving.current().origin() == Origin::ManagedCa)
    }
}

impl Published {
    fn of(authority: &Authority, state: AuthorityStamp, clock: &Clock) -> Self {
        let now = clock.now();
        Self {
            state,
            read: clock.instant(),
            authority: Arc::new(PublishedAuthority {
                pem: authority.root_pem().into(),
                sha256: authority.fingerprint().to_string(),
                constrained: authority.is_constrained(),
            }),
            rotation: authority.rotation(now).map(|rotation| (rotation.to_pem().into(), rotation.until())),
            warning: authority.expiry_warning(now),
        }
    }

    fn log(&self) {
        let until = self.rotation.as_ref().map(|(_, until)| tracing::field::display(*until));
        tracing::info!(ca_sha256 = self.authority.sha256, old_ca_until = until, "the CA has changed");
    }
}

impl Certificates for CertificatesInUse {
    fn authority(&self) -> Option<Arc<PublishedAuthority>> {
        self.published().map(|published| Arc::clone(&published.authority))
    }

    fn rotation(&self) -> Option<Bytes> {
        let (pem, until) = self.published()?.rotation.clone()?;
        (self.clock.now() < until).then_some(pem)
    }

    fn served(&self) -> ServedCertificate {
        let (current, now) = (self.serving.current(), self.clock.now());
        let until = current.summary().not_after;
        let warnings =
            [expiry_warning(&current, now), self.published().and_then(|published| published.warning.clone())];
        let warnings: Vec<String> = warnings.into_iter().flatten().collect();
        ServedCertificate {
            names: current.summary().names.clone(),
            not_after: until.to_string(),
            days_left: until.as_second().saturating_sub(now.as_second()).div_euclid(86_400),
            warning: (!warnings.is_empty()).then(|| warnings.join("; ")),
        }
    }
}
