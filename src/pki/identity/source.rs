//! Which certificate is served: the configured files; else the ordered one where ACME is switched on; else the imported one; else our own.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use jiff::Timestamp;

use super::pair::repair_pairs;
use super::previous_root::CrossSignedChain;
use super::{Identity, Origin};
use crate::domain::Clock;
use crate::pki::authority::{Authority, RootTransition, root_out_of_time, sweep};
use crate::pki::certificate::subject_name::SubjectName;
use crate::pki::error::PkiError;
use crate::pki::files::changes::{FileChanges, InPlace};
use crate::pki::files::key_mode::restrict_kept_key;
use crate::pki::files::paths::PkiPaths;
use crate::pki::files::private_file::lock_directory;
use crate::pki::files::stamp::FileStamp;
use crate::pki::leaf::{ensure_leaf, has_good_leaf};

/// Where the server finds its certificate, now and after each change.
#[derive(Debug, Clone)]
pub(crate) struct IdentitySource {
    paths: PkiPaths,
    names: Names,
    configured: Option<(PathBuf, PathBuf)>,
    acme: bool,
    clock: Clock,
    changes: Arc<dyn FileChanges>,
}

/// The names that the current authority is to serve.
#[derive(Clone)]
struct Names(Arc<NamesOf>);

type NamesOf = dyn Fn(&Authority) -> Vec<SubjectName> + Send + Sync;

impl std::fmt::Debug for Names {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Names")
    }
}

/// The state of the files behind what is served, compared to see a change.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct SourceStamp {
    origin: Origin,
    chain: FileStamp,
    key: FileStamp,
    /// Root, cross-certificate and cross-signed chain of our own certificate.
    authority: [FileStamp; 4],
}

impl IdentitySource {
    /// The data directory's certificate: the imported one while it exists, else our own for `names`.
    pub(crate) fn data_directory(data_dir: impl Into<PathBuf>, names: Vec<SubjectName>) -> Self {
        Self::following(data_dir, move |_| names.clone())
    }

    /// The same, where the names are those that `names` says of the current authority: a rotation may add some.
    pub(crate) fn following(
        data_dir: impl Into<PathBuf>,
        names: impl Fn(&Authority) -> Vec<SubjectName> + Send + Sync + 'static,
    ) -> Self {
        let paths = PkiPaths::new(data_dir);
        let changes = Arc::new(InPlace::new(paths.data_dir()));
        Self { paths, names: Names(Arc::new(names)), configured: None, acme: false, clock: Clock::system(), changes }
    }

    /// A chain and key at the operator's own paths.
    pub(crate) fn files(data_dir: impl Into<PathBuf>, chain: impl Into<PathBuf>, key: impl Into<PathBuf>) -> Self {
        let configured = Some((chain.into(), key.into()));
        Self { configured, ..Self::data_directory(data_dir, Vec::new()) }
    }

    /// With ACME switched on: the ordered certificate takes the place of an imported one, and until there is one, ours is served.
    #[must_use]
    pub(crate) fn with_acme(mut self) -> Self {
        self.acme = true;
        self
    }

    /// The same, judged by this clock instead of the system's.
    #[must_use]
    pub(crate) fn with_clock(mut self, clock: Clock) -> Self {
        self.clock = clock;
        self
    }

    /// The same, where our own certificate is made there instead of in the data directory itself.
    #[must_use]
    pub(crate) fn with_changes(mut self, changes: Arc<dyn FileChanges>) -> Self {
        self.changes = changes;
        self
    }

    /// What to serve at the start and after a change: our own certificate is issued or renewed first where that is due, and what
    /// interrupted commands have left is finished or destroyed.
    pub(crate) fn prepare(&self) -> Result<Identity, PkiError> {
        self.paths.kept_keys().iter().try_for_each(|key| restrict_kept_key(key))?;
        repair_pairs(&self.paths, self.clock.now())?;
        match self.origin() {
            Origin::ManagedCa => self.ensure_own()?,
            Origin::Acme => match self.load_selected() {
                Err(error) if error.is_fixed_by_reissue() => {
                    tracing::warn!(%error, "the ordered certificate is unusable; serving the registry's own until there is a new one");
                    self.ensure_own()?;
                }
                loaded => return loaded,
            },
            Origin::Imported | Origin::Configured => {}
        }
        self.load()
    }

    /// What to serve after a change. An ordered certificate that cannot be served has nothing put in its place: the one in use stays.
    pub(crate) fn follow(&self) -> Result<Identity, PkiError> {
        if self.origin() == Origin::Acme { self.load_selected() } else { self.prepare() }
    }

