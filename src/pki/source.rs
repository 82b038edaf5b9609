//! Which certificate is served: the configured files; else the ordered one where ACME is switched on; else the imported one; else our own.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use jiff::Timestamp;

use super::authority::{Authority, Rotation, root_out_of_time, sweep};
use super::bridge::Bridge;
use super::error::TlsError;
use super::file_state::FileState;
use super::identity::{Identity, Origin};
use super::leaf::{ensure_leaf, renew_leaf};
use super::pair::mend_pairs;
use super::paths::TlsPaths;
use super::private_file::lock_directory;
use super::subject_name::SubjectName;

/// Where the server finds its certificate, now and after each change.
#[derive(Debug, Clone)]
pub struct IdentitySource {
    paths: TlsPaths,
    names: Names,
    given: Option<(PathBuf, PathBuf)>,
    acme: bool,
}

/// The names that the authority at hand is to serve.
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
pub(crate) struct Signature {
    origin: Origin,
    chain: FileState,
    key: FileState,
    /// Root, statement and bridge of our own certificate.
    authority: [FileState; 4],
}

impl IdentitySource {
    /// The data directory's certificate: the imported one while there is one, else our own for `names`.
    pub fn data_directory(data_dir: impl Into<PathBuf>, names: Vec<SubjectName>) -> Self {
        Self::following(data_dir, move |_| names.clone())
    }

    /// The same, where the names are those that `names` says of the authority at hand: a rotation may add some.
    pub fn following(
        data_dir: impl Into<PathBuf>,
        names: impl Fn(&Authority) -> Vec<SubjectName> + Send + Sync + 'static,
    ) -> Self {
        Self { paths: TlsPaths::new(data_dir), names: Names(Arc::new(names)), given: None, acme: false }
    }

    /// A chain and key at the operator's own paths.
    pub fn files(data_dir: impl Into<PathBuf>, chain: impl Into<PathBuf>, key: impl Into<PathBuf>) -> Self {
        let given = Some((chain.into(), key.into()));
        Self { given, ..Self::data_directory(data_dir, Vec::new()) }
    }

    /// With ACME switched on: the ordered certificate takes the place of an imported one, and until there is one, ours is served.
    #[must_use]
    pub fn with_acme(mut self) -> Self {
        self.acme = true;
        self
    }

    /// What to serve at the start and after a change: our own certificate is issued or renewed first where that is due, and what
    /// interrupted commands have left is finished or destroyed.
    pub fn prepare(&self) -> Result<Identity, TlsError> {
        mend_pairs(&self.paths)?;
        match self.origin() {
            Origin::Own => self.ensure_own()?,
            Origin::Acme => match self.load_selected() {
                Err(error) if error.is_mended_by_reissue() => {
                    tracing::warn!(%error, "the ordered certificate is unusable; serving the registry's own until there is a new one");
                    self.ensure_own()?;
                }
                loaded => return loaded,
            },
            Origin::Imported | Origin::Given => {}
        }
        self.load()
    }

    /// What to serve after a change. An ordered certificate that cannot be served has nothing put in its place: the one in use stays.
    pub(crate) fn follow(&self) -> Result<Identity, TlsError> {
        if self.origin() == Origin::Acme { self.load_selected() } else { self.prepare() }
    }

    /// Reads what is there now, and makes nothing. In the place of an ordered certificate that cannot be served stands our own.
    pub fn load(&self) -> Result<Identity, TlsError> {
        match self.load_selected() {
            Err(error) if self.origin() == Origin::Acme && error.is_mended_by_reissue() => {
                self.load_from(Origin::Own, &self.paths.leaf_chain(), &self.paths.leaf_key())
            }
            loaded => loaded,
        }
    }

    /// The same without anything in its place.
    pub(crate) fn load_selected(&self) -> Result<Identity, TlsError> {
        let (origin, chain, key) = self.select();
        self.load_from(origin, &chain, &key)
    }

    fn load_from(&self, origin: Origin, chain: &Path, key: &Path) -> Result<Identity, TlsError> {
        let now = Timestamp::now();
        let identity = Identity::load(chain, key, origin, now).map_err(|error| match origin {
            // What the root signed ends with it: no certificate made now would be accepted.
            Origin::Own if error.is_about_time() => root_out_of_time(&self.paths, now).unwrap_or(error),
            _ => error,
        })?;
        match Rotation::load(&self.paths, now) {
            Some(rotation) if origin == Origin::Own => Ok(self.bridged(identity, &rotation, now)),
            _ => Ok(identity),
        }
    }

    /// Without its bridge a certificate still serves those that trust the root that signed it.
    fn bridged(&self, identity: Identity, rotation: &Rotation, now: Timestamp) -> Identity {
        match Bridge::load(&self.paths, &identity, rotation, now) {
            Ok(bridge) => identity.with_bridge(bridge),
            Err(error) => {
                tracing::warn!(%error, "hosts that trust the root before are not served with this certificate");
                identity
            }
        }
    }

    /// Makes our own certificate anew.
    pub(crate) fn renew(&self) -> Result<Identity, TlsError> {
        let mut authority = Authority::load(self.paths.data_dir())?;
        let names = self.own_names(&authority);
        renew_leaf(self.paths.data_dir(), &mut authority, &names)?;
        self.load()
    }

    pub(crate) fn signature(&self) -> Signature {
        let (origin, chain, key) = self.select();
        let paths = [
            self.paths.root_certificate(),
            self.paths.cross_certificate(),
            self.paths.bridge_chain(),
            self.paths.bridge_key(),
        ];
        let authority =
            if origin == Origin::Own { paths.map(|path| FileState::of(&path)) } else { [FileState::NONE; 4] };
        Signature { origin, chain: FileState::of(&chain), key: FileState::of(&key), authority }
    }

    fn ensure_own(&self) -> Result<(), TlsError> {
        let data_dir = self.paths.data_dir();
        lock_directory(data_dir).and_then(|_lock| sweep(&self.paths))?;
        let mut authority = Authority::load(data_dir)?;
        let names = self.own_names(&authority);
        ensure_leaf(data_dir, &mut authority, &names)?;
        Ok(())
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
        match &self.given {
            Some((chain, key)) => (Origin::Given, chain.clone(), key.clone()),
            None if self.acme && is_present(self.paths.acme_chain()) => {
                (Origin::Acme, self.paths.acme_chain(), self.paths.acme_key())
            }
            None if !self.acme && is_present(self.paths.imported_chain()) => {
                (Origin::Imported, self.paths.imported_chain(), self.paths.imported_key())
            }
            None => (Origin::Own, self.paths.leaf_chain(), self.paths.leaf_key()),
        }
    }
}

/// Only "not found" means absent: an unreadable import must not fall back to another certificate silently.
fn is_present(path: PathBuf) -> bool {
    !matches!(fs::symlink_metadata(path), Err(error) if error.kind() == io::ErrorKind::NotFound)
}
