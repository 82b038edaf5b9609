//! The data directory: which file is where, which process serves it, and how it is created.

use std::fs::{self, DirBuilder, File, OpenOptions, TryLockError};
use std::io::{self, Read, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use rustix::fs::Access;
use rustix::io::Errno;
use zeroize::Zeroizing;

use super::secrets;
use crate::auth::{DataKey, Secret};
use crate::domain::Clock;
use crate::pki::{Authority, NO_FOLLOW, file_system_advice, read_kept_key, restrict_kept_key, write_key, write_public};
use crate::storage::metadata::Metadata;

const README: &str = include_str!("data_directory_readme.txt");

/// A data directory.
#[derive(Clone, Debug)]
pub(crate) struct DataDirectory {
    path: PathBuf,
}

/// The right to serve a data directory, for as long as this lives.
#[derive(Debug)]
pub(crate) struct DataLock {
    _file: File,
}

impl DataDirectory {
    pub(crate) fn at(path: &Path) -> Self {
        Self { path: path.to_owned() }
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// A handle on the directory itself.
    pub(super) fn open(&self) -> anyhow::Result<File> {
        File::open(&self.path).with_context(|| format!("cannot open {}", self.path.display()))
    }

    /// The SQLite database.
    pub(crate) fn database(&self) -> PathBuf {
        self.path.join("portcullis.db")
    }

    /// The file with the administrator's first password: the password and a line feed, nothing else.
    pub(crate) fn first_password(&self) -> PathBuf {
        self.path.join("initial-admin-password")
    }

    /// The password in that file; `None` if the file is missing or contains something else.
    pub(crate) fn read_first_password(&self) -> Option<Secret> {
        let text = Zeroizing::new(fs::read_to_string(self.first_password()).ok()?);
        text.lines().next().filter(|line| !line.is_empty()).and_then(|line| Secret::new(line).ok())
    }

    /// Removes that file, once someone has seen the password.
    pub(crate) fn forget_first_password(&self) -> anyhow::Result<()> {
        match fs::remove_file(self.first_password()) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                Err(error).with_context(|| format!("cannot remove {}", self.first_password().display()))
            }
            _ => Ok(()),
        }
    }

    fn marker(&self) -> PathBuf {
        self.path.join("initialised")
    }

    /// When it was initialised; `None` if it was not, or if that was interrupted.
    pub(crate) fn initialised_on(&self) -> anyhow::Result<Option<String>> {
        match fs::read_to_string(self.marker()) {
            Ok(date) => Ok(Some(date.trim().to_owned())),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
            Err(error) if error.kind() == std::io::ErrorKind::PermissionDenied => bail!(
                "cannot read {}: {error}; run this as root or as the owner of the data directory, or choose another with --data",
                self.marker().display()
            ),
            Err(error) => Err(error).with_context(|| format!("cannot read {}", self.marker().display())),
        }
    }

    /// Refuses a directory that was not initialised. If the file that says so is missing, the database decides.
    pub(crate) fn require_initialised(&self) -> anyhow::Result<()> {
        if self.initialised_on()?.is_some() || (Authority::exists(&self.path) && self.database().exists()) {
            return Ok(());
        }
        Err(self.uninitialised())
    }

    /// The same by the database: an interrupted first start has created one, but no administrator.
    pub(crate) async fn require_first_start_done(&self, metadata: &dyn Metadata) -> anyhow::Result<()> {
        if self.initialised_on()?.is_none() && metadata.is_new().await? { Err(self.uninitialised()) } else { Ok(()) }
    }

    fn uninitialised(&self) -> anyhow::Error {
        anyhow::anyhow!(
            "{} is not initialised: run `portcullis serve` or `portcullis init` first, or choose another directory with --data",
            self.path.display()
        )
    }

    /// To be called when everything else has been created.
    pub(crate) fn mark_initialised(&self, clock: &Clock) -> anyhow::Result<()> {
        write_public(&self.path.join("README"), README.as_bytes())?;
        let now = format!("{}\n", clock.now().strftime("%Y-%m-%dT%H:%M:%SZ"));
        write_key(&self.marker(), now.as_bytes())?;
        Ok(())
    }

    /// Creates the directory, for its owner alone, and checks that this process can work in it.
    pub(crate) fn create(&self) -> anyhow::Result<()> {
        DirBuilder::new().recursive(true).mode(0o700).create(&self.path).with_context(|| {
            format!("cannot create the data directory {}: choose another with --data DIR", self.path.display())
        })?;
        self.require_usable()
    }

    /// Every reason why nothing could be stored here, with what to do.
    fn require_usable(&self) -> anyhow::Result<()> {
        let path = self.path.display();
        let meta = fs::metadata(&self.path).with_context(|| format!("cannot examine {path}"))?;
        if !meta.is_dir() {
            bail!("{path} is not a directory: choose another with --data DIR");
        }
        match rustix::fs::access(&self.path, Access::READ_OK | Access::WRITE_OK | Access::EXEC_OK) {
            Ok(()) => {}
            Err(Errno::ROFS) => bail!(
                "the file system of {path} is mounted read-only: mount it for writing (in a container: a volume without `:ro`), or \
                 choose another directory with --data DIR"
            ),
            Err(errno) => {
                let (me, owner) = (rustix::process::geteuid().as_raw(), meta.uid());
                bail!(
                    "the user {me}, who runs this, cannot write in {path}, which belongs to the user {owner} ({errno}): run this as \
                     the user {owner} or as root, or change the owner (as root: chown -R {me} {path}), or choose another directory \
                     with --data DIR"
                );
            }
        }
        let synced = File::open(&self.path).and_then(|directory| directory.sync_all());
        synced.map_err(|error| failed("sync", &self.path, &error))
    }

    /// Locks the directory for a move to other storage: two at once would be in each other's way.
    pub(super) fn lock_move(&self) -> anyhow::Result<DataLock> {
        let path = self.path.join("move.lock");
        let mut options = OpenOptions::new();
        options.write(true).create(true).truncate(false).mode(0o600).custom_flags(NO_FOLLOW);
        let file = options.open(&path).with_context(|| format!("cannot open {}", path.display()))?;
        match file.try_lock() {
            Ok(()) => Ok(DataLock { _file: file }),
            Err(TryLockError::WouldBlock) => bail!("{} is being moved by another process", self.path.display()),
            Err(TryLockError::Error(error)) => Err(failed("lock", &path, &error)),
        }
    }

    /// Locks the directory for this process; refused while another one serves it.
    pub(crate) fn lock(&self) -> anyhow::Result<DataLock> {
        match self.try_lock()? {
            Ok(lock) => Ok(lock),
            Err(holder) => bail!(
                "{} is already served by process {holder}: stop that process, or choose another directory with --data DIR",
                self.path.display(),
            ),
        }
    }

    /// The same; the inner error is the id of the process that serves it.
    pub(crate) fn try_lock(&self) -> anyhow::Result<Result<DataLock, String>> {
        let path = self.lock_file();
        let mut options = OpenOptions::new();
        options.read(true).write(true).create(true).truncate(false).mode(0o600).custom_flags(NO_FOLLOW);
        let mut file = options.open(&path).with_context(|| format!("cannot open {}", path.display()))?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                let mut holder = String::new();
                // The holder's process id is only a help for the reader.
                let _ = file.read_to_string(&mut holder);
                return Ok(Err(holder.trim().to_owned()));
            }
            Err(TryLockError::Error(error)) => return Err(failed("lock", &path, &error)),
        }
        file.set_len(0)?;
        writeln!(file, "{}", std::process::id())?;
        Ok(Ok(DataLock { _file: file }))
    }

    /// The file that the serving process holds a lock on, and that contains its process id.
    pub(crate) fn lock_file(&self) -> PathBuf {
        self.path.join("lock")
    }

    /// The key that encrypts the secrets in the database; created if it is missing.
    pub(super) fn data_key(&self) -> anyhow::Result<DataKey> {
        self.kept_data_key()?.map_or_else(|| self.make_data_key(), Ok)
    }

    /// The same, if it exists.
    pub(super) fn kept_data_key(&self) -> anyhow::Result<Option<DataKey>> {
        let path = self.data_key_file();
        if !path.try_exists().with_context(|| format!("cannot look for {}", path.display()))? {
            return Ok(None);
        }
        restrict_kept_key(&path)?;
        match secrets::parse(&read_kept_key(&path)?) {
            Some(key) => Ok(Some(key)),
            None => bail!(
                "{} is damaged: restore it from a backup, or remove it and the rows of token_keys",
                path.display()
            ),
        }
    }

    /// Makes one.
    pub(super) fn make_data_key(&self) -> anyhow::Result<DataKey> {
        let key = DataKey::generate();
        self.keep_data_key(&key)?;
        Ok(key)
    }

    /// Keeps this one.
    pub(super) fn keep_data_key(&self, key: &DataKey) -> anyhow::Result<()> {
        DirBuilder::new().recursive(true).mode(0o700).create(self.path.join("keys"))?;
        write_key(&self.data_key_file(), secrets::to_text(key).as_bytes())?;
        Ok(())
    }

    /// Removes one that nothing was encrypted with.
    pub(super) fn remove_data_key(&self) -> anyhow::Result<()> {
        let path = self.data_key_file();
        fs::remove_file(&path).with_context(|| format!("cannot remove {}", path.display()))
    }

    /// Where it is.
    pub(crate) fn data_key_file(&self) -> PathBuf {
        self.path.join("keys").join("seal.key")
    }
}

fn failed(action: &str, path: &Path, error: &io::Error) -> anyhow::Error {
    anyhow::anyhow!("cannot {action} {}: {error}{}", path.display(), file_system_advice(action, error))
}
