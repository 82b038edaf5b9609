//! The certificates in use, for those who ask over the wire; and the warnings about them that go to the log.

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

/// An authority that has not changed is read again after so long.
const READ_AGAIN: Duration = Duration::from_hours(1);
/// Between two warnings of the same words.
const WARN_AGAIN: Duration = Duration::from_hours(24);

/// Looks at what is served, and follows the authority behind it.
pub(crate) struct CertificatesInUse {
    serving: Arc<ServingIdentity>,
    data_dir: PathBuf,
    authority: ArcSwapOption<Published>,
    /// What was warned of last, and when.
    warned: Mutex<Option<(String, Instant)>>,
}

/// What is told of the data directory's authority.
struct Published {
    state: AuthorityStamp,
    read: Instant,
    authority: Arc<PublishedAuthority>,
    rotation: Option<(Bytes, Timestamp)>,
    warning: Option<String>,
}

impl CertificatesInUse {
    /// Knows nothing of the authority before [`Self::look`].
    pub(crate) fn new(serving: Arc<ServingIdentity>, data_dir: &Path) -> Self {
        Self { serving, data_dir: data_dir.to_owned(), authority: ArcSwapOption::empty(), warned: Mutex::default() }
    }

    /// Reads the authority anew where its files have changed, and now and then for what becomes due. One that cannot be read leaves
    /// what was known, and so does one whose certificate is not served yet: who fetches the CA must find it at work.
    pub(crate) fn look(&self) {
        let state = AuthorityStamp::of(&self.data_dir);
        let known = self.authority.load();
        if known.as_ref().is_some_and(|known| known.state == state && known.read.elapsed() < READ_AGAIN) {
            return;
        }
        match Authority::load(&self.data_dir, &Clock::system()) {
            Ok(authority) if !authority.vouches_for(&self.serving.current()) => {}
            Ok(authority) => {
                let now = Published::of(&authority, state);
                if known.as_ref().is_some_and(|known| known.authority != now.authority) {
                    now.log();
                }
                self.authority.store(Some(Arc::new(now)));
            }
            Err(error) => tracing::debug!(%error, "cannot read the authority"),
        }
    }

    /// Looks, and warns of what is about to expire; a job does so again and again.
    pub(crate) fn follow(&self) {
        self.look();
        let Some(text) = self.published().and_then(|published| published.warning.clone()) else { return };
        // A warning is stored whole, so a panic elsewhere leaves a sound one.
        let mut warned = self.warned.lock().unwrap_or_else(PoisonError::into_inner);
        if !warned.as_ref().is_some_and(|(told, at)| *told == text && at.elapsed() < WARN_AGAIN) {
            tracing::warn!("{text}");
            *warned = Some((text, Instant::now()));
        }
    }

    /// What is known, where what is served comes from there.
    fn published(&self) -> Option<Arc<Published>> {
        self.authority.load_full().filter(|_| self.serving.current().origin() == Origin::ManagedCa)
    }
}

impl Published {
    fn of(authority: &Authority, state: AuthorityStamp) -> Self {
        let now = Timestamp::now();
        Self {
            state,
            read: Instant::now(),
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
        tracing::info!(ca_sha256 = self.authority.sha256, old_ca_until = until, "another CA is in force");
    }
}

impl Certificates for CertificatesInUse {
    fn authority(&self) -> Option<Arc<PublishedAuthority>> {
        self.published().map(|published| Arc::clone(&published.authority))
    }

    fn rotation(&self) -> Option<Bytes> {
        let (pem, until) = self.published()?.rotation.clone()?;
        (Timestamp::now() < until).then_some(pem)
    }

    fn served(&self) -> ServedCertificate {
        let (current, now) = (self.serving.current(), Timestamp::now());
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