    /// Reads what is there now, and makes nothing. Instead of an ordered certificate that cannot be served our own is served.
    pub(crate) fn load(&self) -> Result<Identity, PkiError> {
        match self.load_selected() {
            Err(error) if self.origin() == Origin::Acme && error.is_fixed_by_reissue() => {
                self.load_from(Origin::ManagedCa, &self.paths.leaf_chain(), &self.paths.leaf_key())
            }
            loaded => loaded,
        }
    }

    /// The same without anything in its place.
    pub(crate) fn load_selected(&self) -> Result<Identity, PkiError> {
        let (origin, chain, key) = self.select();
        self.load_from(origin, &chain, &key)
    }

    fn load_from(&self, origin: Origin, chain: &Path, key: &Path) -> Result<Identity, PkiError> {
        let now = self.clock.now();
        let identity = Identity::load(chain, key, origin, now).map_err(|error| match origin {
            // What the root signed ends with it: no certificate made now would be accepted.
            Origin::ManagedCa if error.is_about_time() => root_out_of_time(&self.paths, now).unwrap_or(error),
            _ => error,
        })?;
        match RootTransition::load(&self.paths, now) {
            Some(rotation) if origin == Origin::ManagedCa => Ok(self.with_cross_signed_chain(identity, &rotation, now)),
            _ => Ok(identity),
        }
    }

    /// Without its cross-signed chain a certificate still serves those that trust the root that signed it.
    fn with_cross_signed_chain(&self, identity: Identity, rotation: &RootTransition, now: Timestamp) -> Identity {
        match CrossSignedChain::load(&self.paths, &identity, rotation, now) {
            Ok(cross_signed) => identity.with_cross_signed(cross_signed),
            Err(error) => {
                tracing::warn!(%error, "hosts that trust the previous root are not served with this certificate");
                identity
            }
        }
    }

    /// Issues our own certificate again if that is due; another node may have done so.
    pub(crate) fn renew(&self) -> Result<Identity, PkiError> {
        self.issue_own()?;
        self.load()
    }

    pub(crate) fn signature(&self) -> SourceStamp {
        let (origin, chain, key) = self.select();
        let paths = [
            self.paths.root_certificate(),
            self.paths.cross_certificate(),
            self.paths.cross_signed_chain(),
            self.paths.cross_signed_key(),
        ];
        let authority =
            if origin == Origin::ManagedCa { paths.map(|path| FileStamp::of(&path)) } else { [FileStamp::NONE; 4] };
        SourceStamp { origin, chain: FileStamp::of(&chain), key: FileStamp::of(&key), authority }
    }

    fn ensure_own(&self) -> Result<(), PkiError> {
        let data_dir = self.paths.data_dir();
        lock_directory(data_dir).and_then(|_lock| sweep(&self.paths))?;
        let authority = Authority::load(data_dir, &self.clock)?;
        if has_good_leaf(data_dir, &authority, &self.own_names(&authority))? { Ok(()) } else { self.issue_own() }
    }

    fn issue_own(&self) -> Result<(), PkiError> {
        self.changes.change(&mut |data_dir| {
            let mut authority = Authority::load(data_dir, &self.clock)?;
            let names = self.own_names(&authority);
            ensure_leaf(data_dir, &mut authority, &names).map(drop)
        })
    }

    /// With ACME, our own certificate fills a gap, and does so for the names that it may have.
    fn own_names(&self, authority: &Authority) -> Vec<SubjectName> {
        let may = |name: &SubjectName| !self.acme || authority.check_permitted(std::slice::from_ref(name)).is_ok();
        (self.names.0)(authority).into_iter().filter(may).collect()
    }

    fn origin(&self) -> Origin {
        self.select().0
    }

    fn select(&self) -> (Origin, PathBuf, PathBuf) {
        match &self.configured {
            Some((chain, key)) => (Origin::Configured, chain.clone(), key.clone()),
            None if self.acme && is_present(self.paths.acme_chain()) => {
                (Origin::Acme, self.paths.acme_chain(), self.paths.acme_key())
            }
            None if !self.acme && is_present(self.paths.imported_chain()) => {
                (Origin::Imported, self.paths.imported_chain(), self.paths.imported_key())
            }
            None => (Origin::ManagedCa, self.paths.leaf_chain(), self.paths.leaf_key()),
        }
    }
}

/// Only "not found" means absent: an unreadable import must not fall back to another certificate silently.
fn is_present(path: PathBuf) -> bool {
    !matches!(fs::symlink_metadata(path), Err(error) if error.kind() == io::ErrorKind::NotFound)
}
