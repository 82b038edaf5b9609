//! The data directory: what lies where, who serves it, and how it comes into being.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{Read, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use zeroize::Zeroizing;

use crate::auth::SealKey;
use crate::tls::{read_key, write_key};

const README: &str = include_str!("data_directory_readme.txt");

/// A data directory.
#[derive(Clone, Debug)]
pub(super) struct DataDirectory {
    path: PathBuf,
}

/// The right to serve a data directory, for as long as this lives.
#[derive(Debug)]
pub(super) struct DataLock {
    _file: File,
}

impl DataDirectory {
    pub(super) fn at(path: &Path) -> Self {
        Self { path: path.to_owned() }
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// The SQLite database.
    pub(super) fn database(&self) -> PathBuf {
        self.path.join("portcullis.db")
    }

    /// Where the administrator's first password is written when nobody looks at the terminal.
    pub(super) fn first_password(&self) -> PathBuf {
        self.path.join("initial-admin-password")
    }

    fn marker(&self) -> PathBuf {
        self.path.join("initialised")
    }

    /// When it was initialised; `None` where it was not, or not to the end.
    pub(super) fn initialised_on(&self) -> anyhow::Result<Option<String>> {
        match fs::read_to_string(self.marker()) {
            Ok(date) => Ok(Some(date.trim().to_owned())),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
            Err(error) if error.kind() == std::io::ErrorKind::PermissionDenied => bail!(
                "cannot read {}: {error}; run it as the owner of the data directory (sudo -u OWNER), or name another with --data",
                self.marker().display()
            ),
            Err(error) => Err(error).with_context(|| format!("cannot read {}", self.marker().display())),
        }
    }

    pub(super) fn require_initialised(&self) -> anyhow::Result<()> {
        if self.initialised_on()?.is_some() {
            return Ok(());
        }
        bail!(
            "{} is no data directory of a registry: run `portcullis serve` or `portcullis init` first, or name another with --data",
            self.path.display()
        );
    }

    /// To be called when all else is there.
    pub(super) fn mark_initialised(&self) -> anyhow::Result<()> {
        let readme = self.path.join("README");
        fs::write(&readme, README).with_context(|| format!("cannot write {}", readme.display()))?;
        let now = format!("{}\n", jiff::Timestamp::now().strftime("%Y-%m-%dT%H:%M:%SZ"));
        write_key(&self.marker(), now.as_bytes())?;
        Ok(())
    }

    /// Makes the directory, for its owner alone.
    pub(super) fn create(&self) -> anyhow::Result<()> {
        DirBuilder::new().recursive(true).mode(0o700).create(&self.path).with_context(|| {
            format!("cannot make the data directory {}: choose another with --data DIR", self.path.display())
        })
    }

    /// Takes the directory for this process; refused while another one serves it.
    pub(super) fn lock(&self) -> anyhow::Result<DataLock> {
        match self.try_lock()? {
            Ok(lock) => Ok(lock),
            Err(holder) => bail!(
                "{} is served by process {holder} already: stop that one, or choose another directory with --data DIR",
                self.path.display(),
            ),
        }
    }

    /// The same; the inner error is the number of the process that serves it.
    pub(super) fn try_lock(&self) -> anyhow::Result<Result<DataLock, String>> {
        let path = self.lock_file();
        let file = OpenOptions::new().read(true).write(true).create(true).truncate(false).mode(0o600).open(&path);
        let mut file = file.with_context(|| format!("cannot open {}", path.display()))?;
        if file.try_lock().is_err() {
            let mut holder = String::new();
            // The holder's number is a help; without it the refusal stands as well.
            let _ = file.read_to_string(&mut holder);
            return Ok(Err(holder.trim().to_owned()));
        }
        file.set_len(0)?;
        writeln!(file, "{}", std::process::id())?;
        Ok(Ok(DataLock { _file: file }))
    }

    /// The file that the serving process holds a lock on, and that tells its number.
    pub(super) fn lock_file(&self) -> PathBuf {
        self.path.join("lock")
    }

    /// The key that seals the token keys, made where it is missing.
    pub(super) fn seal_key(&self) -> anyhow::Result<SealKey> {
        let path = self.path.join("keys").join("seal.key");
        if !path.try_exists().with_context(|| format!("cannot look for {}", path.display()))? {
            DirBuilder::new().recursive(true).mode(0o700).create(self.path.join("keys"))?;
            let key = SealKey::generate();
            let text = Zeroizing::new(format!("{}\n", STANDARD.encode(key.expose())));
            write_key(&path, text.as_bytes())?;
        }
        let text = read_key(&path)?;
        let text = String::from_utf8_lossy(&text).trim().to_owned();
        let bytes = STANDARD.decode(Zeroizing::new(text).as_bytes()).ok().and_then(|bytes| bytes.try_into().ok());
        match bytes {
            Some(bytes) => Ok(SealKey::new(bytes)),
            None => bail!(
                "{} is damaged: restore it from a backup, or remove it and the rows of token_keys",
                path.display()
            ),
        }
    }
}
